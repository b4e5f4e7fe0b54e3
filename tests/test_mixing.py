from fractions import Fraction
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from haarmony.errors import InputError
from haarmony.matching import Mixture, gaussian_ot, mean_std, solve, zca
from haarmony.mixing import MIXES, mix
from haarmony.moments import Moments
from haarmony.style import Style

MODEL = "compact 0123456789abcdef"
ways = pytest.mark.parametrize("by", MIXES)


def moments(seed: int, channels: int = 3, *, pixels: int = 60) -> Moments:
    generator = torch.Generator().manual_seed(seed)
    factor = torch.randn(channels, channels, generator=generator)
    return Moments.of(factor @ torch.randn(channels, pixels, generator=generator) + seed)


def style(seed: int, labels: tuple[str, ...] = ("whole",), *, areas: dict[str, float] | None = None) -> Style:
    return Style(MODEL, {"encoder1": {label: moments(seed + 7 * i) for i, label in enumerate(labels)}}, areas)


def labelled(seed: int, **areas: float) -> Style:
    return style(seed, tuple(areas), areas=areas)


def found(mixed: Style, content: Moments, label: str = "whole", matching=gaussian_ot):
    return solve(matching, content, mixed.sites["encoder1"][label])


def assert_same_map(a, b, tolerance: float = 1e-6) -> None:
    torch.testing.assert_close(a.matrix, b.matrix, rtol=tolerance, atol=tolerance)
    torch.testing.assert_close(a.offset, b.offset, rtol=tolerance, atol=tolerance * 10)


@ways
def test_one_style_is_itself_whatever_its_weight(by: str) -> None:
    one = style(1)
    assert mix([(one, 0.3)], by=by) is one
    assert mix([(style(2), 0), (one, 5.0)], by=by) is one


@ways
def test_equal_styles_are_that_style(by: str) -> None:
    content = moments(9)
    mixed = mix([(style(1), 0.4), (style(1), 0.6)], by=by)
    assert_same_map(found(mixed, content), found(style(1), content), 1e-5)


@ways
@given(seed=st.integers(0, 50), factor=st.floats(0.01, 100))
def test_weights_count_by_their_share_and_order_not_at_all(by: str, seed: int, factor: float) -> None:
    content, parts = moments(9), [(style(seed + i), weight) for i, weight in enumerate((1.0, 2.0, 0.5))]
    wanted = found(mix(parts, by=by), content)
    assert_same_map(found(mix(parts[::-1], by=by), content), wanted)
    assert_same_map(found(mix([(one, factor * weight) for one, weight in parts], by=by), content), wanted)


@ways
def test_the_mean_of_the_styles_arrives(by: str) -> None:
    content, a, b = moments(9), style(1), style(2)
    mixed = mix([(a, 1), (b, 3)], by=by)
    one = found(mixed, content)
    arrived = one.matrix @ content.mean + one.offset
    wanted = 0.25 * a.moments()["encoder1"]["whole"].mean + 0.75 * b.moments()["encoder1"]["whole"].mean
    torch.testing.assert_close(arrived, wanted)


@pytest.mark.parametrize("matching", [gaussian_ot, mean_std, partial(zca, ridge=1.0)])
def test_by_maps_a_feature_goes_to_the_weighted_mean_of_where_each_map_takes_it(matching) -> None:
    content, a, b = moments(9), style(1), style(2)
    feature = torch.randn(1, 3, 4, 5, generator=torch.Generator().manual_seed(0))
    one = found(mix([(a, 7), (b, 3)], by="maps"), content, matching=matching)
    separately = [found(each, content, matching=matching)(feature) for each in (a, b)]
    torch.testing.assert_close(one(feature), 0.7 * separately[0] + 0.3 * separately[1], rtol=1e-4, atol=1e-4)


def test_the_two_ways_agree_where_all_covariances_commute() -> None:
    def grey(seed: int) -> Style:
        return Style(MODEL, {"encoder1": {"whole": moments(seed, 1)}})

    content = moments(9, 1)
    ways = [found(mix([(grey(1), 0.3), (grey(2), 0.7)], by=by), content) for by in MIXES]
    torch.testing.assert_close(ways[0].matrix, ways[1].matrix, rtol=1e-4, atol=1e-4)


