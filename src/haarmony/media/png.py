"""PNG at either depth: libpng moves the samples, the chunks of metadata are laid around them here.

Pillow holds eight bits a channel of a colour picture, so it can neither read nor write 16-bit colour.
"""

import struct
import zlib
from typing import Any, BinaryIO, Final

import imagecodecs
import numpy as np
from numpy.typing import NDArray

SIGNATURE: Final = b"\x89PNG\r\n\x1a\n"
_HEADER_END: Final = 33
_FAST: Final = 1


def is_deep(head: bytes) -> bool:
    """Say whether a file that begins with ``head`` (26 bytes or more) is a PNG of 16 bits a sample."""
    return head.startswith(SIGNATURE) and head[24:25] == b"\x10"


def read_deep(file: BinaryIO) -> NDArray[np.uint16]:
    """Return ``(height, width, 1 to 4)`` samples of a 16-bit PNG; a transparent colour becomes alpha."""
    file.seek(0)
    samples: NDArray[np.uint16] = imagecodecs.png_decode(file.read())
    return np.atleast_3d(samples)


def write(
    file: BinaryIO, samples: NDArray[Any], *, exif: bytes | None, xmp: bytes | None, profile: bytes | None
) -> None:
    """Write ``(height, width, 3 or 4)`` uint8 or uint16 samples.

    At compression level 1: on 16-bit photos, whose low bits are noise, more effort buys next to nothing.
    """
    encoded = imagecodecs.png_encode(samples, level=_FAST)
    file.write(encoded[:_HEADER_END])
    if profile:
        _write_chunk(file, b"iCCP", b"ICC profile\0\0" + zlib.compress(profile))
    if exif:
        _write_chunk(file, b"eXIf", exif)
    if xmp:
        _write_chunk(file, b"iTXt", b"XML:com.adobe.xmp\0\0\0\0\0" + xmp)
    file.write(encoded[_HEADER_END:])


def _write_chunk(file: BinaryIO, kind: bytes, data: bytes) -> None:
    file.write(struct.pack(">L", len(data)) + kind + data + struct.pack(">L", zlib.crc32(kind + data)))
