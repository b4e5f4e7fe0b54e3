"""False gradient: halos and blotches where the content is flat."""

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import gaussian_gradient_magnitude

FLAT = 0.0035
SCALE = 3.0


def colour_gradient(picture: NDArray[np.floating]) -> NDArray[np.float64]:
    """Gradient magnitude of (H, W, 3) at Gaussian scale 3 px, root of the sum over R, G, B of squares."""
    channels = np.moveaxis(np.asarray(picture, np.float64), -1, 0)
    squares = sum(gaussian_gradient_magnitude(channel, SCALE) ** 2 for channel in channels)
    return np.asarray(np.sqrt(squares))


def false_gradient(content: NDArray[np.floating], output: NDArray[np.floating]) -> float:
    """1000 x the mean, where the content is flat, of the gradient that the output has beyond the content's.

    The output's gradient is first divided by its gain in contrast, max(0.3, std(output) / std(content)).

    Args:
        content: (H, W, 3) in [0, 1].
        output: the same shape.

    Returns:
        0 or more; 0 also when nothing in the content is flat.
    """
    before = colour_gradient(content)
    flat = before < FLAT
    if not flat.any():
        return 0.0
    gain = max(0.3, float(np.std(output) / max(float(np.std(content)), 1e-12)))
    excess = np.maximum(colour_gradient(output)[flat] / gain - before[flat], 0)
    return float(excess.mean() * 1000)
