"""Steadied frames: a film's frames without what changes at random from one to the next.

A map that makes colours stronger makes noise stronger, and the eye sees noise that moves. So maps are applied
to steadied frames, and what steadying took off is laid on again as it was: the transfer amplifies nothing
that a frame's neighbours in time do not agree on, and the film keeps its own grain.

A steadied frame is a mean over time along the motion (Dubois and Sabri, *Noise Reduction in Image Sequences
Using Motion-Compensated Temporal Filtering*, IEEE Trans. Communications 1984), where a neighbour counts the
less the more it differs at a place (the bilateral filter's weight, Tomasi and Manduchi, ICCV 1998). What is
coarse is averaged over longer, without the motion: noise that a whole place shares is the eye's flicker.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import cv2
import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor

from haarmony.flow import flow, grey, places, sampled
from haarmony.pipelines.rows import CACHED, Rows, SampleRows, TensorRows, cuts, planes

NEAR = 3
"""Frames to either side that the mean is taken over."""

FAR = 12
"""Frames to either side that the mean of what is coarse is taken over."""

_ALIKE, _COARSE_ALIKE = 0.06, 0.015
"""Differences of colour, of values in [0, 1], up to which places of two frames are one."""

_PLACE, _COARSE = 4, 8
"""Sides, in pixels, of a place and of what is coarse."""

_FLOW_SIDE = 180
"""Least height or width that motion is looked for at."""


@dataclass(frozen=True)
class _Seen:
    """A frame (H, W, 3) of uint8 or uint16, and a small grey copy to look for motion in."""

    pixels: NDArray[Any]
    grey: NDArray[Any]


class Steadying:
    """The frames of one shot, added one by one, and steadied when those behind are there too."""

    def __init__(self) -> None:
        """Begin a shot."""
        self._frames: dict[int, _Seen] = {}
        self._coarse: dict[int, Tensor] = {}

    def add(self, index: int, pixels: NDArray[Any]) -> None:
        """Take the next frame, (H, W, 3) of uint8 or uint16."""
        self._frames[index] = _Seen(pixels, _small_grey(pixels))
        self._coarse[index] = _coarse(SampleRows(pixels))

    def at(self, index: int) -> Callable[[], Tensor]:
        """What makes the frame of this number, steadied: (1, 3, H, W) in [0, 1], in any thread.

        Only later ones may be asked for next.
        """
        self._frames = {number: one for number, one in self._frames.items() if number >= index - NEAR}
        self._coarse = {number: one for number, one in self._coarse.items() if number >= index - FAR}
        near = [one for number, one in self._frames.items() if 0 < abs(number - index) <= NEAR]
        far = [one for number, one in self._coarse.items() if 0 < abs(number - index) <= FAR]
        return partial(_steadied, self._frames[index], near, self._coarse[index], far)


def _steadied(here: _Seen, near: Sequence[_Seen], coarse: Tensor, far: Sequence[Tensor]) -> Tensor:
    pixels = here.pixels
    others = [(one.pixels, _motion(here, one)) for one in near]
    height, width = pixels.shape[:2]
    steady = torch.empty(1, 3, height, width)
    bands = list(cuts(height, width, CACHED, _COARSE))
    for top, bottom in bands:
        steady[..., top:bottom, :] = _near_mean(pixels, others, top, bottom)
    off = (_far_mean(coarse, far) - _coarse(TensorRows(steady)))[0].numpy()
    for top, bottom in bands:
        for plane, cells in zip(steady[0, :, top:bottom], off, strict=True):
            plane += torch.from_numpy(_enlarged(cells, _COARSE, plane.shape, top))
    return steady


def _motion(here: _Seen, other: _Seen) -> NDArray[Any]:
    """The flow (h, W, 2) from one frame to another, in pixels, at every column but few rows."""
    height, width = here.pixels.shape[:2]
    moved = flow(here.grey, other.grey)
    rows, columns = moved.shape[:2]
    scale = np.array([width / columns, height / rows], np.float32)
    return np.asarray(cv2.resize(moved * scale, (width, rows), interpolation=cv2.INTER_LINEAR))


def _far_mean(here: Tensor, far: Sequence[Tensor]) -> Tensor:
    total, shares = here.clone(), torch.ones_like(here[:, :1])
    for other in far:
        apart = (other - here).square().sum(1, keepdim=True)
        apart = F.max_pool2d(apart, 3, stride=1, padding=1)
        share = torch.exp(apart / (-2 * _COARSE_ALIKE**2))
        total.addcmul_(other, share)
        shares += share
    return total / shares


def _small_grey(pixels: NDArray[Any]) -> NDArray[Any]:
    eight = pixels if pixels.dtype == np.uint8 else (pixels >> 8).astype(np.uint8)
    height, width = eight.shape[:2]
    factor = max(1, min(height, width) // _FLOW_SIDE)
    size = max(1, width // factor), max(1, height // factor)
    return np.asarray(cv2.resize(grey(eight), size, interpolation=cv2.INTER_AREA))


def _near_mean(
    pixels: NDArray[Any], near: Sequence[tuple[NDArray[Any], NDArray[Any]]], top: int, bottom: int
) -> Tensor:
    """A band (3, rows, W) of the mean of a frame and those near it, which come with the flow to them."""
    height, width = pixels.shape[:2]
    first, last = max(0, top - _PLACE), min(height, bottom + _PLACE)
    here = planes(pixels[top:bottom])[0]
    total, shares = here.clone(), torch.ones_like(here[0])
    for frame, motion in near:
        other = sampled(frame, places(_at_rows(motion, height, first, last), first))
        alike = _alike(other, pixels[first:last])
        share = torch.from_numpy(_enlarged(alike, _PLACE, (bottom - top, width), top - first))
        shares += share
        share /= np.iinfo(pixels.dtype).max
        for mean, plane in zip(total, cv2.split(other[top - first : bottom - first]), strict=True):
            mean.addcmul_(torch.from_numpy(plane).float(), share)
    return total.div_(shares)


def _at_rows(motion: NDArray[Any], height: int, first: int, last: int) -> NDArray[Any]:
    """The rows from `first` to `last` of a flow (h, W, 2), interpolated linearly to a height."""
    at = (np.arange(first, last) + 0.5) * (len(motion) / height) - 0.5
    above = np.floor(at).clip(0, len(motion) - 1).astype(int)
    share = (at - above).clip(0, 1).astype(np.float32)[:, None, None]
    lines = motion[above]
    return np.asarray(lines + share * (motion[(above + 1).clip(max=len(motion) - 1)] - lines))


def _alike(other: NDArray[Any], pixels: NDArray[Any]) -> NDArray[Any]:
    """How much each place of one band counts for another, in (0, 1]."""
    height, width = pixels.shape[:2]
    apart = cv2.absdiff(other, pixels)
    apart = cv2.copyMakeBorder(apart, 0, -height % _PLACE, 0, -width % _PLACE, cv2.BORDER_REPLICATE)
    squares = cv2.multiply(apart, apart, dtype=cv2.CV_32F)
    cells = cv2.resize(squares, None, fx=1 / _PLACE, fy=1 / _PLACE, interpolation=cv2.INTER_AREA)
    return np.asarray(np.exp(cells.sum(-1) / (-2 * (_ALIKE * np.iinfo(pixels.dtype).max) ** 2)))


def _enlarged(cells: NDArray[Any], side: int, size: tuple[int, ...], top: int) -> NDArray[Any]:
    """The rows from `top` on of (h, w) cells of `side` pixels, interpolated linearly: of (H, W) pixels."""
    height, width = size
    first = max(0, top // side - 1)
    known = cells[first : -(-(top + height) // side) + 1]
    whole = cv2.resize(known, None, fx=side, fy=side, interpolation=cv2.INTER_LINEAR)
    return np.asarray(whole[top - first * side :][:height, :width])


def _coarse(picture: Rows) -> Tensor:
    """A picture averaged over coarse places, (1, 3, h, w)."""
    bands = (picture.rows(*band) for band in cuts(picture.height, picture.width, CACHED, _COARSE))
    return torch.cat(
        [F.avg_pool2d(one, _COARSE, ceil_mode=True, count_include_pad=False) for one in bands], -2
    )
