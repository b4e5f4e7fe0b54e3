"""Steadied frames: a film's frames without what changes at random from one to the next.

A map that makes colours stronger makes noise stronger, and the eye sees noise that moves. So maps are applied
to steadied frames, and what steadying took off is laid on again as it was: the transfer amplifies nothing
that a frame's neighbours in time do not agree on, and the film keeps its own grain. What moves as nothing
can follow trembles with the contrast that it is given: there, less is laid on.

A steadied frame is a mean over time along the motion (Dubois and Sabri, *Noise Reduction in Image Sequences
Using Motion-Compensated Temporal Filtering*, IEEE Trans. Communications 1984), where a neighbour counts the
less the more it differs at a place (the bilateral filter's weight, Tomasi and Manduchi, ICCV 1998). What is
coarse is averaged over longer, without the motion: noise that a whole place shares is the eye's flicker.

Where nothing moves for so long, every pixel is averaged over as long.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import cache, partial
from typing import Any

import cv2
import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor

from haarmony.flow import flow, grey, places, sampled
from haarmony.once import Once
from haarmony.pipelines.rows import CACHED, Rows, SampleRows, TensorRows, cuts, planes

NEAR = 3
"""Frames to either side that the mean is taken over."""

FAR = 12
"""Frames to either side that the mean is taken over of what is coarse, and of what stands still."""

_ALIKE, _COARSE_ALIKE = 0.06, 0.015
"""Differences of colour, of values in [0, 1], up to which places of two frames are one."""

_STILL = 0.03
"""Differences of colour from frame to frame that noise has where nothing moves."""

_WHOLE = 0.999
"""The share that is 1, but for rounding."""

_RESTING = 20
"""Of a hundred places with noise, those that differ by it alone."""

_TINY = 1e-9

_ROUNDING = 1 / 255**2
"""Square of what a place differs by at the least."""

_PLACE, _COARSE = 4, 8
"""Sides, in pixels, of a place and of what is coarse."""

_FLOW_SIDE = 240
"""Height or width, about, that motion is looked for at."""


@dataclass(frozen=True)
class _Seen:
    """A frame (H, W, 3) of uint8 or uint16, and a small grey copy to look for motion in."""

    pixels: NDArray[Any]
    grey: NDArray[Any]


@dataclass(frozen=True)
class _Long:
    """The frames about one, and itself.

    Attributes:
        total: (H, W, 3), their sum.
        count: of them.
        moved: (h, w) each, what places differ by from one of them to the next, squared.
    """

    total: NDArray[Any]
    count: int
    moved: Sequence[NDArray[Any]]


_Line = Sequence[tuple[NDArray[Any], Callable[[], NDArray[Any]]]]
"""Frames, from the one next to some frame on, each with what finds the flow to it from the one before."""


@dataclass(frozen=True)
class Steady:
    """A steadied frame.

    Attributes:
        picture: (1, 3, H, W) in [0, 1].
        trembles: (h, w) in [0, 1], how much its places move as nothing could follow.
    """

    picture: Tensor
    trembles: Tensor

    def kept(self, gain: Tensor) -> Tensor:
        """How much of what steadying took off is to be laid on again, (H, W) in (0, 1], in main memory.

        Args:
            gain: (h, w) of the contrast, in the places.
        """
        places = 1 - self.trembles * (1 - gain.cpu().clamp_min(1) ** -2)
        size = self.picture.shape[-2], self.picture.shape[-1]
        return torch.from_numpy(_enlarged(places.numpy(), _PLACE, size, 0))

    def places(self) -> Tensor:
        """A colour for each of its places, (1, 3, h, w): that of a corner, which does for the light."""
        return self.picture[..., ::_PLACE, ::_PLACE].contiguous()


class Steadying:
    """The frames of one shot, added one by one, and steadied when those behind are there too."""

    def __init__(self) -> None:
        """Begin a shot."""
        self._frames: dict[int, _Seen] = {}
        self._coarse: dict[int, Tensor] = {}
        self._moved: dict[int, NDArray[Any]] = {}
        self._steps: dict[tuple[int, int], Once[NDArray[Any]]] = {}
        self._total: NDArray[Any] | None = None

    def add(self, index: int, pixels: NDArray[Any]) -> None:
        """Take the next frame, (H, W, 3) of uint8 or uint16.

        None is to be added that is more than `FAR` behind the next to be asked for.
        """
        if self._total is None:
            # what is added and taken off is whole numbers, so nothing is left of it
            self._total = np.zeros(pixels.shape, np.uint16 if pixels.dtype == np.uint8 else np.float32)
        self._total += pixels
        self._frames[index] = here = _Seen(pixels, _small_grey(pixels))
        before = self._frames.get(index - 1)
        if before is not None:
            self._steps[index - 1, index] = Once(partial(flow, before.grey, here.grey))
            self._steps[index, index - 1] = Once(partial(flow, here.grey, before.grey))
            self._moved[index] = _apart(before.pixels, pixels)
        self._coarse[index] = _coarse(SampleRows(pixels))

    def at(self, index: int) -> Callable[[], Steady]:
        """What makes the frame of this number, steadied, in any thread.

        Only later ones may be asked for next.
        """
        assert self._total is not None
        for old in [number for number in self._frames if number < index - FAR]:
            self._total -= self._frames.pop(old).pixels
            self._coarse.pop(old)
            self._moved.pop(old + 1, None)
        for past in [step for step in self._steps if min(step) < index - NEAR]:
            self._steps.pop(past)
        near = [
            [
                (self._frames[number].pixels, self._steps[number - way, number])
                for number in range(index + way, index + way * (NEAR + 1), way)
                if number in self._frames
            ]
            for way in (-1, 1)
        ]
        far = [one for number, one in self._coarse.items() if number != index]
        long = _Long(self._total.copy(), len(self._frames), list(self._moved.values()))
        return partial(_steadied, self._frames[index].pixels, near, self._coarse[index], far, long)


def _steadied(
    pixels: NDArray[Any], near: Sequence[_Line], coarse: Tensor, far: Sequence[Tensor], long: _Long
) -> Steady:
    height, width = pixels.shape[:2]
    changes = _changes(pixels, long)
    still = np.asarray((1.5 - changes / _STILL**2).clip(0, 1), np.float32)
    motions = cache(lambda: [pair for line in near for pair in _motions(line, (height, width))])
    steady, left_over = torch.empty(1, 3, height, width), changes.copy()
    bands = list(cuts(height, width, CACHED, _COARSE))
    for top, bottom in bands:
        into = steady[0, :, top:bottom]
        share = torch.from_numpy(_enlarged(still, _PLACE, into[0].shape, top))
        mean = planes(long.total[top:bottom].astype(np.float32))[0]
        mean /= long.count * np.iinfo(pixels.dtype).max
        into[:] = mean
        left, right = _moving(share)
        if left < right:
            part = into[..., left:right]
            near_mean, apart = _near_mean(pixels, motions(), np.s_[top:bottom, left:right])
            part[:] = near_mean.lerp_(part, share[:, left:right])
            left_over[top // _PLACE :, left // _PLACE :][: len(apart), : apart.shape[1]] = apart
    moving = 1 - F.avg_pool2d(torch.from_numpy(still)[None], _COARSE // _PLACE, ceil_mode=True)
    off = ((_far_mean(coarse, far) - _coarse(TensorRows(steady)))[0] * moving).numpy()
    for top, bottom in bands:
        for plane, cells in zip(steady[0, :, top:bottom], off, strict=True):
            plane += torch.from_numpy(_enlarged(cells, _COARSE, plane.shape, top))
    trembles = (1 - still) * (left_over / (2 * _noise(left_over)) - 1).clip(0, 1)
    return Steady(steady, torch.from_numpy(np.asarray(trembles, np.float32)))


def _changes(pixels: NDArray[Any], long: _Long) -> NDArray[Any]:
    """How much the places (h, w) of a frame change in the frames about it: squares of values in [0, 1]."""
    full = np.iinfo(pixels.dtype).max
    strayed = _places(pixels) - _places(long.total) / long.count
    apart = np.square(strayed / full).sum(-1)
    if long.moved:
        # half of the difference of two frames is the noise of each
        apart += cv2.dilate(np.mean(long.moved, 0), np.ones((3, 3))) / (2 * full**2)
    return np.asarray(apart, np.float32)


def _noise(left_over: NDArray[Any]) -> float:
    """What places differ by where motion is followed; what is black, burnt or repeated differs by nothing."""
    noisy = left_over[left_over > _ROUNDING]
    return float(np.percentile(noisy, _RESTING)) if len(noisy) else _ROUNDING


def _motions(line: _Line, size: tuple[int, int]) -> Iterator[tuple[NDArray[Any], NDArray[Any]]]:
    """The frames of a line, each with how far (h, w, 2) what is here has moved, column and row, in pixels."""
    height, width = size
    moved: NDArray[Any] | None = None
    for pixels, step in line:
        moved = step() if moved is None else moved + sampled(step(), places(moved))
        rows, columns = moved.shape[:2]
        yield pixels, moved * np.array([width / columns, height / rows], np.float32)


def _far_mean(here: Tensor, far: Sequence[Tensor]) -> Tensor:
    if not far:
        return here
    others = torch.cat(list(far))
    apart = (others - here).square_().sum(1).numpy()
    near = np.stack([cv2.dilate(one, np.ones((3, 3))) for one in apart])
    shares = torch.from_numpy(near)[:, None].mul_(-0.5 / _COARSE_ALIKE**2).exp_()
    total = here + others.mul_(shares).sum(0, keepdim=True)
    return total / (1 + shares.sum(0, keepdim=True))


def _small_grey(pixels: NDArray[Any]) -> NDArray[Any]:
    eight = pixels if pixels.dtype == np.uint8 else (pixels >> 8).astype(np.uint8)
    height, width = eight.shape[:2]
    factor = max(1, round(min(height, width) / _FLOW_SIDE))
    size = max(1, width // factor), max(1, height // factor)
    return np.asarray(cv2.resize(grey(eight), size, interpolation=cv2.INTER_AREA))


def _moving(share: Tensor) -> tuple[int, int]:
    """The first column of a band that is not all still, and that behind the last, in whole places."""
    found = (share < _WHOLE).any(0).nonzero()
    if not len(found):
        return 0, 0
    return int(found[0]) // _PLACE * _PLACE, min(-(-int(found[-1] + 1) // _PLACE) * _PLACE, share.shape[1])


def _near_mean(
    pixels: NDArray[Any], near: Sequence[tuple[NDArray[Any], NDArray[Any]]], part: tuple[slice, slice]
) -> tuple[Tensor, NDArray[Any]]:
    """The mean of a frame and those near it, which come with the flow to them, in a part of it.

    Returns:
        The mean (3, H, W), and (h, w) half of what the places differ by from those that show them, squared.
    """
    (top, bottom), (left, right) = ((one.start, one.stop) for one in part)
    height, full = len(pixels), np.iinfo(pixels.dtype).max
    first, last = max(0, top - _PLACE), min(height, bottom + _PLACE)
    here = planes(pixels[part])[0]
    total, shares = here.clone(), torch.ones_like(here[0])
    differs, seen = np.zeros(()), np.full((), _TINY)
    for frame, moved in near:
        at = _there(moved, pixels.shape, np.s_[first:last, left:right])
        other = sampled(frame, at)
        apart = _apart(other, pixels[first:last, left:right]) / full**2
        shown = _shown(at[::_PLACE, ::_PLACE], pixels.shape)
        differs, seen = differs + apart * shown, seen + shown
        alike = np.exp(apart / (-2 * _ALIKE**2))
        share = torch.from_numpy(_enlarged(alike, _PLACE, shares.shape, top - first))
        shares += share
        share /= full
        for mean, plane in zip(total, cv2.split(other[top - first : bottom - first]), strict=True):
            mean.addcmul_(torch.from_numpy(plane).float(), share)
    row = (top - first) // _PLACE
    return total.div_(shares), (differs / (2 * seen))[row : row - (top - bottom) // _PLACE]


def _shown(at: NDArray[Any], size: tuple[int, ...]) -> NDArray[Any]:
    """Whether coordinates (h, w, 2) lie within a frame (H, W, ...)."""
    return np.asarray(((at >= 0) & (at <= (size[1] - 1, size[0] - 1))).all(-1))


def _there(moved: NDArray[Any], size: tuple[int, ...], part: tuple[slice, slice]) -> NDArray[Any]:
    """Where a part of a frame (H, W, ...) has moved to, coordinates (h, w, 2); see `_motions`."""
    (height, width), (down, across) = size[:2], part
    rows, columns = np.arange(down.start, down.stop), np.arange(across.start, across.stop)
    at = ((rows + 0.5) * (len(moved) / height) - 0.5).clip(0, len(moved) - 1)
    top, bottom = int(at[0]), int(np.ceil(at[-1])) + 1
    wide = cv2.resize(moved[top:bottom], (width, bottom - top), interpolation=cv2.INTER_LINEAR)
    known = torch.from_numpy(np.ascontiguousarray(wide[:, across])).flatten(1)
    weights = (1 - np.abs(at[:, None] - np.arange(top, bottom))).clip(0).astype(np.float32)
    there = (torch.from_numpy(weights) @ known).view(len(rows), len(columns), 2).numpy()
    there[..., 0] += columns.astype(np.float32)
    there[..., 1] += rows.astype(np.float32)[:, None]
    return np.asarray(there)


def _apart(one: NDArray[Any], other: NDArray[Any]) -> NDArray[Any]:
    """The mean square difference of two pictures (H, W, 3) in each place, (h, w), all channels together."""
    apart = cv2.absdiff(one, other)
    squares = cv2.multiply(apart, apart, dtype=cv2.CV_32F)
    return _places(cv2.transform(squares, np.ones((1, 3), np.float32)))


def _places(picture: NDArray[Any]) -> NDArray[Any]:
    """The means (h, w, ...) of a picture (H, W, ...) over places, as float32."""
    height, width = picture.shape[:2]
    if height % _PLACE or width % _PLACE:
        below, right = -height % _PLACE, -width % _PLACE
        picture = cv2.copyMakeBorder(picture, 0, below, 0, right, cv2.BORDER_REPLICATE)
    size = -(-width // _PLACE), -(-height // _PLACE)
    return np.asarray(cv2.resize(picture, size, interpolation=cv2.INTER_AREA), np.float32)


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
