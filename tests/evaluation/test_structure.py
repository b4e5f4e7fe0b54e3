import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.lib.stride_tricks import sliding_window_view
from scipy.ndimage import gaussian_filter

from haarmony.evaluation.structure import edge_ssim, luma, ssim

METRICS = pytest.mark.parametrize("metric", [ssim, edge_ssim])


def picture(seed: int) -> np.ndarray:
    noise = np.random.default_rng(seed).random((40, 48, 3))
    smooth = gaussian_filter(noise, (4, 4, 0))
    return (smooth - smooth.min()) / (smooth.max() - smooth.min())


@METRICS
def test_identity(metric) -> None:
    assert metric(picture(0), picture(0)) == pytest.approx(1, abs=1e-9)


@METRICS
@given(st.integers(0, 500), st.integers(0, 500))
def test_symmetry_and_range(metric, first: int, second: int) -> None:
    a, b = picture(first), picture(second)
    assert metric(a, b) == pytest.approx(metric(b, a), abs=1e-12)
    assert -1 <= metric(a, b) <= 1


@METRICS
def test_more_damage_is_less_structure(metric) -> None:
    noise = np.random.default_rng(1).standard_normal((40, 48, 3))
    scores = [metric(picture(0), np.clip(picture(0) + k * noise, 0, 1)) for k in (0, 0.02, 0.1, 0.3)]
    assert scores == sorted(scores, reverse=True)
    assert scores[-1] < 0.5


def test_edges_ignore_a_shift_of_brightness() -> None:
    dark = 0.8 * picture(0)
    assert edge_ssim(dark, dark + 0.2) == pytest.approx(1, abs=1e-6)
    assert ssim(dark, dark + 0.2) < 0.99


def test_edges_are_what_the_detector_says() -> None:
    a, b = picture(0), picture(1)
    assert edge_ssim(a, b, edges=luma) == pytest.approx(ssim(a, b), abs=1e-12)


def test_it_agrees_with_the_equation_window_by_window() -> None:
    def whole(picture: np.ndarray) -> np.ndarray:
        return sliding_window_view(luma(picture), (7, 7)).reshape(-1, 49)

    a, b = whole(picture(0)), whole(picture(1))
    c1, c2 = (0.01 * 255) ** 2, (0.03 * 255) ** 2
    means = a.mean(1), b.mean(1)
    covariance = ((a - means[0][:, None]) * (b - means[1][:, None])).sum(1) / 48
    light = (2 * means[0] * means[1] + c1) / (means[0] ** 2 + means[1] ** 2 + c1)
    structure = (2 * covariance + c2) / (a.var(1, ddof=1) + b.var(1, ddof=1) + c2)
    assert ssim(picture(0), picture(1)) == pytest.approx((light * structure).mean(), rel=1e-6)


def test_luma_is_that_of_bt_601() -> None:
    assert luma(np.eye(3)[None]) == pytest.approx(np.array([[76.245, 149.685, 29.07]]))
