"""The figures of the report: identity, symmetry, range, and agreement with others' code."""

import numpy as np
import pytest
from scipy.signal import convolve2d
from scipy.stats import pearsonr, wasserstein_distance
from skimage.color import deltaE_ciede2000, rgb2lab
from skimage.metrics import peak_signal_noise_ratio

from haarmony.evaluation.colour_distance import frechet, histogram_correlation, sliced_wasserstein
from haarmony.evaluation.fidelity import delta_e, psnr
from haarmony.evaluation.gradient_similarity import gmsd
from haarmony.evaluation.smoothness import lipschitz
from moving import scene

ONE, OTHER = (scene(seed)[:60, :80] / 255 for seed in (0, 1))


def test_equal_pictures() -> None:
    assert sliced_wasserstein(ONE, ONE) == 0
    assert frechet(ONE, ONE) == pytest.approx(0, abs=1e-6)
    assert histogram_correlation(ONE, ONE) == pytest.approx(1)
    assert gmsd(ONE, ONE) == 0
    assert delta_e(ONE, ONE) == 0
    assert psnr(ONE, ONE) == float("inf")
    assert lipschitz(ONE, ONE) == pytest.approx(1)


@pytest.mark.parametrize("metric", [sliced_wasserstein, frechet, histogram_correlation, gmsd, delta_e, psnr])
def test_symmetry(metric) -> None:
    assert metric(ONE, OTHER) == pytest.approx(metric(OTHER, ONE), rel=1e-2 if metric is delta_e else 1e-9)


@pytest.mark.parametrize("metric", [sliced_wasserstein, frechet, gmsd, delta_e])
def test_further_is_more(metric) -> None:
    near = ONE + 0.05 * (OTHER - ONE)
    assert 0 < metric(ONE, near) < metric(ONE, OTHER)


def test_colour_distances_know_no_places() -> None:
    turned = np.ascontiguousarray(ONE[::-1, ::-1])
    assert sliced_wasserstein(turned, OTHER) == pytest.approx(sliced_wasserstein(ONE, OTHER))
    assert frechet(turned, OTHER) == pytest.approx(frechet(ONE, OTHER))


def test_a_grey_axis_is_the_distance_in_one_dimension() -> None:
    """Of greys the projections are multiples of L*: the distance is that of L*, times their mean size."""
    levels = [np.random.default_rng(seed).uniform(0, 1, (40, 40)) for seed in (0, 1)]
    greys = [np.repeat(one[..., None], 3, -1) for one in levels]
    axes = np.random.default_rng(0).normal(size=(32, 3))
    share = np.abs(axes[:, 0] / np.linalg.norm(axes, axis=1)).mean()
    along = wasserstein_distance(*(rgb2lab(grey)[..., 0].ravel() for grey in greys))
    assert sliced_wasserstein(*greys) == pytest.approx(share * along, rel=1e-3)


def test_frechet_of_known_gaussians() -> None:
    """A shift of L* alone adds its square."""
    lab = rgb2lab(ONE).reshape(-1, 3)
    mean, covariance = lab.mean(0), np.cov(lab, rowvar=False)
    other = rgb2lab(OTHER).reshape(-1, 3)
    values, vectors = np.linalg.eigh(covariance)
    root = (vectors * np.sqrt(values)) @ vectors.T
    there = np.cov(other, rowvar=False)
    joint = np.sqrt(np.linalg.eigvalsh(root @ there @ root)).sum()
    wanted = np.square(mean - other.mean(0)).sum() + np.trace(covariance) + np.trace(there) - 2 * joint
    assert frechet(ONE, OTHER) == pytest.approx(wanted, rel=1e-6)


