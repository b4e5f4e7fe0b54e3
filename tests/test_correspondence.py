import pytest
import torch
from torch import Tensor

from haarmony.correspondence import MOST, View, corresponding, kinds, usual
from haarmony.errors import InputError


def landscape(height: int, width: int, sky: Tensor, ground: Tensor, horizon: float, *, seed: int = 0) -> View:
    """A smooth sky over a rough ground."""
    generator = torch.Generator().manual_seed(seed)
    picture = sky.view(1, 3, 1, 1).expand(1, 3, height, width).clone()
    below = slice(round(height * horizon), height)
    rough = 0.15 * torch.randn(1, 1, height, width, generator=generator)
    picture[..., below, :] = (ground.view(1, 3, 1, 1) + rough)[..., below, :]
    picture = picture.clamp(0, 1)
    return View(picture, torch.nn.functional.avg_pool2d(picture, 4))


DAY = landscape(96, 128, torch.tensor([0.5, 0.7, 0.9]), torch.tensor([0.3, 0.4, 0.2]), 0.6)
DUSK = landscape(120, 100, torch.tensor([0.9, 0.5, 0.3]), torch.tensor([0.15, 0.1, 0.1]), 0.4, seed=1)


def test_sky_belongs_to_sky_and_ground_to_ground() -> None:
    day, dusk = corresponding(DAY, DUSK, 2)
    sky = int(day[:, 2].mean(1).argmax())
    assert day[sky, :13].min() > 0.9
    assert day[sky, 16:].max() < 0.1
    assert dusk[sky, :11].min() > 0.9
    assert dusk[sky, 13:].max() < 0.1


@pytest.mark.parametrize("count", [2, 3, MOST])
def test_weights_are_weights(count: int) -> None:
    for weights, view in zip(corresponding(DAY, DUSK, count), (DAY, DUSK), strict=True):
        assert weights.shape == (count, *view.deep.shape[-2:])
        assert weights.min() >= 0
        torch.testing.assert_close(weights.sum(0), torch.ones(view.deep.shape[-2:]))


def test_the_same_seed_gives_the_same_bytes() -> None:
    for first, second in zip(corresponding(DAY, DUSK, 3), corresponding(DAY, DUSK, 3), strict=True):
        assert torch.equal(first, second)


def test_a_picture_is_divided_like_itself() -> None:
    first, second = corresponding(DAY, DAY, 3)
    torch.testing.assert_close(first, second)


@pytest.mark.parametrize("value", [0.0, 0.5])
@pytest.mark.parametrize("size", [(1, 1), (1, 9), (8, 8)])
def test_flat_and_tiny_pictures_give_finite_weights(value: float, size: tuple[int, int]) -> None:
    flat = View(torch.full((1, 3, *size), value), torch.full((1, 4, *size), value))
    for weights in corresponding(flat, DAY_FLAT, 2):
        assert weights.isfinite().all()


DAY_FLAT = View(torch.full((1, 3, 12, 12), 0.2), torch.zeros(1, 4, 3, 3))


@pytest.mark.parametrize("count", [0, 1, MOST + 1])
def test_counts_that_make_no_sense_are_refused(count: int) -> None:
    with pytest.raises(InputError, match=f"2 to {MOST}"):
        corresponding(DAY, DUSK, count)


def test_a_small_style_counts_as_much_as_a_large_content() -> None:
    """Of 88 x 88 places beside 16 x 16, in which there is something that the content has not."""
    content = landscape(352, 352, torch.tensor([0.5, 0.7, 0.9]), torch.tensor([0.3, 0.4, 0.2]), 0.6)
    style = landscape(64, 64, torch.tensor([0.9, 0.5, 0.3]), torch.tensor([0.15, 0.1, 0.1]), 0.4, seed=1)
    found = kinds([content], [style], 3)
    shares = [found.weights(view, usual([view])).mean((1, 2)).double() for view in (content, style)]
    torch.testing.assert_close(found.shares, (shares[0] + shares[1]) / 2, rtol=0, atol=0.01)


def test_of_several_styles_each_counts_alike() -> None:
    styles = [
        DUSK,
        landscape(64, 64, torch.tensor([0.9, 0.5, 0.3]), torch.tensor([0.1, 0.1, 0.1]), 0.8, seed=2),
    ]
    found = kinds([DAY], styles, 2)
    of_content, *of_styles = (
        found.weights(one, usual([one])).mean((1, 2)).double() for one in (DAY, *styles)
    )
    wanted = (of_content + torch.stack(of_styles).mean(0)) / 2
    torch.testing.assert_close(found.shares, wanted, rtol=0, atol=0.01)
