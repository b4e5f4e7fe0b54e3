"""TIFF beyond what Pillow holds: deep and floating-point samples in, either depth out with its metadata."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, BinaryIO, Final

import numpy as np
import tifffile
from numpy.typing import NDArray
from PIL.TiffImagePlugin import ImageFileDirectory_v2

from haarmony.media import metadata

_BIG_ENDIAN_BIGTIFF: Final = b"MM\0\x2b"
SIGNATURES: Final = (b"II\x2a\0", b"MM\0\x2a", b"II\x2b\0", _BIG_ENDIAN_BIGTIFF)
XMP: Final = 700
PROFILE: Final = 34675
_BITS: Final = 258
_PHOTOMETRIC: Final = 262
_DNG_VERSION: Final = 50706
_SUBFILE_TYPE: Final = 254
_BLACK_IS_0_OR_WHITE_IS_0_OR_RGB: Final = (0, 1, 2)
_ROWS_BYTES: Final = 1 << 20
_LARGEST: Final = 1 << 32
_LARGEST_PART: Final = 1 << 26


def is_raw(directory: ImageFileDirectory_v2) -> bool:
    """Say whether the file is a camera's raw file, whose first picture is a preview."""
    return _DNG_VERSION in directory or bool(directory.get(_SUBFILE_TYPE, 0) & 1)


def is_beyond_pillow(head: bytes, directory: ImageFileDirectory_v2) -> bool:
    """Say whether the first picture is grey or RGB that Pillow cannot read as it is.

    That is: of more than eight bits a sample, or in a big-endian BigTIFF.
    """
    bits = directory.get(_BITS, 1)
    deepest = max(bits) if isinstance(bits, tuple) else bits
    beyond = deepest > 8 or head.startswith(_BIG_ENDIAN_BIGTIFF)
    return beyond and directory.get(_PHOTOMETRIC) in _BLACK_IS_0_OR_WHITE_IS_0_OR_RGB


def size(directory: ImageFileDirectory_v2) -> tuple[int, int]:
    """Return the width and height that the file declares."""
    return directory[256], directory[257]


