import numpy as np
import pytest
import torch

from haarmony.methods import Reinhard
from haarmony.moments import Moments
from haarmony.spaces import from_linear, from_log_opponent, to_linear, to_log_opponent


def tensor(array):
    return torch.from_numpy(array).permute(2, 0, 1)[None]


def spread(values):
    moments = Moments.of(values[0])
    return moments.mean, moments.covariance().diagonal().sqrt()


def test_the_space_is_left_as_it_was_entered(picture):
    colours = tensor(picture())
    torch.testing.assert_close(from_log_opponent(to_log_opponent(colours)), colours, atol=1e-5, rtol=0)
    black = torch.zeros(1, 3, 1, 1)
    torch.testing.assert_close(from_log_opponent(to_log_opponent(black)), black, atol=1e-4, rtol=0)
    torch.testing.assert_close(from_linear(to_linear(colours)), colours, atol=1e-6, rtol=0)


def test_mean_and_deviation_of_each_axis_are_those_of_the_style(picture):
    content, style = picture(contrast=0.1), picture(30, 30, seed=2, tint=(0.7, 0.7, 0.9), contrast=0.05)
    result = Reinhard().colour_map(tensor(content), tensor(style), None, None)(tensor(content))
    for got, wanted in zip(*(spread(to_log_opponent(x)) for x in (result, tensor(style))), strict=True):
        torch.testing.assert_close(got, wanted, atol=2e-3, rtol=0)


def test_itself_as_style_comes_back(picture):
    content = (picture() * 65535).astype(np.uint16)
    assert np.abs(Reinhard()(content, content).astype(int) - content).max() <= 2


@pytest.mark.parametrize("shade", [0, 128, 255])
def test_a_constant_picture_takes_the_colour_alone(picture, shade):
    style = np.full((5, 5, 3), (200, 100, 50), np.uint8)
    result = Reinhard()(np.full((6, 7, 3), shade, np.uint8), style)
    assert np.abs(result.astype(int) - (200, 100, 50)).max() <= 1


def test_regions_have_the_statistics_of_their_own(picture):
    content = np.concatenate([picture(40, 40, contrast=0.05) * 0.3, picture(40, 40, contrast=0.05)], 1)
    style = np.concatenate([picture(32, 32) * (1, 0.5, 0.5), picture(32, 32) * (0.5, 0.5, 1)], 1)
    style = style.astype(np.float32)
    masks = [np.repeat([[0, 1]], rows, 0).repeat(columns, 1) for rows, columns in ((40, 40), (32, 32))]
    result = Reinhard()(content, style, content_mask=masks[0], style_mask=masks[1])
    inner = np.s_[:, 12:28]
    for half, wanted in ((result[:, :40], style[:, :32]), (result[:, 40:], style[:, 32:])):
        np.testing.assert_allclose(half[inner].mean((0, 1)), wanted.mean((0, 1)), atol=0.06)
