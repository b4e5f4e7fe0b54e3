"""Sources: a picture file as a header and bands of upright samples, of any size.

A large TIFF stays in its file and is decoded band by band; what other formats hold is decoded once, at the
depth of the file.
"""

import os
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from haarmony.errors import ImageError
from haarmony.media import metadata, png, profile, tiff
from haarmony.media.files import StrPath
from haarmony.media.opening import HEAD, MAX_PIXELS, check_size, named, open_pillow, reading

IN_MEMORY = 16_000_000
"""Pixels up to which a TIFF is decoded at once."""


@dataclass(frozen=True)
class Header:
    """All of a picture but its pixels.

    Attributes:
        height: In pixels, upright.
        width: In pixels, upright.
        has_alpha: Whether a fourth channel holds opacity, not premultiplied.
        depth: Bits a channel of the source and of what is written where the format allows: 8 or 16.
        profile: The ICC profile of the pixels, an RGB one; None for sRGB.
        exif: The EXIF block without the prefix that JPEG puts before it, orientation 1 or not said, no
            thumbnail.
        xmp: The XMP packet.
    """

    height: int
    width: int
    has_alpha: bool = False
    depth: int = 8
    profile: bytes | None = None
    exif: bytes | None = None
    xmp: bytes | None = None


@dataclass(frozen=True, eq=False)
class Source:
    """A picture that is read in bands of rows.

    Attributes:
        header: All but the pixels.
        read: From a top row up to a bottom row: ``(rows, width, 3 or 4)`` RGB and alpha, uint8, uint16 or
            float32 in [0, 1].
    """

    header: Header
    read: Callable[[int, int], NDArray[Any]]


@contextmanager
def open_source(source: StrPath | BinaryIO, *, max_pixels: int = MAX_PIXELS) -> Iterator[Source]:
    """Open what :func:`haarmony.media.image.read_image` reads; the source is good for as long as the block.

    Raises:
        ImageError: The file is missing, unreadable, damaged, too large or not a picture. Bands of a large
            TIFF raise it where the damage is found.
    """
    with ExitStack() as stack:
        with reading(source):
            if isinstance(source, str | os.PathLike):
                found = _source(stack.enter_context(Path(source).open("rb")), source, max_pixels)
            else:
                found = _source(source, source, max_pixels)

        def read(top: int, bottom: int) -> NDArray[Any]:
            with reading(source):
                return found.read(top, bottom)

        yield replace(found, read=read)


def _source(file: BinaryIO, source: StrPath | BinaryIO, max_pixels: int) -> Source:
    head = file.read(HEAD)
    exif = None
    if head.startswith(tiff.SIGNATURES):
        file.seek(0)
        directory = metadata.load_directory(file)
        if tiff.is_raw(directory):
            raise ImageError(
                f"{named(source)} is a camera's raw file: develop it first and give the 16-bit TIFF"
            )
        size = tiff.size(directory)
        check_size(source, size, max_pixels)
        exif = metadata.exif_of_directory(directory)
        about = {
            "orientation": directory.get(metadata.ORIENTATION, 1),
            "icc": directory.get(tiff.PROFILE),
            "exif": exif,
            "xmp": directory.get(tiff.XMP),
        }
        if size[0] * size[1] > IN_MEMORY and about["orientation"] == 1:
            bands = tiff.open_bands(file)
            if bands is not None:
                return Source(_header(size[::-1], bands.channels, bands.depth, **about), bands.read)
        if tiff.is_beyond_pillow(head, directory):
            return _of_samples(tiff.read_samples(file), named(source), **about)
    if png.is_deep(head):
        check_size(source, png.size(head), max_pixels)
        data = head + file.read()
        carried = png.read_metadata(data)
        exif, xmp = carried.get("exif"), carried.get("xmp")
        return _of_samples(
            png.read_deep(data),
            named(source),
            orientation=metadata.orientation_of(exif, xmp),
            icc=carried.get("icc"),
            exif=exif,
            xmp=xmp,
        )
    return source_of_pillow(open_pillow(file, source, max_pixels=max_pixels), named(source), exif=exif)


def source_of_pillow(image: Image.Image, name: str = "the picture", *, exif: bytes | None = None) -> Source:
    """Return a Pillow image of any mode, with the profile, EXIF and XMP that it carries.

    Args:
        image: The image.
        name: What to call it in a message.
        exif: Its EXIF block where that is known better than Pillow says it.
    """
    image.load()
    return _of_samples(
        _samples_from(image),
        name,
        orientation=metadata.orientation_of_pillow(image),
        icc=image.info.get("icc_profile"),
        exif=exif or metadata.exif_of_pillow(image),
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


def _of_samples(
    samples: NDArray[Any], name: str, *, orientation: int, icc: bytes | None, **about: Any
) -> Source:
    """A source of ``(height, width, 1 to 4)`` samples in memory: grey or RGB, alpha last, not yet upright."""
    if 0 in samples.shape:
        raise ImageError(f"{name} holds no pixels: export it again")
    samples = metadata.turn_upright(_within_unit(samples, name), orientation)
    depth = 8 if samples.dtype == np.uint8 else 16
    if samples.shape[-1] <= 2:
        samples = _rgb_of_grey(samples, icc)
    header = _header(samples.shape[:2], samples.shape[-1], depth, icc=icc, **about)
    return Source(header, lambda top, bottom: samples[top:bottom])


def _header(
    size: tuple[int, ...],
    channels: int,
    depth: int,
    *,
    icc: bytes | None,
    exif: bytes | None,
    xmp: bytes | str | None,
    orientation: int = 1,
) -> Header:
    return Header(
        height=size[0],
        width=size[1],
        has_alpha=channels == 4,
        depth=depth,
        profile=icc if profile.colour_space(icc) == "RGB" else None,
        exif=metadata.upright_exif(exif),
        xmp=metadata.upright_xmp(xmp),
    )


def _rgb_of_grey(samples: NDArray[Any], icc: bytes | None) -> NDArray[Any]:
    """Grey, by its own profile where it has one, as RGB; alpha stays the last channel."""
    grey, alpha = samples[..., :1], samples[..., 1:]
    if profile.colour_space(icc) == "GRAY":
        with suppress(ValueError):
            colours = profile.convert(np.ascontiguousarray(unit(grey)), icc, None)
            return np.concatenate([colours, unit(alpha)], axis=-1)
    return np.concatenate([grey, grey, grey, alpha], axis=-1)


def unit(samples: NDArray[Any]) -> NDArray[np.float32]:
    """Return samples of any kind as float32 in [0, 1]."""
    if samples.dtype == np.float32:
        return samples
    scaled = samples.astype(np.float32)
    scaled /= np.iinfo(samples.dtype).max
    return scaled


def _within_unit(samples: NDArray[Any], name: str) -> NDArray[Any]:
    if samples.dtype != np.float32:
        return samples
    if not np.isfinite(samples).all():
        raise ImageError(f"{name} holds NaN or infinite samples: export it again")
    if np.median(samples) > 1:
        raise ImageError(
            f"{name} holds floating-point samples, which are read in [0, 1], and most are above 1: scale "
            "them first"
        )
    clipped: NDArray[np.float32] = np.clip(samples, 0, 1)
    return clipped