@ways
def test_a_region_that_some_styles_have_is_mixed_from_those(by: str) -> None:
    a, b, c = labelled(1, sky=100, sea=50), labelled(2, sky=300), labelled(3, sky=100, sea=5)
    mixed = mix([(a, 1), (b, 1), (c, 2)], by=by)
    assert mixed.areas == {"sky": (100 + 300 + 200) / 4, "sea": 50}
    assert mixed.sites["encoder1"]["sea"] is a.sites["encoder1"]["sea"]
    assert mixed.sites["encoder1"]["sky"] is not a.sites["encoder1"]["sky"]


@ways
def test_a_region_that_no_style_has_enough_of_stays_too_small(by: str) -> None:
    mixed = mix([(labelled(1, sky=100, sea=4), 1), (labelled(2, sky=100), 1)], by=by)
    assert mixed.areas == {"sky": 100, "sea": 0}


def test_shares_of_a_mixture_sum_to_one_and_mixes_can_be_mixed() -> None:
    inner = mix([(style(1), 1), (style(2), 1)])
    outer = mix([(inner, 2), (style(3), 2)]).sites["encoder1"]["whole"]
    assert isinstance(outer, Mixture)
    assert [share for _, share in outer.parts] == pytest.approx([0.25, 0.25, 0.5])


def test_a_barycentre_can_be_saved_and_a_mix_by_maps_cannot(tmp_path: Path) -> None:
    parts = [(style(1), 1), (style(2), 1)]
    mix(parts, by="barycentre").save(tmp_path / "a.safetensors")
    assert Style.load(tmp_path / "a.safetensors").model == MODEL
    with pytest.raises(InputError, match="barycentre"):
        mix(parts, by="maps").save(tmp_path / "b.safetensors")
    assert [path.name for path in tmp_path.iterdir()] == ["a.safetensors"]


@ways
@pytest.mark.parametrize(
    "weights",
    [
        (-1, 2),
        (0, 0),
        (float("nan"), 1),
        (float("inf"), 1),
        (1e308, 1e308),
        (10**400, 1),
        ("1", 1),
        (None, 1),
        (),
    ],
)
def test_weights_that_are_no_shares_are_refused(by: str, weights: tuple[float, ...]) -> None:
    with pytest.raises(InputError, match="weights of styles are 0 or more"):
        mix([(style(1), weight) for weight in weights], by=by)


@pytest.mark.parametrize(
    "styles",
    [None, "ab", style(1), [style(1)], [("a.safetensors", 1)], [(style(1), 1, 2)], [style(1), style(2)]],
)
def test_what_is_no_list_of_styles_and_weights_is_refused(styles: Any) -> None:
    with pytest.raises(InputError, match="a list of pairs"):
        mix(styles)


def test_weights_may_be_numbers_of_any_kind() -> None:
    wanted = mix([(style(1), 0.25), (style(2), 0.75)])
    for weights in ((Fraction(1, 4), Fraction(3, 4)), (np.float32(1), np.int64(3)), (True, 3)):
        mixed = mix((one, weight) for one, weight in zip((style(1), style(2)), weights, strict=True))
        for site, labels in wanted.sites.items():
            shares = [share for _, share in labels["whole"].parts]
            assert [share for _, share in mixed.sites[site]["whole"].parts] == pytest.approx(shares)


def test_what_does_not_fit_together_is_refused() -> None:
    one = style(1)
    for other, saying in (
        (Style("vgg19 fedcba9876543210", one.sites), "one model"),
        (Style(MODEL, {"encoder2": one.sites["encoder1"]}), "same stages"),
        (labelled(1, sky=99), "mask to all or to none"),
    ):
        with pytest.raises(InputError, match=saying):
            mix([(one, 1), (other, 1)])
        with pytest.raises(InputError, match=saying):
            one + other
    with pytest.raises(InputError, match="maps or barycentre"):
        mix([(one, 1)], by="magic")
