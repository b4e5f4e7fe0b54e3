"""Opening a video file: which of its streams is the film, when it starts, and one line where it fails."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from fractions import Fraction
from pathlib import Path
from typing import BinaryIO, Final

import av
from av.container import InputContainer
from av.stream import Disposition
from av.video.stream import VideoStream

from haarmony.errors import FilmError, HaarmonyError
from haarmony.media.opening import named

_MICROSECOND: Final = Fraction(1, 1_000_000)
_SHORT: Final = Fraction(1)
_MATROSKA: Final = (b"\x1a\x45\xdf\xa3", b"\x18\x53\x80\x67")
_BOXES: Final = frozenset([b"ftyp", b"moov", b"mdat", b"free", b"skip", b"wide", b"uuid"])


@contextmanager
def opened_video(path: Path) -> Iterator[tuple[InputContainer, VideoStream]]:
    """Open a file and find its film; what goes wrong while it is open is raised as one line of FilmError."""
    with explained_film(path), av.open(_location(path), metadata_errors="replace") as container:
        films = [stream for stream in container.streams.video if not is_cover(stream)]
        if not films:
            kinds = sorted({str(stream.type) for stream in container.streams}) or ["no stream"]
            raise FilmError(f"{named(path)} has no video, only {', '.join(kinds)}: give a film")
        films[0].thread_type = "AUTO"
        yield container, films[0]


@contextmanager
def explained_film(path: Path) -> Iterator[None]:
    """Raise whatever FFmpeg raises while a film is read as one line of FilmError."""
    try:
        yield
    except HaarmonyError:
        raise
    except FileNotFoundError as error:
        raise FilmError(f"{named(path)} does not exist: check the path") from error
    except IsADirectoryError as error:
        raise FilmError(f"{named(path)} is a folder: give a film, or a folder of pictures") from error
    except PermissionError as error:
        raise FilmError(f"{named(path)} may not be read: check its permissions") from error
    except av.FFmpegError as error:
        why = "its index is missing, so it was not recorded or copied to its end"
        if path.stat().st_size == 0:
            why = "it is empty"
        elif not _lacks_index(path):
            is_unknown = isinstance(error, av.InvalidDataError)
            why = "it is damaged, or no film" if is_unknown else error.strerror or type(error).__name__
        raise FilmError(f"{named(path)} cannot be read ({why}): fetch or export it again") from error


def is_cover(stream: VideoStream) -> bool:
    """Say whether a stream is a picture for the shelf and no film."""
    return bool(stream.disposition & Disposition.attached_pic)


def tick_of(stream: VideoStream) -> Fraction:
    """Return the seconds of one tick of a stream's clock."""
    return stream.time_base or _MICROSECOND


def origin_of(container: InputContainer) -> Fraction:
    """Return when the first of the streams starts, in seconds: what all times are counted from.

    A start before zero is the lead-in of a sound codec and counts as zero.
    """
    starts = [
        stream.start_time * stream.time_base
        for stream in (*container.streams.video, *container.streams.audio)
        if stream.start_time is not None and stream.time_base is not None
    ]
    return max(Fraction(0), min(starts, default=Fraction(0)))


def duration_of(container: InputContainer, stream: VideoStream) -> Fraction | None:
    """Return how long a film is, in seconds, where its file says it."""
    if stream.duration:
        return stream.duration * tick_of(stream)
    return container.duration * _MICROSECOND if container.duration else None


def is_cut_off(path: Path, container: InputContainer, end: Fraction) -> bool:
    """Say whether a file without a count of frames ends before it says.

    Args:
        path: The file.
        container: The same, open.
        end: When its film ends, in its own clock. Sound may go on for longer.
    """
    if _misses_bytes(path):
        return True
    if not container.duration:
        return False
    said = container.duration * _MICROSECOND
    if end >= said - _SHORT:
        return False
    with av.open(_location(path), metadata_errors="replace") as again:
        for packet in again.demux():
            if packet.pts is not None:
                end = max(end, (packet.pts + (packet.duration or 0)) * packet.time_base)
    return end < said - _SHORT


def _location(path: Path) -> str:
    """A path as FFmpeg takes it, which reads what stands before a colon as the name of a protocol."""
    return str(path) if path.is_absolute() or ":" not in str(path) else f"./{path}"


def _misses_bytes(path: Path) -> bool:
    """Say whether a file is Matroska or WebM and shorter than the length that it declares."""
    with path.open("rb") as file:
        for kind in _MATROSKA:
            if file.read(4) != kind:
                return False
            first = int.from_bytes(file.read(1), "big")
            more = 8 - first.bit_length()  # bytes of the length after the first, of which the ones lead
            size = int.from_bytes(bytes([first & 0x7F >> more]) + file.read(more), "big")
            if size == (1 << 7 * (more + 1)) - 1:  # it was recorded live, and the length is not known
                return False
            file.seek(size, 1)
        return file.tell() > path.stat().st_size


def _lacks_index(path: Path) -> bool:
    """Say whether a file is of MP4's kind and ends before its index has come."""
    seen: set[bytes] = set()
    with path.open("rb") as file:
        while box := _box(file):
            kind, size = box
            if kind not in _BOXES and not seen:
                return False
            seen.add(kind)
            if size < 8:  # to the end of the file
                break
            file.seek(size - 8, 1)
    return bool(seen) and b"moov" not in seen


def _box(file: BinaryIO) -> tuple[bytes, int] | None:
    head = file.read(8)
    if len(head) < 8:
        return None
    size = int.from_bytes(head[:4], "big")
    if size == 1:
        return head[4:], int.from_bytes(file.read(8), "big") - 8
    return head[4:], size