def read_samples(file: BinaryIO) -> NDArray[Any]:
    """Return ``(height, width, 1 to 4)`` samples of the first page, grey or RGB in any layout.

    Returns:
        uint8 as it is, uint16 over its whole range, or float32 as it is. Premultiplied alpha is divided out.

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
    if samples.dtype.kind in "bu":
        if bits not in (8, 16):
            samples = np.rint(samples * (65535 / (2.0**bits - 1)))
        samples = samples.astype(np.uint8 if bits == 8 else np.uint16)
    elif samples.dtype.kind == "f":
        samples = samples.astype(np.float32)
    else:
        raise ValueError(f"its samples are {samples.dtype}, not unsigned integers or floats")

    colours = samples.shape[-1] - len(extra)
    if inverted:
        samples[..., :colours] = _full(samples.dtype) - samples[..., :colours]
    has_alpha = bool(extra) and extra[0] in (tifffile.EXTRASAMPLE.ASSOCALPHA, tifffile.EXTRASAMPLE.UNASSALPHA)
    if has_alpha and extra[0] == tifffile.EXTRASAMPLE.ASSOCALPHA:
        samples = _divide_alpha_out(samples, colours)
    return np.ascontiguousarray(samples[..., : colours + has_alpha])


@dataclass(frozen=True, eq=False)
class Bands:
    """RGB rows of a TIFF's first page, read from the file when they are asked for.

    Attributes:
        page: The page.
        channels: 3, or 4 with an alpha channel that is not premultiplied.
        depth: Bits a channel, 8 or 16.
    """

    page: tifffile.TiffPage
    channels: int
    depth: int

    def read(self, top: int, bottom: int) -> NDArray[Any]:
        """Return ``(bottom - top, width, channels)`` uint8 or uint16."""
        read = self._raw if self.page.is_final else self._decoded
        band = read(top, bottom)[..., : self.channels]
        return band.astype(band.dtype.newbyteorder("="), copy=False)

    def _raw(self, top: int, bottom: int) -> NDArray[Any]:
        _, width, samples = self.page.shape
        kind = np.dtype(self.page.dtype).newbyteorder(self.page.parent.byteorder)
        band = np.empty((bottom - top, width, samples), kind)
        file = self.page.parent.filehandle
        file.seek(self.page.dataoffsets[0] + top * width * samples * kind.itemsize)
        if file.readinto(band.view(np.uint8)) != band.nbytes:  # type: ignore[arg-type]  # any buffer will do
            raise ValueError(f"it ends before row {bottom}")
        return band

    def _decoded(self, top: int, bottom: int) -> NDArray[Any]:
        page = self.page
        decode = page.decode  # made at its first use, which moves the position in the file
        tables = {"jpegtables": page.jpegtables, "jpegheader": page.jpegheader}
        _, width, samples = page.shape
        rows, columns = (int(side) for side in page.chunks[:2])
        across = -(-width // columns)
        band = np.empty((bottom - top, width, samples), page.dtype)
        file = page.parent.filehandle
        for index in range(top // rows * across, -(-bottom // rows) * across):
            file.seek(page.dataoffsets[index])
            segment, where, _ = decode(file.read(page.databytecounts[index]), index, **tables)
            if segment is None:
                raise ValueError(f"its part {index} is empty")
            first, left = where[2], where[3]
            part = segment[0, max(0, top - first) : bottom - first, : width - left]
            start = max(0, first - top)
            band[start : start + len(part), left : left + part.shape[1]] = part
        return band


def open_bands(file: BinaryIO) -> Bands | None:
    """Return the bands of a TIFF where its first page can be read in parts, else None.

    That is: RGB of 8 or 16 bits, channels interleaved, alpha not premultiplied, and either uncompressed and
    in one piece, or in strips or tiles of at most 64 MB.
    """
    file.seek(0)
    page = tifffile.TiffFile(file).pages.first
    extra = tuple(page.extrasamples)
    fits = (
        page.photometric == tifffile.PHOTOMETRIC.RGB
        and page.planarconfig == tifffile.PLANARCONFIG.CONTIG
        and page.dtype in (np.uint8, np.uint16)
        and page.bitspersample in (8, 16)
        and page.axes == "YXS"
        and page.shape[2] - len(extra) == 3
        and extra[:1] != (tifffile.EXTRASAMPLE.ASSOCALPHA,)
    )
    if not fits or not (page.is_final or np.prod(page.chunks) * page.bitspersample <= 8 * _LARGEST_PART):
        return None
    return Bands(page, 4 if extra[:1] == (tifffile.EXTRASAMPLE.UNASSALPHA,) else 3, page.bitspersample)


def write(
    file: BinaryIO,
    shape: tuple[int, int, int],
    dtype: np.dtype[Any],
    bands: Iterable[NDArray[Any]],
    *,
    exif: bytes | None,
    xmp: bytes | None,
    profile: bytes | None,
) -> None:
    """Write bands of ``(rows, width, 3 or 4)`` samples, uncompressed, in strips of about a mebibyte.

    Uncompressed: every program reads it, and deflate saves little on 16-bit photos for seconds of work.

    Args:
        file: To write to, from its beginning.
        shape: Height, width and channels of the whole.
        dtype: uint8 or uint16.
        bands: From the top; together they have the shape.
        exif: The EXIF block.
        xmp: The XMP packet.
        profile: The ICC profile.

    Raises:
        ValueError: The file would pass the 4 GB that TIFF's offsets reach.
    """
    height, width, channels = shape
    if height * width * channels * dtype.itemsize > _LARGEST - (1 << 26):
        raise ValueError("a TIFF holds at most 4 GB")
    row = width * channels * dtype.itemsize
    rows = max(1, _ROWS_BYTES // row)
    starts = range(0, height, rows)

    directory = metadata.directory_of_exif(exif)
    directory[256], directory[257] = width, height
    directory[_BITS] = (dtype.itemsize * 8,) * channels
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
    for band in bands:
        file.write(band.astype(dtype.newbyteorder("<"), copy=False).tobytes())


def _divide_alpha_out(samples: NDArray[Any], colours: int) -> NDArray[Any]:
    full = _full(samples.dtype)
    alpha = samples[..., colours : colours + 1].astype(np.float64)
    colour = samples[..., :colours] * np.divide(full, alpha, out=np.zeros_like(alpha), where=alpha > 0)
    if full > 1:
        colour = np.rint(np.minimum(colour, full))
    return np.concatenate([colour.astype(samples.dtype), samples[..., colours:]], axis=-1)


def _full(dtype: np.dtype[Any]) -> int:
    """Return the sample that is the most light."""
    return 1 if dtype.kind == "f" else int(np.iinfo(dtype).max)
