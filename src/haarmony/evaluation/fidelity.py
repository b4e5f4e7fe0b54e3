"""How near a picture is to the true one, where there is a true one."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray
from skimage.color import deltaE_ciede2000, rgb2lab


def psnr(truth: NDArray[Any], output: NDArray[Any]) -> float:
    """Peak signal to noise ratio in dB of pictures (H, W, 3) in [0, 1]; infinite for equal ones."""
    error = float(np.square(np.asarray(truth, np.float64) - output).mean())
    return float("inf") if error == 0 else -10 * float(np.log10(error))


def delta_e(truth: NDArray[Any], output: NDArray[Any]) -> float:
    """The mean CIEDE2000 colour difference of pictures (H, W, 3), sRGB in [0, 1]."""
    one, other = (rgb2lab(np.asarray(picture, np.float64)) for picture in (truth, output))
    return float(np.mean(deltaE_ciede2000(one, other)))  # type: ignore[no-untyped-call]
