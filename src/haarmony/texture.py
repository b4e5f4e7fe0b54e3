"""Texture: how the colours of a region vary within a short distance, in luma and in chroma.

The contrast that a style lends is that of its texture. The spread of all colours of a region is no measure of
it: a meadow that is bright in front and dark behind has a large one, and is smooth all the same.

So does the colour of its light and shade. What is lit within a red rock is redder than what lies in shade,
not just brighter: the chroma of a texture goes along with its luma, by a slope that is the style's to give.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import reduce
from operator import add

import torch
import torch.nn.functional as F
from torch import Tensor

from haarmony.moments import Moments
from haarmony.windows import blur

SITE = "texture"
"""The name under which a style keeps the moments of its texture."""

LOWERED_SHARE = 0.6
"""Of the way to a weaker contrast of luma, which takes the photo's own detail away."""

CHROMA_SHARE = 0.5
GAINS = (0.4, 2.0)

_SCALE = 1 / 200
"""Of the long side: what varies within a shorter distance is texture."""

_ASTRAY = 0.03
"""Distance in chroma from its hue that the darkest of a place may have in any case."""

_DARK = 1e-2
_NOISE = 1e-6
_FAINT = 1e-5
_FAINT_LUMA = 1e-4
_FAINT_CHROMA = 1e-3
_LEAST_SHARE = 1e-3
_TINY = 1e-8
_LUMA_601 = (0.299, 0.587, 0.114)


def texture(picture: Tensor, weight: Tensor | None = None, *, scale: float = _SCALE) -> Tensor:
    """The picture less its blurred copy; in a region, less the blur of the region alone.

    Args:
        picture: (B, 3, H, W).
        weight: (H, W) in [0, 1], of the region; None for the whole.
        scale: of the long side, the sigma of the blur, which is at least a pixel.

    Returns:
        (B, 3, H, W); 0 beyond the region.
    """
    sigma = max(1.0, max(picture.shape[-2:]) * scale)
    if weight is None:
        return picture - blur(picture, sigma)
    share = blur(weight.to(picture)[None, None], sigma)
    fine = picture - blur(picture * weight, sigma) / share.clamp_min(_TINY)
    return torch.where(weight > 0, fine, 0)


def texture_moments(picture: Tensor, weight: Tensor | None = None) -> Moments:
    """The moments of the texture of one picture (1, 3, H, W), or of a region of it."""
    return Moments.of(texture(picture, weight)[0], weight).cpu()


@dataclass(frozen=True)
class Roughness:
    """What a picture's texture is, as a whole and at each place; means and moments, so that pictures merge.

    Attributes:
        energy: (1, 1, rows, columns), the mean square of the texture's luma in each cell of a grid, times the
            region's weight.
        present: (1, 1, rows, columns), the mean of that weight.
        extremes: (1, 2, rows, columns), the least and the greatest luma of the picture in each cell; beyond
            the region 1 and 0.
        moments: of the texture, from `texture_moments`.
    """

    energy: Tensor
    present: Tensor
    extremes: Tensor
    moments: Moments

    def extremes_about(self) -> Tensor:
        """Of the shape of `extremes`, those of each cell and the cells next to it."""
        signs = self.extremes.new_tensor([-1, 1]).view(2, 1, 1)
        return signs * F.max_pool2d(signs * self.extremes, 3, stride=1, padding=1)


def roughness(picture: Tensor, cells: tuple[int, int], weight: Tensor | None = None) -> Roughness:
    """The texture of one picture (1, 3, H, W), or of a region of it, on a grid of (rows, columns)."""
    fine = texture(picture, weight)
    present = torch.ones_like(fine[:, :1]) if weight is None else weight[None, None].to(fine)
    luma, energy = _luma(picture), _luma(fine).square()
    ends = torch.cat((present - 1 - luma * present, luma * present), 1)
    extremes = F.adaptive_max_pool2d(ends, cells) * ends.new_tensor([-1, 1]).view(2, 1, 1)
    energy, present = (F.adaptive_avg_pool2d(x, cells) for x in (energy * present, present))
    return Roughness(energy, present, extremes, Moments.of(fine[0], weight).cpu())


def mean_roughness(seen: Sequence[tuple[Roughness, float]]) -> Roughness:
    """That of several pictures together, each with its share; the shares sum to 1."""
    return Roughness(
        torch.stack([share * one.energy for one, share in seen]).sum(0),
        torch.stack([share * one.present for one, share in seen]).sum(0),
        torch.stack([share * one.extremes for one, share in seen]).sum(0),
        reduce(add, (one.moments.scaled(share) for one, share in seen)),
    )


