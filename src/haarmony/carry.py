"""Carry: bring a change of colour found on a reduced copy to the full picture as a smooth field of maps.

At each place of a coarse grid the stylized copy is regressed on the content's colours, y ~ A x + b, over a
Gaussian window; the field (A, b) is smooth, and is applied to the full picture. So the result is locally an
affine function of the content: every edge is the content's own, and flat sky stays flat (the photorealism
condition of Levin et al. 2008 and Luan et al. 2017; the guided filter of He et al. 2013 with a colour guide,
whose ridge here leads to the map of the whole picture instead of to zero, so that texture keeps its contrast
where colours hardly vary).

Where more contrast would carry lights or shadows out of range, they are rolled off, by a curve for each place
that is steepest towards the middle: what differs in the picture differs in the result.

Where a picture has regions, each has a field of its own, fitted on it alone, and guided weights blend them;
so neighbouring regions do not run into each other, and a hard or jagged mask leaves no seam.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import torch
import torch.nn.functional as F
from torch import Tensor

from haarmony.guided import guide, guided_weights
from haarmony.moments import Moments
from haarmony.texture import Roughness, mean_roughness, roughness, textured
from haarmony.windows import blur

CELLS = 32
SIGMA = 4.0
RIDGE = 1e-3
KEEP = 0.3
LARGEST_GAIN = 4.0
_BAND = 1 << 16
"""Pixels that are mapped at once: few enough for their maps to stay in the cache."""
_LEAST_SHARE = 1e-3
"""Share of a window that a region must fill for its own statistics to outweigh those of the whole region."""
_LIGHTS, _SHADOWS = 0.7, 0.25
"""Values from which lights and shadows are rolled off."""
_SUMS = 24
"""Maps that a field is fitted to where there is no region."""
STILL = 1 / 255
"""How far the mean colour of a cell may be from that of the shot and still count as half the same."""
_TINY = 1e-8
_LUMA_601 = (0.299, 0.587, 0.114)


def affine_field(
    reduced: Tensor,
    stylized: Tensor,
    *,
    weight: Tensor | None = None,
    style_texture: Moments | None = None,
    texture_share: float = 1.0,
    sigma: float = SIGMA,
    ridge: float = RIDGE,
    keep: float = KEEP,
) -> Tensor:
    """The field of affine maps from a picture to its stylized version.

    Args:
        reduced: (B, 3, h, w), the content at the size of `stylized`, in [0, 1].
        stylized: (B, 3, h, w).
        weight: (h, w) in [0, 1], how much each pixel counts: the field of a region is fitted on the region
            alone, and beyond it goes over into the map of the whole region. None counts all alike.
        style_texture: from `texture_moments` of the style, or of the region of it that belongs to this one;
            for a batch of one. The contrast of the result is then between that of the content's texture and
            that of the style's, and its luma is a multiple of the content's luma: what the colours of the
            content do can be noise, and never enters its luma. What leaves the range is rolled off.
        texture_share: of the way that the contrast goes towards `style_texture`.
        sigma: of the Gaussian window, in cells of a grid with 32 cells along the long side.
        ridge: variance of colour, in squared units of [0, 1], below which the map of the whole picture takes
            over.
        keep: how much of the content's own local contrast is kept: where the fitted map changes the contrast
            of the luma by a factor g, the field changes it by g^(1 - keep). The mean colour stays the fit's.
            Of no effect with `style_texture`.

    Returns:
        (B, 14, rows, columns): the nine entries of A by rows, b, how far lights and shadows are rolled off.
    """
    seen = evidence(reduced, stylized, weight=weight, rough=style_texture is not None)
    return fitted(
        seen, style_texture=style_texture, texture_share=texture_share, sigma=sigma, ridge=ridge, keep=keep
    )


@dataclass(frozen=True)
class Evidence:
    """What a field is fitted to. All of it merges: that of a film's frames is their mean.

    Attributes:
        sums: (B, 24 or 25, rows, columns), means over each cell of x, y, x_i x and x_i y; of a region, times
            its weight, and then the weight.
        rough: of the content's texture; where it is to be led to a style's.
    """

    sums: Tensor
    rough: Roughness | None

    def with_texture(self, moments: Moments) -> Evidence:
        """With other moments of the content's texture than its own: of the shot that a frame is part of."""
        return self if self.rough is None else replace(self, rough=replace(self.rough, moments=moments))


