"""Pictures: files and Pillow images to float pixels and back, at the depth and in the profile they came in.

A picture keeps the encoding of its own ICC profile, for a wide-gamut photo squeezed through sRGB would lose
colours for good. What meets it, the style, is brought into its profile by :func:`to_profile`.
"""

import io
import warnings
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, BinaryIO, Final

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from haarmony.errors import HaarmonyWarning, ImageError, InputError
from haarmony.media import metadata, png, profile, tiff
from haarmony.media.files import StrPath, probe, replacing
from haarmony.media.opening import (
    HEAD,
    MAX_PIXELS,
    check_size,
    explained,
    named,
    one_line,
    open_pillow,
    opened,
)

_WRITTEN_AS: Final = {
    ".jpg": "JPEG",
    ".jpeg": "JPEG",
    ".png": "PNG",
    ".webp": "WEBP",
    ".tif": "TIFF",
    ".tiff": "TIFF",
    ".avif": "AVIF",
}
_LONGEST_SIDE: Final = {"JPEG": 65500, "WEBP": 16383, "AVIF": 65535}
_QUALITY: Final[dict[str, dict[str, Any]]] = {
    "JPEG": {"quality": 95, "subsampling": "4:4:4"},
    "WEBP": {"quality": 95, "exact": True},
    "AVIF": {"quality": 95, "subsampling": "4:4:4", "speed": 8},
}
_JPEG_SEGMENT: Final = 65533
_XMP_NAMESPACE: Final = 29


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
    with opened(source) as file:
        head = file.read(HEAD)
        if head.startswith(tiff.SIGNATURES):
            file.seek(0)
            directory = metadata.load_directory(file)
            if tiff.is_raw(directory):
                raise ImageError(
                    f"{named(source)} is a camera's raw file: develop it first and give the 16-bit TIFF"
                )
            if tiff.is_deep(directory):
                check_size(source, tiff.size(directory), max_pixels)
                return _upright(
                    tiff.read_deep(file),
                    orientation=directory.get(metadata.ORIENTATION, 1),
                    icc=directory.get(tiff.PROFILE),
                    exif=metadata.exif_of_directory(directory),
                    xmp=directory.get(tiff.XMP),
                )
        if png.is_deep(head):
            check_size(source, png.size(head), max_pixels)
            data = head + file.read()
            carried = png.read_metadata(data)
            exif, xmp = carried.get("exif"), carried.get("xmp")
            return _upright(
                png.read_deep(data),
                orientation=metadata.orientation_of(exif, xmp),
                icc=carried.get("icc"),
                exif=exif,
                xmp=xmp,
            )
        return _from_pillow(open_pillow(file, source, max_pixels=max_pixels))


def from_pil(image: Image.Image) -> Picture:
    """Return a Pillow image of any mode as a picture, with the profile, EXIF and XMP that it carries.

    Pillow holds 16 bits only of grey images; read a 16-bit colour file with :func:`read_image`.

    Raises:
        ImageError: The image cannot be loaded, or its values fit no picture: mode F mostly above 1, mode I
            beyond 16 bits.
    """
    with explained("the image", "expected a Pillow image that loads"):
        return _from_pillow(image)


def to_pil(picture: Picture) -> Image.Image:
    """Return a picture as a Pillow image, RGB or RGBA of 8 bits, with profile, EXIF and XMP in its ``info``.

    Raises:
        InputError: The picture's arrays do not fit :class:`Picture`.
    """
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


