import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor

from haarmony.barycentre import barycentre
from haarmony.moments import Moments


def spread(seed: int, channels: int, *, rank: int | None = None, scale: float = 1.0) -> Moments:
    generator = torch.Generator().manual_seed(seed)
    factor = torch.randn(channels, rank or channels + 3, generator=generator, dtype=torch.float64)
    mean = torch.randn(channels, generator=generator, dtype=torch.float64)
    count = torch.tensor(100.0 + seed, dtype=torch.float64)
    return Moments(count, scale * mean, count * scale**2 * (factor @ factor.T))


def commuting(values: Tensor, seed: int = 0) -> Moments:
    channels = len(values)
    generator = torch.Generator().manual_seed(seed)
    basis, _ = torch.linalg.qr(torch.randn(channels, channels, generator=generator, dtype=torch.float64))
    count = torch.tensor(50.0, dtype=torch.float64)
    return Moments(count, torch.zeros_like(values), count * (basis * values) @ basis.T)


def assert_close(a: Moments, b: Moments, tolerance: float) -> None:
    size = float(b.covariance().norm() + b.mean.norm() + 1e-12)
    assert float((a.covariance() - b.covariance()).norm()) <= tolerance * size
    assert float((a.mean - b.mean).norm()) <= tolerance * size
    assert float((a.count - b.count).abs()) <= tolerance * float(b.count)


def distance(a: Moments, b: Moments) -> float:
    """Squared 2-Wasserstein distance of Gaussians (Dowson and Landau 1982)."""

    def root(symmetric: Tensor) -> Tensor:
        values, vectors = torch.linalg.eigh(symmetric)
        return (vectors * values.clamp_min(0).sqrt()) @ vectors.T

    half = root(a.covariance())
    cross = root(half @ b.covariance() @ half)
    return float(
        (a.mean - b.mean).square().sum() + (a.covariance() + b.covariance() - 2 * cross).diagonal().sum()
    )


def test_one_is_itself() -> None:
    one = spread(1, 4)
    assert barycentre([(one, 1.0)]) is one


@given(st.integers(0, 99), st.integers(1, 8), st.floats(0.05, 0.95), st.sampled_from([1e-6, 1.0, 1e4]))
def test_equal_ones_give_that_one(seed: int, channels: int, share: float, scale: float) -> None:
    one = spread(seed, channels, scale=scale)
    assert_close(barycentre([(one, share), (one, 1 - share)]), one, 1e-6)


@given(st.lists(st.floats(0.01, 9), min_size=3, max_size=3), st.floats(0.1, 0.9))
def test_commuting_covariances_have_the_closed_form(others: list[float], share: float) -> None:
    a, b = torch.tensor([1.0, 4.0, 0.25]).double(), torch.tensor(others).double()
    wanted = commuting((share * a.sqrt() + (1 - share) * b.sqrt()) ** 2)
    assert_close(barycentre([(commuting(a), share), (commuting(b), 1 - share)]), wanted, 1e-5)


@given(st.integers(0, 99), st.integers(2, 7))
def test_the_order_does_not_count(seed: int, channels: int) -> None:
    parts = [(spread(seed + i, channels), share) for i, share in enumerate((0.2, 0.5, 0.3))]
    assert_close(barycentre(parts), barycentre(parts[::-1]), 1e-7)


@given(st.integers(0, 99), st.integers(2, 6), st.floats(0.1, 0.9))
def test_nothing_near_it_is_nearer_to_the_styles(seed: int, channels: int, share: float) -> None:
    parts = [(spread(seed, channels), share), (spread(seed + 1, channels), 1 - share)]
    found = barycentre(parts)

    def total(one: Moments) -> float:
        return sum(weight * distance(one, style) for style, weight in parts)

    generator = torch.Generator().manual_seed(seed)
    for _ in range(4):
        factor = torch.eye(channels, dtype=torch.float64)
        factor += 0.03 * torch.randn(channels, channels, generator=generator, dtype=torch.float64)
        moved = Moments(found.count, found.mean, factor @ found.scatter @ factor.T)
        assert total(moved) > total(found)


@pytest.mark.parametrize("ranks", [(1, 1), (1, 8), (2, 3)])
def test_covariances_without_an_inverse_have_one_too(ranks: tuple[int, int]) -> None:
    found = barycentre([(spread(i, 6, rank=rank), 0.5) for i, rank in enumerate(ranks)])
    assert found.scatter.isfinite().all()
    least = torch.linalg.eigvalsh(found.covariance())[0]
    assert least >= -1e-7 * found.covariance().norm()


def test_flat_styles_have_a_flat_one_between_them() -> None:
    flat = [
        Moments(torch.tensor(9.0).double(), torch.full((3,), x).double(), torch.zeros(3, 3).double())
        for x in (0.0, 1.0)
    ]
    found = barycentre([(flat[0], 0.25), (flat[1], 0.75)])
    torch.testing.assert_close(found.mean, torch.full((3,), 0.75).double())
    assert found.scatter.abs().max() < 1e-12