def evidence(
    reduced: Tensor, stylized: Tensor, *, weight: Tensor | None = None, rough: bool = True
) -> Evidence:
    """What there is to know of a picture and its stylized version; for the arguments see `affine_field`."""
    cells = _grid(reduced)
    maps = [reduced, stylized]
    for i in range(3):
        maps += [reduced[:, i : i + 1] * reduced, reduced[:, i : i + 1] * stylized]
    if weight is not None:
        maps = [weight * one for one in maps] + [weight.expand_as(reduced[:, :1])]
    sums = torch.cat([F.adaptive_avg_pool2d(one, cells) for one in maps], 1)
    return Evidence(sums, roughness(reduced, cells, weight) if rough else None)


def mean_evidence(seen: Sequence[tuple[Evidence, float]]) -> Evidence:
    """The weighted mean of the evidence of several pictures of one size: that of all of them together."""
    total = sum(share for _, share in seen)
    shares = [(one, share / total) for one, share in seen]
    sums = torch.stack([share * one.sums for one, share in shares]).sum(0)
    rough = [(one.rough, share) for one, share in shares if one.rough is not None]
    return Evidence(sums, mean_roughness(rough) if rough else None)


def held(seen: Evidence, lasting: Evidence, *, tolerance: float = STILL) -> Evidence:
    """The evidence of a frame, but that of its shot in the cells that look as they do over the shot.

    What differs no more than noise does is held still, and what changes counts as it is; between, the share
    of the frame's own is d^2 / (d^2 + tolerance^2) of the distance d of the mean colours of a cell.

    Args:
        seen: of one frame.
        lasting: of the shot, of the same region.
        tolerance: the distance, in units of [0, 1], at which half of each counts.
    """
    squares = (seen.sums - lasting.sums).square()
    apart = squares[:, :3].sum(1, keepdim=True) + squares[:, _SUMS:].sum(1, keepdim=True)
    share = apart / (apart + tolerance**2)
    sums = torch.lerp(lasting.sums, seen.sums, share)
    if seen.rough is None or lasting.rough is None:
        return Evidence(sums, None)
    energy = torch.lerp(lasting.rough.energy, seen.rough.energy, share)
    present = torch.lerp(lasting.rough.present, seen.rough.present, share)
    extremes = torch.lerp(lasting.rough.extremes, seen.rough.extremes, share)
    return Evidence(sums, replace(seen.rough, energy=energy, present=present, extremes=extremes))


def fitted(
    seen: Evidence,
    *,
    style_texture: Moments | None = None,
    texture_share: float = 1.0,
    raised: float = 1.0,
    sigma: float = SIGMA,
    ridge: float = RIDGE,
    keep: float = KEEP,
) -> Tensor:
    """The field (B, 14, rows, columns) that some evidence leads to; for the arguments see `affine_field`.

    `raised` is of the way to a style's stronger contrast.
    """
    sums = seen.sums
    whole, local = sums.mean((2, 3), keepdim=True), blur(sums, sigma)
    if sums.shape[1] > _SUMS:
        whole = whole[:, :-1] / whole[:, -1:].clamp_min(_TINY)
        share = local[:, -1:]
        prior = _LEAST_SHARE * (1 - share).clamp_min(0)
        local = (local[:, :-1] + prior * whole) / (share + prior).clamp_min(_TINY)
    _, _, xx, xy = _covariances(whole)
    everywhere = _regression(xx, xy, torch.eye(3, dtype=sums.dtype, device=sums.device), 1e-6)
    x, y, xx, xy = _covariances(local)
    matrix = _regression(xx, xy, everywhere, ridge)
    if style_texture is None or seen.rough is None:
        matrix = _bounded(matrix) * _luma_gain(matrix, xx, ridge) ** -keep
        rolled = torch.zeros_like(y[..., :2])
    else:
        matrix = textured(
            matrix,
            seen.rough,
            style_texture,
            before=x,
            after=y,
            sigma=sigma,
            share=texture_share,
            raised=raised,
        )
        matrix = _bounded(matrix)
        rolled = _roll_off(matrix, x, y, seen.rough.extremes_about())
    offset = y - (matrix @ x[..., None])[..., 0]
    field = torch.cat((matrix.flatten(3), offset, rolled), -1).permute(0, 3, 1, 2)
    return blur(field, sigma / 2)


