"""Exposure: what a camera makes brighter or darker of itself while it films.

A transfer strengthens contrast, and were a change of exposure taken for contrast it would be strengthened
too: a street that becomes half as bright for a moment would turn black. So a look is found for the film at
the usual exposure of the shot, and every frame gets it at its own: of a frame X at e times the usual exposure
the result is e T(X / e). In the values of a file, whose encoding is nearly a power of light, exposure is a
factor as it is in light. What would be brighter than white at the usual exposure is white there, and is
brighter than white by as much afterwards.
"""

from __future__ import annotations

from math import copysign, exp, inf, log
from typing import Any

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from haarmony.pipelines.rows import Rows, RowsOf

Array = NDArray[Any]

MOST = log(10.0)
"""The largest change that is told from content: beyond it there is too little to see."""

_DARK, _BURNT = 0.02, 0.96
"""Luma between which a place can tell."""

_FEWEST = 0.25
"""The share of places that must be able to."""

_SAME_VIEW = 0.1
"""The distance of the quartiles of what places say up to which two frames show the same."""

_VIEWS = 15
"""Frames of other views than the first that are kept to compare with."""

_NONE = 0.02
"""How far from the usual exposure one may be and still count as it."""


class Meter:
    """Reads the exposure of the frames of a shot, one after the other.

    A frame is compared with earlier ones of the same view, the first of all before the others, so that an
    exposure that comes back is read as it was. Where there is none, with the frame before.
    """

    def __init__(self) -> None:
        """Begin a shot."""
        self._known: list[tuple[Array, float]] = []
        self._before: Array | None = None
        self._level = 0.0

    def read(self, luma: Array) -> float:
        """The logarithm of a frame's exposure, over that of the first.

        Args:
            luma: (h, w), its means over small places, in [0, 1].
        """
        for known, level in self._known:
            brighter, spread = brightening(known, luma)
            if spread < _SAME_VIEW:
                self._level = level + brighter
                break
        else:
            if self._before is not None:
                self._level += brightening(self._before, luma)[0]
            self._known.append((luma, self._level))
            del self._known[1:-_VIEWS]
        self._before = luma
        return self._level


def brightening(before: Array, after: Array) -> tuple[float, float]:
    """The logarithm of the factor by which a camera has brightened from one frame to another.

    Args:
        before: (h, w), the means of luma over small places of a frame, in [0, 1].
        after: of the other.

    Returns:
        The median over places; 0 unless three quarters of them say the same way, so what moves through a
        picture is no exposure. And the distance of their quartiles; infinite where too little can be seen.
    """
    tell = (np.minimum(before, after) > _DARK) & (np.maximum(before, after) < _BURNT)
    if tell.mean() < _FEWEST:
        return 0.0, inf
    low, median, high = np.quantile(np.log(after[tell] / before[tell]), (0.25, 0.5, 0.75))
    return float(median) if low > 0 or high < 0 else 0.0, float(high - low)


def factor(level: float, usual: float) -> float:
    """How many times the usual exposure one is, of their logarithms; exactly once where it is nearly so."""
    apart = min(max(level - usual, -MOST), MOST)
    return exp(copysign(max(abs(apart) - _NONE, 0), apart))


def at_usual(picture: Tensor, exposure: float) -> Tensor:
    """A picture in [0, 1] at so many times the usual exposure, as it would be at the usual one, clipped."""
    return picture if exposure == 1 else (picture / exposure).clamp_max(1)


def exposed(changed: Tensor, picture: Tensor, exposure: float) -> Tensor:
    """What a transfer made of `at_usual(picture, exposure)`, at that exposure; what was clipped is added."""
    if exposure == 1:
        return changed
    return exposure * changed + (picture - exposure).clamp_min(0)


class UsualRows(RowsOf):
    """Rows at so many times the usual exposure, as they would be at the usual one."""

    def __init__(self, picture: Rows, exposure: float) -> None:
        super().__init__(picture)
        self._exposure = exposure

    def rows(self, top: int, bottom: int) -> Tensor:
        """These rows."""
        return at_usual(self.picture.rows(top, bottom), self._exposure)
