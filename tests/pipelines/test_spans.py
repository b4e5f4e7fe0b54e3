from itertools import pairwise

import numpy as np
import pytest

from haarmony.pipelines.spans import FEWEST, Span, spans
from moving import Moving, shot


def parted(film: Moving, window: int | None = None) -> list[Span]:
    return list(spans(film.frames(), lambda pixels: pixels[::4, ::4], window=window))


@pytest.mark.parametrize("window", [None, 20, 31, 500])
@pytest.mark.parametrize("lengths", [(30, 25), (3,), (75,)])
def test_spans_follow_each_other_from_the_first_frame_to_the_last(
    lengths: tuple[int, ...], window: int | None
) -> None:
    film = Moving([frame for seed, length in enumerate(lengths) for frame in shot(seed, length)])
    found = parted(film, window)
    borders = [span.start for span in found] + [found[-1].stop]
    assert [span.stop for span in found] == borders[1:]
    assert (borders[0], borders[-1]) == (0, sum(lengths))
    assert sorted({span.shot for span in found}) == [0, *np.cumsum(lengths)[:-1]]


def test_a_shot_has_one_set_of_samples_of_its_own_frames() -> None:
    first, second = parted(Moving(shot(0, 120) + shot(1, 60)))
    for span in (first, second):
        assert span.before is span.behind
        numbers = [sample.index for sample in span.before.frames]
        assert FEWEST <= len(numbers) <= 2 * FEWEST
        assert span.start <= min(numbers) <= max(numbers) < span.stop
        assert len(set(np.diff(numbers))) == 1


def test_with_a_window_samples_pass_from_one_set_to_the_next() -> None:
    found = parted(Moving(shot(0, 100)), window=40)
    for early, late in pairwise(found):
        assert early.behind is late.before
    middle = found[1]
    assert middle.at(middle.start) == [(middle.before, 1.0), (middle.behind, 0.0)]
    assert middle.at((middle.start + middle.stop) // 2)[1][1] == pytest.approx(0.5)


def test_no_frame_no_span() -> None:
    assert list(spans([], lambda pixels: pixels, window=None)) == []
