import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor

from haarmony.errors import InputError
from haarmony.moments import Moments


def features(channels: int, positions: int, *, seed: int = 0, offset: float = 0.0) -> Tensor:
    generator = torch.Generator().manual_seed(seed)
    mixing = torch.randn(channels, channels, generator=generator)
    return mixing @ torch.randn(channels, positions, generator=generator) + offset


def assert_same(a: Moments, b: Moments, tolerance: float = 1e-6) -> None:
    torch.testing.assert_close(a.count, b.count, rtol=tolerance, atol=0)
    torch.testing.assert_close(a.mean, b.mean, rtol=tolerance, atol=tolerance)
    scale = float(b.scatter.abs().max()) + 1
    torch.testing.assert_close(a.scatter / scale, b.scatter / scale, rtol=0, atol=tolerance)


@pytest.mark.parametrize("offset", [0.0, 1e4])
def test_against_numpy(offset: float) -> None:
    x = features(5, 40_000, offset=offset)
    moments = Moments.of(x)
    exact = x.double().numpy()
    assert moments.count == 40_000
    assert moments.mean.dtype == moments.scatter.dtype == torch.float64
    np.testing.assert_allclose(moments.mean, exact.mean(1), rtol=1e-7, atol=1e-6)
    np.testing.assert_allclose(moments.covariance(), np.cov(exact, ddof=0), rtol=1e-5, atol=1e-5)
    np.testing.assert_allclose(moments.covariance(ddof=1), np.cov(exact), rtol=1e-5, atol=1e-5)


def test_float64_stays_exact_behind_a_huge_mean() -> None:
    x = features(3, 1000).double() + 1e9
    np.testing.assert_allclose(Moments.of(x).covariance(), np.cov(x.numpy(), ddof=0), rtol=1e-6)


@given(st.lists(st.integers(1, 60), min_size=2, max_size=6), st.randoms(use_true_random=False))
def test_parts_in_any_order_make_the_whole(lengths: list[int], random) -> None:
    x = features(4, sum(lengths), offset=100.0)
    parts = [Moments.of(part) for part in x.split(lengths, 1)]
    random.shuffle(parts)
    merged = parts[0]
    for part in parts[1:]:
        merged = merged + part
    assert_same(merged, Moments.of(x))


@given(st.lists(st.integers(0, 4), min_size=3, max_size=40))
def test_a_weight_is_a_repetition(repeats: list[int]) -> None:
    x = features(3, len(repeats))
    repeated = x.repeat_interleave(torch.tensor(repeats), dim=1)
    assert_same(Moments.of(x, torch.tensor(repeats).float()), Moments.of(repeated))


def test_soft_weights_share_a_pixel_between_regions() -> None:
    x, share = features(3, 500), torch.rand(500, generator=torch.Generator().manual_seed(1))
    assert_same(Moments.of(x, share) + Moments.of(x, 1 - share), Moments.of(x))


@pytest.mark.parametrize("bad", [float("nan"), float("inf"), -float("inf")])
def test_what_is_not_finite_does_not_count(bad: float) -> None:
    x = features(3, 50)
    broken = x.clone()
    broken[1, 7], broken[2, 30] = bad, bad
    kept = [i for i in range(50) if i not in (7, 30)]
    assert_same(Moments.of(broken), Moments.of(x[:, kept]))
    weights = torch.linspace(0, 1, 50)
    assert_same(Moments.of(broken, weights), Moments.of(x[:, kept], weights[kept]))


def test_values_whose_sum_overflows_still_count() -> None:
    assert Moments.of(torch.full((1, 4), 3e38)).count == 4


@pytest.mark.parametrize(
    ("x", "weights"),
    [
        (features(3, 9), torch.zeros(9)),
        (torch.full((3, 9), float("nan")), None),
        (torch.zeros(3, 0), None),
    ],
    ids=["zero weights", "nothing finite", "no pixels"],
)
def test_nothing_known_is_neutral(x: Tensor, weights: Tensor | None) -> None:
    nothing = Moments.of(x, weights)
    assert nothing.count == 0
    assert not nothing.covariance(ddof=1).any()
    known = Moments.of(features(3, 20))
    assert_same(nothing + known, known)
    assert_same(known + nothing, known)
    assert (nothing + nothing).count == 0


