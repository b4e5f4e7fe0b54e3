import itertools

import pytest
import torch
from torch import Tensor
from torch.nn import functional as F

from haarmony.carry import (
    LARGEST_GAIN,
    STILL,
    RegionFields,
    affine_field,
    apply_field,
    evidence,
    fitted,
    guided_fields,
    held,
    identity_field,
    mean_evidence,
    region_fields,
)
from haarmony.moments import Moments
from haarmony.texture import texture_moments

SIZES = [(1, 1), (1, 40), (40, 1), (7, 9), (64, 64), (130, 97)]


def photo(height: int, width: int, *, batch: int = 1, seed: int = 0) -> Tensor:
    """Smooth colours with some texture, in [0.1, 0.9]."""
    generator = torch.Generator().manual_seed(seed)
    smooth = F.interpolate(
        torch.rand(batch, 3, 5, 6, generator=generator), (height, width), mode="bilinear", align_corners=True
    )
    texture = torch.rand(batch, 3, height, width, generator=generator)
    return 0.1 + 0.7 * smooth + 0.1 * texture


MATRIX = torch.tensor([[0.9, 0.2, -0.1], [0.1, 0.6, 0.0], [-0.2, 0.1, 0.8]])
OFFSET = torch.tensor([0.1, -0.05, 0.2]).view(1, 3, 1, 1)


def recoloured(picture: Tensor) -> Tensor:
    return torch.einsum("ij,bjhw->bihw", MATRIX, picture) + OFFSET


def fields_of(
    picture: Tensor, stylized: Tensor, weights: list[Tensor], textures: list[Moments | None]
) -> Tensor | RegionFields:
    seen = [evidence(picture, stylized, weight=weight) for weight in weights]
    return guided_fields(region_fields(seen, textures), picture, weights)


@pytest.mark.parametrize("size", SIZES)
def test_nothing_changed_nothing_carried(size: tuple[int, int]) -> None:
    picture = photo(*size)
    carried = apply_field(picture, affine_field(picture, picture))
    torch.testing.assert_close(carried, picture, rtol=0, atol=1e-4)


@pytest.mark.parametrize("size", SIZES)
def test_an_affine_change_is_carried_exactly(size: tuple[int, int]) -> None:
    picture = photo(*size, batch=2)
    carried = apply_field(picture, affine_field(picture, recoloured(picture), keep=0))
    assert carried.shape == picture.shape
    torch.testing.assert_close(carried, recoloured(picture), rtol=0, atol=1e-3)


def test_a_change_that_varies_in_space_is_followed() -> None:
    picture = photo(96, 128)
    dusk = torch.linspace(0.4, 1, 128).view(1, 1, 1, 128)
    carried = apply_field(picture, affine_field(picture, picture * dusk, keep=0))
    assert (carried - picture * dusk).abs().max() < 0.05
    assert (carried - picture * dusk).abs().mean() < 0.3 * (picture - picture * dusk).abs().mean()


def test_flat_regions_stay_flat_and_edges_stay_where_they_are() -> None:
    picture = torch.full((1, 3, 256, 256), 0.8)
    picture[..., 128:, :] = 0.3
    generator = torch.Generator().manual_seed(0)
    blotches = F.interpolate(torch.randn(1, 3, 32, 32, generator=generator), (256, 256), mode="bicubic")
    stylized = recoloured(picture) + 0.02 * blotches
    carried = apply_field(picture, affine_field(picture, stylized))
    sky = carried[..., :100, :]
    steps = (sky[..., 1:] - sky[..., :-1]).abs().max()
    blotchy = (stylized[..., :100, 1:] - stylized[..., :100, :-1]).abs().max()
    assert steps < 0.25 * blotchy
    jumps = (carried[..., 1:, :] - carried[..., :-1, :]).abs().amax((0, 1, 3))
    assert int(jumps.argmax()) == 127
    assert jumps[127] > 20 * torch.cat((jumps[:127], jumps[128:])).max()


def test_a_reduced_copy_carries_as_the_full_one() -> None:
    picture = photo(192, 256)
    warm = picture.clone()
    warm[:, :1] = picture[:, :1].sqrt()
    reduced, reduced_warm = (
        F.interpolate(x, (96, 128), mode="bilinear", antialias=True) for x in (picture, warm)
    )
    small = apply_field(picture, affine_field(reduced, reduced_warm))
    full = apply_field(picture, affine_field(picture, warm))
    assert (small - full).abs().mean() < 0.01
    assert (small - warm).abs().mean() < 0.2 * (picture - warm).abs().mean()


