"""The matting Laplacian: what no local affine map of a picture's colours can explain.

p^T L p is the least sum of squares by which a plane p differs, in every 3x3 window of a picture, from an
affine function of the colours there (Levin, Lischinski and Weiss, TPAMI 2008, eqs. 11 and 12). It is zero for
a plane that is locally such a function, up to the ridge.

L couples a pixel to those at most two rows and columns away, so it is kept as thirteen planes, one for each
direction that is not the reverse of another: 52 bytes a pixel, and a product with L is a few dozen passes
over the picture.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import combinations_with_replacement, product

import torch
from torch import Tensor

RIDGE = 1e-7
_TINY = 1e-30
_STRIP = 1 << 16
"""Pixels whose windows are worked on at once."""

Offset = tuple[int, int]


@dataclass(frozen=True)
class MattingLaplacian:
    """L of one picture.

    Attributes:
        bands: direction (rows, columns) to the (H, W) entries between a pixel and its neighbour there,
            float32; (0, 0) is the diagonal.
        windows: (H, W) how many windows hold each pixel: the row sums of the affinities, `diag - L`.
    """

    bands: dict[Offset, Tensor]
    windows: Tensor

    @classmethod
    def of(cls, picture: Tensor, *, ridge: float = RIDGE) -> MattingLaplacian:
        """The Laplacian of a picture (1, 3, H, W) in [0, 1].

        Args:
            picture: windows are cut to its sides where these are shorter than 3.
            ridge: added to the covariance of a window times its pixels, in squared units of [0, 1].
        """
        height, width = picture.shape[-2:]
        rows, columns = min(3, height), min(3, width)
        places = list(product(range(rows), range(columns)))
        bands = {
            (r, c): torch.zeros(height, width, device=picture.device)
            for r, c in product(range(rows), range(1 - columns, columns))
            if (r, c) >= (0, 0)
        }
        windows = torch.zeros(height, width, device=picture.device)
        step = max(1, _STRIP // width)
        for top in range(0, height - rows + 1, step):
            bottom = min(height, top + step + rows - 1)
            for a, b, affinity in _affinities(picture[0, :, top:bottom].double(), places, ridge):
                h, w = affinity.shape
                r, c = top + a[0], a[1]
                bands[b[0] - a[0], b[1] - a[1]][r : r + h, c : c + w] -= affinity
                if a == b:
                    windows[r : r + h, c : c + w] += 1
        bands[0, 0] += windows
        return cls(bands, windows)

    def __call__(self, planes: Tensor) -> Tensor:
        """L p of planes (..., H, W)."""
        out = self.bands[0, 0] * planes
        for (rows, columns), band in self.bands.items():
            if (rows, columns) == (0, 0):
                continue
            here, there = _overlap(band, rows, columns)
            entries = band[here]
            out[(..., *here)].addcmul_(entries, planes[(..., *there)])
            out[(..., *there)].addcmul_(entries, planes[(..., *here)])
        return out

    def energy(self, planes: Tensor) -> Tensor:
        """p^T L p of planes (..., H, W), summed over all of them."""
        return (planes * self(planes)).sum()

    def solve(
        self,
        weight: Tensor,
        right: Tensor,
        *,
        start: Tensor | None = None,
        tolerance: float = 5e-3,
        steps: int = 1000,
        watch: Callable[[int, Tensor], None] = lambda step, planes: None,
    ) -> Tensor:
        """The planes z with (diag(weight) + L) z = right, by conjugate gradients with the diagonal inverted.

        Args:
            weight: (H, W), above 0.
            right: (C, H, W).
            start: (C, H, W), where the search begins; zeros if None.
            tolerance: the norm of the residual, over that of `right`, at which it ends.
            steps: after which it ends in any case.
            watch: called after every step.
        """
        diagonal = weight + self.bands[0, 0]
        z = torch.zeros_like(right) if start is None else start.clone()
        residual = right - weight * z - self(z)
        goal = tolerance * right.norm()
        ahead = residual / diagonal
        direction, along = ahead.clone(), _products(residual, ahead)
        for step in range(steps):
            if residual.norm() <= goal:
                break
            image = weight * direction + self(direction)
            size = along / _products(direction, image).clamp_min(_TINY)
            z.addcmul_(size, direction)
            residual.addcmul_(-size, image)
            ahead = residual / diagonal
            before, along = along, _products(residual, ahead)
            direction.mul_(along / before.clamp_min(_TINY)).add_(ahead)
            watch(step + 1, z)
        return z


def _products(a: Tensor, b: Tensor) -> Tensor:
    return (a * b).sum((1, 2), keepdim=True)


def _overlap(band: Tensor, rows: int, columns: int) -> tuple[tuple[slice, slice], tuple[slice, slice]]:
    """Where pixels have a neighbour in a direction, and where these neighbours are."""
    height, width = band.shape
    left, right = max(0, -columns), width - max(0, columns)
    here = slice(0, height - rows), slice(left, right)
    return here, (slice(rows, height), slice(left + columns, right + columns))


def _affinities(strip: Tensor, places: list[Offset], ridge: float) -> Iterator[tuple[Offset, Offset, Tensor]]:
    """For every two places of a window, in their order, the affinity of the two pixels in each window."""
    rows, columns = places[-1][0] + 1, places[-1][1] + 1
    height, width = strip.shape[1] - rows + 1, strip.shape[2] - columns + 1
    seen = torch.stack([strip[:, r : r + height, c : c + width] for r, c in places]).permute(2, 3, 0, 1)
    seen = seen - seen.mean(2, keepdim=True)
    count = len(places)
    eye = torch.eye(3, dtype=strip.dtype, device=strip.device)
    covariance = seen.transpose(2, 3) @ seen / count + ridge / count * eye
    affinities = (1 + seen @ torch.linalg.inv(covariance) @ seen.transpose(2, 3)) / count
    for i, j in combinations_with_replacement(range(count), 2):
        yield places[i], places[j], affinities[..., i, j]
