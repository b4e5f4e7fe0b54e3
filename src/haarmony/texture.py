"""Texture: how much the colours of a region vary within a short distance, in luma and in chroma.

The contrast that a style lends is that of its texture. The spread of all colours of a region is no measure of
it: a meadow that is bright in front and dark behind has a large one, and is smooth all the same.
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

LUMA_SHARE = 0.6
CHROMA_SHARE = 0.5
GAINS = (0.4, 2.0)
_SCALE = 1 / 88
"""Of the long side: what varies within a shorter distance is texture."""
_NOISE = 1e-6
_FAINT_LUMA = 1e-4
_FAINT_CHROMA = 1e-3
_LEAST_SHARE = 1e-3
_TINY = 1e-8
_LUMA_601 = (0.299, 0.587, 0.114)


def texture(picture: Tensor, weight: Tensor | None = None) -> Tensor:
    """The picture less its blurred copy; in a region, less the blur of the region alone.

    Args:
        picture: (B, 3, H, W).
        weight: (H, W) in [0, 1], of the region; None for the whole.

    Returns:
        (B, 3, H, W); 0 beyond the region.
    """
    sigma = max(picture.shape[-2:]) * _SCALE
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
    matrix: Tensor, content: Roughness, style: Moments, *, sigma: float, share: float = 1.0
) -> Tensor:
    """Colour maps with the contrast of their luma, and that of their chroma, led towards a style's texture.

    The luma of the result is a multiple of the picture's luma. What the colours of a picture do apart from
    its luma can be noise, and enters the chroma alone. Contrast is raised only where the picture has texture.

    Args:
        matrix: (1, rows, columns, 3, 3), the maps on a grid over the picture.
        content: the picture's own, or its region's, on the same grid.
        style: from `texture_moments`.
        sigma: of the window, in cells of the grid, in which the strength of texture is looked at.
        share: of the way from the contrast of the picture to that of the style, as a factor of the usual one.
    """
    wanted = style.covariance().to(matrix)
    own = content.moments.covariance().to(matrix)
    luma = torch.tensor(_LUMA_601, dtype=matrix.dtype, device=matrix.device)
    grey = torch.outer(torch.ones_like(luma), luma)
    colourful = torch.eye(3, dtype=matrix.dtype, device=matrix.device) - grey

    energy, present = content.energy, content.present
    whole = energy.mean() / present.mean().clamp_min(_TINY)
    rough = (blur(energy, sigma) + _LEAST_SHARE * whole) / (blur(present, sigma) + _LEAST_SHARE)

    tint = colourful @ matrix
    vivid = (_spread(tint @ own @ tint.mT) * present[:, 0]).sum() / present.sum().clamp_min(_TINY)
    saturation = _gain(_spread(colourful @ wanted @ colourful.T), vivid, share * CHROMA_SHARE)
    contrast = _gain(luma @ wanted @ luma, luma @ own @ luma, share * LUMA_SHARE)
    saturation = _where_rough(saturation, rough[0], _FAINT_CHROMA)
    contrast = _where_rough(contrast, rough[0], _FAINT_LUMA)
    return saturation * tint + contrast * grey


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
