import numpy as np
import pytest


@pytest.fixture
def picture():
    """Make a picture of smooth waves and noise: (height, width, 3) floats in [0, 1]."""

    def make(height=40, width=56, *, seed=0, tint=(1.0, 0.8, 0.6), contrast=0.25):
        rng = np.random.default_rng(seed)
        rows, columns = np.mgrid[:height, :width] / max(height, width)
        waves = [np.sin(5 * rows + seed), np.cos(4 * columns + seed), np.sin(6 * rows * columns)]
        grain = rng.normal(0, 0.1, (height, width, 3))
        return np.clip((0.5 + contrast * np.stack(waves, -1) + grain) * tint, 0.02, 0.98).astype(np.float32)

    return make
