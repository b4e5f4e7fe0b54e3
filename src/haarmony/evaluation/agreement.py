"""Counts of people's choices: how sure a share is, and how far raters agree.

Wilson: Probable Inference, the Law of Succession, and Statistical Inference, JASA 1927.
Davison and Hinkley: Bootstrap Methods and their Application, 1997, section 3.8 (whole clusters are drawn).
Krippendorff: Computing Krippendorff's Alpha-Reliability, 2011.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Hashable, Iterable, Sequence
from dataclasses import dataclass
from math import sqrt
from typing import Final

import numpy as np

from haarmony.errors import InputError

Z95: Final = 1.959963984540054
"""The quantile of the normal distribution that leaves 2.5 % above it."""


_DRAWS: Final = 2000


@dataclass(frozen=True)
class Share:
    """A share of decisions that are independent of each other, with its interval of 95 %.

    Attributes:
        count: decisions that count.
        total: all decisions.
    """

    count: int
    total: int

    def __post_init__(self) -> None:
        if not 0 <= self.count <= self.total:
            raise InputError(f"a share counts from none to all, got {self.count} of {self.total}")

    @property
    def value(self) -> float:
        """From 0 to 1; NaN of no decisions."""
        return self.count / self.total if self.total else float("nan")

    @property
    def interval(self) -> tuple[float, float]:
        """Wilson's score interval of 95 %; all of 0 to 1 where there are no decisions."""
        if not self.total:
            return 0.0, 1.0
        n, p, z = self.total, self.value, Z95
        middle = p + z * z / (2 * n)
        half = z * sqrt(p * (1 - p) / n + z * z / (4 * n * n))
        low, high = ((middle + sign * half) / (1 + z * z / n) for sign in (-1, 1))
        return (low if self.count else 0.0), (high if self.count < n else 1.0)


def interval_by_voters(counts: Sequence[tuple[int, int]], *, seed: int = 0) -> tuple[float, float]:
    """The bootstrap interval of 95 % of a share to which each voter made several decisions.

    Decisions of one voter resemble each other, so voters are drawn again, whole, 2000 times.

    Args:
        counts: of each voter, the decisions that count and all decisions.
        seed: of the draws.

    Returns:
        From and to, in 0 to 1; all of it where fewer than two voters decided.
    """
    known = np.asarray([one for one in counts if one[1]], np.float64)
    if len(known) < 2:
        return 0.0, 1.0
    draws = np.random.default_rng(seed).integers(len(known), size=(_DRAWS, len(known)))
    chosen, all_of_them = known[draws].sum(1).T
    low, high = np.quantile(chosen / all_of_them, [0.025, 0.975])
    return float(low), float(high)


def alpha(units: Iterable[Sequence[Hashable]]) -> float:
    """Krippendorff's alpha for nominal values: 1 for full agreement, 0 for that of chance, below for less.

    It is 1 - D_o / D_e: the disagreement within units over that between values drawn from all of them
    (section C). Raters may leave units out; a unit with one value says nothing and is left out.

    Args:
        units: of each thing that was rated, the values it was given, in any order.

    Returns:
        Alpha; NaN where fewer than two different values were given, so that there is nothing to disagree on.
    """
    rated = [Counter(unit) for unit in units if len(unit) > 1]
    totals: Counter[Hashable] = Counter()
    for counts in rated:
        totals.update(counts)
    n = totals.total()
    expected = n * n - sum(count * count for count in totals.values())
    if not expected:
        return float("nan")
    observed = 0.0
    for counts in rated:
        given = counts.total()
        observed += (given * given - sum(count * count for count in counts.values())) / (given - 1)
    return 1 - (n - 1) * observed / expected
