import numpy as np
import pytest

from haarmony.evaluation.false_gradient import colour_gradient, false_gradient


def skyline() -> np.ndarray:
    """A flat sky over textured ground."""
    picture = np.full((96, 128, 3), 0.7)
    picture[60:] = np.random.default_rng(0).random((36, 128, 3))
    return picture


def test_zero_for_the_content_itself() -> None:
    assert false_gradient(skyline(), skyline()) == 0


def test_zero_where_nothing_is_flat() -> None:
    noise = np.random.default_rng(0).random((64, 64, 3))
    assert false_gradient(noise, np.zeros_like(noise)) == 0


def test_a_halo_counts_and_a_stronger_one_counts_more() -> None:
    glow = np.zeros((96, 128, 3))
    glow[44:60] = np.linspace(0, 1, 16)[:, None, None]
    weak, strong = (false_gradient(skyline(), skyline() + k * glow) for k in (0.05, 0.2))
    assert 0.1 < weak < strong


def test_contrast_alone_is_no_false_gradient() -> None:
    ramp = np.tile(np.linspace(0.2, 0.5, 128)[None, :, None], (96, 1, 3))
    assert colour_gradient(ramp).max() < 0.005
    assert false_gradient(ramp, 0.2 + 1.5 * (ramp - 0.2)) == pytest.approx(0, abs=1e-6)


def test_the_gain_has_a_floor() -> None:
    """A picture that lost all its contrast but for a halo is not measured against its own greyness."""
    content = skyline()
    output = np.full_like(content, 0.5)
    output[20:30] = 0.52
    content_gradient = colour_gradient(content)
    flat = content_gradient < 0.0035
    expected = np.maximum(colour_gradient(output)[flat] / 0.3 - content_gradient[flat], 0).mean() * 1000
    assert np.std(output) / np.std(content) < 0.3
    assert false_gradient(content, output) == pytest.approx(expected)


def test_the_gradient_of_a_ramp_is_its_slope() -> None:
    ramp = np.zeros((60, 60, 3))
    ramp[..., 0] = 0.01 * np.arange(60)
    assert colour_gradient(ramp)[30, 30] == pytest.approx(0.01, rel=1e-3)
    grey = np.repeat(ramp[..., :1], 3, 2)
    assert colour_gradient(grey)[30, 30] == pytest.approx(0.01 * np.sqrt(3), rel=1e-3)
