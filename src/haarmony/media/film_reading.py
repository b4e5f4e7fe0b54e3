"""Video files, by any container and codec that FFmpeg reads."""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from fractions import Fraction
from itertools import chain
from pathlib import Path
from types import TracebackType
from typing import Any, Final

import av
import numpy as np
from av import VideoFrame
from av.container import InputContainer
from av.sidedata.sidedata import Type as SideDataType
from av.video.stream import VideoStream

from haarmony.errors import FilmError, HaarmonyWarning
from haarmony.media.film import FilmHeader, Frame
from haarmony.media.film_colour import Converter, colour_of, depth_of
from haarmony.media.film_opening import duration_of, is_cut_off, opened_video, origin_of, tick_of
from haarmony.media.film_seeking import Keyframes
from haarmony.media.opening import named

_WITH_ALPHA: Final = ("yuva", "rgba", "bgra", "argb", "abgr", "gbrap", "ya")
_USUAL_RATE: Final = Fraction(25)


class VideoFilm:
    """A film in a video file; see :class:`haarmony.media.film.Film`.

    Every iteration opens the file anew, so that several can run side by side.
    """

    is_container = True

    def __init__(self, path: Path, *, keep_partial: bool = False) -> None:
        self.path = path
        self.is_cut_short = False
        self._keep_partial = keep_partial
        self._keyframes: Keyframes | None = None
        with opened_video(path) as (container, stream):
            first = next(self._decoded(container, stream), None)
            if first is None:
                raise FilmError(f"{named(path)} has no frame that can be decoded: export it again")
            self._first_pts = first.pts
            for is_lost, what in (
                (first.format.name.startswith(_WITH_ALPHA), "its transparency is left out"),
                (first.interlaced_frame, "it is interlaced and comes out progressive: deinterlace it first"),
            ):
                if is_lost:
                    warnings.warn(f"{named(path)}: {what}", HaarmonyWarning, stacklevel=3)
            self.header = _header(container, stream, first, named(path))

    def frames(self, start: int = 0, stop: int | None = None) -> Iterator[Frame]:
        """Decode frames; see :meth:`haarmony.media.film.Film.frames`."""
        header = self.header
        converter = Converter(header.colour)
        with opened_video(self.path) as (container, stream):
            tick = tick_of(stream)
            origin = round(origin_of(container) / tick)
            usual = max(1, round(1 / (header.average_rate * tick)))
            number, decoded = self._from(start, container, stream)
            pts: int | None = None
            for index, frame in enumerate(decoded, start=number):
                if index == stop:
                    return
                if (frame.width, frame.height) != (header.width, header.height):
                    self._stop(
                        f"frame {index} is {frame.width} x {frame.height}, but the film began with "
                        f"{header.width} x {header.height}: cut it there, or scale it to one size"
                    )
                    return
                pts = _following(frame.pts, pts, usual)
                if index >= start:
                    duration = frame.duration * tick if frame.duration else None
                    pixels = converter.to_rgb(frame, header.depth)
                    yield Frame(index, (pts - origin) * tick, pixels, duration)

    def __enter__(self) -> VideoFilm:
        """Return the film itself."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Do nothing: the file is open only while frames are read."""

    def _from(
        self, start: int, container: InputContainer, stream: VideoStream
    ) -> tuple[int, Iterator[VideoFrame]]:
        """Frames from ``start``, by its keyframe, or from the first; and the number of the first of them."""
        if start == 0 or self._keep_partial:  # where packets are left out, times do not tell numbers
            return 0, self._decoded(container, stream)
        if self._keyframes is None:
            self._keyframes = Keyframes.of(self.path, self._first_pts)
        jump = self._keyframes.before(start)
        if jump is not None:
            container.seek(jump.keyframe, stream=stream)
            decoded = self._decoded(container, stream, is_whole=False)
            for frame in decoded:
                if frame.pts == jump.wanted:
                    return start, chain([frame], decoded)
                if frame.pts is None or frame.pts > jump.wanted:
                    break
            container.seek(0)
        return 0, self._decoded(container, stream)

    def _decoded(
        self, container: InputContainer, stream: VideoStream, *, is_whole: bool = True
    ) -> Iterator[VideoFrame]:
        packets = frames = 0
        end = Fraction(0)
        is_short = False
        for packet in container.demux(stream):
            if packet.size:
                packets += 1
                is_short = packet.is_corrupt  # of the last one: its end is missing, and all that would follow
                if is_short and len(stream.index_entries):
                    continue
            if packet.pts is not None:
                end = max(end, (packet.pts + (packet.duration or 0)) * packet.time_base)
            try:
                decoded = packet.decode()
            except av.FFmpegError:
                self._stop(f"it is damaged after frame {frames}")
                continue
            for frame in decoded:
                frames += 1
                yield frame
        known = len(stream.index_entries) if is_whole else 0
        if is_short or packets < known or is_cut_off(self.path, container, end):
            total = f" of {known}" if known > frames else ""
            self._stop(f"it is cut off after {frames}{total} frames")

    def _stop(self, why: str) -> None:
        if not self._keep_partial:
            raise FilmError(f"{named(self.path)}: {why}; --keep-partial takes what can be decoded")
        if not self.is_cut_short:  # and told before
            warnings.warn(
                f"{named(self.path)}: {why}; what can be decoded is kept", HaarmonyWarning, stacklevel=2
            )
        self.is_cut_short = True


def _header(container: InputContainer, stream: VideoStream, first: VideoFrame, name: str) -> FilmHeader:
    rate = stream.average_rate or stream.guessed_rate or _USUAL_RATE
    side_data: Any = first.side_data  # which is annotated as a mapping of names
    matrix = next((data for data in side_data if data.type == SideDataType.DISPLAYMATRIX), None)
    return FilmHeader(
        width=first.width,
        height=first.height,
        average_rate=rate,
        time_base=tick_of(stream),
        frames=stream.frames or None,
        duration=duration_of(container, stream),
        depth=depth_of(first),
        colour=colour_of(first, name),
        pixel_aspect=stream.sample_aspect_ratio or Fraction(1),
        rotation=tuple(np.frombuffer(bytes(matrix), np.int32).tolist()) if matrix is not None else None,
    )


def _following(pts: int | None, last: int | None, usual: int) -> int:
    """A time after the last one: the file's own, where it has one."""
    if last is None:
        return pts or 0
    if pts is None:
        return last + usual
    return max(pts, last + 1)
