"""The figure of the talk: structure that is kept against style that is moved, a mark a method, as SVG."""

from __future__ import annotations

from collections.abc import Mapping
from html import escape
from itertools import cycle

from haarmony.evaluation.report.figures import METRICS
from haarmony.evaluation.report.summary import Spread

_WIDTH, _HEIGHT = 760, 480
_LEFT, _RIGHT, _TOP, _BOTTOM = 64, 190, 20, 52
_COLOURS = ("#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9", "#666666", "#8c564b", "#222222")
_TICKS = 5


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
    for step in range(_TICKS):
        share = step / (_TICKS - 1)
        there, above = (low + share * (high - low) for low, high in spans)
        parts += [
            f'<path d="M{x(there):.1f} {_TOP}V{bottom}M{_LEFT} {y(above):.1f}H{right}" stroke="#e4e4e4"/>',
            f'<text x="{x(there):.1f}" y="{bottom + 16}" text-anchor="middle">{there:.2f}</text>',
            f'<text x="{_LEFT - 6}" y="{y(above) + 4:.1f}" text-anchor="end">{above:.2f}</text>',
        ]
    titles = [_title(metric) for metric in (across, upward)]
    parts += [
        f'<text x="{(_LEFT + right) / 2}" y="{_HEIGHT - 14}" text-anchor="middle">{titles[0]}</text>',
        f'<text transform="translate(16 {(_TOP + bottom) / 2}) rotate(-90)" text-anchor="middle">'
        f"{titles[1]}</text>",
    ]
    for row, ((name, known), colour) in enumerate(zip(shown.items(), cycle(_COLOURS), strict=False)):
        one, other = known[across], known[upward]
        bars = (
            f"M{x(one.quartiles[0]):.1f} {y(other.median):.1f}H{x(one.quartiles[1]):.1f}"
            f"M{x(one.median):.1f} {y(other.quartiles[0]):.1f}V{y(other.quartiles[1]):.1f}"
        )
        height = _TOP + 12 + 20 * row
        parts += [
            f'<path d="{bars}" stroke="{colour}" stroke-width="1.5" opacity="0.6"/>',
            f'<circle cx="{x(one.median):.1f}" cy="{y(other.median):.1f}" r="5" fill="{colour}"/>',
            f'<circle cx="{right + 16}" cy="{height - 4}" r="5" fill="{colour}"/>',
            f'<text x="{right + 27}" y="{height}">{escape(name)}</text>',
        ]
    return "\n".join([*parts, "</svg>", ""])


def _title(metric: str) -> str:
    known = METRICS[metric]
    return escape(f"{known.label} ({known.better} is better)" if known.better else known.label)
