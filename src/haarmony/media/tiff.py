"""TIFF beyond what Pillow holds: deep and floating-point samples in, either depth out with its metadata."""

from typing import Any, BinaryIO, Final

import numpy as np
import tifffile
from numpy.typing import NDArray
from PIL.TiffImagePlugin import ImageFileDirectory_v2

from haarmony.media import metadata

SIGNATURES: Final = (b"II\x2a\0", b"MM\0\x2a", b"II\x2b\0", b"MM\0\x2b")
XMP: Final = 700
PROFILE: Final = 34675
_BITS: Final = 258
_PHOTOMETRIC: Final = 262
_DNG_VERSION: Final = 50706
_SUBFILE_TYPE: Final = 254
_BLACK_IS_0_OR_WHITE_IS_0_OR_RGB: Final = (0, 1, 2)
_ROWS_BYTES: Final = 1 << 20
_LARGEST: Final = 1 << 32


def is_raw(directory: ImageFileDirectory_v2) -> bool:
    """Say whether the file is a camera's raw file, whose first picture is a preview."""
    return _DNG_VERSION in directory or bool(directory.get(_SUBFILE_TYPE, 0) & 1)


def is_deep(directory: ImageFileDirectory_v2) -> bool:
    """Say whether the first picture is grey or RGB with more than eight bits a sample."""
    bits = directory.get(_BITS, 1)
    deepest = max(bits) if isinstance(bits, tuple) else bits
    return deepest > 8 and directory.get(_PHOTOMETRIC) in _BLACK_IS_0_OR_WHITE_IS_0_OR_RGB


def size(directory: ImageFileDirectory_v2) -> tuple[int, int]:
    """Return the width and height that the file declares."""
    return directory[256], directory[257]


def read_deep(file: BinaryIO) -> NDArray[Any]:
    """Return ``(height, width, 1 to 4)`` samples of a deep TIFF's first page, of any layout and compression.

    Returns:
        uint16 over its whole range, or float32 as it is. Premultiplied alpha is divided out.

    Raises:
        ValueError: The samples are signed or complex integers.
    """
    file.seek(0)
    with tifffile.TiffFile(file) as document:
        page = document.pages.first
        samples = page.asarray()
        bits, axes, extra = int(page.bitspersample), page.axes, tuple(page.extrasamples)
        inverted = page.photometric == tifffile.PHOTOMETRIC.MINISWHITE
    if axes.startswith("S"):
        samples = np.moveaxis(samples, 0, -1)
    samples = np.atleast_3d(samples)
    if samples.dtype.kind == "u":
        if bits != 16:
            samples = np.rint(samples * (65535 / (2.0**bits - 1)))
        samples = samples.astype(np.uint16)
    elif samples.dtype.kind == "f":
        samples = samples.astype(np.float32)
    else:
        raise ValueError(f"its samples are {samples.dtype}, not unsigned integers or floats")

    colours = samples.shape[-1] - len(extra)
    if inverted:
        samples[..., :colours] = (65535 if samples.dtype == np.uint16 else 1) - samples[..., :colours]
    has_alpha = bool(extra) and extra[0] in (tifffile.EXTRASAMPLE.ASSOCALPHA, tifffile.EXTRASAMPLE.UNASSALPHA)
    if has_alpha and extra[0] == tifffile.EXTRASAMPLE.ASSOCALPHA:
        samples = _divide_alpha_out(samples, colours)
    return np.ascontiguousarray(samples[..., : colours + has_alpha])


def write(
    file: BinaryIO, samples: NDArray[Any], *, exif: bytes | None, xmp: bytes | None, profile: bytes | None
) -> None:
    """Write ``(height, width, 3 or 4)`` uint8 or uint16 samples, uncompressed, in strips of about a mebibyte.

    Uncompressed: every program reads it, and deflate saves little on 16-bit photos for seconds of work.

    Raises:
        ValueError: The file would pass the 4 GB that TIFF's offsets reach.
    """
    height, width, channels = samples.shape
    if samples.nbytes > _LARGEST - (1 << 26):
        raise ValueError("a TIFF holds at most 4 GB")
    row = width * channels * samples.itemsize
    rows = max(1, _ROWS_BYTES // row)
    starts = range(0, height, rows)

    directory = metadata.directory_of_exif(exif)
    directory[256], directory[257] = width, height
    directory[_BITS] = (samples.itemsize * 8,) * channels
    directory[259] = 1  # no compression
    directory[_PHOTOMETRIC] = 2  # RGB
    directory.tagtype[273] = directory.tagtype[279] = 4  # strip offsets and byte counts as LONG
    directory[273] = tuple(start * row for start in starts)
    directory[277] = channels
    directory[278] = rows
    directory[279] = tuple(min(rows, height - start) * row for start in starts)
    if channels == 4:
        directory[338] = 2  # alpha, not premultiplied
    if xmp:
        directory.tagtype[XMP] = 1
        directory[XMP] = xmp
    if profile:
        directory.tagtype[PROFILE] = 7
        directory[PROFILE] = profile
    directory.save(file)
    for start in starts:
        file.write(samples[start : start + rows].astype(samples.dtype.newbyteorder("<")).tobytes())


def _divide_alpha_out(samples: NDArray[Any], colours: int) -> NDArray[Any]:
    full = 65535 if samples.dtype == np.uint16 else 1
    alpha = samples[..., colours : colours + 1].astype(np.float64)
    colour = samples[..., :colours] * np.divide(full, alpha, out=np.zeros_like(alpha), where=alpha > 0)
    if full == 65535:
        colour = np.rint(np.minimum(colour, full))
    return np.concatenate([colour.astype(samples.dtype), samples[..., colours:]], axis=-1)
