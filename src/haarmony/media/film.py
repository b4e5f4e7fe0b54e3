"""Films: what a moving picture is to the rest of the code, wherever it comes from.

A film is a header and frames that are decoded in order, as often as wanted. Video files, folders of numbered
pictures and animated GIF and WebP are all read so. Pixels are RGB in the film's own transfer function: values
of BT.709 and its kin are taken as they are, as those of sRGB pictures.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from types import TracebackType
from typing import Any, Final, Literal, Protocol

from numpy.typing import NDArray

from haarmony.errors import FilmError
from haarmony.media.files import StrPath
from haarmony.media.opening import named

ANIMATED: Final = (".gif", ".webp")
"""Extensions of animated pictures."""


@dataclass(frozen=True)
class Colour:
    """How the samples of a film's file mean colours, in the numbers of ITU-T H.273 (2: not said).

    Attributes:
        matrix: From YCbCr to RGB; 0 for files that hold RGB.
        full_range: Whether black and white are the ends of the scale, and not 16 and 235 of 255.
        primaries: Of the red, green and blue.
        transfer: From values to light.
        tagged_matrix: The matrix as the file says it, where :attr:`matrix` is guessed from its size.
    """

    matrix: int = 1
    full_range: bool = False
    primaries: int = 2
    transfer: int = 2
    tagged_matrix: int = 2


@dataclass(frozen=True)
class FilmHeader:
    """What a film says of itself before a frame is decoded.

    Attributes:
        width: Of the frames as they are delivered.
        height: Likewise.
        average_rate: Frames a second, on average.
        time_base: The clock's tick in seconds: every frame's time is a multiple of it.
        frames: How many there are, where the file knows it. A damaged file may be wrong.
        duration: In seconds, likewise.
        depth: Bits of the delivered samples, 8 (uint8) or 16 (uint16).
        colour: Of the samples in the file.
        pixel_aspect: Width of a pixel by its height.
        rotation: FFmpeg's display matrix, which players turn the frames by; None for none. Frames are
            delivered as they are stored.
    """

    width: int
    height: int
    average_rate: Fraction
    time_base: Fraction
    frames: int | None = None
    duration: Fraction | None = None
    depth: Literal[8, 16] = 8
    colour: Colour = Colour()
    pixel_aspect: Fraction = Fraction(1)
    rotation: tuple[int, ...] | None = None


@dataclass(frozen=True)
class Frame:
    """One frame.

    Attributes:
        index: Its number from 0.
        time: When it is shown, in seconds.
        pixels: ``(height, width, 3)`` of uint8 or uint16, RGB over the full range.
        duration: How long it is shown, in seconds, where the file says it.
    """

    index: int
    time: Fraction
    pixels: NDArray[Any]
    duration: Fraction | None = None


class Film(Protocol):
    """An open film; a context manager that closes it.

    Attributes:
        path: The file or folder.
        header: What it says of itself.
        is_container: Whether the file may hold more than pictures: sound, subtitles, chapters.
        is_cut_short: Whether frames came to an end, when they were last read, before the film should.
    """

    path: Path
    header: FilmHeader
    is_container: bool
    is_cut_short: bool

    def frames(self, start: int = 0, stop: int | None = None) -> Iterator[Frame]:
        """Decode the frames from number ``start`` to before ``stop``, in order; can be asked again.

        Raises:
            FilmError: The file is damaged there, ends too early, or its frames change their size.
        """
        ...

    def __enter__(self) -> Film:
        """Return the film itself."""
        ...

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Close the film."""
        ...


def open_film(path: StrPath, *, keep_partial: bool = False, rate: float = 25) -> Film:
    """Open a video file, a folder of numbered pictures, or an animated GIF or WebP.

    Args:
        path: The file or folder.
        keep_partial: Take what can be decoded of a damaged film, with a warning, instead of an error.
        rate: Frames a second of a folder of pictures.

    Raises:
        FilmError: It cannot be read, has no frames, or is HDR (PQ or HLG); or PyAV is not installed.
    """
    path = Path(path)
    if path.is_dir():
        from haarmony.media.film_folder import FolderFilm

        return FolderFilm(path, rate=Fraction(rate).limit_denominator(1001))
    if path.suffix.lower() in ANIMATED:
        from haarmony.media.film_animated import AnimatedFilm

        return AnimatedFilm(path, keep_partial=keep_partial)
    try:
        from haarmony.media.film_reading import VideoFilm
    except ImportError as error:
        raise FilmError(
            f"{named(path)}: films need an extra and Python 3.11 or newer: pip install 'haarmony[video]'"
        ) from error
    return VideoFilm(path, keep_partial=keep_partial)
