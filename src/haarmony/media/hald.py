"""HaldCLUT: a table as a picture, which any picture format of 16 bits can hold (Eskil Steenberg, 2006).

Level L is a cube of L^2 points a side, laid out row by row, red fastest, in a square of L^3 pixels a side.
"""

from typing import Final

import numpy as np
import torch
from numpy.typing import NDArray

from haarmony.errors import ImageError
from haarmony.media import profile
from haarmony.media.image import Picture
from haarmony.media.lut import Lut, identity, interpolate

LEVELS: Final = range(2, 17)
WRITTEN: Final = range(6, 9)
"""Levels that are written: 36, 49 or 64 points a side, in 216, 343 or 512 pixels."""


def level_for(size: int) -> int:
    """Return the lowest level that is written and has ``size`` points a side, or the highest."""
    return next((level for level in WRITTEN if level**2 >= size), WRITTEN[-1])


def to_picture(lut: Lut) -> Picture:
    """Return a table as a picture of 16 bits, with the profile that it works in.

    A table whose size or domain is none of a HaldCLUT's is sampled at the level that fits. Colours are
    clipped to [0, 1].
    """
    level = level_for(lut.size)
    table = lut.table
    if lut.size != level**2 or lut.domain != ((0, 0, 0), (1, 1, 1)):
        points = torch.from_numpy(identity(level**2)).view(1, -1, level**2, 3).permute(0, 3, 1, 2)
        table = interpolate(lut, points)[0].permute(1, 2, 0).reshape(*(level**2,) * 3, 3).numpy()
    pixels = np.clip(_swapped(table).reshape(level**3, level**3, 3), 0, 1)
    return Picture(pixels, depth=16, profile=lut.profile)


def from_picture(picture: Picture, name: str) -> Lut:
    """Return the table that a HaldCLUT holds.

    Args:
        picture: of 8 or 16 bits; its profile is that of the table.
        name: what to call it in a message.

    Raises:
        ImageError: the picture is no HaldCLUT.
    """
    height, width = picture.pixels.shape[:2]
    level = round(height ** (1 / 3))
    if height != width or level**3 != height or level not in LEVELS:
        raise ImageError(
            f"{name} is {width} x {height}, no HaldCLUT: expected a square of 64, 125, 216, 343, 512 or "
            "another cube number of pixels a side"
        )
    table = _swapped(picture.pixels.reshape(*(level**2,) * 3, 3))
    if picture.profile is None:
        return Lut(table)
    space = profile.name(picture.profile)
    return Lut(table, space=space, profile=None if space == profile.SRGB else picture.profile)


def _swapped(table: NDArray[np.float32]) -> NDArray[np.float32]:
    """Axes red, green, blue from blue, green, red, or the other way."""
    return np.ascontiguousarray(table.transpose(2, 1, 0, 3))