@dataclass(frozen=True)
class RegionFields:
    """The fields of K regions.

    Attributes:
        maps: (K, 14, rows, columns), of each region the `affine_field`.
        guides: (K, 4, h, w), from `guide`.
    """

    maps: Tensor
    guides: Tensor


def region_fields(
    seen: Sequence[Evidence],
    textures: Sequence[Moments | None],
    *,
    texture_share: float = 1.0,
    raised: float = 1.0,
) -> Tensor:
    """The change of colour in each region, (K, 14, rows, columns).

    Args:
        seen: of each region the `evidence`.
        textures: of each region the `style_texture`; None for a region without a style, which stays as it is.
        texture_share: see `affine_field`.
        raised: see `fitted`.
    """
    return torch.cat(
        [
            identity_field(one.sums)
            if texture is None
            else fitted(one, style_texture=texture, texture_share=texture_share, raised=raised)
            for one, texture in zip(seen, textures, strict=True)
        ]
    )


def guided_fields(fields: Tensor, reduced: Tensor, weights: Sequence[Tensor | None]) -> Tensor | RegionFields:
    """The fields of K regions, blended along the edges of a picture; the one field where there is but one.

    Args:
        fields: from `region_fields`.
        reduced: (1, 3, h, w), the picture in [0, 1].
        weights: of each region, (h, w) in [0, 1]; together 1 at every pixel.
    """
    known = [weight for weight in weights if weight is not None]
    return fields if len(known) < 2 else RegionFields(fields, guide(reduced, torch.stack(known)))


def identity_field(like: Tensor) -> Tensor:
    """(1, 14, rows, columns): the field over a picture that changes nothing."""
    rows, columns = _grid(like)
    one = torch.cat((torch.eye(3).flatten(), torch.zeros(5))).to(like)
    return one.view(1, 14, 1, 1).expand(1, 14, rows, columns)


