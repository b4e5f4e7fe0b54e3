"""The methods that know colours alone, but Reinhard's, which has a file of its own."""

import numpy as np
import pytest
import torch

from haarmony.media.image import Picture, read_image, write_image
from haarmony.methods import DistributionTransfer, HistogramMatching, MongeKantorovich, Reinhard
from haarmony.moments import Moments

ALL = [
    Reinhard(),
    MongeKantorovich(),
    MongeKantorovich(space="log-opponent"),
    HistogramMatching(),
    DistributionTransfer(rotations=8, regrain=False),
    DistributionTransfer(rotations=8),
]


def tensor(array):
    return torch.from_numpy(np.ascontiguousarray(array, np.float32)).permute(2, 0, 1)[None]


def swapped(picture):
    """A style whose colours hang together in another way."""
    return np.ascontiguousarray(1 - picture[..., ::-1])


@pytest.mark.parametrize("method", ALL)
def test_itself_as_style_comes_back_at_sixteen_bits(method, picture):
    content = (picture() * 65535).astype(np.uint16)
    steps = 2 if not isinstance(method, DistributionTransfer) else 65535 / 1000
    assert np.abs(method(content, content).astype(int) - content).max() <= steps


@pytest.mark.parametrize("method", ALL)
@pytest.mark.parametrize("shade", [0, 255])
def test_constant_pictures_and_single_pixels_do_no_harm(method, picture, shade):
    flat = np.full((9, 5, 3), shade, np.uint8)
    dot = np.array([[[10, 200, 90]]], np.uint8)
    for content, style in ((flat, picture()), (picture(), flat), (flat, dot), (dot, flat), (dot, dot)):
        assert np.isfinite(method(content, style)).all()
    assert np.abs(method(flat, dot).astype(int) - dot).max() <= 1


@pytest.mark.parametrize("method", ALL)
def test_sixteen_bits_stay_sixteen_bits_with_alpha(method, picture, tmp_path):
    content = Picture(picture(60, 70), alpha=picture(60, 70)[..., 0], depth=16)
    write_image(tmp_path / "a.png", method(content, picture(seed=3)))
    written = read_image(tmp_path / "a.png")
    np.testing.assert_allclose(written.alpha, content.alpha, atol=1 / 65535)
    assert len(np.unique(np.round(written.pixels[..., 1] * 65535))) > 1500


def test_strips_do_not_show(picture, monkeypatch):
    content, style = picture(), picture(seed=3)
    whole = [method(content, style) for method in ALL]
    monkeypatch.setattr("haarmony.methods.pointwise._STRIP", 200)
    for method, expected in zip(ALL, whole, strict=True):
        np.testing.assert_allclose(method(content, style), expected, atol=1e-5)


@pytest.mark.parametrize("method", ALL)
def test_regions_take_the_light_of_their_own(method, picture):
    content = np.concatenate([picture() * 0.4, picture(seed=1)], 1)
    style = np.concatenate([picture(seed=2) * (0.9, 0.3, 0.3), picture(seed=4) * (0.3, 0.3, 0.9)], 1)
    labels = np.repeat([[0, 1]], 40, 0).repeat(56, 1)
    content, style = content.astype(np.float32), style.astype(np.float32)
    result = method(content, style, content_mask=labels, style_mask=labels)
    assert result[:, :48, 0].mean() > 1.5 * result[:, :48, 2].mean()
    assert result[:, -48:, 2].mean() > 1.5 * result[:, -48:, 0].mean()


def test_monge_kantorovich_gives_the_covariance_of_the_style(picture):
    content, style = tensor(picture()), tensor(swapped(picture(seed=1)))
    result = MongeKantorovich().colour_map(content, style, None, None)(content)
    got, wanted = Moments.of(result[0]), Moments.of(style[0])
    torch.testing.assert_close(got.mean, wanted.mean, atol=1e-4, rtol=0)
    torch.testing.assert_close(got.covariance(), wanted.covariance(), atol=1e-5, rtol=1e-3)


def test_histogram_matching_gives_every_channel_the_quantiles_of_the_style(picture):
    content, style = picture(), swapped(picture(seed=1))
    result = HistogramMatching()(content, style)
    shares = np.linspace(0.02, 0.98, 25)
    for channel in range(3):
        got, wanted = (np.quantile(x[..., channel], shares) for x in (result, style))
        np.testing.assert_allclose(got, wanted, atol=5e-3)


def test_distribution_transfer_comes_nearer_to_the_style_in_every_direction(picture):
    content, style = picture(), swapped(picture(seed=1, contrast=0.4))
    generator = torch.Generator().manual_seed(5)
    directions = torch.nn.functional.normalize(torch.randn(12, 3, generator=generator), dim=1)

    def distance(x):
        """The sliced Wasserstein distance to the style."""
        a, b = (directions @ tensor(one)[0].flatten(1) for one in (x, style))
        return float((a.sort(1).values - b.sort(1).values).abs().mean())

    exact = DistributionTransfer(regrain=False)(content, style)
    assert distance(exact) < 0.25 * distance(MongeKantorovich()(content, style))
    assert distance(exact) < 0.005
    again = DistributionTransfer(regrain=False)(content, style)
    np.testing.assert_array_equal(again, exact)
    other = DistributionTransfer(regrain=False, seed=1)(content, style)
    assert np.abs(other - exact).max() > 1e-3
