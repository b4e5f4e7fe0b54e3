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
_XMP_KEYWORD: Final = b"XML:com.adobe.xmp\0"
_LARGEST_METADATA: Final = 64 << 20


def is_deep(head: bytes) -> bool:
    """Say whether a file that begins with ``head`` (26 bytes or more) is a PNG of 16 bits a sample."""
    return head.startswith(SIGNATURE) and head[24:25] == b"\x10"


def size(head: bytes) -> tuple[int, int]:
    """Return the width and height that a PNG's head declares."""
    width, height = struct.unpack_from(">LL", head, 16)
    return width, height


def read_deep(data: bytes) -> NDArray[np.uint16]:
    """Return ``(height, width, 1 to 4)`` samples of a 16-bit PNG; a transparent colour becomes alpha."""
    samples: NDArray[np.uint16] = imagecodecs.png_decode(data)
    return np.atleast_3d(samples)


def read_metadata(data: bytes) -> dict[str, bytes]:
    """Return the EXIF block, XMP packet and ICC profile of a sound PNG, as far as it has them."""
    found = {}
    start = len(SIGNATURE)
    while start + 8 <= len(data):
        (length,) = struct.unpack_from(">L", data, start)
        kind, body = data[start + 4 : start + 8], data[start + 8 : start + 8 + length]
        if kind == b"eXIf":
            found["exif"] = body
        elif kind == b"iCCP":
            found["icc"] = _inflated(body[body.index(b"\0") + 2 :])
        elif kind == b"iTXt" and body.startswith(_XMP_KEYWORD):
            compressed = body[len(_XMP_KEYWORD)]
            _language, _translation, text = body[len(_XMP_KEYWORD) + 2 :].split(b"\0", 2)
            found["xmp"] = _inflated(text) if compressed else text
        start += 12 + length
    return found


def write(
    file: BinaryIO, samples: NDArray[Any], *, exif: bytes | None, xmp: bytes | None, profile: bytes | None
) -> None:
    """Write ``(height, width, 3 or 4)`` uint8 or uint16 samples.

    Differences to the left, runs and Huffman codes only: the low bits of a photo are noise, in which a search
    for longer matches takes several times as long and finds nothing.
    """
    encoded = imagecodecs.png_encode(
        samples,
        level=imagecodecs.PNG.COMPRESSION.SPEED,
        strategy=imagecodecs.PNG.STRATEGY.RLE,
        filter=imagecodecs.PNG.FILTER.SUB,
    )
    file.write(encoded[:_HEADER_END])
    if profile:
        _write_chunk(file, b"iCCP", b"ICC profile\0\0" + zlib.compress(profile))
    if exif:
        _write_chunk(file, b"eXIf", exif)
    if xmp:
        _write_chunk(file, b"iTXt", _XMP_KEYWORD + b"\0\0\0\0" + xmp)
    file.write(encoded[_HEADER_END:])


def _inflated(data: bytes) -> bytes:
    return zlib.decompressobj().decompress(data, _LARGEST_METADATA)


def _write_chunk(file: BinaryIO, kind: bytes, data: bytes) -> None:
    file.write(struct.pack(">L", len(data)) + kind + data + struct.pack(">L", zlib.crc32(kind + data)))
