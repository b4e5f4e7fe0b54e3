"""Smoothness of the change of colour: a Lipschitz constant of it, as it is seen in neighbouring pixels."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

_LEAST = 2 / 255
_SHARE = 0.95


def lipschitz(content: NDArray[Any], output: NDArray[Any]) -> float:
    """By how much neighbours move apart: the 95th percentile of |output step| / |content step|.

    Steps are Euclidean in RGB, between pixels that are beside or below each other; steps of the content under
    2 levels of 255 count as 2. It is 1 for equal pictures; a gain in contrast raises it by as much.

    Args:
        content: (H, W, 3) in [0, 1].
        output: the same shape.
    """
    ratios = []
    for axis in (0, 1):
        before, after = (
            np.linalg.norm(np.diff(picture, axis=axis), axis=-1) for picture in (content, output)
        )
        ratios.append((after / np.maximum(before, _LEAST)).ravel())
    every = np.concatenate(ratios)
    return float(np.quantile(every, _SHARE)) if every.size else 0.0
