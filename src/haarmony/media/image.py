"""Pictures: files and Pillow images to float pixels and back, at the depth and in the profile they came in.

A picture keeps the encoding of its own ICC profile, for a wide-gamut photo squeezed through sRGB would lose
colours for good. What meets it, the style, is brought into its profile by :func:`to_profile`.
"""

from dataclasses import dataclass, replace
from typing import Any, BinaryIO

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from haarmony.errors import ImageError, InputError
from haarmony.media import profile
from haarmony.media.files import StrPath
from haarmony.media.opening import MAX_PIXELS, explained, one_line
from haarmony.media.sink import write_bands, written_depth
from haarmony.media.source import Header, Source, open_source, source_of_pillow, unit


@dataclass(frozen=True, eq=False)
class Picture:
    """An upright picture in memory.

    Attributes:
        pixels: ``(height, width, 3)`` RGB in [0, 1], in the encoding of ``profile``.
        alpha: ``(height, width)`` opacity in [0, 1], not premultiplied; None where the source has none.
        depth: Bits a channel of the source and of what is written where the format allows: 8 or 16.
        profile: The ICC profile of the pixels, an RGB one; None for sRGB.
        exif: The EXIF block without the prefix that JPEG puts before it, orientation 1, no thumbnail.
        xmp: The XMP packet.
    """

    pixels: NDArray[np.float32]
    alpha: NDArray[np.float32] | None = None
    depth: int = 8
    profile: bytes | None = None
    exif: bytes | None = None
    xmp: bytes | None = None

    def __post_init__(self) -> None:
        if not isinstance(self.profile, (bytes, type(None))):
            raise InputError(
                f"a profile is the bytes of an ICC profile, or None for sRGB, got {self.profile!r:.40}"
            )

    def save(self, path: StrPath) -> None:
        """Write the picture, by extension, as :func:`write_image` does."""
        write_image(path, self)


def read_image(source: StrPath | BinaryIO, *, max_pixels: int = MAX_PIXELS) -> Picture:
    """Read a JPEG, PNG, WebP, TIFF, AVIF, GIF, BMP or PPM file, or HEIC with the extra ``heif``.

    Orientation is applied; 16 bits a channel are kept; floating-point samples outside [0, 1] are clipped, and
    refused where most are above 1. Grey becomes RGB. CMYK, and grey with a profile, are converted to sRGB as
    viewers do. Of an animation the first frame is read, of a TIFF the first page. AVIF and HEIC of more than
    eight bits come in at eight.

    Args:
        source: A path, or a seekable binary file open for reading.
        max_pixels: Refuse a file that declares more pixels than this.

    Raises:
        ImageError: The file is missing, unreadable, damaged, too large or not a picture.
    """
    with open_source(source, max_pixels=max_pixels) as opened:
        return _picture(opened)


def from_pil(image: Image.Image) -> Picture:
    """Return a Pillow image of any mode as a picture, with the profile, EXIF and XMP that it carries.

    Pillow holds 16 bits only of grey images; read a 16-bit colour file with :func:`read_image`.

    Raises:
        ImageError: The image cannot be loaded, or its values fit no picture: mode F mostly above 1, mode I
            beyond 16 bits.
    """
    with explained("the image", "expected a Pillow image that loads"):
        return _picture(source_of_pillow(image))


def to_pil(picture: Picture) -> Image.Image:
    """Return a picture as a Pillow image, RGB or RGBA of 8 bits, with profile, EXIF and XMP in its ``info``.

    Raises:
        InputError: The picture's arrays do not fit :class:`Picture`.
    """
    _check(picture)
    image = Image.fromarray(_samples_of(picture, depth=8))
    carried = {"icc_profile": picture.profile, "exif": picture.exif, "xmp": picture.xmp}
    image.info.update({key: value for key, value in carried.items() if value})
    return image


