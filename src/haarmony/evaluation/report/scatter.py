"""The figure of the talk: structure that is kept against style that is moved, a mark a method, as SVG."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from html import escape
from textwrap import wrap

from haarmony.evaluation.report.figures import METRICS
from haarmony.evaluation.report.summary import Spread

_WIDTH, _HEIGHT = 820, 480
_LEFT, _RIGHT, _TOP, _BOTTOM = 64, 250, 20, 52
_COLOURS = ("#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9", "#666666", "#8c564b", "#222222")
_MARKS = (
    "M-5 0A5 5 0 1 0 5 0A5 5 0 1 0 -5 0Z",
    "M-4.5 -4.5H4.5V4.5H-4.5Z",
    "M0 -6L5.5 4.5H-5.5Z",
    "M0 -6L6 0L0 6L-6 0Z",
)
"""Circle, square, triangle, diamond: colours come again after as many as there are, in the next mark."""
_TICKS = 4
_LINE, _LETTERS = 14, 30
"""Of the legend: the height of a line, and the letters in it."""


def scatter(found: Mapping[str, Mapping[str, Spread]], *, across: str, upward: str) -> str:
    """An SVG of medians with their quartiles.

    Args:
        found: by contender and metric, from `summary`.
        across: the metric of the horizontal axis.
        upward: that of the vertical one.
    """
    shown = {name: known for name, known in found.items() if across in known and upward in known}
    spans = []
    for metric in (across, upward):
        ends = [end for known in shown.values() for end in (*known[metric].quartiles, known[metric].median)]
        low, high = min(ends, default=0.0), max(ends, default=1.0)
        margin = 0.06 * (high - low) or 0.5
        spans.append((low - margin, high + margin))

    def x(value: float) -> float:
        low, high = spans[0]
        return _LEFT + (value - low) / (high - low) * (_WIDTH - _LEFT - _RIGHT)

    def y(value: float) -> float:
        low, high = spans[1]
        return _HEIGHT - _BOTTOM - (value - low) / (high - low) * (_HEIGHT - _TOP - _BOTTOM)

    right, bottom = _WIDTH - _RIGHT, _HEIGHT - _BOTTOM
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {_WIDTH} {_HEIGHT}" '
        'font-family="sans-serif" font-size="12">',
        f'<rect width="{_WIDTH}" height="{_HEIGHT}" fill="#fff"/>',
    ]
    for value in _ticks(*spans[0]):
        parts += [
            f'<path d="M{x(value):.1f} {_TOP}V{bottom}" stroke="#e4e4e4"/>',
            f'<text x="{x(value):.1f}" y="{bottom + 16}" text-anchor="middle">{value:g}</text>',
        ]
    for value in _ticks(*spans[1]):
        parts += [
            f'<path d="M{_LEFT} {y(value):.1f}H{right}" stroke="#e4e4e4"/>',
            f'<text x="{_LEFT - 6}" y="{y(value) + 4:.1f}" text-anchor="end">{value:g}</text>',
        ]
    titles = [_title(metric) for metric in (across, upward)]
    parts += [
        f'<text x="{(_LEFT + right) / 2}" y="{_HEIGHT - 14}" text-anchor="middle">{titles[0]}</text>',
        f'<text transform="translate(16 {(_TOP + bottom) / 2}) rotate(-90)" text-anchor="middle">'
        f"{titles[1]}</text>",
    ]
    height = _TOP + 10
    for number, (name, known) in enumerate(shown.items()):
        one, other = known[across], known[upward]
        colour = _COLOURS[number % len(_COLOURS)]
        mark = _MARKS[number // len(_COLOURS) % len(_MARKS)]
        bars = (
            f"M{x(one.quartiles[0]):.1f} {y(other.median):.1f}H{x(one.quartiles[1]):.1f}"
            f"M{x(one.median):.1f} {y(other.quartiles[0]):.1f}V{y(other.quartiles[1]):.1f}"
        )
        places = ((x(one.median), y(other.median)), (right + 16, height - 4))
        parts.append(f'<path d="{bars}" stroke="{colour}" stroke-width="1.5" opacity="0.6"/>')
        parts += [
            f'<path d="{mark}" transform="translate({left:.1f} {top:.1f})" fill="{colour}"/>'
            for left, top in places
        ]
        for line in wrap(name, _LETTERS) or [""]:
            parts.append(f'<text x="{right + 28}" y="{height}">{escape(line)}</text>')
            height += _LINE
        height += 5
    return "\n".join([*parts, "</svg>", ""])


def _ticks(low: float, high: float) -> Iterator[float]:
    """Round numbers between two, `_TICKS` of them or a few more."""
    most = (high - low) / _TICKS
    power = 10.0 ** math.floor(math.log10(most))
    step = max(lead * power for lead in (1, 2, 5) if lead * power <= most * (1 + 1e-9))
    for number in range(math.ceil(low / step), math.floor(high / step) + 1):
        yield round(number * step, 12)


def _title(metric: str) -> str:
    known = METRICS[metric]
    return escape(f"{known.label} ({known.better} is better)" if known.better else known.label)
