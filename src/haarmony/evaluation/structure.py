"""How much of the content's structure a result keeps: SSIM of luma and of its edges (Wang et al. 2004)."""

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import sobel
from skimage.metrics import structural_similarity

_LUMA_601 = np.array([0.299, 0.587, 0.114])


def luma(picture: NDArray[np.floating]) -> NDArray[np.float64]:
    """ITU-R BT.601 luma in 0..255 of a picture (H, W, 3) in [0, 1]."""
    return np.asarray(np.asarray(picture, np.float64) @ _LUMA_601 * 255)


def ssim(content: NDArray[np.floating], output: NDArray[np.floating]) -> float:
    """Structural similarity of the lumas: 7x7 uniform window, data range 255; 1 for equal pictures.

    Args:
        content: (H, W, 3) in [0, 1], sides of at least 7.
        output: the same shape.
    """
    return _similarity(luma(content), luma(output))


def edge_ssim(content: NDArray[np.floating], output: NDArray[np.floating]) -> float:
    """`ssim` of the Sobel gradient magnitudes of the lumas."""
    before, after = (np.hypot(sobel(y, 0), sobel(y, 1)) for y in (luma(content), luma(output)))
    return _similarity(before, after)


def _similarity(a: NDArray[np.float64], b: NDArray[np.float64]) -> float:
    return float(structural_similarity(a, b, win_size=7, data_range=255))  # type: ignore[no-untyped-call]
