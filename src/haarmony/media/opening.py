"""Opening a picture file: which reader takes it, how large it may be, and one clear line where it fails."""

import io
import logging
import os
import warnings
from collections.abc import Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager, suppress
from pathlib import Path
from threading import current_thread, main_thread
from typing import Any, BinaryIO, Final

from PIL import (
    AvifImagePlugin,
    BmpImagePlugin,
    GifImagePlugin,
    Image,
    JpegImagePlugin,
    PngImagePlugin,
    PpmImagePlugin,
    TiffImagePlugin,
    WebPImagePlugin,
)

from haarmony.errors import HaarmonyError, HaarmonyWarning, ImageError
from haarmony.media.files import StrPath

MAX_PIXELS: Final = 512_000_000
"""The most pixels that a file may declare unless the caller allows more; far beyond any camera."""

_READABLE: Final = frozenset(
    plugin.format
    for plugin in (
        JpegImagePlugin.JpegImageFile,
        PngImagePlugin.PngImageFile,
        WebPImagePlugin.WebPImageFile,
        TiffImagePlugin.TiffImageFile,
        AvifImagePlugin.AvifImageFile,
        GifImagePlugin.GifImageFile,
        BmpImagePlugin.BmpImageFile,
        PpmImagePlugin.PpmImageFile,
    )
) | {"HEIF"}
_HEIF_BRANDS: Final = frozenset([b"heic", b"heix", b"heim", b"heis", b"hevc", b"hevx", b"mif1", b"msf1"])

# Both log what is odd about a file; without a handler of their own, Python would print that.
for _library in ("PIL", "tifffile"):
    logging.getLogger(_library).addHandler(logging.NullHandler())

_SUFFIXES: Final = frozenset(
    (".jpg", ".jpeg", ".png", ".webp", ".tif", ".tiff", ".avif", ".heic", ".heif", ".gif", ".bmp", ".ppm")
)
HEAD: Final = 32
"""Bytes from a file's beginning that tell its kind."""


def is_picture(path: StrPath) -> bool:
    """Say whether a path is a file that has the extension of a picture and is not hidden."""
    path = Path(path)
    return path.suffix.lower() in _SUFFIXES and not path.name.startswith(".") and path.is_file()


@contextmanager
def opened(source: StrPath | BinaryIO) -> Iterator[BinaryIO]:
    """Open a picture file; what goes wrong while it is open is raised as one line of ImageError."""
    with ExitStack() as stack:
        stack.enter_context(reading(source))
        if isinstance(source, str | os.PathLike):
            source = stack.enter_context(Path(source).open("rb"))
        yield source


def reading(source: StrPath | BinaryIO) -> AbstractContextManager[None]:
    """Raise what goes wrong while a picture file is read as one line of ImageError."""
    return explained(named(source), "expected a whole picture file: fetch or export it again")


def open_pillow(file: BinaryIO, source: StrPath | BinaryIO, *, max_pixels: int = MAX_PIXELS) -> Image.Image:
    """Open a picture with Pillow, its pixels not yet read.

    ``Image.open`` weighs a file against a limit that belongs to the whole process, and knows formats that
    start other programs; so the readers are asked here.

    Raises:
        ImageError: No reader knows the file, or it declares more than ``max_pixels``.
    """
    file.seek(0)
    head = file.read(HEAD)
    is_heif = head[4:8] == b"ftyp" and head[8:12] in _HEIF_BRANDS
    if is_heif:
        _register_heif()
    for name in set(Image.OPEN) & _READABLE:
        factory, accept = Image.OPEN[name]
        verdict = accept is None or accept(head)
        if not verdict or isinstance(verdict, str):
            continue
        file.seek(0)
        with suppress(SyntaxError, IndexError, TypeError):
            image = factory(file, "")
            check_size(source, image.size, max_pixels)
            return image
    if not head:
        raise ImageError(f"{named(source)} is empty: expected a picture file")
    if is_heif and "HEIF" not in Image.OPEN:
        raise ImageError(f"{named(source)} is HEIC, which needs an extra: pip install 'haarmony[heif]'")
    raise ImageError(
        f"{named(source)} is not a picture that can be read: expected JPEG, PNG, WebP, TIFF, AVIF or HEIC"
    )


@contextmanager
def explained(name: str, remedy: str) -> Iterator[None]:
    """Raise whatever a decoder raises as one line; decoders of damaged files raise almost anything."""
    with unwarned():
        try:
            yield
        except HaarmonyError:
            raise
        except FileNotFoundError as error:
            raise ImageError(f"{name} does not exist: check the path") from error
        except IsADirectoryError as error:
            raise ImageError(f"{name} is a folder: give one picture file") from error
        except PermissionError as error:
            raise ImageError(f"{name} may not be read: check its permissions") from error
        except io.UnsupportedOperation as error:
            raise ImageError(f"{name} is a pipe, and is read in several places: give a file") from error
        except MemoryError as error:
            raise ImageError(f"{name} does not fit in memory: give a smaller picture") from error
        except Exception as error:
            raise ImageError(f"{name} cannot be read ({one_line(error)}): {remedy}") from error


@contextmanager
def unwarned() -> Iterator[None]:
    """Ignore the warnings of libraries; in the main thread alone, for the filters belong to all threads.

    Those of this library are seen to as before, for another thread may raise them meanwhile.
    """
    if current_thread() is not main_thread():
        yield
        return
    before: Any = warnings.filters
    ours = [
        (action, text, HaarmonyWarning, *place) for action, text, kind, *place in before if _is_ours(kind)
    ]
    usual = ("default", None, HaarmonyWarning, None, 0)
    warnings.filters = [*ours, usual, ("ignore", None, Warning, None, 0)]  # at once, so that none is lost
    try:
        yield
    finally:
        warnings.filters = before


def _is_ours(kind: type[Warning]) -> bool:
    """Say whether a filter for a kind of warning holds for those of this library."""
    return issubclass(HaarmonyWarning, kind)


def check_size(source: StrPath | BinaryIO, size: tuple[int, int], max_pixels: int) -> None:
    """Raise :class:`ImageError` where a width and height make more than ``max_pixels``."""
    width, height = size
    if width * height > max_pixels:
        raise ImageError(
            f"{named(source)} declares {width} x {height} pixels, more than the {max_pixels / 1e6:g} "
            "megapixels allowed: reduce it first or, from Python, raise max_pixels of read_image"
        )


def named(source: StrPath | BinaryIO) -> str:
    """Return what to call a source in a message."""
    return repr(os.fspath(source)) if isinstance(source, str | os.PathLike) else "the picture"


def one_line(error: BaseException) -> str:
    """Return an error's message without line breaks, its kind where it has none."""
    return " ".join(str(error).split()) or type(error).__name__


def _register_heif() -> None:
    with suppress(ImportError):
        from pi_heif import register_heif_opener  # type: ignore[import-not-found, unused-ignore]

        register_heif_opener()
