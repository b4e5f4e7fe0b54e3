"""Distributions of single values: histograms, and the rising map that gives one the shape of another.

A bin is a grid point and what is nearest to it. With the grid of a file's depth histograms are exact. Between
grid points that occur everything is interpolated, so that a style of eight bits makes no steps in a content
of sixteen.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from haarmony.errors import InputError


@dataclass(frozen=True)
class Grid:
    """Equal steps over the range of each of C channels.

    Attributes:
        low: (C,) the first point.
        step: (C,) from one to the next.
        points: how many.
    """

    low: Tensor
    step: Tensor
    points: int

    @classmethod
    def over(cls, *samples: Tensor, points: int) -> Grid:
        """The grid that spans all values (C, N) of the samples."""
        low = torch.stack([x.amin(1) for x in samples]).amin(0)
        high = torch.stack([x.amax(1) for x in samples]).amax(0)
        return cls(low, ((high - low) / (points - 1)).clamp_min(1e-12), points)

    def places(self, x: Tensor) -> Tensor:
        """Where values (C, N) lie, in steps, held within the grid."""
        return ((x - self.low[:, None]) / self.step[:, None]).clamp_(0, self.points - 1)


@dataclass(frozen=True)
class Histograms:
    """The weight at every point of a grid, (C, points) float64; `+` adds those of another part."""

    grid: Grid
    counts: Tensor

    @classmethod
    def of(cls, x: Tensor, grid: Grid, weights: Tensor | None = None) -> Histograms:
        """The histograms of values (C, N) with weights (N,) >= 0, 1 each if None.

        Raises:
            InputError: when the weights do not fit.
        """
        if weights is not None and weights.shape != x.shape[1:]:
            raise InputError(f"expected {x.shape[1]} weights, one a value, got {tuple(weights.shape)}")
        weights = None if weights is None else weights.double()
        index = grid.places(x).round_().long()
        counts = [torch.bincount(one, weights, grid.points).double() for one in index]
        return cls(grid, torch.stack(counts))

    def __add__(self, other: Histograms) -> Histograms:
        return Histograms(self.grid, self.counts + other.counts)


@dataclass(frozen=True)
class RisingMaps:
    """One rising, piecewise linear map a channel.

    Attributes:
        grid: its knots.
        values: (C, points) at the knots, float32.
    """

    grid: Grid
    values: Tensor

    def __call__(self, x: Tensor) -> Tensor:
        """(C, N) to the same shape; beyond the knots the end values go on."""
        place = self.grid.places(x)
        index = place.long().clamp_(max=self.grid.points - 2)
        under, over = self.values.gather(1, index), self.values.gather(1, index + 1)
        return torch.lerp(under, over, place.sub_(index))


def match_histograms(content: Histograms, style: Histograms) -> RisingMaps:
    """The rising maps that give the content the distributions of the style; the identity if one is empty.

    A value goes to that of the same rank: the share of weight below it and half of that on it.
    """
    grid, knots = content.grid, np.arange(content.grid.points)
    low, step = style.grid.low.double().cpu().numpy(), style.grid.step.double().cpu().numpy()
    values = []
    pairs = zip(content.counts.cpu().numpy(), style.counts.cpu().numpy(), strict=True)
    for c, (here, there) in enumerate(pairs):
        seen, wanted = np.flatnonzero(here), np.flatnonzero(there)
        if not len(seen) or not len(wanted):
            seen, mapped = knots, float(grid.low[c]) + float(grid.step[c]) * knots
        else:
            mapped = np.interp(_ranks(here[seen]), _ranks(there[wanted]), low[c] + step[c] * wanted)
        values.append(np.interp(knots, seen, mapped))
    return RisingMaps(grid, torch.from_numpy(np.stack(values)).to(grid.low))


def _ranks(counts: NDArray[np.float64]) -> NDArray[np.float64]:
    ranks = (np.cumsum(counts) - counts / 2) / counts.sum()
    return np.asarray(ranks)
