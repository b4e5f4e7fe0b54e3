"""Writing a film: frames in, a file out, in segments, so that what was stopped can go on."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor, wait
from contextlib import closing, contextmanager
from dataclasses import asdict
from itertools import groupby
from pathlib import Path
from threading import Event
from typing import Any, Final, TypeAlias

import av

from haarmony.errors import FilmError, HaarmonyError, Interrupted
from haarmony.media.ahead import ahead
from haarmony.media.files import StrPath, beside, probe
from haarmony.media.film import ANIMATED, Film, Frame
from haarmony.media.film_animated import write_animated
from haarmony.media.film_codecs import SEGMENT, Encoding, encoding_for
from haarmony.media.film_colour import Converter
from haarmony.media.film_container import assemble, check_container
from haarmony.media.film_folder import write_folder
from haarmony.media.film_segments import WorkFolder, opened_work
from haarmony.media.film_settings import fingerprint
from haarmony.media.opening import named, one_line

Progress: TypeAlias = Callable[[int], None]

_WAITING: Final = 4
"""Frames that may wait for the encoder."""
_PATIENCE: Final = 0.1
_FRACTIONS: Final = ("rate", "time_base", "pixel_aspect")


def write_film(
    path: StrPath,
    source: Film,
    frames: Callable[[int], Iterable[Frame]],
    *,
    codec: str | None = None,
    quality: str | None = None,
    settings: Mapping[str, Any] | None = None,
    resume: bool = False,
    progress: Progress = lambda done: None,
) -> int:
    """Write a film whose pictures come from ``frames`` and all else from ``source``.

    Times, matrix and range, rotation and pixel aspect, sound, subtitles, chapters and metadata are the
    source's. Frames are made in one thread and encoded in another, in segments that need no other; at the end
    these are put together without encoding them again. So a film that was stopped and goes on equals one that
    never was. When an interrupt comes from the keyboard, what is done is written as a film that plays.

    Args:
        path: The file to write, by its extension: .mp4, .m4v, .mov, .mkv, .webm; .gif and .webp, which are
            gathered in memory; or a folder, which ends in a slash or is there, for numbered pictures. It may
            hold no other pictures.
        source: The film that the frames are made from.
        frames: Called with the number of the first frame that is not done yet, gives the frames from there
            on, with the source's index and time; in a thread of its own. Of uint8 or uint16.
        codec: See :func:`~haarmony.media.film_codecs.encoding_for`.
        quality: Likewise.
        settings: All else that decides how the frames come out, as JSON holds it: a film goes on only with
            the same. The source and the encoding are added.
        resume: Go on with what an earlier call left.
        progress: Called after each frame with the number of frames that are done.

    Returns:
        The number of frames of the film.

    Raises:
        FilmError: It cannot be written, or was begun with other settings.
        Interrupted: From the keyboard; the file holds what is done.
    """
    given = {**(settings or {}), "source": fingerprint(source.path)}
    is_folder = str(path).endswith(("/", os.sep)) or Path(path).is_dir()
    if is_folder or Path(path).suffix.lower() in ANIMATED:
        for name, value in (("codec", codec), ("quality", quality)):
            if value is not None:
                raise FilmError(f"{named(path)} has no {name} to choose: leave it out, or write a film")
    if is_folder:
        with explained_film_writing(path):
            return write_folder(path, source, frames, settings=given, resume=resume, progress=progress)
    if Path(path).suffix.lower() in ANIMATED:
        with explained_film_writing(path):
            probe(path)
            return write_animated(path, _told(frames(0), progress), loop=getattr(source, "loop", 0))
    encoding = encoding_for(path, source.header, codec=codec, quality=quality)
    given |= {"encoding": _described(encoding), "FFmpeg": av.ffmpeg_version_info}
    with explained_film_writing(path):
        probe(path)
        work = opened_work(path, given, resume=resume)
        try:
            check_container(work.path / "trial", encoding, source)
            _encode_all(frames(work.frames()), encoding, work, progress)
        except BaseException as error:
            done = work.frames(with_partial=True)
            if not done:
                work.remove()
            if not done or not isinstance(error, KeyboardInterrupt):
                raise
            _finish(path, encoding, work, source, is_whole=False)
            raise Interrupted(
                f"interrupted: {named(path)} holds the {done} frames that are done; --resume goes on"
            ) from None
        done = work.frames()
        if not done:
            raise FilmError(f"{named(source.path)} gave no frame: nothing was written")
        _finish(path, encoding, work, source, is_whole=not source.is_cut_short)
        work.remove()
        return done


def _finish(path: StrPath, encoding: Encoding, work: WorkFolder, source: Film, *, is_whole: bool) -> None:
    """Put the film together; one that is not whole has its sound up to its last frame."""
    until = None if is_whole else work.end() * encoding.time_base
    with beside(path) as film:
        assemble(film, encoding, work.packets(encoding.usual), source, until=until)


def _encode_all(frames: Iterable[Frame], encoding: Encoding, work: WorkFolder, progress: Progress) -> None:
    """Make the frames in one thread and encode them in another, while this one waits for an interrupt."""
    stop = Event()
    with ThreadPoolExecutor(1) as pool:
        encoder = pool.submit(_encode, frames, stop, encoding, work, progress)
        try:
            while not encoder.done():
                wait([encoder], timeout=_PATIENCE)
        finally:
            stop.set()
        encoder.result()


def _encode(
    frames: Iterable[Frame], stop: Event, encoding: Encoding, work: WorkFolder, progress: Progress
) -> None:
    converter = Converter(encoding.colour)
    made = _until(stop, ahead(frames, size=_WAITING))
    for number, group in groupby(made, key=lambda frame: frame.index // SEGMENT):
        context = encoding.context()
        with work.segment(number) as segment:
            for frame in group:
                time, duration = encoding.ticks(frame.time), encoding.ticks(frame.duration)
                picture = converter.from_rgb(frame.pixels, encoding.pixel_format)
                picture.pts, picture.time_base = time, encoding.time_base
                segment.expect(time, duration)
                segment.add(context.encode(picture))
                progress(frame.index + 1)
            segment.add(context.encode(None))
            segment.seal(is_whole=len(segment.entries) == SEGMENT or not stop.is_set())


def _told(frames: Iterable[Frame], progress: Progress) -> Iterator[Frame]:
    for frame in frames:
        yield frame
        progress(frame.index + 1)


def _until(stop: Event, frames: Iterator[Frame]) -> Iterator[Frame]:
    with closing(frames):  # type: ignore[type-var]
        for frame in frames:
            if stop.is_set():
                return
            yield frame


def _described(encoding: Encoding) -> dict[str, Any]:
    """An encoding as JSON holds it, with the version of what encodes."""
    return {**asdict(encoding), **{name: str(getattr(encoding, name)) for name in _FRACTIONS}}


@contextmanager
def explained_film_writing(path: StrPath) -> Iterator[None]:
    """Raise whatever stops the writing of a film as one line of FilmError."""
    try:
        yield
    except HaarmonyError:
        raise
    except IsADirectoryError as error:
        raise FilmError(f"{named(path)} is a folder: give the name of a file in it") from error
    except (FileNotFoundError, NotADirectoryError) as error:
        raise FilmError(f"the folder of {named(path)} does not exist: make it first") from error
    except (OSError, av.FFmpegError) as error:
        raise FilmError(f"{named(path)} cannot be written ({error.strerror or one_line(error)})") from error