def test_texture_keeps_its_contrast_where_colour_hardly_varies() -> None:
    generator = torch.Generator().manual_seed(0)
    picture = torch.full((1, 3, 64, 128), 0.5) + 0.002 * torch.randn(1, 1, 64, 128, generator=generator)
    picture[..., 64:] = photo(64, 64)
    carried = apply_field(picture, affine_field(picture, 0.5 * picture + 0.2, keep=0))
    flat = (..., slice(0, 32))
    assert float(carried[flat].std() / picture[flat].std()) == pytest.approx(0.5, abs=0.05)


@pytest.mark.parametrize("gain", [0.25, 0.5, 1.0, 1.5])
@pytest.mark.parametrize("keep", [0.0, 0.3, 1.0])
def test_local_contrast_is_kept_by_its_share_and_the_mean_wholly(gain: float, keep: float) -> None:
    picture = 0.5 + 0.1 * torch.randn(1, 3, 128, 128, generator=torch.Generator().manual_seed(0))
    stylized = 0.4 + gain * (picture - 0.5)
    carried = apply_field(picture, affine_field(picture, stylized, keep=keep))
    assert float(carried.std() / picture.std()) == pytest.approx(gain ** (1 - keep), rel=0.02)
    assert float(carried.mean()) == pytest.approx(0.4, abs=2e-3)


def test_pictures_of_a_batch_do_not_mix() -> None:
    picture = photo(20, 30, batch=2)
    stylized = torch.cat((recoloured(picture[:1]), picture[1:].flip(1)))
    together = apply_field(picture, affine_field(picture, stylized))
    for i in range(2):
        alone = apply_field(picture[i : i + 1], affine_field(picture[i : i + 1], stylized[i : i + 1]))
        torch.testing.assert_close(together[i : i + 1], alone, rtol=0, atol=1e-5)


def test_constant_pictures_are_moved() -> None:
    grey, orange = torch.full((1, 3, 8, 8), 0.5), torch.tensor([0.9, 0.5, 0.1]).view(1, 3, 1, 1)
    carried = apply_field(grey, affine_field(grey, orange.expand_as(grey)))
    torch.testing.assert_close(carried, orange.expand_as(grey), rtol=0, atol=1e-4)


def test_gradients_flow_to_the_stylized_copy() -> None:
    picture = photo(16, 16)
    stylized = recoloured(picture).requires_grad_()
    apply_field(picture, affine_field(picture, stylized)).square().mean().backward()
    assert stylized.grad is not None
    assert stylized.grad.isfinite().all()
    assert stylized.grad.abs().max() > 0


def test_no_direction_of_colour_is_amplified_into_noise() -> None:
    generator = torch.Generator().manual_seed(0)
    red = torch.tensor([1.0, -0.5, -0.5]).view(1, 3, 1, 1)
    noise = 0.005 * torch.randn(1, 1, 128, 128, generator=generator) * red
    picture = photo(128, 128).mean(1, keepdim=True).expand(1, 3, 128, 128) + noise
    carried = apply_field(picture, affine_field(picture, picture + 9 * noise, keep=0))
    gain = (carried * red).sum(1).std() / ((picture * red).sum(1).std())
    assert float(gain) == pytest.approx(LARGEST_GAIN, rel=0.05)
    torch.testing.assert_close(carried.mean(1), picture.mean(1), rtol=0, atol=2e-3)


