"""Guided weights: region masks that follow the edges of the picture, at any size, from a reduced copy.

A mask is hard, often jagged and off by some pixels. The guided filter (He, Sun and Tang, TPAMI 2013, eqs. 14
and 15 with a colour guide) explains it in every window as an affine function of the picture's colours. Where
the picture has an edge near the mask's border the weight jumps there; where it is flat it passes softly.
As in the fast guided filter (He and Sun 2015) the coefficients come from a reduced copy, and are
interpolated and applied to the full picture, or to any band of its rows.
"""

import torch
import torch.nn.functional as F
from torch import Tensor

from haarmony.windows import box

RADIUS = 8
RIDGE = 1e-3
_LONG_SIDE = 352


def guide(reduced: Tensor, weights: Tensor, *, radius: float = RADIUS, ridge: float = RIDGE) -> Tensor:
    """The coefficients that make weights follow a picture.

    Args:
        reduced: (1, 3, h, w), the picture in [0, 1].
        weights: (K, h, w), of K regions, in [0, 1].
        radius: of the window, in pixels of a copy with a long side of 352.
        ridge: variance of colour, in squared units of [0, 1], below which the picture counts as flat.

    Returns:
        (K, 4, h, w): the factors of the three colours, then the constant.
    """
    reach = max(1, round(radius * max(reduced.shape[-2:]) / _LONG_SIDE))
    regions = weights[:, None].to(reduced)
    maps = [reduced, *(reduced * reduced[:, i : i + 1] for i in range(3))]
    means = box(torch.cat(maps, 1), reach)
    x = means[:, :3]
    xx = means[:, 3:].reshape(1, 3, 3, *x.shape[-2:]) - x[:, :, None] * x[:, None]
    w = box(regions, reach)
    xw = box(regions * reduced, reach) - w * x
    eye = ridge * torch.eye(3, dtype=xx.dtype, device=xx.device)
    slope = torch.linalg.solve(xx.permute(0, 3, 4, 1, 2) + eye, xw.permute(0, 2, 3, 1)[..., None])
    slope = slope[..., 0].permute(0, 3, 1, 2)
    constant = w - (slope * x).sum(1, keepdim=True)
    return box(torch.cat((slope, constant), 1), reach)


def guided_planes(content: Tensor, guides: Tensor) -> Tensor:
    """The planes (K, H, W) that coefficients from `guide` explain by a picture (1, 3, H, W), unclipped."""
    factors = F.interpolate(guides, content.shape[-2:], mode="bilinear", align_corners=False)
    return (factors[:, :3] * content).sum(1) + factors[:, 3]


def guided_weights(content: Tensor, guides: Tensor, *, top: int = 0, height: int | None = None) -> Tensor:
    """The weights of the regions at every pixel.

    Args:
        content: (1, 3, H, W), the picture, or a band of its rows.
        guides: (K, 4, h, w), from `guide`.
        top: the picture's row that the band begins with.
        height: of the whole picture; H if None.

    Returns:
        (K, H, W) in [0, 1]; they sum to one at every pixel.
    """
    rows, width = content.shape[-2:]
    place = (torch.arange(top, top + rows, device=guides.device) + 0.5) * guides.shape[2] / (height or rows)
    place = (place - 0.5).clamp(0, guides.shape[2] - 1)
    above = place.long()
    below = (above + 1).clamp_max(guides.shape[2] - 1)
    factors = torch.lerp(guides[:, :, above], guides[:, :, below], (place - above).to(guides)[:, None])
    factors = F.interpolate(factors, (rows, width), mode="bilinear", align_corners=False)
    weights = factors[:, 3]
    for channel in range(3):
        weights = torch.addcmul(weights, factors[:, channel], content[0, channel])
    weights = weights.clamp_(0, 1)
    return weights / weights.sum(0).clamp_min(1e-6)
