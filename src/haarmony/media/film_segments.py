"""The work folder of a film: segments that are encoded, so that what was stopped can go on.

It lies hidden beside the output until the film is whole. A segment is the bytes of its packets and, written
last and renamed into place, a list of them; so a segment is whole or not there.
"""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO, Final, NamedTuple

from av.packet import Packet

from haarmony.media.files import StrPath, replacing
from haarmony.media.film_settings import begun_with, refuse_change

_SETTINGS: Final = "settings.json"
_PARTIAL: Final = "partial"


class Entry(NamedTuple):
    """One packet of a segment; times in ticks."""

    time: int
    duration: int
    is_keyframe: bool
    size: int


class Encoded(NamedTuple):
    """A packet's bytes and its place in the film; times in ticks."""

    data: bytes
    time: int
    decoding_time: int
    duration: int
    is_keyframe: bool


@dataclass(frozen=True)
class WorkFolder:
    """The folder that holds the segments of one output."""

    path: Path

    def frames(self, *, with_partial: bool = False) -> int:
        """Return how many frames there are in whole segments, from the first on without a gap."""
        return sum(len(self._entries(name)) for name in self._names(with_partial=with_partial))

    def end(self) -> int:
        """Return when the last frame ends, in ticks."""
        last = self._entries(self._names()[-1])
        return max(entry.time + entry.duration for entry in last)

    @contextmanager
    def segment(self, number: int) -> Iterator[Segment]:
        """Yield a new segment to add packets to; it is kept once it is sealed."""
        with self._data(str(number)).open("wb") as file:
            segment = Segment(file)
            yield segment
        if segment.is_whole is None:
            return
        name = str(number) if segment.is_whole else _PARTIAL
        if not segment.is_whole:
            self._data(str(number)).replace(self._data(_PARTIAL))
        with replacing(self._list(name)) as file:
            file.write(json.dumps(segment.entries).encode())

    def packets(self, usual: int) -> Iterator[Encoded]:
        """Yield the packets of all segments, of a partial one last, with times for decoding.

        They are the frames' own times, in order, as many frames late as the encoder reorders.

        Args:
            usual: Ticks between two frames; before the first frame time goes in such steps.
        """
        names = self._names()
        delay = max((_delay(self._entries(name)) for name in names), default=0)
        late: list[int] = []
        for at, name in enumerate(names):
            entries = self._entries(name)
            times = sorted(entry.time for entry in entries)
            if at == 0:
                late = [times[0] - back * usual for back in range(delay, 0, -1)]
            late += times
            with self._data(name).open("rb") as file:
                for entry, decoding_time in zip(entries, late, strict=False):
                    data = file.read(entry.size)
                    yield Encoded(data, entry.time, decoding_time, entry.duration, entry.is_keyframe)
            late = late[len(entries) :]

    def forget_partial(self) -> None:
        """Remove the segment that an interrupt left incomplete."""
        for path in (self._list(_PARTIAL), self._data(_PARTIAL)):
            path.unlink(missing_ok=True)

    def remove(self) -> None:
        """Remove the folder and all in it."""
        shutil.rmtree(self.path, ignore_errors=True)

    def _names(self, *, with_partial: bool = True) -> list[str]:
        names: list[str] = []
        while self._list(str(len(names))).exists():
            names.append(str(len(names)))
        if with_partial and self._list(_PARTIAL).exists():
            names.append(_PARTIAL)
        return names

    def _entries(self, name: str) -> list[Entry]:
        return [Entry(*entry) for entry in json.loads(self._list(name).read_text())]

    def _list(self, name: str) -> Path:
        return self.path / f"{name:0>6}.json"

    def _data(self, name: str) -> Path:
        return self.path / f"{name:0>6}.packets"


class Segment:
    """A segment that is being written."""

    def __init__(self, file: BinaryIO) -> None:
        self._file = file
        self._durations: dict[int, int] = {}
        self.entries: list[Entry] = []
        self.is_whole: bool | None = None

    def expect(self, time: int, duration: int) -> None:
        """Say how long the frame that is shown at a time is shown; in ticks."""
        self._durations[time] = duration

    def add(self, packets: Iterable[Packet[Any]]) -> None:
        """Add packets, in decoding order."""
        for packet in packets:
            data = bytes(packet)
            time = packet.pts or 0
            self._file.write(data)
            self.entries.append(Entry(time, self._durations[time], packet.is_keyframe, len(data)))

    def seal(self, *, is_whole: bool) -> None:
        """Say that the segment can be read, and whether it has all its frames."""
        self.is_whole = is_whole


def opened_work(output: StrPath, settings: Mapping[str, Any], *, resume: bool) -> WorkFolder:
    """Make the work folder of an output, or go on with what is there.

    Args:
        output: The film to be written.
        settings: All that decides how the frames come out, as JSON holds it.
        resume: Keep what is there; it must have been made with the same settings.

    Raises:
        FilmError: A setting has changed.
        OSError: The folder cannot be made.
    """
    target = Path(os.path.realpath(output))
    work = WorkFolder(target.with_name(f".{target.name}.haarmony"))
    kept = work.path / _SETTINGS
    now = json.loads(json.dumps(settings))
    if resume and (before := begun_with(kept, output)) is not None:
        refuse_change(output, before, now)
        work.forget_partial()
        return work
    with suppress(FileNotFoundError):
        shutil.rmtree(work.path)
    work.path.mkdir()
    with replacing(kept) as file:
        file.write(json.dumps(now, indent=1).encode())
    return work


def _delay(entries: list[Entry]) -> int:
    """How many frames a segment's decoder must be ahead of what it shows."""
    shown = sorted(entry.time for entry in entries)
    rank = {time: at for at, time in enumerate(shown)}
    return max((at - rank[entry.time] for at, entry in enumerate(entries)), default=0)
