"""Animated GIF and WebP as films. They are short: what is written is in memory as a whole."""

from __future__ import annotations

import warnings
from collections.abc import Iterable, Iterator
from fractions import Fraction
from pathlib import Path
from types import TracebackType
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from haarmony.errors import FilmError, HaarmonyWarning, ImageError
from haarmony.media.files import StrPath, replacing
from haarmony.media.film import Colour, FilmHeader, Frame
from haarmony.media.opening import named, one_line, open_pillow

_FORMATS: Final = {".gif": "GIF", ".webp": "WEBP"}
_MILLISECOND: Final = Fraction(1, 1000)
_USUAL: Final = 100
"""Milliseconds that a frame is shown where the file says none, as browsers do."""


class AnimatedFilm:
    """A film in an animated picture; see :class:`haarmony.media.film.Film`."""

    is_container = False

    def __init__(self, path: Path, *, keep_partial: bool = False) -> None:
        self.path = path
        self.is_cut_short = False
        self.loop: int | None = None
        self._keep_partial = keep_partial
        durations: list[int] = []
        for image in self._images(0):
            durations.append(int(image.info.get("duration") or _USUAL))
            if len(durations) == 1:
                width, height = image.size
                self.loop = image.info.get("loop")
                if image.has_transparency_data:
                    warnings.warn(
                        f"{named(path)}: transparent places become white", HaarmonyWarning, stacklevel=2
                    )
        if not durations:
            raise FilmError(f"{named(path)} has no frame that can be decoded: export it again")
        total = sum(durations)
        self._durations = durations
        self.header = FilmHeader(
            width=width,
            height=height,
            average_rate=Fraction(1000 * len(durations), total),
            time_base=_MILLISECOND,
            frames=len(durations),
            duration=total * _MILLISECOND,
            colour=Colour(matrix=0, full_range=True, primaries=1, transfer=13, tagged_matrix=0),
        )

    def frames(self, start: int = 0, stop: int | None = None) -> Iterator[Frame]:
        """Decode frames; see :meth:`haarmony.media.film.Film.frames`."""
        end = len(self._durations) if stop is None else min(stop, len(self._durations))
        for index, image in zip(range(start, end), self._images(start), strict=False):
            time = sum(self._durations[:index]) * _MILLISECOND
            yield Frame(index, time, _pixels(image), self._durations[index] * _MILLISECOND)

    def __enter__(self) -> AnimatedFilm:
        """Return the film itself."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Do nothing: the file is open only while frames are read."""

    def _images(self, start: int) -> Iterator[Image.Image]:
        try:
            with self.path.open("rb") as file, open_pillow(file, self.path) as image:
                for number in range(start, getattr(image, "n_frames", 1)):
                    try:
                        image.seek(number)
                        image.load()
                    except (OSError, EOFError, SyntaxError, ValueError) as error:
                        why = f"{named(self.path)}: it is damaged after {number} frames ({one_line(error)})"
                        if not self._keep_partial:
                            raise FilmError(f"{why}; --keep-partial takes what can be decoded") from error
                        self.is_cut_short = True
                        warnings.warn(f"{why}; these are kept", HaarmonyWarning, stacklevel=2)
                        return
                    yield image
        except FileNotFoundError as error:
            raise FilmError(f"{named(self.path)} does not exist: check the path") from error
        except (ImageError, OSError) as error:
            raise FilmError(f"{named(self.path)} cannot be read ({one_line(error)})") from error


def write_animated(path: StrPath, frames: Iterable[Frame], *, loop: int | None) -> int:
    """Write frames as an animated GIF or WebP, by the extension.

    Args:
        path: The file, whole or left as it was.
        frames: In order, of uint8 or uint16, each shown until the next one's time. A GIF counts hundredths of
            a second, and one under two of them is slowed down by what shows it: such frames are left out.
        loop: How often it is shown; 0 for ever, None for once.

    Returns:
        The number of frames that were written.

    Raises:
        FilmError: There are none, or the file cannot be written.
    """
    format_ = _FORMATS[Path(path).suffix.lower()]
    tick, least = (10, 2) if format_ == "GIF" else (1, 1)
    begins: list[int] = []
    images: list[Image.Image] = []
    end, left_out = 0, 0
    for frame in frames:
        begin = round(frame.time / (tick * _MILLISECOND))
        end = round((frame.time + (frame.duration or Fraction(1, 25))) / (tick * _MILLISECOND))
        if begins and begin < begins[-1] + least:
            left_out += 1
            continue
        pixels = frame.pixels if frame.pixels.dtype == np.uint8 else (frame.pixels >> 8).astype(np.uint8)
        images.append(Image.fromarray(pixels))
        begins.append(begin)
    if not images:
        raise FilmError(f"{named(path)}: there is no frame to write")
    if left_out:
        warnings.warn(
            f"{named(path)}: {left_out} of {left_out + len(images)} frames are left out: {format_} shows "
            f"none for less than {tick * least} ms",
            HaarmonyWarning,
            stacklevel=2,
        )
    ends = [*begins[1:], max(end, begins[-1] + least)]
    durations = [tick * (end - begin) for begin, end in zip(begins, ends, strict=True)]
    options: dict[str, Any] = {} if loop is None else {"loop": loop}
    with replacing(path) as file:
        images[0].save(
            file,
            format_,
            save_all=True,
            append_images=images[1:],
            duration=durations,
            quality=90,
            **options,
        )
    return len(images)


def _pixels(image: Image.Image) -> NDArray[np.uint8]:
    if not image.has_transparency_data:
        return np.asarray(image.convert("RGB"))
    white = Image.new("RGBA", image.size, "white")
    return np.asarray(Image.alpha_composite(white, image.convert("RGBA")).convert("RGB"))
