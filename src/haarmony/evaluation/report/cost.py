"""Cost: time and peak memory of whole commands at square sizes, each in a fresh process."""

from __future__ import annotations

import csv
import json
import subprocess
import sys
import tempfile
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from PIL import Image

from haarmony.evaluation.report.results import Contender
from haarmony.evaluation.report.summary import write_csv
from haarmony.media.image import read_image, to_pil, to_profile
from haarmony.methods import DEFAULT, method_class

_WATCHER: Final = """
import json, resource, subprocess, sys, time
start = time.perf_counter()
try:
    done = subprocess.run(sys.argv[2:], timeout=float(sys.argv[1]), stderr=subprocess.PIPE, text=True)
    code, said = done.returncode, done.stderr
except subprocess.TimeoutExpired:
    code, said = "late", ""
peak = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss
print(json.dumps([code, said[-2000:], time.perf_counter() - start, peak / 1024]))
"""
"""Resident sets are counted in KiB, as Linux does."""


@dataclass(frozen=True)
class Cost:
    """Of one command.

    Attributes:
        contender: its name.
        side: of content and style, in pixels.
        seconds: from start to the written file; None where it did not come to its end.
        peak: the largest resident set, in MiB.
        said: as the table shows it.
    """

    contender: str
    side: int
    seconds: float | None
    peak: float
    said: str


def measure_costs(
    contenders: Sequence[Contender],
    content: Path,
    style: Path,
    sizes: Sequence[int],
    *,
    limit: float,
    known: Iterable[Cost] = (),
) -> Iterator[Cost]:
    """Run every method at every size; none that ran out of memory or time at a size is run at a larger one.

    Args:
        contenders: folders of results among them are left out.
        content: a picture, brought to each size.
        style: likewise.
        sizes: sides of squares, in pixels.
        limit: seconds for one command.
        known: costs that were measured before, and are not measured again.
    """
    there = {(one.contender, one.side) for one in known}
    with tempfile.TemporaryDirectory() as place:
        for side in sizes:
            for name, path in (("content", content), ("style", style)):
                image = to_pil(to_profile(read_image(path), None)).convert("RGB")
                image.resize((side, side), Image.Resampling.LANCZOS).save(Path(place) / f"{name}{side}.png")
        for contender in contenders:
            if contender.spec is None:
                continue
            for side in sorted(sizes):
                if (contender.name, side) in there:
                    continue
                one = _cost(contender, side, Path(place), limit)
                yield one
                if one.seconds is None:
                    break


def write_costs(path: Path, costs: Sequence[Cost]) -> None:
    """A row a command."""
    rows = [[one.contender, one.side, _rounded(one.seconds), f"{one.peak:.0f}", one.said] for one in costs]
    write_csv(path, ["method", "side", "seconds", "peak MiB", "said"], rows)


def read_costs(path: Path) -> list[Cost]:
    """What `write_costs` wrote; nothing where there is no file."""
    if not path.is_file():
        return []
    with path.open(newline="", encoding="utf-8") as file:
        return [
            Cost(contender, int(side), float(seconds) if seconds else None, float(peak), said)
            for contender, side, seconds, peak, said in list(csv.reader(file))[1:]
        ]


def _rounded(seconds: float | None) -> str:
    return "" if seconds is None else f"{seconds:.2f}"


def _cost(contender: Contender, side: int, place: Path, limit: float) -> Cost:
    assert contender.spec is not None
    name, *settings = contender.spec.split(":")
    chosen = ["--method", name, *(part for one in settings for part in ("--set", one))]
    if name == DEFAULT:
        chosen = [part for one in settings for part in ("--" + one.partition("=")[0], one.partition("=")[2])]
    takes_style = name == DEFAULT or method_class(name).takes_style
    content, style, out = (str(place / f"{kind}{side}.png") for kind in ("content", "style", "out"))
    given = [content, style] if takes_style else [content]
    command = [sys.executable, "-m", "haarmony", "transfer", *given, "-o", out, "--quiet", *chosen]
    watched = [sys.executable, "-c", _WATCHER, str(limit), *command]
    code, said, seconds, peak = json.loads(
        subprocess.run(watched, capture_output=True, text=True, check=True).stdout
    )
    if code == 0:
        return Cost(contender.name, side, seconds, peak, f"{seconds:.1f} s, {peak:.0f} MB")
    if code == "late":
        return Cost(contender.name, side, None, peak, f"over {limit:g} s")
    if code == -9 or "memory" in said.lower():
        return Cost(contender.name, side, None, peak, "out of memory")
    lines = said.strip().splitlines() or [f"exit code {code}"]
    return Cost(contender.name, side, None, peak, f"failed: {lines[-1]}")
