"""How far the colours of a picture are from those of the style, as clouds of points in CIELAB.

- Sliced Wasserstein distance: Bonneel, Rabin, Peyre and Pfister, *Sliced and Radon Wasserstein Barycenters of
  Measures*, JMIV 2015; here the first moment of transport over fixed directions.
- Frechet distance of the Gaussians of the two clouds: Dowson and Landau 1982; the formula of the FID (Heusel
  et al. 2017) on colours in place of features.
- Histogram correlation: Pearson's, of the joint histograms of a* and b*, as H-Corr in the literature on
  colour transfer.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.stats import wasserstein_distance
from skimage.color import rgb2lab

Array = NDArray[Any]

_DIRECTIONS = 32
_SAMPLES = 20000
_BINS = 32


def sliced_wasserstein(output: Array, style: Array) -> float:
    """The mean over 32 fixed directions of the one-dimensional Wasserstein distance, in units of CIELAB.

    Args:
        output: (H, W, 3), sRGB in [0, 1].
        style: of any size.
    """
    angles = np.random.default_rng(0).normal(size=(_DIRECTIONS, 3))
    angles /= np.linalg.norm(angles, axis=1, keepdims=True)
    a, b = _colours(output), _colours(style)
    return float(np.mean([wasserstein_distance(a @ axis, b @ axis) for axis in angles]))


def frechet(output: Array, style: Array) -> float:
    """The Frechet distance of the Gaussians of the colours, |m - n|^2 + tr(S + T - 2 (S T)^1/2).

    Args:
        output: (H, W, 3), sRGB in [0, 1].
        style: of any size.

    Returns:
        In squared units of CIELAB, 0 or more.
    """
    a, b = _colours(output), _colours(style)
    one, other = np.cov(a, rowvar=False), np.cov(b, rowvar=False)
    apart = float(np.square(a.mean(0) - b.mean(0)).sum())
    # its eigenvalues are real and not negative; it has no inverse where a picture has few colours
    joint = np.sqrt(np.linalg.eigvals(one @ other).real.clip(min=0)).sum()
    return max(0.0, apart + float(np.trace(one + other) - 2 * joint))


def histogram_correlation(output: Array, style: Array) -> float:
    """Pearson's correlation of the joint histograms of a* and b* with 32 bins each: 1 for equal colours.

    The bins go from -100 to 100; the few blues that lie beyond count in the last.

    Args:
        output: (H, W, 3), sRGB in [0, 1].
        style: of any size.
    """
    edges = [np.linspace(-100, 100, _BINS + 1)] * 2
    hues = [_colours(one)[:, 1:].clip(-100, 100) for one in (output, style)]
    counts = np.stack([np.histogramdd(one, edges)[0].ravel() for one in hues])
    return float(np.corrcoef(counts)[0, 1])


def _colours(picture: Array) -> Array:
    """(N, 3) in CIELAB: of a large picture 20000 places, evenly spaced."""
    flat = np.asarray(picture, np.float64).reshape(-1, 3)
    step = max(1, len(flat) // _SAMPLES)
    return np.asarray(rgb2lab(flat[::step][None])[0])
