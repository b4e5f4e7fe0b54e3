"""Looks on disk: .cube, or HaldCLUT as a picture, by extension."""

import os
import warnings
from pathlib import Path
from typing import Final

from haarmony.errors import HaarmonyWarning, ImageError
from haarmony.media import cube, hald, profile
from haarmony.media.files import StrPath, probe, replacing
from haarmony.media.image import read_image, write_image
from haarmony.media.lut import Lut
from haarmony.media.opening import named, reading
from haarmony.media.sink import explained_writing

_CUBE: Final = ".cube"
_HALD: Final = ".png"
_READ: Final = (_CUBE, _HALD, ".tif", ".tiff")


def read_lut(path: StrPath) -> Lut:
    """Read a 3D look-up table: a .cube file, or a HaldCLUT as .png or .tif of 8 or 16 bits.

    Raises:
        ImageError: The file is missing or damaged, or no table of this kind.
    """
    extension = _extension(path, _READ)
    if extension != _CUBE:
        return hald.from_picture(read_image(path), named(path))
    with reading(path), Path(path).open("rb") as file:
        return cube.read(file, named(path))


def write_lut(path: StrPath, lut: Lut) -> None:
    """Write a look-up table as .cube or, where the name ends in .png, as HaldCLUT of 16 bits.

    A .cube names the table's colour space in a comment; a HaldCLUT holds its profile, where it is known, and
    no title. Other programs take a table without a profile for sRGB, and a warning says so where it is not. A
    table of a size that no HaldCLUT has is sampled at the level that fits. The file is whole or left as it
    was.

    Raises:
        ImageError: The extension is another, or the file cannot be written.
    """
    if is_hald(path):
        write_image(path, hald.to_picture(lut))
        holds_space = lut.profile is not None
    else:
        with explained_writing(path), replacing(path) as file:
            cube.write(file, lut)
        holds_space = False
    if lut.space not in (None, profile.SRGB) and not holds_space:
        warnings.warn(
            f"{named(path)} works on values in {lut.space!r}, and most programs will take it for sRGB: for "
            "those, make it from a content in sRGB",
            HaarmonyWarning,
            stacklevel=2,
        )


def check_writable_lut(path: StrPath) -> None:
    """Find out before long work whether :func:`write_lut` could write ``path``.

    Raises:
        ImageError: The extension is unknown, the folder is missing, or nothing can be written there.
    """
    _extension(path, (_CUBE, _HALD))
    with explained_writing(path):
        probe(path)


def is_hald(path: StrPath) -> bool:
    """Say whether :func:`write_lut` writes a HaldCLUT.

    Raises:
        ImageError: It writes no file of this extension.
    """
    return _extension(path, (_CUBE, _HALD)) == _HALD


def _extension(path: StrPath, known: tuple[str, ...]) -> str:
    if not isinstance(path, (str, os.PathLike)):
        raise ImageError(f"a look is given by the path of its file, got {path!r:.80}")
    extension = Path(path).suffix.lower()
    if extension not in known:
        raise ImageError(f"{named(path)} is no name of a look: end it in {' or '.join(known)}")
    return extension