def test_frechet_of_pictures_of_few_colours() -> None:
    """Their covariances have no inverse, and that of a wall of one colour is nothing but rounding."""
    lab = rgb2lab(ONE).reshape(-1, 3)
    for level in (0, 0.2, 0.4, 1):
        wall = np.full_like(ONE, level)
        wanted = np.square(lab.mean(0) - rgb2lab(wall)[0, 0]).sum() + np.trace(np.cov(lab, rowvar=False))
        assert frechet(wall, ONE) == pytest.approx(wanted, rel=1e-6)
    grey, other = (np.repeat(one[..., :1], 3, -1) for one in (ONE, OTHER))
    lightness = [rgb2lab(one)[..., 0] for one in (grey, other)]
    apart = np.square([np.subtract(*(of(one) for one in lightness)) for of in (np.mean, spread)]).sum()
    assert frechet(grey, other) == pytest.approx(apart, rel=1e-3)


def spread(values: np.ndarray) -> float:
    return float(values.std(ddof=1))


def test_histogram_correlation_knows_every_colour() -> None:
    blue = np.broadcast_to([0.0, 0.0, 1.0], ONE.shape)
    assert histogram_correlation(blue, blue) == pytest.approx(1)
    assert abs(histogram_correlation(blue, ONE)) < 0.1


def test_sliced_wasserstein_agrees_with_sorting() -> None:
    axes = np.random.default_rng(0).normal(size=(32, 3))
    axes /= np.linalg.norm(axes, axis=1, keepdims=True)
    one, other = (np.sort(rgb2lab(picture).reshape(-1, 3) @ axes.T, axis=0) for picture in (ONE, OTHER))
    assert sliced_wasserstein(ONE, OTHER) == pytest.approx(np.abs(one - other).mean(), rel=1e-6)


def test_histogram_correlation_agrees_with_scipy() -> None:
    counts = [
        np.histogram2d(*rgb2lab(picture).reshape(-1, 3).T[1:], bins=32, range=[(-100, 100)] * 2)[0]
        for picture in (ONE, OTHER)
    ]
    wanted = pearsonr(*(one.ravel() for one in counts)).statistic
    assert histogram_correlation(ONE, OTHER) == pytest.approx(wanted, rel=1e-6)


def test_gmsd_agrees_with_its_equations_by_scipy() -> None:
    kernel = np.array([[1, 0, -1]] * 3) / 3

    def magnitude(picture: np.ndarray) -> np.ndarray:
        y = 255 * picture @ [0.299, 0.587, 0.114]
        half = (y[::2, ::2] + y[1::2, ::2] + y[::2, 1::2] + y[1::2, 1::2]) / 4
        return np.hypot(*(convolve2d(half, one, "same", "symm") for one in (kernel, kernel.T)))

    a, b = magnitude(ONE), magnitude(OTHER)
    similarity = (2 * a * b + 170) / (a * a + b * b + 170)
    deviation = np.sqrt(np.mean((similarity - similarity.mean()) ** 2))
    assert gmsd(ONE, OTHER) == pytest.approx(deviation, rel=1e-6)


def test_fidelity_agrees_with_scikit_image() -> None:
    assert psnr(ONE, OTHER) == pytest.approx(peak_signal_noise_ratio(ONE, OTHER, data_range=1), rel=1e-6)
    assert delta_e(ONE, OTHER) == pytest.approx(
        deltaE_ciede2000(rgb2lab(ONE), rgb2lab(OTHER)).mean(), rel=1e-6
    )


def test_gmsd_is_blind_to_light_and_sees_blur() -> None:
    assert gmsd(ONE, ONE * 0.5 + 0.5 * ONE.mean()) > 0
    assert gmsd(ONE, ONE + 0.01) == pytest.approx(0, abs=1e-9)
    blurred = (ONE + np.roll(ONE, 1, 0) + np.roll(ONE, 1, 1)) / 3
    assert gmsd(ONE, blurred) > 0.05


def test_a_gain_is_its_lipschitz_constant() -> None:
    assert lipschitz(ONE, ONE * 3) == pytest.approx(3, rel=1e-6)
    assert lipschitz(ONE, np.zeros_like(ONE)) == 0
    assert lipschitz(ONE[:1, :1], ONE[:1, :1]) == 0
