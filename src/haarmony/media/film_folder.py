"""Folders of numbered pictures as films.

A film is in sRGB, so each picture is brought there from its own profile, and what is written from it back.
"""

from __future__ import annotations

import json
import re
import warnings
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from fractions import Fraction
from functools import lru_cache
from itertools import pairwise, zip_longest
from pathlib import Path
from types import TracebackType
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from haarmony.errors import FilmError, HaarmonyWarning, ImageError, Interrupted
from haarmony.media import profile
from haarmony.media.ahead import ahead
from haarmony.media.files import StrPath, made_folder, replacing
from haarmony.media.film import Colour, Film, FilmHeader, Frame
from haarmony.media.film_settings import begun_with, refuse_change
from haarmony.media.opening import named, one_line
from haarmony.media.sink import WRITTEN, writable, write_bands, written_depth
from haarmony.media.source import Header, open_source, unit

USUAL_RATE: Final = Fraction(25)
_SETTINGS: Final = ".haarmony.json"
_ROWS: Final = 256
"""Rows whose colours are converted at a time."""


class FolderFilm:
    """Pictures in the order of the numbers in their names; see :class:`haarmony.media.film.Film`."""

    is_container = False

    def __init__(self, path: Path, *, rate: Fraction = USUAL_RATE) -> None:
        self.path = path
        self.is_cut_short = False
        self.files = _pictures(path)
        if not self.files:
            raise FilmError(
                f"{named(path)} has no pictures of {' '.join(WRITTEN)}: "
                "give a film, or a folder of numbered pictures"
            )
        if gaps := _gaps(self.files):
            before, behind = gaps[0]
            warnings.warn(
                f"{named(path)}: numbers are missing in {len(gaps)} places, first between {before.name!r} "
                f"and {behind.name!r}; the film goes on without them",
                HaarmonyWarning,
                stacklevel=3,
            )
        with open_source(self.files[0]) as source:
            first = source.header
        self.header = FilmHeader(
            width=first.width,
            height=first.height,
            average_rate=rate,
            time_base=1 / rate,
            frames=len(self.files),
            duration=len(self.files) / rate,
            depth=16 if first.depth > 8 else 8,
            colour=Colour(matrix=0, full_range=True, primaries=1, transfer=13, tagged_matrix=0),
        )

    def frames(self, start: int = 0, stop: int | None = None) -> Iterator[Frame]:
        """Read the pictures; see :meth:`haarmony.media.film.Film.frames`."""
        header = self.header
        for index, file in list(enumerate(self.files))[start:stop]:
            with open_source(file) as source:
                if (source.header.width, source.header.height) != (header.width, header.height):
                    raise FilmError(
                        f"{named(file)} is {source.header.width} x {source.header.height}, but the film "
                        f"began with {header.width} x {header.height}: scale it to one size"
                    )
                samples = source.read(0, header.height)[..., :3]
                pixels = _in_profile(samples, source.header.profile, None, depth=header.depth, file=file)
            yield Frame(index, index * header.time_base, pixels, header.time_base)

    def picture(self, index: int) -> tuple[str, Header]:
        """The name of a frame's file, and all of it but the pixels."""
        with open_source(self.files[index]) as source:
            return self.files[index].name, source.header

    def __enter__(self) -> FolderFilm:
        """Return the film itself."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Do nothing: files are open only while they are read."""


def write_folder(
    path: StrPath,
    source: Film,
    frames: Callable[[int], Iterable[Frame]],
    *,
    settings: Mapping[str, Any],
    resume: bool,
    progress: Callable[[int], None],
) -> int:
    """Write frames as pictures: of the source's names where it is a folder, else as numbered PNG.

    Args:
        path: The folder, which is made if it is not there, and else holds no pictures but those of an earlier
            call that was stopped.
        source: The film that the frames are made from.
        frames: Called with the number of the first frame that is not done yet.
        settings: All that decides how the frames come out.
        resume: Leave the pictures that are there, up to the first that is not.
        progress: Called with the number of frames that are done.

    Returns:
        The number of frames of the film.

    Raises:
        FilmError: The folder holds other pictures, or was begun with other settings.
    """
    folder = Path(path)
    now = json.loads(json.dumps(dict(settings)))
    done = _begun(folder, source, now, resume=resume)
    try:
        with _made(folder) as kept:
            with replacing(kept) as file:
                file.write(json.dumps(now, indent=1).encode())
            for frame in ahead(frames(done)):
                target = folder / _name(source, frame.index)
                _write(target, source, frame)
                done = frame.index + 1
                progress(done)
            kept.unlink()
    except KeyboardInterrupt:
        if not done:
            raise
        raise Interrupted(
            f"interrupted: {named(path)} holds the {done} frames that are done; --resume goes on"
        ) from None
    return done


