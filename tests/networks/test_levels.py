import pytest
import torch

from haarmony.networks.compact import Compact
from haarmony.networks.enlarging import without_alternation
from haarmony.networks.imagined import ImaginedCompact
from haarmony.networks.levels import PooledLevels, WaveletLevels
from haarmony.networks.pooled import PooledVGG19


@pytest.mark.parametrize("size", [(1, 1), (7, 10), (16, 24)])
def test_imagined_bands_fit_any_size(size):
    network = ImaginedCompact(Compact())
    for level in network.levels:
        assert network(torch.rand(2, 3, *size), level).shape == (2, 3, *size)


def test_untrained_imagination_is_no_detail():
    compact = Compact()
    network, x = ImaginedCompact(compact), torch.rand(1, 3, 16, 16)
    features, skips = compact.encode_all(x)
    blurred = features[4]
    for level in (4, 3, 2, 1):
        if level > 2:
            high = tuple(torch.zeros_like(band) for band in skips[level - 1].high)
            skips[level - 1] = type(skips[level - 1])(high, skips[level - 1].size)
        blurred = compact.decode(level, blurred, skips)
        if level > 2:
            blurred = without_alternation(blurred)
    torch.testing.assert_close(network(x, 4), blurred)


def test_what_is_imagined_alike_everywhere_makes_no_grid():
    network = ImaginedCompact(Compact())
    for imagination in network.imagine.values():
        torch.nn.init.normal_(imagination[-1].bias)
    _, aside = network.encode(torch.rand(1, 3, 96, 96), 4)
    picture = network.decode(torch.randn(1, 96, 1, 1).expand(1, 96, 12, 12), 4, aside)
    for cell in (picture[..., top::2, left::2] for top in range(2) for left in range(2)):
        inside = cell[..., 12:-12, 12:-12]
        torch.testing.assert_close(inside, inside[..., :1, :1].expand_as(inside))


def test_what_a_decoder_gets_says_nothing_of_the_picture_but_its_size():
    _, aside = ImaginedCompact(Compact()).encode(torch.rand(1, 3, 9, 12), 4)
    assert aside == {0: (9, 12), 2: (5, 6), 3: (3, 3)}


def test_a_wavelet_network_comes_back_from_every_level():
    compact = Compact()
    network, x = WaveletLevels(compact), torch.rand(1, 3, 16, 20)
    torch.testing.assert_close(network(x, 4), compact(x))
    assert network(x, 2).shape == x.shape


def test_levels_of_vgg19_share_their_encoder():
    deep = PooledVGG19(2)
    network = PooledLevels({2: deep, 1: PooledVGG19(1, encoder=deep.encoder)})
    assert network.levels == (1, 2)
    assert network.smallest == 3
    alone = sum(p.numel() for p in deep.parameters())
    first = sum(p.numel() for p in network.networks["1"].decoder.parameters())
    assert sum(p.numel() for p in network.parameters()) == alone + first
