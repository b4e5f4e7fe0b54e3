"""Deviation of gradient magnitude similarity: how unevenly a result keeps the content's edges.

Xue, Zhang, Mou and Bovik, *Gradient Magnitude Similarity Deviation*, IEEE Trans. Image Processing 2014,
equations 4 to 6, on luma that is halved by a mean over 2x2. At the border pixels are mirrored; the authors'
code sees black there.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import prewitt

from haarmony.evaluation.structure import luma

_C = 170.0


def gmsd(content: NDArray[Any], output: NDArray[Any]) -> float:
    """The deviation: 0 for equal pictures, the less the better.

    Args:
        content: (H, W, 3) in [0, 1], of 2x2 pixels or more.
        output: the same shape.
    """
    one, other = (_magnitude(_halved(luma(picture))) for picture in (content, output))
    similarity = (2 * one * other + _C) / (one**2 + other**2 + _C)
    return float(similarity.std())


def _halved(y: NDArray[np.float64]) -> NDArray[np.float64]:
    height, width = (side // 2 * 2 for side in y.shape)
    return np.asarray(y[:height, :width].reshape(height // 2, 2, width // 2, 2).mean((1, 3)))


def _magnitude(y: NDArray[np.float64]) -> NDArray[np.float64]:
    return np.asarray(np.hypot(prewitt(y, 0), prewitt(y, 1)) / 3)