def _begun(folder: Path, source: Film, now: Mapping[str, Any], *, resume: bool) -> int:
    """How many frames are done; the folder then holds no other pictures."""
    before = begun_with(folder / _SETTINGS, folder)
    if resume and before is not None:
        refuse_change(folder, before, now)
    there = _pictures(folder) if folder.is_dir() else []
    is_same = before is not None and before.get("source") == now["source"]
    others = _no_frames(source, there) if is_same else there
    if others:
        raise FilmError(
            f"{named(folder)} holds pictures, such as {others[0].name!r}, that would mix with the frames: "
            "empty it, or give a new folder"
        )
    done = 0
    if resume and before is not None:
        while (folder / _name(source, done)).exists():
            done += 1
    for file in there[done:]:
        file.unlink()
    return done


@contextmanager
def _made(folder: Path) -> Iterator[Path]:
    """Make the folder, and the name of its settings; if the block fails before a frame is there, undo it."""
    kept = folder / _SETTINGS
    with made_folder(folder):
        try:
            yield kept
        except BaseException:
            if not _pictures(folder):
                kept.unlink(missing_ok=True)
            raise


def _write(target: Path, source: Film, frame: Frame) -> None:
    height, width = frame.pixels.shape[:2]
    header = Header(height, width, depth=8 if frame.pixels.dtype == np.uint8 else 16)
    if isinstance(source, FolderFilm):
        header = replace(source.picture(frame.index)[1], has_alpha=False, depth=header.depth)
    depth = written_depth(target, header.depth)
    write_bands(target, header, [_in_profile(frame.pixels, None, header.profile, depth=depth, file=target)])


def _name(source: Film, index: int) -> str:
    if isinstance(source, FolderFilm):
        return source.files[index].name if index < len(source.files) else f"{index}.none"
    return f"{index + 1:06}.png"


def _no_frames(source: Film, files: list[Path]) -> list[Path]:
    """Those of some pictures that have no name of a frame."""
    if isinstance(source, FolderFilm):
        own = {file.name for file in source.files}
        return [file for file in files if file.name not in own]
    return [file for file in files if not re.fullmatch(r"\d{6,}\.png", file.name)]


def _pictures(folder: Path) -> list[Path]:
    """The pictures in a folder that can be written too, in the order of the numbers in their names."""
    there = (file for file in folder.iterdir() if writable(file) and not file.name.startswith("."))
    return sorted((file for file in there if not file.is_dir()), key=by_number)


def _gaps(files: list[Path]) -> list[tuple[Path, Path]]:
    """Neighbours that are further apart in number than most, where nothing else in their names differs."""
    steps = {}
    for before, behind in pairwise(files):
        differ = [(a, b) for a, b in zip_longest(by_number(before), by_number(behind)) if a != b]
        match differ:
            case [((True, int(first)), (True, int(second)))]:
                steps[before, behind] = second - first
    gaps = [pair for pair, step in steps.items() if step > min(steps.values())]
    return gaps if 2 * len(gaps) < len(steps) else []  # else the numbers are times, or count nothing


def _in_profile(
    samples: NDArray[Any], source: bytes | None, target: bytes | None, *, depth: int, file: Path
) -> NDArray[Any]:
    """Samples of any kind, of one profile, as uint8 or uint16 of another; None is sRGB."""
    if _is_srgb(source) and _is_srgb(target):
        return _at_depth(samples, depth)
    converted = np.empty(samples.shape, np.uint8 if depth == 8 else np.uint16)
    for top in range(0, len(samples), _ROWS):
        band = np.ascontiguousarray(unit(samples[top : top + _ROWS]))
        try:
            converted[top : top + _ROWS] = _at_depth(profile.convert(band, source, target), depth)
        except ValueError as error:
            raise ImageError(
                f"{named(file)}: its colour profile cannot be converted ({one_line(error)}): save the frames "
                "with an RGB profile such as sRGB or Adobe RGB"
            ) from error
    return converted


@lru_cache(16)
def _is_srgb(icc: bytes | None) -> bool:
    return profile.name(icc) == profile.SRGB


def _at_depth(samples: NDArray[Any], depth: int) -> NDArray[Any]:
    """Samples of any kind as uint8 or uint16."""
    dtype = np.uint8 if depth == 8 else np.uint16
    if samples.dtype == dtype:
        return np.ascontiguousarray(samples)
    white = 1.0 if samples.dtype.kind == "f" else np.iinfo(samples.dtype).max
    return np.rint(samples * (np.iinfo(dtype).max / white)).astype(dtype)


def by_number(path: Path) -> list[tuple[bool, int | str]]:
    """A key that sorts files by the numbers in their names: 2.png before 10.png."""
    parts = re.split(r"(\d+)", path.name)
    return [(part.isdecimal(), int(part) if part.isdecimal() else part) for part in parts]
