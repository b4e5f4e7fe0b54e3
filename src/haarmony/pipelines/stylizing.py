"""Doing the jobs of a stylized data set: resumable, with a record of what was asked and of what is there."""

from __future__ import annotations

import csv
import hashlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import lru_cache
from pathlib import Path
from typing import Final, TextIO

from haarmony.media.files import beside
from haarmony.methods.method import Method
from haarmony.methods.wct2 import WCT2
from haarmony.pipelines.batch import Done, run
from haarmony.pipelines.by_method import method_file
from haarmony.pipelines.dataset import Job
from haarmony.pipelines.photo import transfer_file
from haarmony.style import Style

COLUMNS: Final = ("output", "source", "style", "shape", "texture", "seed")

_PORTION: Final = 4096
_STYLES: Final = 8


def stylize(
    jobs: Sequence[Job],
    folders: tuple[Path, Path, Path],
    method: Method | WCT2,
    *,
    strength: float = 1.0,
    workers: int = 2,
) -> Iterator[Done]:
    """Make the pictures that are not there yet, and yield what became of each, in the order of the jobs.

    Every worker has one thread of the processor, so the bytes do not depend on how many there are. A file
    that fails stops no other.

    Args:
        jobs: those of one style one after the other, from `dataset.shard`.
        folders: of sources, of styles and of results.
        method: with its options; or WCT2.
        strength: of WCT2.
        workers: pictures in work at once.
    """
    sources, styles, results = folders
    one = _by_wct2(method, strength) if isinstance(method, WCT2) else _by_method(method)
    for start in range(0, len(jobs), _PORTION):
        portion = jobs[start : start + _PORTION]
        contents = [sources / job.source for job in portion]
        targets = [results / job.output for job in portion]
        style_of = {target: styles / job.style for target, job in zip(targets, portion, strict=True)}

        def made(content: Path, target: Path, style_of: Mapping[Path, Path] = style_of) -> None:
            target.parent.mkdir(parents=True, exist_ok=True)
            one(content, style_of[target], target)

        yield from run(contents, targets, made, resume=True, workers=workers, threads=1)


def digest(paths: Sequence[object]) -> str:
    """What tells a list of files from another: 16 hexadecimal digits."""
    return hashlib.sha256("\n".join(map(str, paths)).encode("utf-8", "surrogateescape")).hexdigest()[:16]


def write_manifest(path: Path, jobs: Sequence[Job], results: Path, *, seed: int) -> int:
    """Write a CSV with a row for every job whose picture is there; their number."""
    there = sorted((job for job in jobs if (results / job.output).is_file()), key=lambda job: job.output)
    with beside(path) as temporary, _open_for_any_name(temporary) as file:
        rows = csv.writer(file, lineterminator="\n")
        rows.writerow(COLUMNS)
        rows.writerows((job.output, job.source, job.style, job.shape, job.texture, seed) for job in there)
    return len(there)


def _open_for_any_name(path: Path) -> TextIO:
    """A new file of rows; names that are no text keep their bytes."""
    return path.open("x", newline="", encoding="utf-8", errors="surrogateescape")


def _by_method(method: Method) -> Callable[[Path, Path, Path], object]:
    return lambda content, style, target: method_file(method, content, style, target)


def _by_wct2(model: WCT2, strength: float) -> Callable[[Path, Path, Path], object]:
    @lru_cache(maxsize=_STYLES)
    def saved(style: Path) -> Style:
        return model.style(style)

    return lambda content, style, target: transfer_file(
        content, saved(style), target, model=model, strength=strength
    )
