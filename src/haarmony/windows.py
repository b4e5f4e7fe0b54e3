"""Windows: means over a Gaussian or a box about every pixel."""

import torch
import torch.nn.functional as F
from torch import Tensor


def blur(x: Tensor, sigma: float) -> Tensor:
    """(B, C, H, W) under a Gaussian of `sigma` pixels, cut at 3 sigma; borders are repeated.

    One matrix product an axis: at the sizes in use a few times as fast as a convolution of single channels.
    """
    down, across = (_gaussian(side, sigma, x) for side in x.shape[-2:])
    return down @ x @ across.T


def _gaussian(side: int, sigma: float, like: Tensor) -> Tensor:
    """(side, side): what every pixel of a line adds to every other."""
    reach = max(1, round(3 * sigma))
    taps = torch.arange(-reach, reach + 1, device=like.device)
    kernel = torch.exp(-0.5 * (taps.to(like.dtype) / sigma) ** 2)
    places = (torch.arange(side, device=like.device)[:, None] + taps).clamp(0, side - 1)
    weights = torch.zeros(side, side, dtype=like.dtype, device=like.device)
    return weights.scatter_add_(1, places, (kernel / kernel.sum()).expand(side, -1))


def box(x: Tensor, reach: int) -> Tensor:
    """(B, C, H, W) averaged over squares of 2 `reach` + 1 pixels, over what of them lies inside."""
    down = _line_means(x, reach)
    return _line_means(down.mT.contiguous(), reach).mT.contiguous()


def _line_means(x: Tensor, reach: int) -> Tensor:
    """Means along the height. The width goes as channels: torch pools those at once."""
    batch, channels, height, width = x.shape
    reach = min(reach, height - 1)
    lines = x.reshape(batch * channels, height, 1, width).permute(0, 3, 1, 2)
    means = F.avg_pool2d(lines, (2 * reach + 1, 1), 1, (reach, 0), count_include_pad=False)
    return means.permute(0, 2, 3, 1).reshape(batch, channels, height, width)
