"""How much of the content's structure a result keeps: SSIM of luma and of its edges (Wang et al. 2004)."""

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import sobel
from skimage.metrics import structural_similarity

Edges = Callable[[NDArray[np.floating]], NDArray[np.floating]]
"""A detector: a picture (H, W, 3) in [0, 1] to the strength of its edges (H, W) in 0..255."""

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


def sobel_edges(picture: NDArray[np.floating]) -> NDArray[np.float64]:
    """The magnitude of the Sobel gradient of the luma, (H, W), of a picture (H, W, 3) in [0, 1]."""
    light = luma(picture)
    return np.asarray(np.hypot(sobel(light, 0), sobel(light, 1)))


def edge_ssim(
    content: NDArray[np.floating], output: NDArray[np.floating], *, edges: Edges = sobel_edges
) -> float:
    """`ssim` of the edges.

    Args:
        content: (H, W, 3) in [0, 1], sides of at least 7.
        output: the same shape.
        edges: the detector, such as HED's network behind a function (Xie and Tu, ICCV 2015).
    """
    return _similarity(*(np.asarray(edges(one), np.float64) for one in (content, output)))


def _similarity(a: NDArray[np.float64], b: NDArray[np.float64]) -> float:
    return float(structural_similarity(a, b, win_size=7, data_range=255))  # type: ignore[no-untyped-call]
