from itertools import pairwise
from math import inf, log

import numpy as np
import pytest
import torch
from scipy.ndimage import gaussian_filter

from haarmony.methods.wct2 import WCT2
from haarmony.pipelines.exposure import MOST, Meter, at_usual, brightening, exposed, factor
from haarmony.pipelines.lit import settled
from haarmony.pipelines.lit_frames import transferred_frames
from haarmony.pipelines.spans import spans
from moving import Moving, scene, shot

STYLE = np.ascontiguousarray(scene(20)[:, :160])


@pytest.fixture(scope="module")
def model() -> WCT2:
    return WCT2.load("compact")


def luma(seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).uniform(0.2, 0.6, (36, 64)).astype(np.float32)


def dipping(gains: list[float], noise: float = 0.0) -> Moving:
    rng = np.random.default_rng(1)
    still = shot(0, 1)[0] * 0.8
    return Moving(
        [
            np.clip(still * gain + rng.normal(0, noise, still.shape), 0, 255).round().astype(np.uint8)
            for gain in gains
        ]
    )


DIP = [1.0] * 8 + [0.85, 0.7, 0.55, 0.5, 0.5, 0.6, 0.75, 0.9] + [1.0] * 8


@pytest.mark.parametrize("gain", [0.7, 0.98, 1.3])
def test_the_exposure_is_the_factor_that_all_became_brighter_by(gain: float) -> None:
    assert brightening(luma(), gain * luma()) == pytest.approx((log(gain), 0), abs=1e-3)


def test_what_moves_through_a_picture_and_noise_are_no_exposure() -> None:
    before, after = luma(), luma()
    after[:, :40] = 0.9
    assert brightening(before, after)[0] == 0
    noise = np.random.default_rng(2).normal(0, 0.01, before.shape).astype(np.float32)
    assert brightening(before, before + noise)[0] == 0


def test_where_there_is_too_little_to_see_nothing_is_said() -> None:
    dark, burnt = np.full((36, 64), 0.02, np.float32), np.full((36, 64), 0.99, np.float32)
    assert brightening(dark, 2 * dark) == brightening(burnt, 0.8 * burnt) == (0, inf)


def test_an_exposure_that_comes_back_is_read_as_it_was() -> None:
    """What passes makes each step differ between places, and the steps do not add up to nothing."""
    rng = np.random.default_rng(3)
    meter, still = Meter(), luma()
    assert meter.read(still) == 0
    for gain in (0.9, 0.7, 0.5, 0.5, 0.6, 0.8, 0.95):
        uneven = gain ** rng.uniform(0.5, 1.5, still.shape).astype(np.float32)
        level = meter.read(still * uneven)
        assert log(gain) - 0.2 < level < log(gain) + 0.2
    noise = rng.normal(0, 0.005, still.shape).astype(np.float32)
    assert meter.read(still + noise) == 0


def test_exposure_is_followed_where_the_view_changes() -> None:
    blots = gaussian_filter(np.random.default_rng(4).normal(size=(36, 400)), (4, 16))
    wide = (0.4 + 0.1 * blots / blots.std()).clip(0.05, 0.9).astype(np.float32)
    meter = Meter()
    seen = [wide[:, 2 * x : 2 * x + 256].reshape(36, 64, 4).mean(-1) for x in range(60)]
    levels = [meter.read(view * 0.98**x) for x, view in enumerate(seen)]
    assert levels == pytest.approx([x * log(0.98) for x in range(60)], abs=0.13)


def test_a_factor_has_bounds() -> None:
    assert factor(0.3, 0.3) == factor(0.319, 0.3) == 1
    assert factor(9, 0) == pytest.approx(1 / factor(-9, 0)) == pytest.approx(np.exp(MOST), rel=0.02)


def test_a_picture_comes_back_from_the_usual_exposure_with_its_highlights() -> None:
    picture = torch.linspace(0, 1, 96).view(1, 3, 4, 8)
    for exposure in (0.4, 1.0, 2.5):
        usual = at_usual(picture, exposure)
        assert usual.max() <= 1
        torch.testing.assert_close(exposed(usual, picture, exposure), picture)


@pytest.mark.parametrize("window", [None, 20])
def test_every_frame_knows_its_exposure(window: int | None) -> None:
    film = dipping([*DIP, *DIP], noise=2.0)
    parts = list(spans(film.frames(), lambda pixels: pixels, window=window))
    found = [span.exposure(index) for span in parts for index in range(span.start, span.stop)]
    assert found == pytest.approx([*DIP, *DIP], rel=0.05)
    assert found[0] == found[4] == 1


@pytest.mark.parametrize("path", ["carry", "network", "lut"])
def test_a_change_of_exposure_comes_through_as_it_was(model: WCT2, path: str) -> None:
    """Taken for contrast it would be strengthened: half as bright would become a tenth."""
    film = dipping(DIP)
    made = settled(film, STYLE, model=model, path=path)
    light = np.array([frame.pixels.mean() for frame in transferred_frames(film, made)])
    assert light / light[0] == pytest.approx(DIP, abs=0.05)


def test_a_fade_ends_in_darkness(model: WCT2) -> None:
    film = dipping([1.0] * 20 + list(np.linspace(1, 0, 20)))
    made = settled(film, STYLE, model=model)
    light = [frame.pixels.mean() for frame in transferred_frames(film, made)]
    assert light[-1] < 12
    assert all(late < early + 1 for early, late in pairwise(light[20:]))
