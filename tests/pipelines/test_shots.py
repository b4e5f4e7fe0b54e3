from itertools import pairwise

import numpy as np
import pytest

from haarmony.pipelines.shots import REACH, cuts, glimpse, marked, unlike, unlike_in_structure
from moving import scene, shot

Film = list[np.ndarray]


def found(film: Film) -> list[int]:
    return list(cuts(film))


def dimmed(film: Film, gains: np.ndarray) -> Film:
    return [(frame * gain).astype(np.uint8) for frame, gain in zip(film, gains, strict=True)]


def test_hard_cuts_are_found_where_they_are() -> None:
    assert found(shot(0, 30) + shot(1, 25, speed=4) + shot(2, 20, speed=0)) == [30, 55]


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
def test_depth_does_not_matter(dtype: type) -> None:
    film = shot(0, 20) + shot(1, 20)
    scale = 257 if dtype is np.uint16 else 1
    assert found([frame.astype(dtype) * dtype(scale) for frame in film]) == [20]


def test_a_pan_parts_nothing() -> None:
    for speed in (0, 2, 8, 14):
        assert found(shot(3, 30, speed=speed)) == []


def landscapes(seed: int, length: int) -> Film:
    """A pan over trees: all have the same bright sky above the same dark field, but not the same trees."""
    wide = scene(seed, 180, 320)[::2, ::2].astype(np.float32)
    picture = np.linspace(220, 60, 90)[:, None, None] + 0.6 * (wide - wide.mean((0, 1)))
    return [picture[:, i : i + 160].clip(0, 255).astype(np.uint8) for i in range(length)]


def test_two_landscapes_of_the_same_colours_are_two_shots() -> None:
    assert found(landscapes(0, 30) + landscapes(1, 30)) == [30]


def test_noise_on_what_is_flat_parts_nothing() -> None:
    rng = np.random.default_rng(0)
    fog = np.linspace(150, 180, 90)[:, None, None]
    assert found([(fog + rng.normal(0, 6, (90, 160, 3))).astype(np.uint8) for _ in range(40)]) == []


@pytest.mark.parametrize("lasts", [1, 2, 4])
def test_a_flash_parts_nothing(lasts: int) -> None:
    film = shot(0, 40)
    for i in range(15, 15 + lasts):
        film[i] = np.clip(film[i] * 1.5 + 120, 0, 255).astype(np.uint8)
    assert found(film) == []


def test_a_slow_change_of_light_parts_nothing() -> None:
    assert found(dimmed(shot(0, 50), np.linspace(1, 0.3, 50))) == []


def test_a_fade_through_black_to_another_scene_is_one_cut_and_to_the_same_none() -> None:
    out, into = np.linspace(1, 0, 12), np.linspace(0, 1, 12)
    there = dimmed(shot(1, 30), np.r_[into, np.ones(18)])
    before = dimmed(shot(0, 30), np.r_[np.ones(18), out])
    (cut,) = found(before + there)
    assert 28 <= cut <= 36
    same = shot(0, 60)
    assert found(dimmed(same, np.r_[np.ones(18), out, into, np.ones(18)])) == []


@pytest.mark.parametrize("dark", [1, 4, 12])
def test_a_cut_through_darkness_is_one_cut(dark: int) -> None:
    black = [np.zeros((90, 160, 3), np.uint8)] * dark
    assert found(shot(0, 30) + black + shot(1, 30)) == [30 + dark]
    assert found(shot(0, 60)[:30] + black + shot(0, 60)[30:]) == []


def test_every_frame_is_marked_once_and_shots_are_no_shorter_than_the_reach() -> None:
    for length in (0, 1, 4, 5, 11, 12, 13, 17, 24, 40):
        film = [np.full((20, 30, 3), (i * 41) % 255, np.uint8) for i in range(length)]
        marks = list(marked((i, glimpse(frame)) for i, frame in enumerate(film)))
        assert [number for number, _ in marks] == list(range(length))
        starts = [0, *(number for number, cut in marks if cut), length]
        assert all(b - a >= REACH for a, b in pairwise(starts[1:]))


def test_distances() -> None:
    first, moved, other = (glimpse(frame) for frame in (*shot(0, 2, speed=9), shot(5, 1)[0]))
    assert 0 <= unlike(first, first) < 0.02
    assert unlike_in_structure(first, moved) < 0.2 < unlike_in_structure(first, other)
    assert unlike_in_structure(first, other) == pytest.approx(unlike_in_structure(other, first), abs=0.05)


@pytest.mark.parametrize("size", [(1, 1), (2, 300), (300, 2), (17, 31)])
def test_any_size_is_glimpsed_at(size: tuple[int, int]) -> None:
    seen = glimpse(np.random.default_rng(0).integers(0, 255, (*size, 3), np.uint8))
    assert np.isfinite(seen.structure).all()
    assert seen.colours.sum() == pytest.approx(1)
