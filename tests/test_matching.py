from functools import partial

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor

from haarmony import matching
from haarmony.errors import InputError
from haarmony.matching import MATCHINGS, Affine, Matching, cholesky, gaussian_ot, mean_std, zca
from haarmony.moments import Moments
from haarmony.pages import in_strips

EXACT: dict[str, Matching] = {
    "zca": partial(zca, cutoff=1e-12, ddof=0),
    "cholesky": partial(cholesky, ridge=1e-12),
    "gaussian_ot": partial(gaussian_ot, ridge=1e-12),
}
full_matchings = pytest.mark.parametrize("match", EXACT.values(), ids=EXACT.keys())
all_matchings = pytest.mark.parametrize("match", MATCHINGS.values(), ids=MATCHINGS.keys())


def features(channels: int, positions: int = 400, *, seed: int = 0) -> Tensor:
    generator = torch.Generator().manual_seed(seed)
    mixing = torch.randn(channels, channels, generator=generator, dtype=torch.float64)
    mixing += 2 * torch.eye(channels)
    noise = torch.randn(channels, positions, generator=generator, dtype=torch.float64)
    return mixing @ noise + 3 * torch.randn(channels, 1, generator=generator, dtype=torch.float64)


def mapped(affine: Affine, x: Tensor) -> Tensor:
    return affine(x[None, :, :, None])[0, :, :, 0]


@full_matchings
@given(channels=st.integers(1, 12), seed=st.integers(0, 1000))
def test_mean_and_covariance_become_the_style_s(match: Matching, channels: int, seed: int) -> None:
    content, style = features(channels, seed=seed), features(channels, seed=seed + 5000)
    result = Moments.of(mapped(match(Moments.of(content), Moments.of(style)), content))
    wanted = Moments.of(style)
    torch.testing.assert_close(result.mean, wanted.mean, rtol=1e-6, atol=1e-6)
    torch.testing.assert_close(result.covariance(), wanted.covariance(), rtol=1e-5, atol=1e-5)


@full_matchings
def test_whitening_gives_the_identity_covariance(match: Matching) -> None:
    content = features(6)
    white = Moments(
        torch.tensor(100.0, dtype=torch.float64),
        torch.zeros(6, dtype=torch.float64),
        100 * torch.eye(6, dtype=torch.float64),
    )
    result = Moments.of(mapped(match(Moments.of(content), white), content))
    torch.testing.assert_close(result.covariance(), torch.eye(6, dtype=torch.float64), rtol=0, atol=1e-6)


def test_mean_std_matches_each_channel_and_mixes_none() -> None:
    content, style = features(5), features(5, seed=1)
    affine = mean_std(Moments.of(content), Moments.of(style))
    result = mapped(affine, content)
    torch.testing.assert_close(result.mean(1), style.mean(1))
    torch.testing.assert_close(result.std(1), style.std(1))
    assert torch.equal(affine.matrix, torch.diag(affine.matrix.diagonal()))


@given(seed=st.integers(0, 1000))
def test_gaussian_ot_is_symmetric_and_positive(seed: int) -> None:
    matrix = gaussian_ot(Moments.of(features(7, seed=seed)), Moments.of(features(7, seed=seed + 1))).matrix
    torch.testing.assert_close(matrix, matrix.T, rtol=0, atol=1e-12)
    assert torch.linalg.eigvalsh(matrix).min() > 0


def test_gaussian_ot_is_zca_where_covariances_commute() -> None:
    content = Moments.of(features(6))
    values, vectors = torch.linalg.eigh(content.scatter)
    style = Moments(content.count, content.mean + 1, (vectors * values.flip(0)) @ vectors.T)
    ot, whitened = EXACT["gaussian_ot"](content, style), EXACT["zca"](content, style)
    torch.testing.assert_close(ot.matrix, whitened.matrix, rtol=1e-6, atol=1e-6)
    torch.testing.assert_close(ot.offset, whitened.offset, rtol=1e-6, atol=1e-6)


def test_gaussian_ot_moves_features_least() -> None:
    content, style = features(6), Moments.of(features(6, seed=1))
    moved = {
        name: float((mapped(match(Moments.of(content), style), content) - content).square().mean())
        for name, match in EXACT.items()
    }
    assert moved["gaussian_ot"] < min(moved["zca"], moved["cholesky"])


@all_matchings
def test_a_picture_matched_to_itself_stays(match: Matching) -> None:
    content = Moments.of(features(8))
    affine = match(content, content)
    torch.testing.assert_close(affine.matrix, torch.eye(8, dtype=torch.float64), rtol=0, atol=1e-8)
    torch.testing.assert_close(affine.offset, torch.zeros(8, dtype=torch.float64), rtol=0, atol=1e-7)


def one_pixel(seed: int) -> Tensor:
    return features(6, 1, seed=seed)


def constant(seed: int) -> Tensor:
    return features(6, 1, seed=seed).repeat(1, 300)


def few(seed: int) -> Tensor:
    return features(6, 4, seed=seed)


def broken(seed: int) -> Tensor:
    x = features(6, seed=seed)
    x[2, ::3] = float("nan")
    return x


def whole(seed: int) -> Tensor:
    return features(6, seed=seed)


KINDS = (one_pixel, constant, few, broken, whole)


