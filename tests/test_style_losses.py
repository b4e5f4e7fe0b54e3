"""Losses of style: each is the squared MMD that the paper says it is."""

import pytest
import torch

from haarmony.losses import STYLE_LOSSES, embedding, mmd_squared


def features(seed, channels=6, height=5, width=7):
    generator = torch.Generator().manual_seed(seed)
    mixing = torch.randn(channels, channels, generator=generator, dtype=torch.float64)
    noise = torch.rand(channels, height * width, generator=generator, dtype=torch.float64)
    return (mixing @ noise).view(1, channels, height, width)


def rows(x):
    return x.flatten(2)[0].T


def distance(loss, x, y, **options):
    embed = embedding(loss, y, **options)
    return (embed(x, None) - embed(y, None)).square().sum()


def dot(pairs):
    return (pairs[..., 0, :] * pairs[..., 1, :]).sum(-1)


def test_the_gram_loss_is_the_mmd_with_the_second_order_polynomial_kernel():
    """Li et al. 2017, eqs. 7 to 10, with Gatys' loss in its own normalisation and pictures of one size."""
    x, y = features(0), features(1)
    flat_x, flat_y = rows(x).T, rows(y).T
    channels, positions = flat_x.shape
    gatys = (flat_x @ flat_x.T - flat_y @ flat_y.T).square().sum() / (4 * channels**2 * positions**2)
    mmd = mmd_squared(rows(x), rows(y), lambda pairs: dot(pairs) ** 2)
    torch.testing.assert_close(gatys, mmd / (4 * channels**2), rtol=1e-10, atol=0)
    torch.testing.assert_close(distance("gram", x, y), mmd, rtol=1e-10, atol=0)


def test_it_is_so_for_pictures_of_two_sizes():
    x, y = features(0), features(1, height=3, width=4)
    mmd = mmd_squared(rows(x), rows(y), lambda pairs: dot(pairs) ** 2)
    torch.testing.assert_close(distance("gram", x, y), mmd, rtol=1e-10, atol=0)


def test_the_linear_kernel_compares_means():
    x, y = features(0), features(1)
    torch.testing.assert_close(distance("mmd-linear", x, y), mmd_squared(rows(x), rows(y), dot))


def test_the_polynomial_kernel_with_an_offset():
    x, y = features(0), features(1)
    offset = 0.5 * rows(y).square().sum(1).mean()
    mmd = mmd_squared(rows(x), rows(y), lambda pairs: (dot(pairs) + offset) ** 2)
    torch.testing.assert_close(distance("mmd-poly", x, y, offset=0.5), mmd)
    torch.testing.assert_close(distance("mmd-poly", x, y, offset=0.0), distance("gram", x, y))


def test_the_gaussian_kernel_by_random_waves_is_near_its_double_sums():
    x, y = features(0) * 0.5, features(1)
    spread = 2 * rows(y).var(0, correction=0).sum()

    def gaussian(pairs):
        return (-(pairs[..., 0, :] - pairs[..., 1, :]).square().sum(-1) / (2 * spread)).exp()

    exact = mmd_squared(rows(x), rows(y), gaussian)
    estimates = torch.stack([distance("mmd-rbf", x, y, seed=seed) for seed in range(8)])
    assert exact > 0.01
    torch.testing.assert_close(estimates.mean(), exact, rtol=0.1, atol=0)
    assert (estimates / exact - 1).abs().max() < 0.5


def test_batch_norm_statistics_are_means_and_deviations():
    x, y = features(0), features(1)
    expected = (rows(x).mean(0) - rows(y).mean(0)).square().sum()
    expected += (rows(x).std(0, correction=0) - rows(y).std(0, correction=0)).square().sum()
    torch.testing.assert_close(distance("bn", x, y), expected)


def test_without_bias_equal_distributions_differ_by_nothing_on_average():
    generator = torch.Generator().manual_seed(0)
    x, y = torch.randn(2, 60, 30, 3, generator=generator).double()
    kernel = lambda pairs: dot(pairs) ** 2  # noqa: E731
    biased, unbiased = (
        torch.stack([mmd_squared(a, b, kernel, unbiased=u) for a, b in zip(x, y, strict=True)]).mean()
        for u in (False, True)
    )
    assert biased > 0.3
    assert unbiased.abs() < 0.15 * biased


@pytest.mark.parametrize("loss", STYLE_LOSSES)
def test_weights_choose_positions(loss):
    x, y = features(0), features(1)
    weight = torch.zeros(5, 7, dtype=torch.float64)
    weight[:, :3] = 1
    embed = embedding(loss, y)
    torch.testing.assert_close(embed(x, weight), embed(x[..., :3], None))
    assert torch.isfinite(embed(x, torch.zeros_like(weight))).all()


@pytest.mark.parametrize("loss", STYLE_LOSSES)
def test_a_loss_is_zero_for_itself_alone_and_has_a_finite_gradient(loss):
    y = features(1)
    assert distance(loss, y, y) == 0
    x = torch.zeros_like(y).requires_grad_(True)
    value = distance(loss, x, y)
    assert value > 0
    value.backward()
    assert torch.isfinite(x.grad).all()
