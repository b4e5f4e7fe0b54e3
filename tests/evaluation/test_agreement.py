from math import isnan

import pytest
from hypothesis import given
from hypothesis import strategies as st

from haarmony.errors import InputError
from haarmony.evaluation.agreement import Share, alpha, interval_by_voters

_ = None
KRIPPENDORFF_2011 = [
    [1, 2, 3, 3, 2, 1, 4, 1, 2, _, _, _],
    [1, 2, 3, 3, 2, 2, 4, 1, 2, 5, _, 3],
    [_, 3, 3, 3, 2, 3, 4, 2, 2, 5, 1, _],
    [1, 2, 3, 3, 2, 4, 4, 1, 2, 5, 1, _],
]
"""Section C: nominal data, any number of observers, missing data; alpha is 0.743."""
BINARY = ["0101000000", "1110010000"]
"""Section A: binary data, two observers, none missing; alpha is 0.095."""


def units(observers):
    return [[value for value in unit if value is not None] for unit in zip(*observers, strict=True)]


def test_alpha_of_the_published_examples():
    assert alpha(units(KRIPPENDORFF_2011)) == pytest.approx(0.743, abs=5e-4)
    assert alpha(units(BINARY)) == pytest.approx(0.095, abs=5e-4)


def test_alpha_by_hand():
    # n = 4, two values twice each: D_e = 8 / 12; of the units one disagrees: D_o = 2 / 4
    assert alpha(["aa", "ab"]) == pytest.approx(1 - (4 - 1) * 2 / (16 - 9 - 1))


def test_alpha_is_one_where_all_agree_and_nothing_where_nothing_differs():
    assert alpha(["aaa", "bb"]) == 1
    assert isnan(alpha(["aaa", "aa"]))
    assert isnan(alpha([]))
    assert isnan(alpha(["a", "b"]))


@given(st.lists(st.lists(st.sampled_from("abc"), max_size=5), max_size=6))
def test_alpha_knows_no_order_and_no_names(rated):
    value = alpha(rated)
    again = alpha([["xyz"["abc".index(one)] for one in reversed(unit)] for unit in reversed(rated)])
    assert again == pytest.approx(value, nan_ok=True)
    assert isnan(value) or -1 <= value <= 1


def test_wilson_of_a_published_example():
    # Newcombe 1998, table I: 81 of 263, 15 of 148, 0 of 20, 1 of 29
    for count, total, low, high in (
        (81, 263, 0.2553, 0.3662),
        (15, 148, 0.0624, 0.1605),
        (0, 20, 0, 0.1611),
        (1, 29, 0.0061, 0.1718),
    ):
        assert Share(count, total).interval == pytest.approx((low, high), abs=6e-5)


@given(st.integers(0, 50), st.integers(0, 50))
def test_an_interval_holds_its_share_and_mirrors(count, others):
    share, other = Share(count, count + others), Share(others, count + others)
    low, high = share.interval
    assert 0 <= low < high <= 1
    assert other.interval == pytest.approx((1 - high, 1 - low))
    if count + others:
        assert low <= share.value <= high


def test_a_share_counts_no_more_than_all():
    with pytest.raises(InputError, match="3 of 2"):
        Share(3, 2)


def test_voters_with_one_vote_each_are_as_sure_as_their_votes():
    once = [(1, 1)] * 300 + [(0, 1)] * 700
    assert interval_by_voters(once) == pytest.approx(Share(300, 1000).interval, abs=5e-3)


def test_voters_who_never_vary_count_as_one_vote_each():
    stubborn = [(40, 40)] * 6 + [(0, 40)] * 14
    low, high = interval_by_voters(stubborn)
    assert (low, high) == pytest.approx(Share(6, 20).interval, abs=0.06)
    assert high - low > 3 * (Share(240, 800).interval[1] - Share(240, 800).interval[0])


def test_the_interval_by_voters_needs_two_who_decided():
    assert interval_by_voters([(3, 4), (0, 0)]) == (0, 1)
    assert interval_by_voters([(2, 4), (1, 2), (0, 0)]) == (0.5, 0.5)
