"""Stability over time: does what moves keep its colours, and does what stands still stand still?

The warping error follows Lai et al. (*Learning Blind Video Temporal Consistency*, ECCV 2018, section 4.2):
one frame is warped to another along the optical flow of the untouched film, and compared where a place is
seen in both; here the root is taken of its mean square. Places are seen in both where flow forth and back
agree (Sundaram, Brox and Keutzer, ECCV 2010, eq. 5).

A transfer that raises contrast raises what is left of noise, blur and errors of the flow by as much, so
`contrast` is measured beside it. Flicker is measured on what should not change at all: the standard deviation
over time of a film's mean colour in CIELAB.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from skimage.color import rgb2lab

from haarmony.flow import flow, grey, places, sampled

Array = NDArray[Any]

_RELATIVE, _ABSOLUTE = 0.01, 0.5


@dataclass(frozen=True)
class Match:
    """Where the places of one frame are in another.

    Attributes:
        places: (H, W, 2) float32, column and row in the other frame.
        seen: (H, W), whether the place is seen there.
    """

    places: Array
    seen: Array


def match(first: Array, second: Array) -> Match:
    """Follow every pixel of one frame (H, W, 3) of uint8 to another."""
    greys = [grey(frame) for frame in (first, second)]
    height, width = greys[0].shape
    forth, back = flow(greys[0], greys[1]), flow(greys[1], greys[0])
    there = places(forth)
    returned = sampled(back, there)
    apart = np.square(forth + returned).sum(-1)
    moved = np.square(forth).sum(-1) + np.square(returned).sum(-1)
    inside = (there >= 0).all(-1) & (there[..., 0] <= width - 1) & (there[..., 1] <= height - 1)
    return Match(there, inside & (apart < _RELATIVE * moved + _ABSOLUTE))


def warping_error(first: Array, second: Array, found: Match) -> float:
    """The root of the mean square difference of two frames (H, W, 3) of uint8, in units of [0, 1].

    Args:
        first: a frame.
        second: another, that is warped to it.
        found: how the untouched frames match.

    Returns:
        The error over the places that are seen in both; NaN where there are none.
    """
    if not found.seen.any():
        return float("nan")
    warped = sampled(second.astype(np.float32), found.places)
    difference = (warped - first.astype(np.float32))[found.seen] / 255
    return float(np.sqrt(np.square(difference).mean()))


def contrast(frame: Array) -> float:
    """The root mean square of the differences between neighbouring pixels (H, W, 3) of uint8, in [0, 1]."""
    values = frame.astype(np.float32) / 255
    steps = [np.diff(values, axis=axis) for axis in (0, 1)]
    return float(np.sqrt(sum(float(np.square(step).mean()) for step in steps)))


def mean_lab(frame: Array) -> Array:
    """(3,): the mean colour of a frame (H, W, 3) of uint8 in CIELAB."""
    lab = rgb2lab(frame.astype(np.float32) / 255)
    return np.asarray(lab.reshape(-1, 3).mean(0), np.float64)


def flicker(means: Iterable[Array]) -> float:
    """The standard deviation over time of mean colours, over all three of their axes, in units of CIELAB."""
    return float(np.sqrt(np.stack(list(means)).var(0).sum()))
