import pytest
import torch
from torch import Tensor
from torch.nn import functional as F

from haarmony.moments import Moments
from haarmony.texture import GAINS, LOWERED_SHARE, roughness, texture, texture_moments, textured

LUMA = torch.tensor([0.299, 0.587, 0.114])
GRID = (6, 8)
EYE = torch.eye(3).expand(1, *GRID, 3, 3)


def rough(
    contrast: float, *, colour: float = 0.0, seed: int = 0, slope: tuple[float, ...] = (1.0, 1.0, 1.0)
) -> Tensor:
    """Grain about grey whose luma rises by `contrast` while its colours rise by `slope` times as much."""
    generator = torch.Generator().manual_seed(seed)
    noise = torch.randn(1, 1, 192, 256, generator=generator) * torch.tensor(slope).view(1, 3, 1, 1)
    hue = torch.randn(1, 1, 192, 256, generator=generator) * torch.tensor([1.0, -0.4, -0.6]).view(1, 3, 1, 1)
    return 0.5 + contrast * noise + colour * hue


def led(
    picture: Tensor,
    style: Tensor,
    *,
    maps: Tensor = EYE,
    colour: tuple[float, ...] | None = None,
    share: float = 1.0,
    raised: float = 1.0,
) -> Tensor:
    """The maps of a picture, whose mean colour becomes another or what they make of it, led to a style."""
    before = F.adaptive_avg_pool2d(picture, GRID).permute(0, 2, 3, 1).contiguous()
    after = (maps @ before[..., None])[..., 0] if colour is None else torch.tensor(colour).expand_as(before)
    here, there = roughness(picture, GRID), texture_moments(style)
    return textured(maps, here, there, before=before, after=after, sigma=2, share=share, raised=raised)


def contrast_of(matrix: Tensor) -> Tensor:
    return LUMA @ matrix[0, 3, 4] @ torch.ones(3)


def test_slow_changes_are_no_texture() -> None:
    slope = torch.linspace(0, 1, 256).expand(1, 3, 192, 256)
    assert texture(slope)[..., 20:-20].abs().max() < 1e-3
    assert texture(rough(0.1)).std() == pytest.approx(0.1, rel=0.1)


def test_the_texture_of_a_region_knows_nothing_of_its_neighbour() -> None:
    picture = torch.full((1, 3, 60, 80), 0.2)
    picture[..., 40:] = 0.9
    left = torch.zeros(60, 80)
    left[:, :40] = 1
    assert texture_moments(picture, left).covariance().abs().max() < 1e-8
    assert texture_moments(picture).covariance().max() > 1e-4


def test_extremes_are_those_of_the_region_in_each_cell() -> None:
    picture, right = torch.full((1, 3, 12, 16), 0.5), torch.zeros(12, 16)
    picture[..., 0, 15], picture[..., 11, 0], right[:, 8:] = 0.9, 0.1, 1
    least, greatest = roughness(picture, (2, 2)).extremes[0]
    torch.testing.assert_close(least, torch.tensor([[0.5, 0.5], [0.1, 0.5]]))
    torch.testing.assert_close(greatest, torch.tensor([[0.5, 0.9], [0.5, 0.5]]))
    least, greatest = roughness(picture, (2, 2), right).extremes[0]
    torch.testing.assert_close(least, torch.tensor([[1, 0.5], [1, 0.5]]))
    torch.testing.assert_close(greatest, torch.tensor([[0, 0.9], [0, 0.5]]))


def test_equal_textures_leave_the_map_of_a_picture_to_itself() -> None:
    picture = rough(0.05, colour=0.02)
    kept = led(picture, picture)
    torch.testing.assert_close(kept, EYE.contiguous(), rtol=0, atol=1e-5)


@pytest.mark.parametrize(
    ("ratio", "raised", "share"), [(0.5, 0.3, LOWERED_SHARE), (1.5, 1, 1), (1.5, 0.5, 0.5)]
)
def test_contrast_goes_its_share_of_the_way(ratio: float, raised: float, share: float) -> None:
    changed = led(rough(0.1), rough(0.1 * ratio, seed=1), raised=raised)
    assert float(contrast_of(changed)) == pytest.approx(ratio**share, rel=0.03)


@pytest.mark.parametrize("ratio", [0.01, 50.0])
def test_gains_are_bounded(ratio: float) -> None:
    picture = rough(0.05)
    changed = led(picture, rough(0.05 * ratio))
    assert GAINS[0] - 1e-6 <= float(contrast_of(changed)) <= GAINS[1] + 1e-6


def test_what_is_flat_is_not_amplified() -> None:
    faint = rough(0.001, colour=0.001)
    changed = led(faint, rough(0.2, colour=0.2))
    assert (changed - EYE).abs().max() < 0.02


def test_luma_never_takes_the_noise_of_colours() -> None:
    mixing = (torch.eye(3) + 0.5 * torch.randn(3, 3, generator=torch.Generator().manual_seed(0))).expand_as(
        EYE
    )
    changed = led(rough(0.1, colour=0.1), rough(0.1), maps=mixing)
    rows = F.normalize(LUMA @ changed, dim=-1)
    torch.testing.assert_close(rows, F.normalize(LUMA, dim=0).expand_as(rows), rtol=0, atol=1e-5)


def test_no_share_keeps_the_contrast() -> None:
    changed = led(rough(0.1), rough(0.02), share=0)
    torch.testing.assert_close(changed, EYE.contiguous(), rtol=0, atol=1e-5)


RED_ROCK = (1.7, 0.8, 0.2)


def test_light_and_shade_take_the_colour_of_the_styles() -> None:
    style, colour = rough(0.1, slope=RED_ROCK), tuple(0.5 * part for part in RED_ROCK)
    assert float(torch.tensor(RED_ROCK) @ LUMA) == pytest.approx(1, abs=0.01)
    rising = led(rough(0.1, seed=1), style, colour=colour)[0, 3, 4] @ torch.ones(3)
    torch.testing.assert_close(rising, torch.tensor(RED_ROCK), rtol=0, atol=0.05)


def test_the_light_of_what_is_flat_keeps_its_colour() -> None:
    rising = led(rough(0.001), rough(0.1, slope=RED_ROCK))[0, 3, 4] @ torch.ones(3)
    torch.testing.assert_close(rising, torch.ones(3), rtol=0, atol=0.05)


def test_a_silhouette_keeps_its_hue() -> None:
    """Clouds go towards the grey of the style's, but a black tree before them does not turn blue."""
    sky, style = torch.diag(torch.tensor([0.6, 1.1, 1.5])).expand_as(EYE), rough(0.02)
    clouds = rough(0.02, seed=1)
    rising = led(clouds, style, maps=sky)[0, 2, 3] @ torch.ones(3)
    assert float(rising[2] - rising[0]) < 0.6
    clouds[..., 80:112, 120:152] = 0
    black = torch.tensor([0.3, 0.55, 0.75]) - led(clouds, style, maps=sky)[0, 2, 3] @ torch.full((3,), 0.5)
    assert float((black - black @ LUMA).norm()) < 0.1


def test_a_style_without_texture_and_a_picture_without_any_are_finite() -> None:
    nothing = Moments(torch.zeros(()).double(), torch.zeros(3).double(), torch.zeros(3, 3).double())
    grey = torch.full((1, *GRID, 3), 0.5)
    for picture in (rough(0), rough(0.1)):
        here = roughness(picture, GRID, torch.zeros(192, 256))
        assert textured(EYE, here, nothing, before=grey, after=grey, sigma=2).isfinite().all()
