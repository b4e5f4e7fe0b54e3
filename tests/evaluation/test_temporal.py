import numpy as np
import pytest

from haarmony.evaluation.temporal import contrast, flicker, match, mean_lab, warping_error
from moving import shot


@pytest.fixture(scope="module")
def pan() -> list[np.ndarray]:
    return shot(0, 4, speed=3)


def test_a_pan_warps_back_to_itself(pan: list[np.ndarray]) -> None:
    for distance in (1, 3):
        found = match(pan[0], pan[distance])
        assert found.seen.mean() > 0.8
        flow = found.places[..., 0] - np.arange(160)
        assert np.median(flow[found.seen]) == pytest.approx(-3 * distance, abs=0.3)
        assert warping_error(pan[0], pan[distance], found) < 0.2 * warping_error(
            pan[0], pan[distance], match(pan[0], pan[0])
        )


def test_what_leaves_the_frame_is_not_seen(pan: list[np.ndarray]) -> None:
    assert not match(pan[0], pan[3]).seen[:, :6].any()


def test_an_error_is_that_of_a_change_of_light(pan: list[np.ndarray]) -> None:
    still = match(pan[0], pan[0])
    brighter = (pan[0].astype(int) + 10).clip(0, 255).astype(np.uint8)
    assert warping_error(pan[0], pan[0], still) == 0
    assert warping_error(pan[0], brighter, still) == pytest.approx(10 / 255, rel=0.02)


def test_contrast_is_a_scale(pan: list[np.ndarray]) -> None:
    half = (pan[0] // 2).astype(np.uint8)
    assert contrast(half) == pytest.approx(contrast(pan[0]) / 2, rel=0.02)
    assert contrast(np.full((9, 9, 3), 7, np.uint8)) == 0


def test_flicker_is_a_deviation_over_time() -> None:
    grey = [np.full((8, 8, 3), value, np.uint8) for value in (100, 110, 100, 110)]
    means = [mean_lab(frame) for frame in grey]
    assert flicker(means) == pytest.approx(abs(means[0][0] - means[1][0]) / 2, rel=1e-4)
    assert flicker(means[:1] * 5) == 0
