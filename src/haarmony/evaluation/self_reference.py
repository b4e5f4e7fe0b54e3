"""Pairs that have a truth: half of a photo, spoilt by a known change of colour, and the other half as style.

No judge is needed for them: what the transfer should give is the half as it was. The change is drawn for each
photo: a monotone curve a channel, then a matrix that mixes channels and keeps grey near grey.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.interpolate import PchipInterpolator

from haarmony.errors import InputError
from haarmony.evaluation.pairs import Pair
from haarmony.media.image import Picture, read_image, to_profile, write_image
from haarmony.media.kinds import to_picture

_LEAST = 32
_MIXED, _BENT = 0.15, 0.18


def degraded(pixels: NDArray[Any], seed: int) -> NDArray[np.float32]:
    """A picture (H, W, 3) in [0, 1] with a change of colour that the seed decides."""
    rng = np.random.default_rng(seed)
    knots = np.linspace(0, 1, 5)
    bent = np.empty_like(pixels, np.float64)
    for channel in range(3):
        levels = knots + rng.uniform(-_BENT, _BENT, 5) * np.array([0.5, 1, 1, 1, 0.5])
        curve = PchipInterpolator(knots, np.maximum.accumulate(levels))
        bent[..., channel] = curve(pixels[..., channel])
    matrix = np.eye(3) + rng.uniform(-_MIXED, _MIXED, (3, 3))
    matrix /= matrix.sum(1, keepdims=True)
    return np.asarray(np.clip(bent @ matrix.T, 0, 1), np.float32)


def check_names(photos: Sequence[Path]) -> None:
    """Find out before anything is written whether every photo would have a name of its own.

    Raises:
        InputError: for two of one name.
    """
    names = [photo.stem for photo in photos]
    for name in names:
        if names.count(name) > 1:
            raise InputError(f"two photos are named {name}: each pair needs a name of its own")


def self_pairs(photos: Sequence[Path], folder: Path, *, seed: int = 0) -> list[tuple[Pair, Path]]:
    """Write the halves of photos as pairs, and give each pair with the file of its truth.

    Args:
        photos: files; the wider side is halved.
        folder: for `NAME/content.png`, `NAME/style.png` and `NAME/truth.png`; those that are there stay.
        seed: of all changes; that of a photo also depends on its place in the list.

    Raises:
        InputError: for a photo under 32 pixels, or two of one name.
        ImageError: for one that cannot be read.
    """
    check_names(photos)
    made = []
    for number, photo in enumerate(photos):
        here = folder / photo.stem
        content, style, truth = (here / f"{part}.png" for part in ("content", "style", "truth"))
        if not all(path.is_file() for path in (content, style, truth)):
            pixels = to_profile(to_picture(read_image(photo)), None).pixels
            if min(pixels.shape[:2]) < _LEAST:
                raise InputError(f"{photo}: expected {_LEAST} pixels or more across, got {pixels.shape[:2]}")
            here.mkdir(parents=True, exist_ok=True)
            one, other = np.array_split(pixels, 2, axis=int(pixels.shape[1] >= pixels.shape[0]))
            write_image(style, Picture(np.ascontiguousarray(other)))
            write_image(truth, Picture(np.ascontiguousarray(one)))
            write_image(content, Picture(degraded(one, seed * 100003 + number)))
        made.append((Pair(photo.stem, content, style), truth))
    return made
