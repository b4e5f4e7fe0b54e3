"""The report as one HTML page that needs nothing else: tables, the figure, and every picture, reduced."""

from __future__ import annotations

import base64
import io
from collections.abc import Mapping, Sequence
from html import escape
from pathlib import Path

from PIL import Image

from haarmony.errors import ImageError
from haarmony.evaluation.pairs import Pair
from haarmony.evaluation.report.cost import Cost
from haarmony.evaluation.report.figures import METRICS
from haarmony.evaluation.report.results import UNTOUCHED, Result, Work
from haarmony.evaluation.report.summary import Spread
from haarmony.media.image import to_pil

_SIDE = 420
_STYLE = """
body{background:#777;color:#111;font:15px/1.5 system-ui,sans-serif;margin:0}
main{max-width:1500px;margin:auto;padding:24px}section{background:#f4f4f4;padding:16px 20px;margin:0 0 20px}
table{border-collapse:collapse;font-variant-numeric:tabular-nums;font-size:13px}
td,th{padding:3px 9px;text-align:right;border-bottom:1px solid #ddd}
td:first-child,th:first-child{text-align:left}td:not(:first-child){white-space:nowrap}
small{color:#555}.best{font-weight:700}.wide{overflow-x:auto}
.row{display:grid;grid-template-columns:repeat(auto-fill,minmax(240px,1fr));gap:12px}
figure{margin:0}figure img{width:100%;display:block}figcaption{font-size:13px}svg{max-width:860px;width:100%}
"""


def page(
    work: Work,
    pairs: Sequence[Pair],
    results: Sequence[Result],
    found: Mapping[str, Mapping[str, Spread]],
    *,
    figure: str,
    costs: Sequence[Cost],
    head: str,
) -> str:
    """The page.

    Args:
        work: where pictures lie.
        pairs: that were compared.
        results: of all contenders.
        found: from `summary`.
        figure: the SVG.
        costs: from `measure_costs`; may be empty.
        head: what was run, in a line.
    """
    parts = [
        '<!doctype html><html lang="en"><meta charset="utf-8"><title>haarmony: a comparison</title>',
        '<meta name="viewport" content="width=device-width,initial-scale=1">',
        f"<style>{_STYLE}</style><main><section><h1>A comparison</h1><p>{escape(head)}</p>",
        _summary_table(found),
        "<p><small>Medians over the pairs; below each the 95% bootstrap interval of the median. The best of "
        "each column is bold, the untouched content aside.</small></p>",
        "<ul>",
        *(
            f"<li><b>{escape(metric.label)}</b>: {escape(metric.about)}</li>"
            for name, metric in METRICS.items()
            if any(name in known for known in found.values())
        ),
        f"</ul></section><section>{figure}</section>",
    ]
    if costs:
        parts.append(f"<section><h2>Cost</h2>{_cost_table(costs)}</section>")
    for title, told in (
        ("Not there", [one for one in results if not one.figures]),
        ("Notes", [one for one in results if one.figures and one.note]),
    ):
        if told:
            lines = "".join(f"<li>{escape(f'{one.contender}, {one.pair}: {one.note}')}</li>" for one in told)
            parts.append(f"<section><h2>{title}</h2><ul>{lines}</ul></section>")
    for pair in pairs:
        parts.append(_pictures(work, pair, [one for one in results if one.pair == pair.name]))
    return "\n".join([*parts, "</main></html>", ""])


def _summary_table(found: Mapping[str, Mapping[str, Spread]]) -> str:
    names = [name for name in METRICS if any(name in known for known in found.values())]
    best = {}
    for name in names:
        medians = [known[name].median for who, known in found.items() if name in known and who != UNTOUCHED]
        better = METRICS[name].better
        best[name] = (max if better == "more" else min)(medians) if medians and better else None
    rows = []
    for who, known in found.items():
        cells = []
        for name in names:
            if name not in known:
                cells.append("<td></td>")
                continue
            one = known[name]
            mark = ' class="best"' if who != UNTOUCHED and one.median == best[name] else ""
            cells.append(f"<td{mark}>{one.median:.3g}<br><small>{one.low:.3g} to {one.high:.3g}</small></td>")
        rows.append(f"<tr><td>{escape(who)}</td>{''.join(cells)}</tr>")
    arrows = {"more": " &uarr;", "less": " &darr;", "": ""}
    heads = "".join(f"<th>{escape(METRICS[name].label)}{arrows[METRICS[name].better]}</th>" for name in names)
    return f'<div class="wide"><table><tr><th>method</th>{heads}</tr>{"".join(rows)}</table></div>'


def _cost_table(costs: Sequence[Cost]) -> str:
    sizes = sorted({one.side for one in costs})
    known = {(one.contender, one.side): one for one in costs}
    heads = "".join(f"<th>{side}&sup2;</th>" for side in sizes)
    rows = []
    for name in dict.fromkeys(one.contender for one in costs):
        cells = "".join(
            f"<td>{escape(known[name, side].said)}</td>" if (name, side) in known else "<td></td>"
            for side in sizes
        )
        rows.append(f"<tr><td>{escape(name)}</td>{cells}</tr>")
    note = "<p><small>Whole commands in fresh processes, from start to the written file; peak memory.</small>"
    return f"<table><tr><th>method</th>{heads}</tr>{''.join(rows)}</table>{note}"


def _pictures(work: Work, pair: Pair, results: Sequence[Result]) -> str:
    cells = [("content", pair.content), ("style", pair.style)]
    if pair.name in work.truths:
        cells.append(("truth", work.truths[pair.name]))
    cells += [
        (one.contender, work.output(one.contender, one.pair))
        for one in results
        if one.figures and one.contender != UNTOUCHED
    ]
    figures = "".join(
        f"<figure>{_embedded(work, path)}<figcaption>{escape(label)}</figcaption></figure>"
        for label, path in cells
    )
    return f'<section><h2>{escape(pair.name)}</h2><div class="row">{figures}</div></section>'


def _embedded(work: Work, path: Path) -> str:
    try:
        image = to_pil(work.seen(path)).convert("RGB")
    except ImageError as error:
        return f"<p>{escape(str(error))}</p>"
    image.thumbnail((_SIDE, _SIDE), Image.Resampling.LANCZOS)
    file = io.BytesIO()
    image.save(file, "JPEG", quality=85)
    data = base64.b64encode(file.getvalue()).decode()
    return f'<img loading="lazy" alt="" src="data:image/jpeg;base64,{data}">'
