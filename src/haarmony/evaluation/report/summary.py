"""Medians over pairs, with bootstrap intervals (Efron 1979, the percentile method), and the tables as CSV."""

from __future__ import annotations

import csv
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from haarmony.evaluation.report.figures import METRICS
from haarmony.evaluation.report.results import Result
from haarmony.media.files import beside

_DRAWS = 2000
_LEVEL = 0.95


@dataclass(frozen=True)
class Spread:
    """A figure over all pairs.

    Attributes:
        median: of the pairs.
        low: of the 95% interval of the median.
        high: of it.
        quartiles: of the pairs.
        count: of the pairs.
    """

    median: float
    low: float
    high: float
    quartiles: tuple[float, float]
    count: int


def spread(values: Sequence[float], *, seed: int = 0) -> Spread:
    """The spread of some figures, one or more; pairs are drawn again 2000 times."""
    known = np.asarray(values, np.float64)
    draws = np.random.default_rng(seed).integers(len(known), size=(_DRAWS, len(known)))
    medians = np.median(known[draws], axis=1)
    low, high = np.quantile(medians, [(1 - _LEVEL) / 2, (1 + _LEVEL) / 2])
    first, third = np.quantile(known, [0.25, 0.75])
    return Spread(float(np.median(known)), float(low), float(high), (float(first), float(third)), len(known))


def summary(results: Sequence[Result]) -> dict[str, dict[str, Spread]]:
    """By contender and metric; contenders whose every pair failed have none."""
    found: dict[str, dict[str, Spread]] = {}
    for contender in dict.fromkeys(result.contender for result in results):
        own = [result.figures for result in results if result.contender == contender]
        found[contender] = {
            metric: spread([figures[metric] for figures in own if metric in figures])
            for metric in METRICS
            if any(metric in figures for figures in own)
        }
    return found


def write_tables(folder: Path, results: Sequence[Result]) -> None:
    """`table.csv`, tidy: a row a contender, pair and metric; `summary.csv`: a row a contender and metric."""
    tidy: list[Sequence[object]] = []
    for one in results:
        start = [one.contender, one.pair, int(one.masks)]
        tidy += [[*start, name, f"{value:.6g}", one.note] for name, value in one.figures.items()]
        if not one.figures:
            tidy.append([*start, "failed", "", one.note])
    write_csv(folder / "table.csv", ["method", "pair", "masks", "metric", "value", "note"], tidy)
    medians = [
        [
            contender,
            name,
            *(f"{number:.6g}" for number in (one.median, one.low, one.high, *one.quartiles)),
            one.count,
        ]
        for contender, metrics in summary(results).items()
        for name, one in metrics.items()
    ]
    heads = ["method", "metric", "median", "low", "high", "first quartile", "third quartile", "pairs"]
    write_csv(folder / "summary.csv", heads, medians)


def write_csv(path: Path, heads: Sequence[str], rows: Iterable[Sequence[object]]) -> None:
    """A table, whole or not at all."""
    with beside(path) as temporary, temporary.open("x", newline="", encoding="utf-8") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(heads)
        writer.writerows(rows)