def to_profile(picture: Picture, target: bytes | None) -> Picture:
    """Return a picture with its colours expressed in another ICC profile; those it cannot hold are clipped.

    Args:
        picture: The picture to convert; one without a profile is sRGB.
        target: The RGB profile wanted, as in :attr:`Picture.profile`; None for sRGB.

    Raises:
        ImageError: One of the profiles cannot be used for a conversion in this direction.
    """
    if picture.profile == target:
        return picture
    try:
        pixels = profile.convert(picture.pixels, picture.profile, target)
    except ValueError as error:
        raise ImageError(
            f"the colour profile cannot be converted ({one_line(error)}): save both pictures with a common "
            "RGB profile such as sRGB or Adobe RGB"
        ) from error
    return replace(picture, pixels=pixels, profile=target)


def write_image(path: StrPath, picture: Picture) -> None:
    """Write a picture as JPEG, PNG, WebP, TIFF or AVIF, by extension; the file is whole or left as it was.

    PNG and TIFF keep 16 bits, the others round to 8. JPEG and AVIF are written at quality 95 without chroma
    subsampling, WebP at quality 95. Profile, EXIF and XMP go along. JPEG cannot hold alpha: the colours are
    written as they are and a warning says so, as it does for EXIF or XMP that passes JPEG's 64 KB.

    Raises:
        ImageError: The extension is unknown, or the file cannot be written.
        InputError: The picture's arrays do not fit :class:`Picture`.
    """
    _check(picture)
    samples = _samples_of(picture, depth=written_depth(path, picture.depth))
    header = Header(
        height=samples.shape[0],
        width=samples.shape[1],
        has_alpha=picture.alpha is not None,
        depth=picture.depth,
        profile=picture.profile,
        exif=picture.exif,
        xmp=picture.xmp,
    )
    write_bands(path, header, [samples])


def _picture(source: Source) -> Picture:
    header = source.header
    pixels = unit(source.read(0, header.height))
    return Picture(
        pixels=np.ascontiguousarray(pixels[..., :3]),
        alpha=np.ascontiguousarray(pixels[..., 3]) if header.has_alpha else None,
        depth=header.depth,
        profile=header.profile,
        exif=header.exif,
        xmp=header.xmp,
    )


def _check(picture: Picture) -> None:
    if not isinstance(picture, Picture):
        raise InputError(
            f"expected a Picture, got {type(picture).__name__}: make one of floats in [0, 1], Picture(pixels)"
        )
    for one in (picture.pixels, *(() if picture.alpha is None else (picture.alpha,))):
        if not isinstance(one, np.ndarray) or one.dtype.kind != "f":
            raise InputError("pixels and alpha must be arrays of floats in [0, 1]: convert them")


def _samples_of(picture: Picture, *, depth: int) -> NDArray[Any]:
    """Return ``(height, width, 3 or 4)`` samples, uint8 or uint16, rounded to the nearest."""
    pixels, alpha = picture.pixels, picture.alpha
    if pixels.ndim != 3 or pixels.shape[-1] != 3 or 0 in pixels.shape:
        raise InputError(f"pixels must be (height, width, 3), got {pixels.shape}")
    if alpha is not None and alpha.shape != pixels.shape[:2]:
        raise InputError(f"alpha must be {pixels.shape[:2]} as the pixels, got {alpha.shape}")
    if depth not in (8, 16):
        raise InputError(f"depth must be 8 or 16, got {depth}")
    channels = pixels if alpha is None else np.concatenate([pixels, alpha[..., None]], axis=-1)
    if not np.isfinite(channels).all():
        raise InputError("pixels and alpha must be finite, got NaN or infinity")
    full = 2**depth - 1
    scaled = np.multiply(channels, full, dtype=np.float32)
    np.clip(np.rint(scaled, out=scaled), 0, full, out=scaled)
    samples: NDArray[Any] = scaled.astype(np.uint8 if depth == 8 else np.uint16)
    return samples
