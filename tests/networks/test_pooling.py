import pytest
import torch

from haarmony import WCT2
from haarmony.errors import InputError
from haarmony.methods.recipe import STAGES, Recipe
from haarmony.networks.pooling import POOLING_NAMES, POOLINGS, LearnedPooling, merge_phases, split_phases
from haarmony.networks.vgg19 import VGG19
from haarmony.wavelets import analyse, frame_error

SIZES = pytest.mark.parametrize("size", [(2, 2), (6, 8), (7, 5), (1, 4)])
PHASES = torch.eye(4).view(4, 2, 2)


@SIZES
def test_the_phases_come_back_exactly(size):
    x = torch.rand(2, 3, *size)
    assert torch.equal(merge_phases(split_phases(x), size), x)


def test_the_phases_are_a_tight_frame_and_an_average_is_none():
    x = torch.rand(1, 2, 6, 8)
    assert frame_error(PHASES) < 1e-12
    assert torch.equal(torch.stack(split_phases(x), 2), analyse(x, PHASES))
    assert frame_error(torch.full((1, 2, 2), 0.5)) > 0.5


@SIZES
@pytest.mark.parametrize("name", POOLINGS)
def test_what_was_pooled_has_its_size_and_what_is_flat_comes_back(name, size):
    pooling = POOLINGS[name]
    flat = torch.full((1, 2, *size), 0.3)
    kept, skip = pooling.pool(flat)
    assert kept.shape[-2:] == tuple((side + 1) // 2 for side in size)
    torch.testing.assert_close(kept, torch.full_like(kept, 0.3 * pooling.gain))
    back = pooling.unpool(kept, skip)
    assert back.shape == flat.shape
    if name == "max":
        assert float(back.sum()) == pytest.approx(0.3 * kept.numel())
    else:
        torch.testing.assert_close(back, flat)


@SIZES
@pytest.mark.parametrize("name", ["haar", "split"])
def test_orthonormal_poolings_lose_nothing(name, size):
    x = torch.rand(1, 2, *size)
    torch.testing.assert_close(POOLINGS[name].unpool(*POOLINGS[name].pool(x)), x)


@SIZES
def test_a_learned_pooling_begins_as_the_phases(size):
    x = torch.rand(2, 3, *size)
    kept, skip = LearnedPooling(3).pool(x)
    wanted, other = POOLINGS["split"].pool(x)
    assert torch.equal(kept, wanted)
    for band, phase in zip(skip.high, other.high, strict=True):
        assert torch.equal(band, phase)
    assert torch.equal(LearnedPooling(3).unpool(kept, skip), x)


def test_a_learned_pooling_filters_each_channel_by_its_own_bank():
    torch.manual_seed(0)
    pooling = LearnedPooling(3)
    pooling.analysis.data = torch.randn(3, 4, 4)
    x = torch.rand(2, 3, 6, 8)
    kept, skip = pooling.pool(x)
    for channel, filters in enumerate(pooling.analysis):
        wanted = analyse(x[:, channel : channel + 1], filters.view(4, 2, 2))[:, 0]
        made = torch.stack([band[:, channel] for band in (kept, *skip.high)], 1)
        torch.testing.assert_close(made, wanted)
    pooling.synthesis.data = torch.linalg.inv(pooling.analysis)
    torch.testing.assert_close(pooling.unpool(kept, skip), x, atol=1e-4, rtol=1e-4)


def test_maxima_are_put_where_they_were():
    x = torch.rand(1, 2, 6, 8)
    back = POOLINGS["max"].unpool(*POOLINGS["max"].pool(x))
    assert torch.equal(back[back > 0], x[back > 0])
    assert int((back > 0).sum()) == x.numel() // 4


@pytest.mark.parametrize("name", POOLING_NAMES)
def test_every_pooling_makes_a_network_that_stylizes(name):
    torch.manual_seed(0)
    model = WCT2(VGG19("sum", name).eval(), Recipe(STAGES))
    content, style = torch.rand(1, 3, 19, 26), torch.rand(1, 3, 24, 17)
    with torch.no_grad():
        made = model(content, model.style(style))
        same = model(content, model.style(style), strength=0.0)
    assert made.shape == content.shape
    assert made.isfinite().all()
    assert (made - same).abs().max() > 1e-4
    skips = {site for site in model.style(style).sites if site.startswith("skip")}
    assert bool(skips) == (name in ("haar", "split", "learned"))


@pytest.mark.parametrize(("variant", "name"), [("cat5", "split"), ("cat5", "learned"), ("sum", "median")])
def test_a_pooling_that_does_not_go_is_refused(variant, name):
    with pytest.raises(InputError, match="choose haar"):
        VGG19(variant, name)
