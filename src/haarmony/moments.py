"""Moments: the count, mean and covariance of features, all that a transfer needs to know of a picture.

They merge: `a + b` are the moments of both sets together (Chan, Golub and LeVeque 1979), so tiles, frames of
a shot, several style pictures or many machines can each bring their own.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial, reduce
from operator import add

import torch
from torch import Tensor

from haarmony.errors import InputError
from haarmony.remembered import remembered
from haarmony.side_by_side import learns, shared_out

_BLOCK, _LARGEST_BLOCK = 1 << 12, 1 << 14
"""Positions that are summed at once: the more, the fewer channels there are."""
_NUMBERS = 1 << 18
"""What a block holds where that is between the two."""
_BLOCKS = 64
"""Blocks that are summed at once where many small steps cost more than memory."""
_FEW = 4096
_FACTORED_ON_GPU = 256
"""Channels from which a GPU factors a matrix faster than a processor (`benchmarks/gpu.py`)."""
_LARGE = 1 << 22
"""Numbers from which threads have blocks of their own."""
_PANEL = 64
"""Channels whose products are taken at once; those above the diagonal are left out."""


@dataclass(frozen=True)
class Moments:
    """Weighted first and second moments of C-dimensional features, in float64.

    Attributes:
        count: () total weight: the number of pixels when no weights are given.
        mean: (C,)
        scatter: (C, C) sum of w (x - mean)(x - mean)^T.
    """

    count: Tensor
    mean: Tensor
    scatter: Tensor

    @classmethod
    def of(cls, features: Tensor, weights: Tensor | None = None) -> Moments:
        """The moments of one feature map.

        Sums and products are taken in float32 about a reference near the weighted mean, in blocks summed
        in float64, so nothing cancels; narrower features are widened first. Float64 features are kept in
        float64 throughout, and so are those of few positions: their covariance may be singular, and a
        matching would amplify the rounding.

        Args:
            features: (C, H, W) or (C, N). Not-finite values count as weight zero.
            weights: (H, W) or (N,), >= 0, the soft membership of each position; 1 everywhere if None.

        Raises:
            InputError: when the shapes do not fit, or a weight is below 0.
        """
        if features.ndim < 2:
            raise InputError(f"features are (C, H, W) or (C, N), got {tuple(features.shape)}")
        x = features.flatten(1)
        x = x.to(torch.float64 if x.shape[1] <= _FEW else torch.promote_types(x.dtype, torch.float32))
        positions = x.shape[1]
        if weights is not None:
            weights = weights.flatten()
            if weights.shape[0] != positions:
                raise InputError(f"expected {positions} weights, one a position, got {weights.shape[0]}")
            if bool((weights < 0).any()):
                raise InputError("weights are 0 or more, got some below")
        count, reference, first, second = _about_a_reference(x, weights)
        if not bool(first.isfinite().all()):
            finite = x.isfinite().all(0)
            x = torch.where(finite, x, 0)
            weights = finite.to(x.dtype) if weights is None else torch.where(finite, weights, 0)
            count, reference, first, second = _about_a_reference(x, weights)
        if count <= 0:
            return cls(count, torch.zeros_like(first), torch.zeros_like(second))
        shift = first / count
        second = second.tril() + second.tril(-1).T
        scatter = second - count * torch.outer(shift, shift)
        return cls(count, reference[:, 0].to(torch.float64) + shift, scatter)

    @property
    def channels(self) -> int:
        """The number of feature channels C."""
        return self.mean.shape[0]

    def to(self, device: torch.device) -> Moments:
        """The same moments on a device; what was brought to a GPU is known when it is asked for again."""
        if self.scatter.device == device:
            return self

        def make() -> Moments:
            return Moments(self.count.to(device), self.mean.to(device), self.scatter.to(device))

        if device.type == "cpu" or learns(self.scatter, self.mean, self.count):
            return make()
        return remembered(f"on {device}", (self.scatter, self.mean, self.count), None, make)

    def cpu(self) -> Moments:
        """The same moments in main memory."""
        return self.to(torch.device("cpu"))

    def for_factoring(self) -> Moments:
        """The same moments where matrices of their size are factored fastest, small ones in main memory."""
        return self if self.channels >= _FACTORED_ON_GPU else self.cpu()

    def covariance(self, *, ddof: int = 0) -> Tensor:
        """(C, C) scatter / (count - ddof); the divisor is count where count <= ddof, and 0 / 0 is 0."""
        divisor = self.count - ddof if self.count > ddof else self.count
        return self.scatter / divisor if divisor > 0 else self.scatter

    def scaled(self, weight: float) -> Moments:
        """The same statistics, counted so many times: their weight in a sum."""
        return Moments(self.count * weight, self.mean, self.scatter * weight)

    def __add__(self, other: Moments) -> Moments:
        """The moments of both sets together."""
        if self.channels != other.channels:
            raise InputError(
                f"moments of {self.channels} channels cannot merge with those of {other.channels}"
            )
        count = self.count + other.count
        if count <= 0:
            return self
        step = other.mean - self.mean
        share = other.count / count
        return Moments(
            count,
            self.mean + share * step,
            self.scatter + other.scatter + self.count * share * torch.outer(step, step),
        )


def _about_a_reference(x: Tensor, weights: Tensor | None) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """Weight (), a reference (C, 1) near the weighted mean, and about it sums (C,) and products (C, C)."""
    positions = x.shape[1]
    some = slice(None, None, max(1, positions // 1024))
    reference = x[:, some].mean(1, keepdim=True)
    if weights is not None and bool((share := weights[some].to(x.dtype)).any()):
        reference = (x[:, some] * share).sum(1, keepdim=True) / share.sum()
    fitting = min(max(_BLOCK, _NUMBERS // max(1, len(x))), _LARGEST_BLOCK)
    step = fitting if x.device.type == "cpu" else _BLOCK * _BLOCKS
    blocks = [slice(start, start + step) for start in range(0, max(1, positions), step)]
    work = partial(_sums, x, weights, reference)
    large = x.device.type == "cpu" and x.numel() >= _LARGE and not learns(x, weights)
    parts = shared_out(work, blocks) if large else [work(blocks)]
    count, first, second = (reduce(add, of_parts) for of_parts in zip(*parts, strict=True))
    return count, reference, first, second


def _sums(
    x: Tensor, weights: Tensor | None, reference: Tensor, blocks: Sequence[slice]
) -> tuple[Tensor, Tensor, Tensor]:
    """The weight (), sums (C,) and sums of products (C, C) of some blocks of x, about a reference."""
    channels = len(x)
    count = torch.zeros((), dtype=torch.float64, device=x.device)
    first = torch.zeros(channels, dtype=torch.float64, device=x.device)
    second = torch.zeros(channels, channels, dtype=torch.float64, device=x.device)
    add_products = _add_by_panels if x.device.type == "cpu" else _add_by_blocks
    room = None if learns(x, weights) else torch.empty_like(x[:, blocks[0]])
    for positions in blocks:
        part = x[:, positions]
        block = torch.sub(part, reference, out=None if room is None else room[:, : part.shape[1]])
        if weights is None:
            weighted = block
            count += block.shape[1]
        else:
            w = weights[positions].to(block.dtype)
            weighted = block * w
            count += w.sum(dtype=torch.float64)
        first += weighted.sum(1)
        add_products(second, weighted, block)
    return count, first, second


def _add_by_panels(second: Tensor, weighted: Tensor, block: Tensor) -> None:
    """Add the products of channels (C, N) x (N, C) to (C, C), but for some above the diagonal."""
    channels = len(block)
    for panel in range(0, channels, _PANEL):
        end = min(panel + _PANEL, channels)
        second[panel:end, :end] += weighted[panel:end] @ block[:end].T


def _add_by_blocks(second: Tensor, weighted: Tensor, block: Tensor) -> None:
    """Add the products of channels (C, N) x (N, C) to (C, C), of many positions at once."""
    channels, positions = block.shape
    blocks = positions // _BLOCK
    whole = blocks * _BLOCK
    left, right = (x[:, :whole].reshape(channels, blocks, _BLOCK) for x in (weighted, block))
    second += (left.transpose(0, 1) @ right.permute(1, 2, 0)).sum(0, dtype=torch.float64)
    second += weighted[:, whole:] @ block[:, whole:].T
