"""What a camera wrote about a picture: EXIF and XMP, kept as they are but for what stops being true.

Pixels are turned upright when a picture is read, so the orientation is set to 1 in both; and the thumbnail
inside EXIF would show the picture as it was before the transfer, so it is unlinked. Every other byte stays in
place: maker notes hold absolute offsets, and writing the block anew would break them.
"""

import io
import re
import struct
from contextlib import suppress
from typing import Any, BinaryIO, Final

import numpy as np
from numpy.typing import NDArray
from PIL import Image, TiffTags
from PIL.TiffImagePlugin import ImageFileDirectory_v2

ORIENTATION: Final = 0x0112
EXIF_IFD: Final = 0x8769
GPS_IFD: Final = 0x8825
_INTEROP_IFD: Final = 0xA005
_IPTC: Final = 33723
_BIGTIFF: Final = 43

# Tags of a TIFF's first directory that describe the picture rather than where its samples lie in the file:
# titles, camera, resolution, software, time, people, rating, IPTC, the Windows fields, EXIF and GPS.
_DESCRIPTIVE: Final = frozenset(
    {269, 270, 271, 272, ORIENTATION, 282, 283, 285, 296, 305, 306, 315, 316, 18246, 18249, 33432, _IPTC}
    | {*range(40091, 40096), EXIF_IFD, GPS_IFD}
)

_XMP_ORIENTATION: Final = re.compile(rb"""(tiff:Orientation(?:\s*=\s*["']|>))([1-8])""")

# How to turn pixels upright (EXIF 2.32, 4.6.4 A): transpose first, then step through rows and columns.
_UPRIGHT: Final = {
    1: (False, 1, 1),
    2: (False, 1, -1),
    3: (False, -1, -1),
    4: (False, -1, 1),
    5: (True, 1, 1),
    6: (True, 1, -1),
    7: (True, -1, -1),
    8: (True, -1, 1),
}


def turn_upright(pixels: NDArray[Any], orientation: int) -> NDArray[Any]:
    """Return ``(height, width, ...)`` pixels as a viewer shows them; an unknown orientation counts as 1."""
    transpose, rows, columns = _UPRIGHT.get(orientation, (False, 1, 1))
    turned = pixels.swapaxes(0, 1) if transpose else pixels
    return np.ascontiguousarray(turned[::rows, ::columns])


def upright_exif(exif: bytes | None) -> bytes | None:
    """Return an EXIF block with orientation 1 and no thumbnail, None where it is damaged.

    Args:
        exif: A TIFF structure, with or without the ``Exif`` prefix that JPEG puts before it.
    """
    if not exif:
        return None
    block = bytearray(exif.removeprefix(b"Exif\0\0"))
    order = {b"II": "<", b"MM": ">"}.get(bytes(block[:2]))
    if order is None:
        return None
    try:
        (start,) = struct.unpack_from(order + "L", block, 4)
        (count,) = struct.unpack_from(order + "H", block, start)
        end = start + 2 + 12 * count
        for entry in range(start + 2, end, 12):
            if struct.unpack_from(order + "H", block, entry)[0] == ORIENTATION:
                struct.pack_into(order + "HHLHH", block, entry, ORIENTATION, 3, 1, 1, 0)
        struct.pack_into(order + "L", block, end, 0)
    except struct.error:
        return None
    return bytes(block)


def upright_xmp(xmp: bytes | str | None) -> bytes | None:
    """Return an XMP packet whose ``tiff:Orientation``, where it has one, is 1."""
    if not xmp:
        return None
    packet = xmp.encode() if isinstance(xmp, str) else bytes(xmp)
    return _XMP_ORIENTATION.sub(rb"\g<1>1", packet)


def load_directory(file: BinaryIO) -> ImageFileDirectory_v2:
    """Return the first directory of a TIFF file or EXIF block, its EXIF and GPS directories read into it.

    Raises:
        Exception: Anything, where the bytes are no sound TIFF.
    """
    header = file.read(8)
    if _BIGTIFF in header[2:4]:
        header += file.read(8)
    directory = _empty_directory(header)
    file.seek(directory.next)
    directory.load(file)
    if _IPTC in directory:  # bytes, whatever type they are said to have
        directory.tagtype[_IPTC] = TiffTags.UNDEFINED
    for tag in {EXIF_IFD, GPS_IFD} & set(directory):
        try:
            entries = _subdirectory(file, header, tag, directory[tag])
            directory.tagtype[tag] = TiffTags.LONG
            directory[tag] = entries
        except Exception:  # a damaged EXIF directory must not cost the picture
            del directory[tag]
    return directory


def describing_directory(directory: ImageFileDirectory_v2) -> ImageFileDirectory_v2:
    """Return a new little-endian directory with those entries that describe the picture, orientation 1."""
    kept = ImageFileDirectory_v2()
    for tag in sorted(_DESCRIPTIVE & set(directory)):
        kept.tagtype[tag] = directory.tagtype[tag]
        kept[tag] = _to_the_byte(directory[tag])
    if ORIENTATION in kept:
        kept[ORIENTATION] = 1
    return kept


