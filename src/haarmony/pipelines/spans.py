"""Spans: a film as shots, each with samples of it that the maps of all its frames are found from.

One reader goes ahead of the transfer. It finds where shots begin, and keeps reduced copies of some frames: of
a whole shot, or, where statistics are to follow a slow drift, of every half a window. A span is a run of
frames between two such sets of samples; the statistics pass from one to the other along it. So memory does
not depend on the length of the film, and the same frames have the same samples wherever a transfer begins.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from fractions import Fraction
from functools import cached_property
from itertools import groupby
from operator import itemgetter
from statistics import median
from typing import Any, Protocol

from numpy.typing import NDArray

from haarmony.pipelines.exposure import Meter, factor
from haarmony.pipelines.shots import REACH, glimpse, marked

FEWEST = 8
"""Samples of a set, where there are so many frames; up to twice as many are kept."""


_STRIDE = REACH - 1
"""Frames from one that could be a sample to the next: every shot has one."""


class FrameLike(Protocol):
    """What is needed of a frame: see `haarmony.media.film.Frame`."""

    @property
    def index(self) -> int: ...  # noqa: D102
    @property
    def time(self) -> Fraction: ...  # noqa: D102
    @property
    def pixels(self) -> NDArray[Any]: ...  # noqa: D102


@dataclass(frozen=True, eq=False)
class Sample:
    """A frame of which a reduced copy is kept."""

    index: int
    time: Fraction
    pixels: NDArray[Any]


@dataclass(frozen=True, eq=False)
class Samples:
    """Some frames, evenly spaced over a part of a shot.

    Attributes:
        first: the number of the part's first frame.
        stop: the number of the frame behind its last.
        frames: of it.
        levels: of all frames of the part, the logarithm of the exposure, over that of the shot's first.
    """

    first: int
    stop: int
    frames: tuple[Sample, ...]
    levels: tuple[float, ...]

    def __add__(self, other: Samples) -> Samples:
        """Those of both parts, which follow each other."""
        return Samples(self.first, other.stop, self.frames + other.frames, self.levels + other.levels)

    @cached_property
    def usual(self) -> float:
        """The median of the levels."""
        return median(self.levels)

    def exposure(self, sample: Sample) -> float:
        """How many times the part's usual exposure a sample has."""
        return factor(self.levels[sample.index - self.first], self.usual)


@dataclass(frozen=True, eq=False)
class Span:
    """A run of frames of one shot.

    Attributes:
        shot: the number of the shot's first frame.
        start: of the span's first frame.
        stop: of the frame behind its last.
        before: the samples whose statistics hold at its start.
        behind: those that hold at its end.
        opening: the first of the shot.
        levels: of its frames, as in `Samples`.
    """

    shot: int
    start: int
    stop: int
    before: Samples
    behind: Samples
    opening: Samples
    levels: tuple[float, ...]

    def exposure(self, index: int) -> float:
        """How many times the usual exposure about it a frame has."""
        usual = sum(share * samples.usual for samples, share in self.at(index))
        return factor(self.levels[index - self.start], usual)

    def at(self, index: int) -> list[tuple[Samples, float]]:
        """The samples that count for a frame, with their shares."""
        if self.before is self.behind:
            return [(self.before, 1.0)]
        share = (index - self.start) / (self.stop - self.start)
        return [(self.before, 1 - share), (self.behind, share)]


def spans(
    frames: Iterable[FrameLike], reduced: Callable[[NDArray[Any]], NDArray[Any]], *, window: int | None
) -> Iterator[Span]:
    """Divide a film into spans.

    Args:
        frames: in order, from the film's first.
        reduced: from the pixels of a frame to what is kept of it in a sample.
        window: frames over which statistics are taken; None for those of the whole shot. So much is read
            before the first span of a shot is known.
    """
    half = None if window is None else max(2 * _STRIDE, window // 2)
    for shot, parts in groupby(_parts(frames, reduced, half), key=itemgetter(0)):
        _, last = next(parts)
        before: Samples | None = None
        opening: Samples | None = None
        for _, part in parts:  # noqa: B031 (goes on behind the first)
            here = last + part
            opening = opening or here
            yield Span(shot, last.first, last.stop, before or here, here, opening, last.levels)
            before, last = here, part
        only = before or last
        yield Span(shot, last.first, last.stop, only, only, opening or last, last.levels)


def _parts(
    frames: Iterable[FrameLike], reduced: Callable[[NDArray[Any]], NDArray[Any]], half: int | None
) -> Iterator[tuple[int, Samples]]:
    """Parts of shots, of `half` frames or whole, each with the number of the shot's first frame."""
    looked_at = (
        ((frame.index, _kept(frame, reduced) if frame.index % _STRIDE == 0 else None, seen.luma), seen)
        for frame, seen in ((frame, glimpse(frame.pixels)) for frame in frames)
    )
    shot = first = stop = 0
    samples: list[Sample] = []
    levels: list[float] = []
    meter = Meter()
    latest: list[Sample] = []
    apart = 1
    for (index, sample, luma), cut in marked(looked_at):
        if index > first and (cut or (half is not None and index - first == half)):
            yield shot, Samples(first, index, tuple(samples or latest), tuple(levels))
            shot, first, samples, levels, apart = index if cut else shot, index, [], [], 1
        meter = Meter() if cut else meter
        levels.append(meter.read(luma))
        latest = latest if sample is None else [sample]
        if sample is not None and (index // _STRIDE) % apart == 0:
            samples.append(sample)
        if len(samples) > 2 * FEWEST:
            apart *= 2
            samples = [one for one in samples if (one.index // _STRIDE) % apart == 0]
        stop = index + 1
    if stop > first:
        yield shot, Samples(first, stop, tuple(samples or latest), tuple(levels))


def _kept(frame: FrameLike, reduced: Callable[[NDArray[Any]], NDArray[Any]]) -> Sample:
    return Sample(frame.index, frame.time, reduced(frame.pixels))