def test_one_pixel_has_no_covariance() -> None:
    x = features(3, 1, offset=7.0)
    moments = Moments.of(x)
    torch.testing.assert_close(moments.mean, x[:, 0].double())
    assert not moments.covariance(ddof=1).any()


def test_a_map_is_its_pixels() -> None:
    x = features(3, 12)
    assert_same(Moments.of(x.view(3, 3, 4), torch.ones(3, 4)), Moments.of(x))


def test_shapes_that_do_not_fit_are_refused() -> None:
    with pytest.raises(InputError, match="expected 12 weights"):
        Moments.of(torch.zeros(3, 3, 4), torch.ones(11))
    with pytest.raises(InputError, match=r"\(C, H, W\) or \(C, N\), got \(3,\)"):
        Moments.of(torch.zeros(3))
    with pytest.raises(InputError, match="0 or more"):
        Moments.of(torch.zeros(3, 2), torch.tensor([1.0, -0.5]))
    with pytest.raises(InputError, match="3 channels cannot merge with those of 4"):
        Moments.of(torch.zeros(3, 2)) + Moments.of(torch.zeros(4, 2))


def test_a_constant_region_far_from_the_rest_has_no_variance() -> None:
    features = torch.full((3, 40, 40), 0.9)
    features[:, 20:] = 0.1 * torch.rand(3, 20, 40, generator=torch.Generator().manual_seed(0))
    region = torch.zeros(40, 40)
    region[:20] = 0.7
    covariance = Moments.of(features, region).covariance()
    assert covariance.abs().max() < 1e-13
    assert torch.linalg.eigvalsh(covariance).min() > -1e-14


def test_a_gradient_goes_through_them() -> None:
    x = features(3, 5000).requires_grad_()
    moments = Moments.of(x)
    moments.scatter.diagonal().sum().backward()
    torch.testing.assert_close(x.grad, 2 * (x - x.mean(1, keepdim=True)).detach(), rtol=1e-3, atol=1e-4)


@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("threads", [1, 2])
def test_a_gradient_goes_through_large_ones(threads: int, weighted: bool) -> None:
    x = features(64, 1 << 16)
    share = torch.rand(1 << 16, generator=torch.Generator().manual_seed(1))
    learnt = share if weighted else x
    before = torch.get_num_threads()
    torch.set_num_threads(threads)
    try:
        moments = Moments.of(x, share.requires_grad_()) if weighted else Moments.of(x.requires_grad_())
        (moments.mean.sum() + moments.scatter.diagonal().sum() / x.shape[1]).backward()
    finally:
        torch.set_num_threads(before)
    apart = (x.double() - moments.mean[:, None]).detach()
    wanted = (1 + 2 * apart) / x.shape[1]
    if weighted:
        wanted = apart.sum(0) / share.detach().double().sum() + apart.square().sum(0) / x.shape[1]
    torch.testing.assert_close(learnt.grad.double(), wanted, rtol=1e-3, atol=1e-3 * float(wanted.abs().max()))


@pytest.mark.parametrize("narrow", [torch.float16, torch.bfloat16])
def test_narrow_features_are_summed_in_wider_ones(narrow: torch.dtype) -> None:
    x = (30 * torch.randn(3, 200_000, generator=torch.Generator().manual_seed(0)) + 200).to(narrow)
    share = torch.rand(200_000, generator=torch.Generator().manual_seed(1))
    assert_same(Moments.of(x), Moments.of(x.double()))
    assert_same(Moments.of(x, share.to(narrow)), Moments.of(x.double(), share.to(narrow)))


def test_on_another_device_they_still_learn() -> None:
    device = torch.device("meta")  # stands for a GPU
    x = features(3, 50).requires_grad_()
    moments = Moments.of(x)
    assert moments.to(device).scatter.requires_grad
    assert moments.to(device) is not moments.to(device)
    fixed = Moments.of(x.detach())
    assert fixed.to(device) is fixed.to(device)
