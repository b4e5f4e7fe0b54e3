"""Films in memory for tests: photographs of noise under a moving window."""

from collections.abc import Iterator
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path

import numpy as np
from scipy.ndimage import gaussian_filter

from haarmony.media.film import FilmHeader, Frame


@dataclass(frozen=True)
class Moving:
    """A film of arrays (H, W, 3)."""

    pictures: list[np.ndarray]
    rate: int = 10
    path: Path = Path("moving")

    @property
    def header(self) -> FilmHeader:
        height, width = self.pictures[0].shape[:2]
        depth = 8 * self.pictures[0].dtype.itemsize
        return FilmHeader(width, height, Fraction(self.rate), Fraction(1, self.rate), depth=depth)

    def frames(self, start: int = 0, stop: int | None = None) -> Iterator[Frame]:
        for index in range(start, len(self.pictures) if stop is None else min(stop, len(self.pictures))):
            yield Frame(index, Fraction(index, self.rate), self.pictures[index])


def scene(seed: int, height: int = 90, width: int = 160) -> np.ndarray:
    """Smooth blots of colour with some texture, four times as wide as a frame."""
    rng = np.random.default_rng(seed)
    blots = gaussian_filter(rng.normal(size=(height, 4 * width, 3)), (12, 12, 0))
    blots = blots / blots.std() * 40 + rng.uniform(70, 180, 3)
    return np.clip(blots + rng.normal(0, 6, blots.shape), 0, 255).astype(np.uint8)


def shot(seed: int, length: int, *, speed: int = 1, width: int = 160) -> list[np.ndarray]:
    """A pan over a scene, pixels a frame."""
    wide = scene(seed)
    return [wide[:, speed * i : speed * i + width] for i in range(length)]


def landscape(sky: list[float], ground: list[float], horizon: int, *, seed: int = 0) -> np.ndarray:
    """A smooth sky over a rough ground, (90, 120, 3) in [0, 1]."""
    noise = np.random.default_rng(seed).normal(0, 0.08, (90, 120, 1))
    rows = np.arange(90)[:, None, None]
    picture = np.where(rows < horizon, np.array(sky), np.array(ground) + noise)
    return np.clip(picture, 0, 1).astype(np.float32)