def orientation_of(exif: bytes | None, xmp: bytes | None) -> int:
    """Return the orientation that an EXIF block says, else the XMP packet, else 1."""
    try:
        return int(load_directory(io.BytesIO((exif or b"").removeprefix(b"Exif\0\0")))[ORIENTATION])
    except Exception:  # none, or a damaged block
        said = _XMP_ORIENTATION.search(xmp or b"")
        return int(said[2]) if said else 1


def orientation_of_pillow(image: Image.Image) -> int:
    """Return the EXIF or XMP orientation of a loaded Pillow image, 1 where it has none or EXIF is damaged."""
    try:
        return int(image.getexif().get(ORIENTATION, 1))
    except Exception:  # a damaged block must not cost the picture
        return 1


def exif_of_pillow(image: Image.Image) -> bytes | None:
    """Return the EXIF block of a loaded Pillow image, upright, whichever way its format carries it."""
    block = image.info.get("exif")
    if block:
        return upright_exif(block)
    try:  # a TIFF has none: its own directories say it
        return exif_of_directory(_directory_of_pillow(image.getexif()))
    except Exception:
        return None


def exif_of_directory(directory: ImageFileDirectory_v2) -> bytes | None:
    """Return the EXIF block that says what a TIFF's directory says, None where it says nothing.

    The orientation is not said, which means 1: Pillow's AVIF writer would make a block that says it anew.
    """
    kept = describing_directory(directory)
    kept.pop(ORIENTATION, None)
    if not kept:
        return None
    block = io.BytesIO()
    kept.save(block)
    return block.getvalue()


def directory_of_exif(exif: bytes | None) -> ImageFileDirectory_v2:
    """Return the TIFF directory that says what an EXIF block says; what cannot be read is left out."""
    try:
        directory = describing_directory(load_directory(io.BytesIO(exif or b"")))
        directory.tobytes()
    except Exception:  # a damaged block must not cost the picture
        return ImageFileDirectory_v2()
    return directory


def _empty_directory(header: bytes, group: int | None = None) -> ImageFileDirectory_v2:
    """Return a directory to load; Pillow knows a BigTIFF by its little-endian signature alone."""
    signature = b"II\x2b\0" if _BIGTIFF in header[2:4] else header[:4]
    return ImageFileDirectory_v2(signature + header[4:], prefix=header[:2], group=group)


def _subdirectory(file: BinaryIO, header: bytes, tag: int, offset: int) -> dict[int, Any]:
    directory = _empty_directory(header, group=tag)
    file.seek(offset)
    directory.load(file)
    entries: dict[int, Any] = dict(directory)
    if tag == EXIF_IFD and _INTEROP_IFD in entries:
        entries[_INTEROP_IFD] = _subdirectory(file, header, _INTEROP_IFD, entries[_INTEROP_IFD])
    return entries


def _directory_of_pillow(exif: Image.Exif) -> ImageFileDirectory_v2:
    directory = ImageFileDirectory_v2()
    for tag in _DESCRIPTIVE & set(exif) - {EXIF_IFD, GPS_IFD}:
        directory[tag] = exif[tag]
    if not isinstance(directory.get(_IPTC, b""), bytes):  # Pillow has cut it
        del directory[_IPTC]

    within, place = dict(exif.get_ifd(EXIF_IFD)), dict(exif.get_ifd(GPS_IFD))
    if within.pop(_INTEROP_IFD, None) is not None:
        with suppress(ValueError):  # Pillow has closed the file
            within[_INTEROP_IFD] = exif.get_ifd(_INTEROP_IFD)
    for tag, entries in ((EXIF_IFD, within), (GPS_IFD, place)):
        if entries:
            directory[tag] = entries
    return directory


class _Text(str):
    """Text as Pillow reads it, a character for each byte, that is written as the same bytes."""

    def encode(self, encoding: str = "latin-1", errors: str = "strict") -> bytes:
        """Return the bytes, whichever encoding is asked for; text that was never bytes as UTF-8."""
        try:
            return super().encode("latin-1")
        except UnicodeEncodeError:
            return super().encode()


def _to_the_byte(value: Any) -> Any:
    """Return the value of an entry such that Pillow writes its bytes as they were.

    Pillow writes text as ASCII, and guesses the types within the EXIF directory by the values: bytes as BYTE,
    which hardly any entry there is, but a bytearray as UNDEFINED.
    """
    if isinstance(value, dict):
        return {tag: _to_the_byte(entry) for tag, entry in value.items()}
    if isinstance(value, str):
        return _Text(value)
    return (bytearray(value),) if isinstance(value, bytes | bytearray) else value