@pytest.mark.parametrize("size", [(300, 400), (97, 61), (5, 2000), (1, 1)])
def test_bands_of_rows_are_mapped_as_the_whole(size: tuple[int, int]) -> None:
    picture = photo(*size, batch=2)
    field = affine_field(picture, recoloured(picture) ** 2)
    whole = apply_field(picture, field)
    height = size[0]
    cuts = sorted({0, height // 3, height // 2 + 1, height})
    bands = [
        apply_field(picture[..., top:bottom, :], field, top=top, height=height)
        for top, bottom in itertools.pairwise(cuts)
    ]
    torch.testing.assert_close(torch.cat(bands, 2), whole, rtol=0, atol=1e-6)


def jagged(height: int, width: int) -> Tensor:
    """The right of a picture, behind teeth of 3 pixels."""
    teeth = width // 2 + 3 * (torch.arange(height)[:, None] // 4 % 2)
    return (torch.arange(width) >= teeth).float()


def test_one_region_that_covers_all_is_no_region() -> None:
    picture = photo(60, 80)
    texture = texture_moments(0.5 * picture)
    whole = affine_field(picture, recoloured(picture), style_texture=texture)
    field = fields_of(picture, recoloured(picture), [torch.ones(60, 80)], [texture])
    torch.testing.assert_close(apply_field(picture, field), apply_field(picture, whole), rtol=0, atol=1e-5)


def test_the_field_of_a_region_is_that_of_the_region_alone() -> None:
    picture, right = photo(96, 128), torch.zeros(96, 128)
    right[:, 64:] = 1
    stylized = torch.where(right.bool(), recoloured(picture), picture)
    mapped = apply_field(picture, affine_field(picture, stylized, weight=right, keep=0))
    torch.testing.assert_close(mapped, recoloured(picture), rtol=0, atol=2e-3)
    bled = apply_field(picture, affine_field(picture, stylized, keep=0))
    assert (bled - stylized)[..., 60:70].abs().max() > 0.05


def test_a_jagged_mask_leaves_no_seam_where_the_content_is_flat() -> None:
    picture, right = torch.full((1, 3, 88, 352), 0.5), jagged(88, 352)
    sides = [1 - right, right]
    stylized = picture + 0.3 * right
    textures = [texture_moments(picture)] * 2
    field = fields_of(picture, stylized, sides, textures)
    assert isinstance(field, RegionFields)
    soft = apply_field(picture, field)
    hard = sum(w * apply_field(picture, field.maps[k : k + 1]) for k, w in enumerate(sides))
    steps, seam = ((x[..., 1:] - x[..., :-1]).abs().max() for x in (soft, hard))
    assert seam > 0.29
    assert steps < 0.05
    assert (soft[..., 300:].mean() - soft[..., :50].mean()) == pytest.approx(0.3, abs=0.01)


def test_a_mask_that_is_off_makes_no_halo_at_an_edge() -> None:
    picture = torch.full((1, 3, 88, 352), 0.2)
    picture[..., 176:] = 0.8
    off = torch.zeros(88, 352)
    off[:, 179:] = 1
    stylized = torch.where(torch.arange(352) < 176, 0.1, 0.6).expand_as(picture)
    textures = [texture_moments(picture)] * 2
    line = apply_field(picture, fields_of(picture, stylized, [1 - off, off], textures))[0, 0, 44]
    assert int((line[1:] - line[:-1]).abs().argmax()) == 175
    assert line[:176].max() - line[:176].min() < 0.1
    assert line[176:].max() - line[176:].min() < 0.1


def test_regions_of_the_same_picture_and_style_change_nothing() -> None:
    picture, right = photo(90, 120), jagged(90, 120)
    sides = [1 - right, right]
    textures = [texture_moments(picture, weight) for weight in sides]
    kept = apply_field(picture, fields_of(picture, picture, sides, textures))
    torch.testing.assert_close(kept, picture, rtol=0, atol=2e-4)


def test_a_region_without_a_style_stays() -> None:
    picture, right = photo(90, 120), torch.zeros(90, 120)
    right[:, 60:] = 1
    texture = texture_moments(picture)
    field = fields_of(picture, recoloured(picture), [1 - right, right], [None, texture])
    mapped = apply_field(picture, field)
    torch.testing.assert_close(mapped[..., :25], picture[..., :25], rtol=0, atol=0.02)
    torch.testing.assert_close(apply_field(picture, identity_field(picture)), picture)


def contrasty(level: float) -> tuple[Tensor, Tensor]:
    """Stripes about a level, and their field to a style of much more contrast."""
    stripes = 0.05 * torch.tensor([-1.0, 0.5, 1.0, -0.5]).repeat(24)
    picture = (level + stripes).expand(1, 3, 96, 96).contiguous()
    texture = texture_moments(level + 9 * (picture - level))
    return picture, affine_field(picture, picture, style_texture=texture)


@pytest.mark.parametrize("level", [0.95, 0.05])
def test_more_contrast_neither_clips_lights_nor_shadows(level: float) -> None:
    picture, field = contrasty(level)
    mapped, unrolled = apply_field(picture, field), field.clone()
    unrolled[:, 12:] = 0
    assert (apply_field(picture, unrolled) - 0.5).abs().max() > 0.53
    assert mapped.min() > -1e-3
    assert mapped.max() < 1 + 1e-3
    tones = mapped[0, 0, 48, 44:48][picture[0, 0, 48, 44:48].argsort()]
    assert tones.diff().min() > 0.01


@pytest.mark.parametrize("level", [0.4, 0.5])
def test_nothing_is_rolled_off_where_all_stays_in_range(level: float) -> None:
    _, field = contrasty(level)
    assert not field[:, 12:].any()


@pytest.mark.parametrize("channel", [12, 13])
@pytest.mark.parametrize("strength", [0.0, 0.5, 3.0, 40.0])
def test_what_is_rolled_off_keeps_its_order_and_the_middle_stays(channel: int, strength: float) -> None:
    ramp = torch.linspace(-0.5, 1.5, 801).expand(1, 3, 8, 801).contiguous()
    field = identity_field(ramp).clone()
    field[:, channel] = strength
    line, middle = apply_field(ramp, field)[0, 0, 0], (ramp[0, 0, 0] > 0.25) & (ramp[0, 0, 0] < 0.7)
    torch.testing.assert_close(line[middle], ramp[0, 0, 0][middle])
    steps = line.diff() / ramp[0, 0, 0].diff()
    assert (steps > 0).all()
    assert (steps < 1.001).all()
    assert (steps.diff().abs() < 0.25).all()


@pytest.mark.parametrize("size", [(300, 400), (97, 61), (5, 2000)])
def test_bands_of_rows_of_regions_are_mapped_as_the_whole(size: tuple[int, int]) -> None:
    reduced, right = photo(60, 80), jagged(60, 80)
    textures = [texture_moments(reduced)] * 2
    field = fields_of(reduced, recoloured(reduced) ** 2, [1 - right, right], textures)
    picture, height = photo(*size), size[0]
    cuts = sorted({0, height // 3, height // 2, height})
    bands = [
        apply_field(picture[..., top:bottom, :], field, top=top, height=height)
        for top, bottom in itertools.pairwise(cuts)
    ]
    torch.testing.assert_close(torch.cat(bands, 2), apply_field(picture, field), rtol=0, atol=1e-6)


def test_the_evidence_of_two_pictures_is_that_of_both() -> None:
    pictures = [photo(60, 80, seed=seed) for seed in range(2)]
    texture = texture_moments(0.5 * pictures[0])
    seen = [evidence(one, recoloured(one)) for one in pictures]
    alone = mean_evidence([(seen[0], 2.0), (seen[0], 0.5)])
    torch.testing.assert_close(
        fitted(alone, style_texture=texture), fitted(seen[0], style_texture=texture), rtol=0, atol=1e-5
    )
    both = fitted(mean_evidence([(one, 1.0) for one in seen]))
    batch = evidence(torch.cat(pictures), torch.cat([recoloured(one) for one in pictures]), rough=False)
    torch.testing.assert_close(
        both, fitted(type(batch)(batch.sums.mean(0, keepdim=True), None)), rtol=0, atol=1e-5
    )


@pytest.mark.parametrize("weighted", [False, True])
def test_a_frame_is_held_to_its_shot_where_it_looks_alike_and_nowhere_else(weighted: bool) -> None:
    usual = photo(64, 64)
    noise = 0.001 * torch.randn(1, 3, 64, 64, generator=torch.Generator().manual_seed(1))
    weight = torch.full((64, 64), 0.7) if weighted else None
    frame = usual + noise
    frame[..., 32:] = photo(64, 64, seed=5)[..., 32:]
    lasting, seen = (evidence(one, recoloured(one), weight=weight) for one in (usual, frame))
    both = held(seen, lasting)
    assert all((both.rough, seen.rough, lasting.rough))
    for there, own, shots in (
        (both.sums, seen.sums, lasting.sums),
        (both.rough.energy, seen.rough.energy, lasting.rough.energy),
        (both.rough.extremes, seen.rough.extremes, lasting.rough.extremes),
    ):
        half = there.shape[-1] // 2
        assert (there - shots)[..., :half].norm() < 0.1 * (own - shots)[..., :half].norm()
        assert (there - own)[..., half:].norm() < 0.1 * (own - shots)[..., half:].norm()


def test_at_the_tolerance_half_of_each_counts() -> None:
    usual = torch.full((1, 3, 32, 32), 0.5)
    brighter = usual.clone()
    brighter[:, 1] += STILL
    lasting, seen = evidence(usual, usual), evidence(brighter, brighter)
    torch.testing.assert_close(held(seen, lasting).sums, (seen.sums + lasting.sums) / 2, rtol=0, atol=1e-5)