def textured(
    matrix: Tensor,
    content: Roughness,
    style: Moments,
    *,
    before: Tensor,
    after: Tensor,
    sigma: float,
    share: float = 1.0,
    raised: float = 1.0,
) -> Tensor:
    """Colour maps with the contrast and the colour of their texture led towards those of a style's texture.

    The luma of the result is a multiple of the picture's luma. What the colours of a picture do apart from
    its luma can be noise, and enters the chroma alone. Of the chroma, what goes along with the luma takes the
    style's slope, and the rest its spread. Contrast is raised and slopes are changed only where the picture
    has texture, and slopes only as far as the darkest of a place keeps its hue.

    Args:
        matrix: (1, rows, columns, 3, 3), the maps on a grid over the picture.
        content: the picture's own, or its region's, on the same grid.
        style: from `texture_moments`.
        before: (1, rows, columns, 3), the mean colour at each place.
        after: of the same shape, what it becomes.
        sigma: of the window, in cells of the grid, in which the strength of texture is looked at.
        share: of the way from the texture of the picture to that of the style, as a factor of the usual one.
        raised: of the way to a stronger contrast of luma.
    """
    wanted = style.covariance().to(matrix)
    own = content.moments.covariance().to(matrix)
    luma = torch.tensor(_LUMA_601, dtype=matrix.dtype, device=matrix.device)
    grey = torch.outer(torch.ones_like(luma), luma)
    colourful = torch.eye(3, dtype=matrix.dtype, device=matrix.device) - grey

    energy, present = content.energy, content.present
    whole = energy.mean() / present.mean().clamp_min(_TINY)
    rough = ((blur(energy, sigma) + _LEAST_SHARE * whole) / (blur(present, sigma) + _LEAST_SHARE))[0]
    counts = (energy / energy.sum().clamp_min(_TINY))[0, 0, ..., None]

    wanted_luma, own_luma = luma @ wanted @ luma, luma @ own @ luma
    tint = colourful @ matrix
    wanted_slope = colourful @ wanted @ luma / (wanted_luma + _FAINT)
    slope = (counts * (tint @ own @ luma)[0]).sum((0, 1)) / (own_luma + _FAINT)
    wanted_free, free = colourful - torch.outer(wanted_slope, luma), tint - torch.outer(slope, luma)
    vivid = (counts[..., 0] * _spread(free @ own @ free.mT)).sum()

    way = raised if wanted_luma > own_luma else LOWERED_SHARE
    contrast = _where_rough(_gain(wanted_luma, own_luma, share * way), rough, _FAINT_LUMA)
    saturation = _gain(_spread(wanted_free @ wanted @ wanted_free.T), vivid, share * CHROMA_SHARE)
    saturation = _where_rough(saturation, rough, _FAINT_CHROMA)

    led = share * (rough / (rough + _FAINT_LUMA))[..., None]
    slopes = torch.lerp(slope.expand(*rough.shape, 3), contrast[..., 0] * wanted_slope, led)
    darkest = content.extremes_about()[0, 0]
    depth = (darkest - before[0] @ luma).clamp_max(-_TINY)[..., None]
    slopes = _with_dark_hues(slopes, slope, after[0], contrast[..., 0] * depth, depth)
    return saturation * free + slopes[..., None] * luma + contrast * grey


def _with_dark_hues(slopes: Tensor, own: Tensor, colour: Tensor, fall: Tensor, depth: Tensor) -> Tensor:
    """Slopes of chroma that bring the darkest of each place no further from the hue of its mean than its own.

    A slope of what is lit and what is in shade says little of silhouettes: blue skies do not have blue trees.

    Args:
        slopes: (rows, columns, 3), of chroma over the luma of the content.
        own: (3,), that of the maps.
        colour: (rows, columns, 3), the mean colour of the result.
        fall: (rows, columns, 1), from its luma to that of the darkest.
        depth: of the same shape, the same of the content, below 0.
    """
    luma = (colour * colour.new_tensor(_LUMA_601)).sum(-1, keepdim=True)
    chroma = colour - luma
    hue = chroma * ((luma + fall).clamp_min(0) / luma.clamp_min(_DARK))
    astray = chroma + slopes * depth - hue
    allowed = (chroma + own * depth - hue).norm(dim=-1, keepdim=True).clamp_min(_ASTRAY)
    excess = (1 - allowed / astray.norm(dim=-1, keepdim=True).clamp_min(_TINY)).clamp_min(0)
    kept: Tensor = slopes - excess * astray / depth
    return kept


def _luma(picture: Tensor) -> Tensor:
    weights = torch.tensor(_LUMA_601, dtype=picture.dtype, device=picture.device)
    return (picture * weights[:, None, None]).sum(1, keepdim=True)


def _spread(covariance: Tensor) -> Tensor:
    return covariance.diagonal(dim1=-2, dim2=-1).sum(-1)


def _gain(wanted: Tensor, own: Tensor, share: float) -> Tensor:
    """The gain in standard deviation that leads from one variance this share of the way to another."""
    return ((wanted + _NOISE) / (own + _NOISE)).pow(share / 2).clamp(*GAINS)


def _where_rough(gain: Tensor, rough: Tensor, faint: float) -> Tensor:
    """A gain above 1 counts where the variance of texture is above `faint`: elsewhere it would show noise."""
    return (gain.clamp_max(1) * gain.clamp_min(1) ** (rough / (rough + faint)))[..., None, None]
