"""Stability over time: does what moves keep its colours, and does what stands still stand still?

The warping error follows Lai et al. (*Learning Blind Video Temporal Consistency*, ECCV 2018, section 4.2):
one frame is warped to another along the optical flow of the untouched film, and compared where a place is
seen in both; here the root is taken of its mean square. The flow is DIS (Kroeger et al., *Fast Optical Flow
using Dense Inverse Search*, ECCV 2016, from OpenCV); places are seen in both where flow forth and back agree
(Sundaram, Brox and Keutzer, ECCV 2010, eq. 5).

A transfer that raises contrast raises what is left of noise, blur and errors of the flow by as much, so
`contrast` is measured beside it. Flicker is measured on what should not change at all: the standard deviation
over time of a film's mean colour in CIELAB.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray
from skimage.color import rgb2lab

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
    greys = [cv2.cvtColor(np.ascontiguousarray(frame), cv2.COLOR_RGB2GRAY) for frame in (first, second)]
    method = cv2.DISOpticalFlow.create(cv2.DISOPTICAL_FLOW_PRESET_MEDIUM)
    height, width = greys[0].shape
    forth = method.calc(greys[0], greys[1], np.zeros((height, width, 2), np.float32))
    back = method.calc(greys[1], greys[0], np.zeros((height, width, 2), np.float32))
    rows, columns = np.mgrid[:height, :width].astype(np.float32)
    places = np.stack((columns, rows), -1) + forth
    returned = _sampled(back, places)
    apart = np.square(forth + returned).sum(-1)
    moved = np.square(forth).sum(-1) + np.square(returned).sum(-1)
    inside = (places >= 0).all(-1) & (places[..., 0] <= width - 1) & (places[..., 1] <= height - 1)
    return Match(places, inside & (apart < _RELATIVE * moved + _ABSOLUTE))


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
    warped = _sampled(second.astype(np.float32), found.places)
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


def _sampled(image: Array, places: Array) -> Array:
    columns, rows = (np.ascontiguousarray(places[..., axis]) for axis in range(2))
    return np.asarray(cv2.remap(image, columns, rows, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE))
