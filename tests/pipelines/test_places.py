import warnings
from typing import Any

import numpy as np
import pytest

from haarmony.errors import HaarmonyWarning, InputError
from haarmony.methods.wct2 import WCT2
from haarmony.pipelines.automatic import seen_style
from haarmony.pipelines.control import PLAIN
from haarmony.pipelines.lit import settled
from haarmony.pipelines.lit_frames import transferred_frames
from haarmony.pipelines.photo import transfer
from haarmony.pipelines.places import Followed, found_in
from haarmony.pipelines.spans import Span, spans
from moving import Moving, landscape

DAY = landscape([0.5, 0.7, 0.9], [0.3, 0.5, 0.2], 50)
DUSK = landscape([0.9, 0.5, 0.3], [0.2, 0.15, 0.3], 25, seed=1)


@pytest.fixture(scope="module")
def model() -> WCT2:
    return WCT2.load("compact")


def eight(picture: np.ndarray) -> np.ndarray:
    return np.rint(255 * picture).astype(np.uint8)


def panned(count: int, rise: int = 1) -> list[np.ndarray]:
    """A camera that tilts: the horizon comes down, with the noise of a sensor."""
    return [eight(landscape([0.5, 0.7, 0.9], [0.3, 0.5, 0.2], 40 + rise * i, seed=i)) for i in range(count)]


def noisy(count: int) -> list[np.ndarray]:
    """A picture that stands still under the noise of a sensor."""
    rng = np.random.default_rng(0)
    return [eight(np.clip(DAY + rng.normal(0, 0.012, DAY.shape), 0, 1)) for _ in range(count)]


def followed(model: WCT2, film: Moving) -> tuple[Followed, Span]:
    (span,) = spans(film.frames(), lambda pixels: pixels, window=None)
    common = found_in(model, span.opening, [seen_style(model, DUSK, None)], 2)
    return Followed(model, common), span


def lit(film: Moving, model: WCT2, style: Any = DUSK, *, start: int = 0, **options: Any) -> list[np.ndarray]:
    made = settled(film, style, model=model, **{"auto_masks": 2, **options})
    return [frame.pixels for frame in transferred_frames(film, made, start)]


def test_a_label_is_the_same_place_over_the_shot(model: WCT2) -> None:
    film = Moving(panned(24))
    places, span = followed(model, film)
    for frame in film.frames():
        places.see(frame, span)
    for index in (0, 12, 23):
        weights = places.steady(index).at((90, 120))
        sky = max(weights, key=lambda label: float(weights[label][:20].mean()))
        assert weights[sky][: 34 + index].mean() > 0.9
        assert weights[sky][46 + index :].mean() < 0.1
        assert sky == max(weights, key=lambda label: float(places.of(23).at((90, 120))[label][:20].mean()))


def test_regions_of_a_film_that_stands_still_hardly_move_under_noise(model: WCT2) -> None:
    film = Moving(noisy(30))
    places, span = followed(model, film)
    for frame in film.frames():
        places.see(frame, span)
    label = next(iter(places.of(0).labels))
    alone = np.stack([places.of(index).at((90, 120))[label].numpy() for index in range(8, 22)])
    steady = np.stack([places.steady(index).at((90, 120))[label].numpy() for index in range(8, 22)])
    assert steady.std(0).mean() < 0.8 * alone.std(0).mean() < 0.05
    assert np.abs(steady.mean(0) - alone.mean(0)).mean() < 0.01


def test_a_still_film_is_one_picture_again_and_again(model: WCT2) -> None:
    frames = lit(Moving([eight(DAY)] * 10), model)
    assert max(np.abs(frame.astype(int) - frames[0]).max() for frame in frames) <= 1
    plain = lit(Moving([eight(DAY)] * 10), model, auto_masks=None)
    for ours, theirs in ((slice(5, 40), slice(2, 20)), (slice(60, 85), slice(35, 85))):
        wanted = 255 * DUSK[theirs].mean((0, 1))
        apart, before = (np.abs(one[0][ours].mean((0, 1)) - wanted).mean() for one in (frames, plain))
        assert apart < 16
        assert apart < before + 2


def test_regions_of_small_frames_and_photos_end_where_these_do(model: WCT2) -> None:
    small = WCT2.load("compact")
    small.network.smallest = 60
    film = Moving([picture[26:62] for picture in panned(8)])
    places, span = followed(small, film)
    for frame in film.frames():
        places.see(frame, span)
    for regions in (places.of(3), places.steady(3), *(one for _, one in places.known(span.opening))):
        assert regions.values.shape[-2:] == (36, 120)
    frames = lit(Moving([film.pictures[0]] * 6), small, control=PLAIN)
    wanted = transfer(film.pictures[0], DUSK, model=small, auto_masks=2)
    assert max(np.abs(frame.astype(int) - wanted).max() for frame in frames) <= 1


@pytest.mark.parametrize("options", [{}, {"window": 1.6}])
def test_wherever_one_starts_the_frames_are_the_same(model: WCT2, options: dict[str, Any]) -> None:
    film = Moving(panned(24))
    style = {0.0: DUSK, 1.5: DAY}
    whole = lit(film, model, style, **options)
    later = lit(film, model, style, start=17, **options)
    assert all(np.array_equal(a, b) for a, b in zip(whole[17:], later, strict=True))


def test_a_shot_without_regions_that_can_count_is_taken_as_a_whole(model: WCT2) -> None:
    flat = np.broadcast_to(np.linspace(0.45, 0.55, 90)[:, None, None], (90, 120, 3))
    film = Moving([eight(flat)] * 6)
    with pytest.warns(HaarmonyWarning, match="from frame 0 .* taken as a whole"):
        frames = lit(film, model)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        plain = lit(film, model, auto_masks=None)
    assert max(np.abs(a.astype(int) - b).max() for a, b in zip(frames, plain, strict=True)) <= 1


@pytest.mark.parametrize(
    ("options", "saying"),
    [
        ({"auto_masks": 9}, "2 to 8 kinds"),
        ({"path": "lut"}, "or the path lut"),
        ({"path": "network"}, "or the path network"),
        ({"content_mask": np.zeros((90, 120), int)}, "either found"),
        ({"style": [(DUSK, 1.0), (DAY, 1.0)]}, "one style"),
    ],
)
def test_what_does_not_go_together_is_refused(model: WCT2, options: dict[str, Any], saying: str) -> None:
    with pytest.raises(InputError, match=saying):
        settled(Moving(panned(2)), **{"style": DUSK, "model": model, "auto_masks": 2, **options})
