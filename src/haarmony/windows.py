"""Windows: means over a Gaussian or a box about every pixel, or over what a pixel of a reduced copy sees."""

from collections.abc import Iterator
from typing import Literal

import torch
import torch.nn.functional as F
from torch import Tensor

_LINES = 96
"""Lines that are blurred by one matrix product: few, so that little of the matrix is zero."""
_STEEPEST = 32
"""Times by which a GPU makes a picture smaller; the weights of more would not fit into its shared memory."""


def blur(x: Tensor, sigma: float) -> Tensor:
    """(B, C, H, W) under a Gaussian of `sigma` pixels, cut at 3 sigma; borders are repeated.

    Matrix products along each axis: at the sizes in use a few times as fast as convolving single channels.
    """
    reach = max(1, round(3 * sigma))
    down, across = (_gaussian(side, sigma, reach, x) for side in x.shape[-2:])
    x = torch.cat([down[out, seen] @ x[..., seen, :] for out, seen in _blocks(len(down), reach)], -2)
    return torch.cat([x[..., seen] @ across[out, seen].T for out, seen in _blocks(len(across), reach)], -1)


def _gaussian(side: int, sigma: float, reach: int, like: Tensor) -> Tensor:
    """(side, side): what every pixel of a line adds to every other.

    It is added up in main memory: a GPU adds in any order, and so gives other bits every time.
    """
    taps = torch.arange(-reach, reach + 1)
    kernel = torch.exp(-0.5 * (taps.to(like.dtype) / sigma) ** 2)
    places = (torch.arange(side)[:, None] + taps).clamp(0, side - 1)
    weights = torch.zeros(side, side, dtype=like.dtype)
    return weights.scatter_add_(1, places, (kernel / kernel.sum()).expand(side, -1)).to(like.device)


def _blocks(side: int, reach: int) -> Iterator[tuple[slice, slice]]:
    """Blocks of lines, each with the lines that bear on it."""
    for start in range(0, side, _LINES):
        stop = min(start + _LINES, side)
        yield slice(start, stop), slice(max(0, start - reach), min(side, stop + reach))


def box(x: Tensor, reach: int) -> Tensor:
    """(B, C, H, W) averaged over squares of 2 `reach` + 1 pixels, over what of them lies inside."""
    down, across = (min(reach, side - 1) for side in x.shape[-2:])
    sums = _sums(F.pad(x, (across, across, down, down)), 2 * down + 1, -2)
    sums = _sums(sums, 2 * across + 1, -1)
    rows, columns = (_counts(side, r).to(x) for side, r in zip(x.shape[-2:], (down, across), strict=True))
    return sums / (rows[:, None] * columns)


def _sums(x: Tensor, length: int, axis: int) -> Tensor:
    """Of each `length`, an odd number, of neighbours along an axis: put together from sums of 1, 2, 4, ..."""
    places = x.shape[axis] - length + 1
    total, done, power = x.narrow(axis, 0, places), 1, 1
    while done < length:
        kept = x.shape[axis] - power
        x = x.narrow(axis, 0, kept) + x.narrow(axis, power, kept)
        power *= 2
        if length & power:
            total = total + x.narrow(axis, done, places)
            done += power
    return total


def _counts(side: int, reach: int) -> Tensor:
    """How many of 2 `reach` + 1 places about each of `side` lie inside."""
    places = torch.arange(side)
    return (places + reach).clamp_max(side - 1) - (places - reach).clamp_min(0) + 1


def antialiased(
    x: Tensor, size: tuple[int, int], mode: Literal["bilinear", "bicubic"] = "bilinear"
) -> Tensor:
    """(B, C, H, W) at another size; of a smaller one, a pixel is a mean over all that it covers."""
    sides = x.shape[-2:]
    if tuple(sides) == size:
        return x
    steep = any(old > _STEEPEST * new for old, new in zip(sides, size, strict=True))
    made = F.interpolate(x.cpu() if steep else x, size, mode=mode, antialias=True, align_corners=False)
    return made.to(x.device)
