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

from functools import lru_cache
from typing import Any

import cv2
import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor

from haarmony.flow import flow, grey, places, sampled
from haarmony.pipelines.rows import planes

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


class Steadying:
    """The frames of one shot, added one by one, and steadied when those behind are there too."""

    def __init__(self) -> None:
        """Begin a shot."""
        self._frames: dict[int, NDArray[Any]] = {}
        self._coarse: dict[int, Tensor] = {}
        self._grey = lru_cache(2 * NEAR + 2)(lambda index: _small_grey(self._frames[index]))

    def add(self, index: int, pixels: NDArray[Any]) -> None:
        """Take the next frame, (H, W, 3) of uint8 or uint16."""
        self._frames[index] = pixels
        self._coarse[index] = _pooled(planes(pixels))

    def at(self, index: int) -> Tensor:
        """The frame of this number, steadied: (1, 3, H, W) in [0, 1]. Later ones may be asked for next."""
        self._frames = {number: one for number, one in self._frames.items() if number >= index - NEAR}
        self._coarse = {number: one for number, one in self._coarse.items() if number >= index - FAR}
        pixels = self._frames[index]
        frame = planes(pixels)
        total, shares = frame[0].clone(), torch.ones_like(frame[0, 0])
        for number in range(index - NEAR, index + NEAR + 1):
            if number == index or number not in self._frames:
                continue
            other = _moved(self._frames[number], flow(self._grey(index), self._grey(number)))
            share = torch.from_numpy(_share(other, pixels))
            shares += share
            share /= np.iinfo(pixels.dtype).max
            for mean, plane in zip(total, cv2.split(other), strict=True):
                mean.addcmul_(torch.from_numpy(plane).float(), share)
        steady = total.div_(shares)[None]
        return steady.add_(_enlarged(self._coarse_mean(index) - _pooled(steady), frame))

    def _coarse_mean(self, index: int) -> Tensor:
        here = self._coarse[index]
        total, shares = here.clone(), torch.ones_like(here[:, :1])
        for number, other in self._coarse.items():
            if number != index and abs(number - index) <= FAR:
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


def _moved(pixels: NDArray[Any], moved: NDArray[Any]) -> NDArray[Any]:
    """A frame brought to where another is, by the flow that was found on small copies."""
    height, width = pixels.shape[:2]
    scale = np.array([width / moved.shape[1], height / moved.shape[0]], np.float32)
    whole = cv2.resize(moved * scale, (width, height), interpolation=cv2.INTER_LINEAR)
    return sampled(pixels, places(whole))


def _share(other: NDArray[Any], pixels: NDArray[Any]) -> NDArray[Any]:
    """(H, W) in [0, 1]: how much a frame that was brought to another's place counts there."""
    height, width = pixels.shape[:2]
    apart = cv2.absdiff(other, pixels)
    squares = cv2.multiply(apart, apart, dtype=cv2.CV_32F)
    small = cv2.resize(squares, (-(-width // _PLACE), -(-height // _PLACE)), interpolation=cv2.INTER_AREA)
    share = np.exp(small.sum(-1) / (-2 * (_ALIKE * np.iinfo(pixels.dtype).max) ** 2))
    return np.asarray(cv2.resize(share, (width, height), interpolation=cv2.INTER_LINEAR))


def _pooled(picture: Tensor) -> Tensor:
    return F.avg_pool2d(picture, _COARSE, ceil_mode=True, count_include_pad=False)


def _enlarged(small: Tensor, like: Tensor) -> Tensor:
    return F.interpolate(small, like.shape[-2:], mode="bilinear", align_corners=False)
