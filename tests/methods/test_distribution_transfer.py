import pytest
import torch
from torch import Tensor

from haarmony.methods import DistributionTransfer
from haarmony.methods import distribution_transfer as module
from haarmony.methods.distribution_transfer import _sample


@pytest.fixture(autouse=True)
def few(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "_SAMPLE", 256)


def noise(seed: int, *, low: float = 0.0, high: float = 1.0) -> Tensor:
    return low + (high - low) * torch.rand(1, 3, 80, 100, generator=torch.Generator().manual_seed(seed))


def seeded() -> torch.Generator:
    return torch.Generator().manual_seed(7)


def corner(side: int) -> Tensor:
    """The weights of a square of pixels, which belong to it more or less."""
    weight = torch.zeros(80, 100)
    weight[:side, :side] = torch.linspace(0.1, 1, side)
    return weight


def test_without_weights_a_sample_is_drawn_from_all() -> None:
    colours, weights = _sample(noise(0), None, seeded())
    chosen = torch.randint(8000, (256,), generator=seeded())
    assert weights is None
    assert torch.equal(colours, noise(0)[0].flatten(1)[:, chosen])


def test_of_a_small_region_every_colour_is_known() -> None:
    colours, weights = _sample(noise(0), corner(9), seeded())
    assert torch.equal(colours, noise(0)[0, :, :9, :9].flatten(1))
    assert torch.equal(weights, corner(9)[:9, :9].flatten())


def test_of_a_large_region_a_sample_is_drawn_from_it_alone() -> None:
    inside = {tuple(colour) for colour in noise(0)[0, :, :40, :40].flatten(1).T.tolist()}
    colours, weights = _sample(noise(0), corner(40), seeded())
    assert colours.shape == (3, 256)
    assert {tuple(colour) for colour in colours.T.tolist()} <= inside
    assert weights.min() > 0
    again, _ = _sample(noise(0), corner(40), seeded())
    assert torch.equal(again, colours)


def test_a_small_region_of_a_large_picture_gets_its_own_colours() -> None:
    content, style = noise(0, low=0.2, high=0.4), noise(1)
    style[..., :9, :9] = noise(2, low=0.7, high=0.9)[..., :9, :9]
    change = DistributionTransfer().colour_map(content, style, corner(9), corner(9))
    wanted, made = style[0, :, :9, :9].flatten(1), change(content)[0, :, :9, :9].flatten(1)
    weight = corner(9)[:9, :9].flatten() / corner(9).sum()
    for moment in (lambda x: (weight * x).sum(1), lambda x: (weight * x.square()).sum(1)):
        torch.testing.assert_close(moment(made), moment(wanted), rtol=0, atol=0.01)


def test_a_region_without_a_pixel_changes_nothing() -> None:
    content = noise(0)
    change = DistributionTransfer(rotations=2).colour_map(content, noise(1), corner(9), torch.zeros(80, 100))
    here = content[..., :9, :9]
    torch.testing.assert_close(change(here), here, rtol=0, atol=1e-4)