@all_matchings
@pytest.mark.parametrize("content_kind", KINDS)
@pytest.mark.parametrize("style_kind", KINDS)
def test_degenerate_input_gives_a_sensible_map(match: Matching, content_kind, style_kind) -> None:
    content, style = content_kind(0).float(), style_kind(1).float()
    affine = match(Moments.of(content), Moments.of(style))
    assert affine.matrix.isfinite().all()
    assert affine.offset.isfinite().all()
    kept = content[:, content.isfinite().all(0)]
    result = mapped(affine, kept)
    wanted = Moments.of(style)
    torch.testing.assert_close(result.mean(1).double(), wanted.mean, rtol=1e-3, atol=1e-3)
    own, style_s = (float(m.covariance().trace().sqrt()) for m in (Moments.of(content), wanted))
    # A ridge leaves a trace of the content's own texture.
    assert (result - result.mean(1, keepdim=True)).abs().max() <= 10 * style_s + 0.02 * own + 1e-3


@all_matchings
def test_noise_of_a_flat_region_is_not_blown_up(match: Matching) -> None:
    noise = torch.randn(6, 500, generator=torch.Generator().manual_seed(0))
    sky = 0.5 + 1e-7 * noise
    result = mapped(match(Moments.of(sky), Moments.of(features(6).float())), sky)
    assert result.std(1).max() < 1e-3


@all_matchings
def test_nothing_known_changes_nothing(match: Matching) -> None:
    nothing, known = Moments.of(torch.full((3, 5), float("nan"))), Moments.of(features(3))
    for content, style in ((nothing, known), (known, nothing), (nothing, nothing)):
        affine = match(content, style)
        assert torch.equal(affine.matrix, torch.eye(3, dtype=torch.float64))
        assert not affine.offset.any()


@all_matchings
def test_moments_of_two_networks_are_refused(match: Matching) -> None:
    with pytest.raises(InputError, match="content has 3 channels and style 4"):
        match(Moments.of(features(3)), Moments.of(features(4)))


def test_a_blend_runs_from_the_identity_to_the_map() -> None:
    affine = zca(Moments.of(features(4)), Moments.of(features(4, seed=1)))
    x = features(4, 20)
    torch.testing.assert_close(mapped(affine.blend(0.0), x), x, rtol=0, atol=0)
    torch.testing.assert_close(mapped(affine.blend(1.0), x), mapped(affine, x))
    torch.testing.assert_close(mapped(affine.blend(0.3), x), 0.7 * x + 0.3 * mapped(affine, x))


@pytest.mark.parametrize("offset", [0.0, 100.0])
@full_matchings
def test_float32_features_lose_little(match: Matching, offset: float) -> None:
    content, style = features(64, 2000), features(64, 2000, seed=1) + offset
    exact = mapped(match(Moments.of(content), Moments.of(style)), content)
    single = content.float()
    quick = mapped(match(Moments.of(single), Moments.of(style.float())), single)
    assert quick.dtype == torch.float32
    assert (quick - exact).abs().max() < 1e-4 * exact.abs().max()


def test_mean_std_leaves_the_scale_of_a_constant_channel() -> None:
    content = features(3)
    content[1] = content[1].mean() + 1e-4 * (content[1] - content[1].mean())
    scale = mean_std(Moments.of(content), Moments.of(features(3, seed=1))).matrix.diagonal()
    assert scale[1] == 1
    assert abs(scale[0] - 1) > 1e-3


def test_zca_drops_what_it_cannot_see() -> None:
    content = torch.cat((features(2), torch.zeros(1, 400, dtype=torch.float64)))
    affine = zca(Moments.of(content), Moments.of(features(3, seed=1)))
    assert affine.matrix[:, 2].abs().max() < 1e-9


def test_a_ridge_tames_the_gain() -> None:
    dull = Moments.of(1e-2 * features(4))
    style = Moments.of(features(4, seed=1))
    assert zca(dull, style, ridge=1.0).matrix.norm() < 0.2 * zca(dull, style).matrix.norm()


def test_a_style_is_factored_once_for_all_contents(monkeypatch: pytest.MonkeyPatch) -> None:
    factored = []
    plain = matching._power

    def counting(symmetric: Tensor, exponent: float, cutoff: float) -> Tensor:
        factored.append(exponent)
        return plain(symmetric, exponent, cutoff)

    monkeypatch.setattr(matching, "_power", counting)
    style = Moments.of(torch.randn(4, 50))
    contents = [Moments.of(torch.randn(4, 60)) for _ in range(3)]
    maps = [zca(content, style) for content in contents]
    assert factored.count(0.5) == 1
    assert factored.count(-0.5) == 3
    zca(contents[0], style, ridge=1.0)
    assert factored.count(0.5) == 2
    torch.testing.assert_close(zca(contents[1], style).matrix, maps[1].matrix)


@pytest.mark.parametrize("threads", [1, 2])
@pytest.mark.parametrize("learnt", ["matrix", "offset"])
def test_a_map_of_large_features_learns(learnt: str, threads: int) -> None:
    x = torch.rand(1, 16, 512, 512)
    assert in_strips(x)
    affine = Affine(torch.eye(16, dtype=torch.float64), torch.zeros(16, dtype=torch.float64))
    parameter = getattr(affine, learnt).requires_grad_()
    before = torch.get_num_threads()
    torch.set_num_threads(threads)
    try:
        affine(x, spend=True).mean((0, 2, 3)).sum().backward()
    finally:
        torch.set_num_threads(before)
    wanted = x.mean((0, 2, 3)).expand(16, 16) if learnt == "matrix" else torch.ones(16)
    torch.testing.assert_close(parameter.grad, wanted.double(), rtol=1e-4, atol=0)


def test_a_style_that_was_met_in_inference_mode_serves_contents_that_learn() -> None:
    style, x = Moments.of(features(4, seed=1)), features(4).requires_grad_()
    with torch.inference_mode():
        known = Moments.of(features(4, seed=2))
        for one in (style, known):
            zca(Moments.of(x), one)
    for one in (style, known):
        (gradient,) = torch.autograd.grad(zca(Moments.of(x), one).matrix.sum(), x)
        assert gradient.isfinite().all()
        assert gradient.any()
