"""Sinks: a picture written from its header and bands of samples; the file is whole or left as it was.

A TIFF is written as the bands come, so that it may be larger than memory. The other formats are encoded at
once, from samples at the depth of the file.
"""

import io
import warnings
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from haarmony.errors import HaarmonyWarning, ImageError
from haarmony.media import metadata, png, tiff
from haarmony.media.files import StrPath, probe, replacing
from haarmony.media.opening import named, one_line, unwarned
from haarmony.media.source import Header

_WRITTEN_AS: Final = {
    ".jpg": "JPEG",
    ".jpeg": "JPEG",
    ".png": "PNG",
    ".webp": "WEBP",
    ".tif": "TIFF",
    ".tiff": "TIFF",
    ".avif": "AVIF",
}
WRITTEN: Final = tuple(_WRITTEN_AS)
"""The extensions that are written."""
_LONGEST_SIDE: Final = {"JPEG": 65500, "WEBP": 16383, "AVIF": 65535}
_QUALITY: Final[dict[str, dict[str, Any]]] = {
    "JPEG": {"quality": 95, "subsampling": "4:4:4"},
    "WEBP": {"quality": 95, "exact": True},
    "AVIF": {"quality": 95, "subsampling": "4:4:4", "speed": 8},
}
_JPEG_SEGMENT: Final = 65533
_XMP_NAMESPACE: Final = 29


def check_writable(path: StrPath, *, size: tuple[int, int] | None = None) -> None:
    """Find out before long work whether :func:`write_bands` could write ``path``.

    Args:
        path: The file to be written.
        size: Height and width of the picture, where known: JPEG, WebP and AVIF bound them.

    Raises:
        ImageError: The extension is unknown, the folder is missing or cannot be written, ``path`` is a
            folder, or the format cannot hold a picture of this size.
    """
    written_as = _format_of(path)
    longest = _LONGEST_SIDE.get(written_as)
    if size is not None and longest is not None and max(size) > longest:
        raise ImageError(
            f"{named(path)}: {written_as} holds at most {longest} pixels a side, the picture has {size[1]} x "
            f"{size[0]}: write .png or .tif"
        )
    with explained_writing(path):
        probe(path)


def writable(path: StrPath) -> bool:
    """Say whether the extension is one that is written."""
    return Path(path).suffix.lower() in _WRITTEN_AS


def written_depth(path: StrPath, depth: int) -> int:
    """Return the bits a channel that a picture of this depth is written with: PNG and TIFF keep 16."""
    return depth if _format_of(path) in ("PNG", "TIFF") else 8


def write_bands(path: StrPath, header: Header, bands: Iterable[NDArray[Any]]) -> None:
    """Write a picture, by extension, from its bands.

    JPEG and AVIF are written at quality 95 without chroma subsampling, WebP at quality 95. Profile, EXIF and
    XMP go along. JPEG cannot hold alpha: the colours are written as they are and a warning says so, as it
    does for EXIF or XMP that passes JPEG's 64 KB.

    Args:
        path: The file to write.
        header: Of the picture.
        bands: From the top, ``(rows, width, 3)``, with alpha ``(rows, width, 4)``: uint8, or uint16 where
            :func:`written_depth` says 16. They are asked for one by one.

    Raises:
        ImageError: The extension is unknown, or the file cannot be written.
    """
    written_as = _format_of(path)
    check_writable(path, size=(header.height, header.width))
    notes: list[str] = []
    if written_as == "JPEG":
        header, notes = _fit_jpeg(header)
    exif = metadata.upright_exif(header.exif)
    if written_as == "AVIF":  # whose writer takes the block apart, and must not stumble over a damaged one
        exif = metadata.exif_of_directory(metadata.directory_of_exif(exif))
    bands = _told_apart(bands)
    shape = header.height, header.width, 4 if header.has_alpha else 3
    samples = np.dtype(np.uint8 if written_depth(path, header.depth) == 8 else np.uint16)
    with explained_writing(path), replacing(path) as file:
        if written_as == "TIFF":
            tiff.write(file, shape, samples, bands, exif=exif, xmp=header.xmp, profile=header.profile)
        elif written_as == "PNG":
            whole = _gathered(bands, shape, samples)
            png.write(file, whole, exif=exif, xmp=header.xmp, profile=header.profile)
        else:
            encoded = (
                io.BytesIO()
            )  # given a real file, Pillow's JPEG writer does not notice that the disk is full
            Image.fromarray(_gathered(bands, shape, samples)).save(
                encoded,
                written_as,
                exif=b"Exif\0\0" + exif if exif else b"",
                xmp=header.xmp or b"",
                icc_profile=header.profile or b"",
                **_QUALITY[written_as],
            )
            file.write(encoded.getbuffer())
    for note in notes:
        warnings.warn(f"{named(path)}: {note}", HaarmonyWarning, stacklevel=2)


class _Elsewhere(Exception):  # noqa: N818
    """What went wrong while a band was made, which is not the writing's fault."""

    def __init__(self, cause: Exception) -> None:
        self.cause = cause


def _told_apart(bands: Iterable[NDArray[Any]]) -> Iterator[NDArray[Any]]:
    try:
        yield from bands
    except Exception as error:
        raise _Elsewhere(error) from error


def _gathered(
    bands: Iterable[NDArray[Any]], shape: tuple[int, int, int], dtype: np.dtype[Any]
) -> NDArray[Any]:
    whole = np.empty(shape, dtype)
    top = 0
    for band in bands:
        whole[top : top + len(band)] = band[..., : shape[2]]
        top += len(band)
    return whole


def _format_of(path: StrPath) -> str:
    extension = Path(path).suffix.lower()
    if extension not in _WRITTEN_AS:
        raise ImageError(
            f"{named(path)} cannot be written as {extension or 'a file without extension'}: "
            f"end the name in one of {' '.join(_WRITTEN_AS)}"
        )
    return _WRITTEN_AS[extension]


def _fit_jpeg(header: Header) -> tuple[Header, list[str]]:
    """Return the header without what JPEG cannot hold, and a note for each thing left out."""
    notes: list[str] = []
    if header.has_alpha:
        header = replace(header, has_alpha=False)
        notes.append("JPEG holds no alpha: only the colours are written; .png, .webp and .tif hold it")
    if len(header.exif or b"") > _JPEG_SEGMENT - len(b"Exif\0\0"):
        header = replace(header, exif=None)
        notes.append("the EXIF passes the 64 KB that JPEG holds and is left out")
    if len(header.xmp or b"") > _JPEG_SEGMENT - _XMP_NAMESPACE:
        header = replace(header, xmp=None)
        notes.append("the XMP passes the 64 KB that JPEG holds and is left out")
    return header, notes


@contextmanager
def explained_writing(path: StrPath) -> Iterator[None]:
    """Raise whatever stops the writing of a file as one line of ImageError."""
    with unwarned():
        try:
            yield
        except _Elsewhere as error:
            raise error.cause from None
        except IsADirectoryError as error:
            raise ImageError(f"{named(path)} is a folder: give the name of a file in it") from error
        except (FileNotFoundError, NotADirectoryError) as error:
            raise ImageError(f"the folder of {named(path)} does not exist: make it first") from error
        except PermissionError as error:
            raise ImageError(f"{named(path)} may not be written: check the folder's permissions") from error
        except MemoryError as error:
            raise ImageError(f"{named(path)} does not fit in memory: write a smaller picture") from error
        except Exception as error:
            raise ImageError(
                f"{named(path)} cannot be written ({one_line(error)}): nothing was changed"
            ) from error