def apply_field(
    content: Tensor, field: Tensor | RegionFields, *, top: int = 0, height: int | None = None
) -> Tensor:
    """Map every pixel by the field's affine map at its place; the result is not clipped.

    Args:
        content: (B, 3, H, W), the picture, or a band of its rows.
        field: (B, 14, rows, columns), from `affine_field`; or of the regions of one picture.
        top: the picture's row that the band begins with.
        height: of the whole picture; H if None.

    Returns:
        (B, 3, H, W). Bands of a picture are mapped as the whole is.
    """
    rows, width = content.shape[-2:]
    height = height or rows
    maps = field.maps if isinstance(field, RegionFields) else field
    down = _interpolation(maps.shape[-2], height, maps)[top : top + rows]
    across = _interpolation(maps.shape[-1], width, maps).T
    mapped = torch.empty_like(content)
    step = max(1, _BAND // width) if content.device.type == "cpu" else rows
    rolls = bool(maps[:, 12:].any())
    for start in range(0, rows, step):
        band = content[:, :, start : start + step]
        here = down[start : start + step] @ maps @ across
        colours = here[:, 9:12]
        for channel in range(3):
            colours = torch.addcmul(colours, here[:, channel:9:3], band[:, channel, None])
        if rolls:
            colours = _rolled_off(colours, here[:, 12:13], here[:, 13:])
        if isinstance(field, RegionFields):
            weights = guided_weights(band, field.guides, top=top + start, height=height)
            colours = (weights[:, None] * colours).sum(0, keepdim=True)
        mapped[:, :, start : start + step] = colours
    return mapped


def _grid(picture: Tensor) -> tuple[int, int]:
    height, width = picture.shape[-2:]
    scale = min(1.0, CELLS / max(height, width))
    return max(1, round(height * scale)), max(1, round(width * scale))


def _interpolation(cells: int, pixels: int, like: Tensor) -> Tensor:
    """(pixels, cells): the weights of linear interpolation between cell centres, constant beyond them."""
    eye = torch.eye(cells, dtype=like.dtype, device=like.device)
    return F.interpolate(eye[None], pixels, mode="linear", align_corners=False)[0].T


def _covariances(sums: Tensor) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """Means of x and y, then cov(x, x) and cov(x, y), from maps of the means of x, y, x_i x, x_i y."""
    means = sums.permute(0, 2, 3, 1)
    x, y = means[..., :3], means[..., 3:6]
    products = means[..., 6:].reshape(*means.shape[:-1], 3, 6)
    xx = products[..., :3] - x[..., :, None] * x[..., None, :]
    xy = products[..., 3:] - x[..., :, None] * y[..., None, :]
    return x, y, xx, xy


def _regression(xx: Tensor, xy: Tensor, prior: Tensor, ridge: float) -> Tensor:
    """The matrix A of y ~ A x, by ridge regression towards `prior`."""
    eye = ridge * torch.eye(3, dtype=xx.dtype, device=xx.device)
    transposed: Tensor = torch.linalg.solve(xx + eye, xy + ridge * prior.transpose(-1, -2))
    return transposed.transpose(-1, -2)


def _bounded(matrix: Tensor) -> Tensor:
    """The matrix with no direction of colour amplified more than `LARGEST_GAIN`: beyond it, noise shows.

    Where a picture hardly varies in a direction of colour, what it has there is noise, and a style that is
    colourful in that direction would amplify it. The bound is a constant to the gradient.
    """
    suspects = matrix.square().sum((-2, -1)) > LARGEST_GAIN**2
    if not bool(suspects.any()):
        return matrix
    left, gains, right = torch.linalg.svd(matrix[suspects].detach())
    excess = torch.zeros_like(matrix)
    excess[suspects] = (left * (gains - LARGEST_GAIN).clamp_min(0)[..., None, :]) @ right
    return matrix - excess


def _roll_off(matrix: Tensor, x: Tensor, y: Tensor, extremes: Tensor) -> Tensor:
    """How far lights and shadows are rolled off, (B, rows, columns, 2), so that the extremes stay in range.

    Args:
        matrix: (B, rows, columns, 3, 3), whose luma is a multiple of that of what it maps.
        x: (B, rows, columns, 3), mean colours.
        y: of the same shape, what they become.
        extremes: (B, 2, rows, columns), the least and the greatest luma about each cell.
    """
    luma = torch.tensor(_LUMA_601, dtype=x.dtype, device=x.device)
    gain, before, after = (luma @ matrix).sum(-1), x @ luma, y @ luma
    low, high = (after + gain * (one - before) for one in extremes.unbind(1))
    lights = (high - 1).clamp_min(0) / ((high - _LIGHTS).clamp_min(_TINY) * (1 - _LIGHTS))
    shadows = -low.clamp_max(0) / ((_SHADOWS - low).clamp_min(_TINY) * _SHADOWS)
    return torch.stack((lights, shadows), -1)


def _rolled_off(colours: Tensor, lights: Tensor, shadows: Tensor) -> Tensor:
    """Colours whose excess t over the middle is t / (1 + r t): of slope 1 where the middle ends."""
    above, below = (colours - _LIGHTS).clamp_min_(0), (_SHADOWS - colours).clamp_min_(0)
    colours = torch.addcdiv(colours, lights * above.square(), 1 + lights * above, value=-1)
    return torch.addcdiv(colours, shadows * below.square(), 1 + shadows * below)


def _luma_gain(matrix: Tensor, xx: Tensor, ridge: float) -> Tensor:
    """By how much a map changes the standard deviation of luma in each window, (B, rows, columns, 1, 1)."""
    luma = torch.tensor(_LUMA_601, dtype=xx.dtype, device=xx.device)
    spread = xx + ridge * torch.eye(3, dtype=xx.dtype, device=xx.device)
    mapped = luma @ matrix
    after = (mapped[..., None, :] @ spread @ mapped[..., :, None]).clamp_min(1e-8)
    return (after / (luma @ spread @ luma)[..., None, None]).sqrt().clamp(0.1, 10)
