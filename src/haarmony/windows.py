"""Windows: means over a Gaussian or a box about every pixel."""

import torch
import torch.nn.functional as F
from torch import Tensor


def blur(x: Tensor, sigma: float) -> Tensor:
    """(B, C, H, W) under a Gaussian of `sigma` pixels, cut at 3 sigma; borders are repeated."""
    reach = max(1, round(3 * sigma))
    taps = torch.arange(-reach, reach + 1, dtype=x.dtype, device=x.device)
    kernel = torch.exp(-0.5 * (taps / sigma) ** 2)
    kernel = (kernel / kernel.sum()).view(1, 1, -1, 1)
    channels = x.shape[1]
    flat = x.reshape(-1, 1, *x.shape[-2:])
    flat = F.conv2d(F.pad(flat, (0, 0, reach, reach), mode="replicate"), kernel)
    flat = F.conv2d(F.pad(flat, (reach, reach, 0, 0), mode="replicate"), kernel.transpose(2, 3))
    return flat.view(-1, channels, *x.shape[-2:])


def box(x: Tensor, reach: int) -> Tensor:
    """(B, C, H, W) averaged over squares of 2 `reach` + 1 pixels, over what of them lies inside."""
    down, across = (min(reach, side - 1) for side in x.shape[-2:])
    x = F.avg_pool2d(x, (2 * down + 1, 1), 1, (down, 0), count_include_pad=False)
    return F.avg_pool2d(x, (1, 2 * across + 1), 1, (0, across), count_include_pad=False)
