"""Tight frames: Haar analysis and synthesis, and the check that a filter bank loses nothing.

A bank of filters k with analysis T_k (strided convolution) and synthesis T_k^T (transposed convolution) is a
tight frame when sum_k T_k^T T_k = I: what the analysis takes apart the synthesis puts back, and energy is
preserved. WCT2 (Yoo et al., ICCV 2019, section 3.2) pools by Haar analysis and unpools by its transpose.
"""

from collections.abc import Sequence
from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor

from haarmony.errors import InputError
from haarmony.pages import empty_channels_last, in_strips, strips
from haarmony.side_by_side import shared_out


class Bands(NamedTuple):
    """The four subbands of a Haar analysis, each (B, C, ceil(H/2), ceil(W/2))."""

    LL: Tensor
    LH: Tensor
    HL: Tensor
    HH: Tensor


def haar_filters() -> Tensor:
    """The 2x2 Haar filters LL, LH, HL, HH as (4, 2, 2): outer products of [1 1] and [-1 1], over sqrt 2."""
    low, high = torch.tensor([1.0, 1.0]), torch.tensor([-1.0, 1.0])
    return torch.stack([torch.outer(a, b) / 2 for a in (low, high) for b in (low, high)])


def haar_split(x: Tensor) -> Bands:
    """Haar analysis of every channel.

    Args:
        x: (B, C, H, W) with any H, W >= 1. An odd side is padded by repeating its last row or column, so that
            the high bands are zero there.

    Returns:
        LL, LH (detail along the width), HL (detail along the height) and HH. Energy is that of the padded x.
    """
    height, width = _sides(x)
    if in_strips(x):
        bands = Bands(
            *(empty_channels_last(x, x.shape[1], -(-height // 2), -(-width // 2)) for _ in range(4))
        )

        def split(share: Sequence[slice]) -> None:
            for rows in share:
                for band, part in zip(bands, _split(x[..., rows, :]), strict=True):
                    band[..., rows.start // 2 : (rows.stop + 1) // 2, :] = part

        shared_out(split, strips(x))
        return bands
    return _split(x)


def _split(x: Tensor) -> Bands:
    height, width = x.shape[-2:]
    if height % 2 or width % 2:
        x = F.pad(x, (0, width % 2, 0, height % 2), mode="replicate")
    top, bottom = x[..., 0::2, :], x[..., 1::2, :]
    low, high = top + bottom, bottom - top
    LL, HL = (torch.lerp(one[..., 0::2], one[..., 1::2], 0.5) for one in (low, high))
    return Bands(LL, LL - low[..., 0::2], HL, HL - high[..., 0::2])


def haar_merge(bands: Bands, size: tuple[int, int] | None = None) -> Tensor:
    """Haar synthesis, the exact inverse (and the transpose) of `haar_split`.

    Args:
        bands: four tensors (B, C, h, w).
        size: (H, W) of the result, to cut off the padding of an odd side; (2h, 2w) if None.
    """
    LL, LH, HL, HH = bands
    top, top_step = (LL - HL) * 0.5, (LH - HH) * 0.5
    bottom, bottom_step = (LL + HL) * 0.5, (LH + HH) * 0.5
    batch, channels, height, width = LL.shape
    x = torch.empty(
        (batch, channels, 2 * height, 2 * width), dtype=LL.dtype, device=LL.device, memory_format=_layout(LL)
    )
    x[..., 0::2, 0::2], x[..., 0::2, 1::2] = top - top_step, top + top_step
    x[..., 1::2, 0::2], x[..., 1::2, 1::2] = bottom - bottom_step, bottom + bottom_step
    return x if size is None else x[..., : size[0], : size[1]]


def analyse(x: Tensor, filters: Tensor) -> Tensor:
    """Analysis by any bank: strided correlation of every channel, stride = half the filter support or more.

    Args:
        x: (B, C, H, W), treated as periodic, so that the bank can be judged without borders.
        filters: (K, h, w), stride 2.

    Returns:
        (B, C, K, H/2, W/2).

    Raises:
        InputError: for a bank that is not (K, h, w) or a side of x that is odd or shorter than the filters.
    """
    _check_bank(x, filters)
    batch, channels, height, width = x.shape
    count, rows, columns = filters.shape
    x = F.pad(x.reshape(-1, 1, height, width), (0, columns - 2, 0, rows - 2), mode="circular")
    return F.conv2d(x, filters[:, None], stride=2).view(batch, channels, count, height // 2, width // 2)


def synthesise(coefficients: Tensor, filters: Tensor) -> Tensor:
    """The transpose of `analyse`: (B, C, K, h, w) to (B, C, 2h, 2w), periodic."""
    batch, channels, count, height, width = coefficients.shape
    rows, columns = filters.shape[1:]
    y = F.conv_transpose2d(coefficients.reshape(-1, count, height, width), filters[:, None], stride=2)
    y[..., : rows - 2, :] += y[..., 2 * height :, :]
    y[..., : columns - 2] += y[..., 2 * width :]
    return y[..., : 2 * height, : 2 * width].reshape(batch, channels, 2 * height, 2 * width)


def frame_error(filters: Tensor, size: int = 16) -> float:
    """How far a stride-2 bank is from a tight frame: max |sum_k T_k^T T_k - I| on a periodic grid.

    Zero (to rounding) means perfect reconstruction and preserved energy. Max, average and one-band pooling
    fail this check; Haar passes it (Yoo et al. 2019, section 3.2; Ye et al. 2018 for the frame condition).
    """
    identity = torch.eye(size * size, dtype=torch.float64).view(size * size, 1, size, size)
    bank = filters.to(torch.float64)
    return float((synthesise(analyse(identity, bank), bank) - identity).abs().max())


def _sides(x: Tensor) -> tuple[int, int]:
    if x.ndim != 4 or min(x.shape[-2:]) < 1:
        raise InputError(
            f"expected a tensor (batch, channels, height, width) with sides >= 1, got {tuple(x.shape)}"
        )
    return x.shape[-2], x.shape[-1]


def _check_bank(x: Tensor, filters: Tensor) -> None:
    height, width = _sides(x)
    if filters.ndim != 3 or min(filters.shape[1:]) < 2:
        raise InputError(
            f"expected filters (count, height, width) with sides >= 2, got {tuple(filters.shape)}"
        )
    if height % 2 or width % 2 or height < filters.shape[1] or width < filters.shape[2]:
        raise InputError(f"expected even sides of at least {tuple(filters.shape[1:])}, got {(height, width)}")


def _layout(x: Tensor) -> torch.memory_format:
    channels_last = x.is_contiguous(memory_format=torch.channels_last) and not x.is_contiguous()
    return torch.channels_last if channels_last else torch.contiguous_format
