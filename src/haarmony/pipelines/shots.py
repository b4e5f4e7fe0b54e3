"""Shots: where a film cuts from one to the next.

Two frames are compared by their structure, which is a small copy's luma less its local mean, over the frame's
brightness: the best normalised correlation over shifts (Lewis, *Fast Normalized Cross-Correlation*, 1995). It
stays where the picture moves or becomes brighter; and without the local mean two skies over two fields are
not alike. What is fainter than noise counts as alike. Colours (a histogram) count a little.

There is a cut where all the frames before are unlike all the frames behind, `REACH` of each; so a flash, or
what passes near the camera, parts nothing. The distance must stand out from what it is around, so a fast pan
parts nothing. An empty frame is like any other: where a film leads through darkness, the last picture before
it is compared with the first behind. A dissolve parts nothing: a map that jumped in it would show.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import tee
from typing import Any, TypeVar

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray

T = TypeVar("T")
Array = NDArray[Any]

REACH = 5
"""Frames on either side that are compared: what is gone again within them is no shot."""
_AROUND = 12
_TIMES = 1.0
_LEAST = 0.4
_COLOURS = 0.25
_EMPTY = 0.02
_FAINT = 4e-4
"""Variance of structure that noise has; so much of any two frames counts as the same."""
_CELLS = (36, 64)
_SHIFTS = (8, 20)
_LOCAL = 3
_LUMA_601 = np.array([0.299, 0.587, 0.114], np.float32)

_PADDED = (48, 90)
_SHIFTED = np.ix_(*(np.r_[0 : most + 1, -most:0] for most in _SHIFTS))
_ONE = np.fft.rfft2(np.ones(_CELLS), _PADDED)
_OVERLAP = np.fft.irfft2(_ONE * _ONE.conj(), _PADDED)[_SHIFTED].round()


@dataclass(frozen=True)
class Glimpse:
    """What is kept of a frame to compare it by.

    Attributes:
        colours: (512,), the shares of the colours.
        luma: (36, 64), its means over small places, in [0, 1].
        structure: (48, 46), the Fourier transform of a small copy's structure.
        means: (2, 17, 41), those of the structure over what overlaps a frame at each shift, as the first of
            the two and as the second.
        spreads: (2, 17, 41), its standard deviations likewise, with that of noise.
        empty: whether there is nothing to see.
    """

    colours: Array
    luma: Array
    structure: Array
    means: Array
    spreads: Array
    empty: bool


def glimpse(pixels: Array) -> Glimpse:
    """Look at a frame (H, W, 3) of uint8 or uint16."""
    some = tuple(
        slice(None, None, max(1, side // (5 * cells)))
        for side, cells in zip(pixels.shape, _CELLS, strict=False)
    )
    seen = pixels[some]
    bits = 8 * seen.dtype.itemsize
    red, green, blue = (seen >> (bits - 3)).astype(np.int64).transpose(2, 0, 1)
    colours = np.bincount((64 * red + 8 * green + blue).ravel(), minlength=512) / red.size
    luma = torch.from_numpy(seen.astype(np.float32) @ (_LUMA_601 / (2**bits - 1)))
    small = F.adaptive_avg_pool2d(luma[None, None], _CELLS)
    local = F.avg_pool2d(small, 2 * _LOCAL + 1, stride=1, padding=_LOCAL, count_include_pad=False)
    fine = ((small - local) / (small.mean() + _EMPTY))[0, 0].numpy()
    spectra = np.fft.rfft2(np.stack((fine, fine * fine)), _PADDED)
    both = np.stack((spectra * _ONE.conj(), _ONE * spectra.conj()))
    overlapping = np.fft.irfft2(both, _PADDED)[(slice(None), slice(None), *_SHIFTED)] / _OVERLAP
    means, squares = overlapping[:, 0], overlapping[:, 1]
    spreads = np.sqrt(np.maximum(squares - means * means, 0) + _FAINT)
    return Glimpse(colours, small[0, 0].numpy(), spectra[0], means, spreads, bool(small.std() < _EMPTY))


def unlike(a: Glimpse, b: Glimpse) -> float:
    """0 for the same picture, up to 1.25 for another in other colours; what is empty is no other picture."""
    colours = _COLOURS * float(np.abs(a.colours - b.colours).sum() / 2)
    return colours if a.empty or b.empty else colours + unlike_in_structure(a, b)


def unlike_in_structure(a: Glimpse, b: Glimpse) -> float:
    """0 for the same picture at any brightness and a little moved, about 1 for another."""
    both = np.fft.irfft2(a.structure * b.structure.conj(), _PADDED)[_SHIFTED] / _OVERLAP
    covariance = both - a.means[0] * b.means[1] + _FAINT
    return float(np.clip(1 - (covariance / (a.spreads[0] * b.spreads[1])).max(), 0, 1))


def marked(items: Iterable[tuple[T, Glimpse]]) -> Iterator[tuple[T, bool]]:
    """Say of every frame whether a shot begins with it; shots have `REACH` frames or more.

    Args:
        items: of each frame anything, which comes back, and its glimpse.

    Yields:
        The items in their order, about 20 frames behind what has been taken.
    """
    waiting, ahead = tee(items)
    flags = _outstanding(_distances(seen for _, seen in ahead))
    lit: Glimpse | None = None
    after_empty = False
    since = 0
    for (item, seen), cut in zip(waiting, flags, strict=True):
        if not seen.empty:
            cut = cut or (after_empty and lit is not None and unlike_in_structure(lit, seen) > _LEAST)
            lit = seen
        after_empty = seen.empty
        cut = cut and since >= REACH
        since = 1 if cut else since + 1
        yield item, cut


def cuts(frames: Iterable[Array]) -> Iterator[int]:
    """The numbers of the frames (H, W, 3) that a shot begins with, but the first."""
    marks = marked((number, glimpse(pixels)) for number, pixels in enumerate(frames))
    return (number for number, cut in marks if cut and number)


def _distances(glimpses: Iterable[Glimpse]) -> Iterator[float]:
    """Of every frame the least distance of any of those before it to any from it on."""
    known: deque[Glimpse] = deque(maxlen=2 * REACH - 1)
    rows: deque[list[float]] = deque(maxlen=REACH)
    for seen in glimpses:
        rows.append([unlike(seen, other) for other in reversed(known)])
        known.append(seen)
        if len(rows) == REACH:
            yield _least(rows)
    for _ in range(min(len(rows), REACH - 1)):
        if len(rows) == REACH:
            rows.popleft()
        yield _least(rows)
        rows.popleft()


def _least(rows: Iterable[list[float]]) -> float:
    """Of rows of distances to the frames before, nearest first: over the `REACH` before the first row."""
    return min((d for late, row in enumerate(rows) for d in row[late : late + REACH]), default=0.0)


def _outstanding(distances: Iterable[float]) -> Iterator[bool]:
    """Whether each distance is the largest about it, and stands out."""
    seen: deque[float] = deque([0.0] * _AROUND, maxlen=2 * _AROUND + 1)
    taken = 0
    for distance in distances:
        seen.append(distance)
        taken += 1
        if taken > _AROUND:
            yield _stands_out(list(seen))
    seen.extend([0.0] * max(0, _AROUND - taken))
    for left in range(min(taken, _AROUND), 0, -1):
        seen.append(0.0)
        yield left >= REACH and _stands_out(list(seen))


def _stands_out(seen: list[float]) -> bool:
    middle = len(seen) - 1 - _AROUND
    here, before, behind = seen[middle], seen[:middle], seen[middle + 1 :]
    usual = float(np.median(before[: 1 - REACH] + behind[REACH - 1 :]))
    largest = here > max(before[1 - REACH :]) and here >= max(behind[: REACH - 1])
    return largest and here - _TIMES * usual > _LEAST
