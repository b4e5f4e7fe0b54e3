import pytest
import torch

from haarmony.errors import InputError
from haarmony.networks.pooled import PooledVGG19


@pytest.mark.parametrize("unpooling", ["nearest", "places"])
@pytest.mark.parametrize("level", [1, 2, 3, 4])
@pytest.mark.parametrize("size", [(16, 24), (17, 9), (31, 10)])
def test_any_size_comes_back(level, unpooling, size):
    network = PooledVGG19(level, unpooling)
    features, poolings = network.encode_all(torch.rand(2, 3, *size))
    assert list(features) == [1, 2, 3, 4][:level]
    assert list(poolings) == [1, 2, 3][: level - 1]
    assert network.decode(features[level], poolings).shape == (2, 3, *size)


@pytest.mark.parametrize("size", [(8, 8), (7, 5)])
def test_unpooling_puts_every_maximum_where_it_came_from(size):
    network = PooledVGG19(2, "places")
    x = torch.rand(2, 3, *size)
    pooled, pooling = network.pool(x)
    back = network.unpool(pooled, pooling)
    kept = back != 0
    assert torch.equal(back[kept], x[kept])
    assert torch.equal(kept.sum((2, 3)), torch.full((2, 3), pooled[0, 0].numel()))
    again, _ = network.pool(back)
    assert torch.equal(again, pooled)


def test_nearest_unpooling_repeats_every_value():
    network = PooledVGG19(2)
    pooled, pooling = network.pool(torch.rand(1, 2, 6, 7))
    assert pooling.places is None
    back = network.unpool(pooled, pooling)
    assert back.shape == (1, 2, 6, 7)
    assert torch.equal(back[..., 0::2, 0::2], pooled)
    assert torch.equal(back[..., 1::2, 1::2], pooled[..., :3])


def test_one_encoder_serves_several_levels():
    deep = PooledVGG19(3)
    shallow = PooledVGG19(2, encoder=deep.encoder)
    x = torch.rand(1, 3, 16, 16)
    assert torch.equal(shallow.encode_all(x)[0][2], deep.encode_all(x)[0][2])
    assert list(deep.encode_all(x, level=2)[0]) == [1, 2]


def test_what_does_not_fit_is_refused():
    with pytest.raises(InputError, match="level"):
        PooledVGG19(6)
    with pytest.raises(InputError, match="sides >= 9"):
        PooledVGG19(4)(torch.rand(1, 3, 8, 20))
