"""Twice as large, without a grid.

What alternates from cell to cell is taken away before (the binomial filter has a zero there) and edges are
bilinear. Enlarged by nearest neighbours, networks that are trained for the statistics of a style find it
cheapest to fill flat places with a chequerboard of cells (see Odena et al., Distill 2016).
"""

from typing import Literal

import torch.nn.functional as F
from torch import Tensor

_BINOMIAL = (0.25, 0.5, 0.25)
_MARGIN = 2


def enlarged(x: Tensor, border: Literal["reflect", "circular"]) -> Tensor:
    """(B, C, H, W) to (B, C, 2 H, 2 W), with H and W of 3 or more; 2 will do where the border is circular."""
    blurred = _binomial(F.pad(x, (_MARGIN,) * 4, mode=border))
    twice = F.interpolate(blurred, scale_factor=2, mode="bilinear", align_corners=False)
    return twice[..., _MARGIN:-_MARGIN, _MARGIN:-_MARGIN]


def without_alternation(x: Tensor) -> Tensor:
    """(B, C, H, W) without what alternates from pixel to pixel (the binomial filter); its border goes on."""
    return _binomial(F.pad(x, (1, 1, 1, 1), mode="replicate"))


def _binomial(x: Tensor) -> Tensor:
    kernel = x.new_tensor(_BINOMIAL)
    return F.conv2d(x, (kernel[:, None] * kernel).expand(x.shape[1], 1, 3, 3), groups=x.shape[1])
