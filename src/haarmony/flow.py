"""Optical flow: where the places of one frame are in another.

DIS (Kroeger, Timofte, Dai and Van Gool, *Fast Optical Flow using Dense Inverse Search*, ECCV 2016), from
OpenCV.
"""

from __future__ import annotations

from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

Array = NDArray[Any]

_LEAST = 16
"""Pixels of height and width that motion can be found in."""


def grey(frame: Array) -> Array:
    """The luma (H, W), uint8, of a frame (H, W, 3) of uint8."""
    return np.asarray(cv2.cvtColor(np.ascontiguousarray(frame), cv2.COLOR_RGB2GRAY))


def flow(first: Array, second: Array) -> Array:
    """How far each pixel of one luma (H, W) of uint8 has moved in another: (H, W, 2), columns and rows.

    Frames of fewer than 16 pixels across stand still.
    """
    if min(first.shape) < _LEAST:
        return np.zeros((*first.shape, 2), np.float32)
    method = cv2.DISOpticalFlow.create(cv2.DISOPTICAL_FLOW_PRESET_MEDIUM)
    return np.asarray(method.calc(first, second, np.zeros((*first.shape, 2), np.float32)))


def places(moved: Array, top: int = 0, left: int = 0) -> Array:
    """The coordinates (H, W, 2), column and row, that a flow leads to; of a part that begins there."""
    height, width = moved.shape[:2]
    at = np.empty((height, width, 2), np.float32)
    at[..., 0] = moved[..., 0] + np.arange(left, left + width, dtype=np.float32)
    at[..., 1] = moved[..., 1] + np.arange(top, top + height, dtype=np.float32)[:, None]
    return at


def sampled(image: Array, at: Array) -> Array:
    """An image (H, W, ...) at coordinates (h, w, 2), interpolated linearly; its border goes on.

    Of uint8, uint16 or float32, and of the same afterwards.
    """
    return np.asarray(
        cv2.remap(image, at, None, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)  # type: ignore[call-overload]  # which lacks None
    )
