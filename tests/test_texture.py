import pytest
import torch
from torch import Tensor
from torch.nn import functional as F

from haarmony.moments import Moments
from haarmony.texture import GAINS, LUMA_SHARE, roughness, texture, texture_moments, textured

LUMA = torch.tensor([0.299, 0.587, 0.114])
GRID = (6, 8)
EYE = torch.eye(3).expand(1, *GRID, 3, 3)


def rough(contrast: float, *, colour: float = 0.0, seed: int = 0) -> Tensor:
    generator = torch.Generator().manual_seed(seed)
    noise = torch.randn(1, 1, 96, 128, generator=generator)
    hue = torch.randn(1, 1, 96, 128, generator=generator) * torch.tensor([1.0, -0.4, -0.6]).view(1, 3, 1, 1)
    return 0.5 + contrast * noise + colour * hue


def contrast_of(matrix: Tensor) -> Tensor:
    return LUMA @ matrix[0, 3, 4] @ torch.ones(3)


def test_slow_changes_are_no_texture() -> None:
    slope = torch.linspace(0, 1, 128).expand(1, 3, 96, 128)
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
    kept = textured(EYE, roughness(picture, GRID), texture_moments(picture), sigma=2)
    torch.testing.assert_close(kept, EYE.contiguous(), rtol=0, atol=1e-5)


@pytest.mark.parametrize("ratio", [0.5, 1.5])
def test_contrast_goes_its_share_of_the_way(ratio: float) -> None:
    picture = rough(0.1)
    changed = textured(EYE, roughness(picture, GRID), texture_moments(rough(0.1 * ratio, seed=1)), sigma=2)
    assert float(contrast_of(changed)) == pytest.approx(ratio**LUMA_SHARE, rel=0.03)


@pytest.mark.parametrize("ratio", [0.01, 50.0])
def test_gains_are_bounded(ratio: float) -> None:
    picture = rough(0.05)
    changed = textured(EYE, roughness(picture, GRID), texture_moments(rough(0.05 * ratio)), sigma=2)
    assert GAINS[0] - 1e-6 <= float(contrast_of(changed)) <= GAINS[1] + 1e-6


def test_what_is_flat_is_not_amplified() -> None:
    faint = rough(0.001, colour=0.001)
    changed = textured(EYE, roughness(faint, GRID), texture_moments(rough(0.2, colour=0.2)), sigma=2)
    assert (changed - EYE).abs().max() < 0.02


def test_luma_never_takes_the_noise_of_colours() -> None:
    mixing = (torch.eye(3) + 0.5 * torch.randn(3, 3, generator=torch.Generator().manual_seed(0))).expand_as(
        EYE
    )
    changed = textured(mixing, roughness(rough(0.1, colour=0.1), GRID), texture_moments(rough(0.1)), sigma=2)
    rows = F.normalize(LUMA @ changed, dim=-1)
    torch.testing.assert_close(rows, F.normalize(LUMA, dim=0).expand_as(rows), rtol=0, atol=1e-5)


def test_no_share_keeps_the_contrast() -> None:
    changed = textured(EYE, roughness(rough(0.1), GRID), texture_moments(rough(0.02)), sigma=2, share=0)
    torch.testing.assert_close(changed, EYE.contiguous(), rtol=0, atol=1e-5)


def test_a_style_without_texture_and_a_picture_without_any_are_finite() -> None:
    nothing = Moments(torch.zeros(()).double(), torch.zeros(3).double(), torch.zeros(3, 3).double())
    for picture in (rough(0), rough(0.1)):
        assert (
            textured(EYE, roughness(picture, GRID, torch.zeros(96, 128)), nothing, sigma=2).isfinite().all()
        )