def check_writable(path: StrPath, *, size: tuple[int, int] | None = None) -> None:
    """Find out before long work whether :func:`write_image` could write ``path``.

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
    with _explained_writing(path):
        probe(path)


def write_image(path: StrPath, picture: Picture) -> None:
    """Write a picture as JPEG, PNG, WebP, TIFF or AVIF, by extension; the file is whole or left as it was.

    PNG and TIFF keep 16 bits, the others round to 8. JPEG and AVIF are written at quality 95 without chroma
    subsampling, WebP at quality 95. Profile, EXIF and XMP go along. JPEG cannot hold alpha: the colours are
    written as they are and a warning says so, as it does for EXIF or XMP that passes JPEG's 64 KB.

    Raises:
        ImageError: The extension is unknown, or the file cannot be written.
        InputError: The picture's arrays do not fit :class:`Picture`.
    """
    written_as = _format_of(path)
    check_writable(path, size=(picture.pixels.shape[0], picture.pixels.shape[1]))
    notes: list[str] = []
    if written_as == "JPEG":
        picture, notes = _fit_jpeg(picture)
    exif = metadata.upright_exif(picture.exif)
    if written_as == "AVIF":  # whose writer takes the block apart, and must not stumble over a damaged one
        exif = metadata.exif_of_directory(metadata.directory_of_exif(exif))
    samples = _samples_of(picture, depth=picture.depth if written_as in ("PNG", "TIFF") else 8)
    with _explained_writing(path), replacing(path) as file:
        if written_as in ("PNG", "TIFF"):
            write = png.write if written_as == "PNG" else tiff.write
            write(file, samples, exif=exif, xmp=picture.xmp, profile=picture.profile)
        else:
            encoded = (
                io.BytesIO()
            )  # given a real file, Pillow's JPEG writer does not notice that the disk is full
            Image.fromarray(samples).save(
                encoded,
                written_as,
                exif=b"Exif\0\0" + exif if exif else b"",
                xmp=picture.xmp or b"",
                icc_profile=picture.profile or b"",
                **_QUALITY[written_as],
            )
            file.write(encoded.getbuffer())
    for note in notes:
        warnings.warn(f"{named(path)}: {note}", HaarmonyWarning, stacklevel=2)


def _from_pillow(image: Image.Image) -> Picture:
    image.load()
    return _upright(
        _samples_from(image),
        orientation=metadata.orientation_of_pillow(image),
        icc=image.info.get("icc_profile"),
        exif=metadata.exif_of_pillow(image),
        xmp=image.info.get("xmp"),
    )


def _samples_from(image: Image.Image) -> NDArray[Any]:
    """Return ``(height, width, 1 to 4)`` grey or RGB samples, alpha last: uint8, uint16 or float32."""
    mode = image.mode
    if mode == "F" or mode.startswith("I"):
        samples = np.asarray(image)[..., None]
        if mode == "I" and (samples.min() < 0 or samples.max() > 65535):
            raise ImageError("a Pillow image of mode I must lie in 0 to 65535: scale it first")
        return samples.astype(np.float32 if mode == "F" else np.uint16)
    icc = image.info.get("icc_profile")
    if mode == "CMYK" and profile.colour_space(icc) == "CMYK":
        with suppress(ValueError):
            return np.rint(255 * profile.convert(np.asarray(image), icc, None)).astype(np.uint8)
    if image.has_transparency_data:
        image = (image.convert("LA") if mode == "La" else image).convert("RGBA")
    elif mode in ("1", "L"):
        image = image.convert("L")
    else:
        image = image.convert("RGB")
    return np.atleast_3d(np.asarray(image))


def _upright(
    samples: NDArray[Any], *, orientation: int, icc: bytes | None, exif: bytes | None, xmp: bytes | str | None
) -> Picture:
    if 0 in samples.shape:
        raise ImageError("the picture holds no pixels: export it again")
    depth = 8 if samples.dtype == np.uint8 else 16
    unit = _unit(metadata.turn_upright(samples, orientation))
    has_alpha = unit.shape[-1] in (2, 4)
    alpha = np.ascontiguousarray(unit[..., -1]) if has_alpha else None
    colours = np.ascontiguousarray(unit[..., :-1]) if has_alpha else unit
    space = profile.colour_space(icc)
    if colours.shape[-1] == 1:
        if space == "GRAY":
            with suppress(ValueError):
                colours = profile.convert(colours, icc, None)
        colours = np.ascontiguousarray(np.broadcast_to(colours, (*colours.shape[:2], 3)))
    return Picture(
        pixels=colours,
        alpha=alpha,
        depth=depth,
        profile=icc if space == "RGB" else None,
        exif=metadata.upright_exif(exif),
        xmp=metadata.upright_xmp(xmp),
    )


def _unit(samples: NDArray[Any]) -> NDArray[np.float32]:
    if samples.dtype != np.float32:
        scaled = samples.astype(np.float32)
        scaled /= np.iinfo(samples.dtype).max
        return scaled
    if not np.isfinite(samples).all():
        raise ImageError("the picture holds NaN or infinite samples: export it again")
    if np.median(samples) > 1:
        raise ImageError("floating-point samples are read in [0, 1], and most are above 1: scale them first")
    clipped: NDArray[np.float32] = np.clip(samples, 0, 1)
    return clipped


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


def _fit_jpeg(picture: Picture) -> tuple[Picture, list[str]]:
    """Return the picture without what JPEG cannot hold, and a note for each thing left out."""
    notes: list[str] = []
    if picture.alpha is not None:
        picture = replace(picture, alpha=None)
        notes.append("JPEG holds no alpha: only the colours are written; .png, .webp and .tif hold it")
    if len(picture.exif or b"") > _JPEG_SEGMENT - len(b"Exif\0\0"):
        picture = replace(picture, exif=None)
        notes.append("the EXIF passes the 64 KB that JPEG holds and is left out")
    if len(picture.xmp or b"") > _JPEG_SEGMENT - _XMP_NAMESPACE:
        picture = replace(picture, xmp=None)
        notes.append("the XMP passes the 64 KB that JPEG holds and is left out")
    return picture, notes


def _format_of(path: StrPath) -> str:
    extension = Path(path).suffix.lower()
    if extension not in _WRITTEN_AS:
        raise ImageError(
            f"{named(path)} cannot be written as {extension or 'a file without extension'}: "
            f"end the name in one of {' '.join(_WRITTEN_AS)}"
        )
    return _WRITTEN_AS[extension]


@contextmanager
def _explained_writing(path: StrPath) -> Iterator[None]:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            yield
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
