"""A batch: many files through one loaded model; reading, transfer and writing of different files overlap.

A file that fails stops no other. Outputs are whole or absent, so a batch that was stopped can go on.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass
from glob import glob, has_magic
from pathlib import Path

import torch

from haarmony.errors import HaarmonyError, InputError, is_out_of_memory
from haarmony.media.opening import is_picture
from haarmony.media.sink import writable

WORKERS = 2
"""Files in work at once: while one is decoded or encoded, another is transferred."""


@dataclass(frozen=True)
class Done:
    """What became of one file.

    Attributes:
        content: the file.
        output: where its result is, or would be.
        error: why there is none, without a traceback, which would keep the pixels.
        skipped: whether the output was there before and was left.
    """

    content: Path
    output: Path
    error: HaarmonyError | OSError | MemoryError | None = None
    skipped: bool = False


def expanded(patterns: Sequence[str | os.PathLike[str]]) -> list[Path]:
    """The files that paths, folders and shell patterns name, each once, in their order.

    Those of a pattern, and the pictures in a folder, are sorted.

    Raises:
        InputError: for a pattern that no file matches, and a folder without pictures. Another path without
            wildcards is taken as it is.
    """
    found: dict[Path, None] = {}
    for pattern in [os.fspath(pattern) for pattern in patterns]:
        if Path(pattern).is_dir():
            pictures = sorted(filter(is_picture, Path(pattern).iterdir()))
            if not pictures:
                raise InputError(f"the folder {pattern!r} holds no pictures: check the path")
            found |= dict.fromkeys(pictures)
            continue
        if not has_magic(pattern) or Path(pattern).exists():
            found[Path(pattern)] = None
            continue
        matches = [Path(path) for path in sorted(glob(pattern, recursive=True))]  # noqa: PTH207 (absolute too)
        files = [path for path in matches if path.is_file()]
        if not files:
            raise InputError(f"no file matches {pattern!r}: check the pattern")
        found |= dict.fromkeys(files)
    return list(found)


def outputs(contents: Sequence[Path], folder: Path) -> list[Path]:
    """Where the results of a batch go: by the names of the contents; as JPEG where their kind is not written.

    Raises:
        InputError: when two would go to one file, there or where case does not count, or one would replace
            its content.
    """
    targets: dict[Path, Path] = {}
    taken: dict[str, Path] = {}
    for content in contents:
        name = content.name if writable(content) else f"{content.stem}.jpg"
        target = folder / name
        other = taken.setdefault(name.casefold(), target)
        if other in targets:
            where = "" if other == target else ", on a disk where case does not count"
            raise InputError(
                f"{str(targets[other])!r} and {str(content)!r} would both be written to {str(target)!r}"
                f"{where}: give them in two runs with two folders"
            )
        if target.exists() and content.exists() and target.samefile(content):
            raise InputError(f"{str(content)!r} would be replaced by its own result: give another folder")
        targets[target] = content
    return list(targets)


def refuse_clashes(targets: Iterable[str | os.PathLike[str]], inputs: Iterable[object]) -> None:
    """Let no result of a batch replace an input, as `refuse_replacing` does for one, or another result.

    Args:
        targets: the files to be written.
        inputs: what is read; those that are no paths do not count.

    Raises:
        InputError: when one is an input, by whatever name, or two are one file, there or where case does not
            count.
    """
    read = {mark for path in inputs if isinstance(path, (str, os.PathLike)) for mark in _marks(path)}
    written: set[str] = set()
    for target in targets:
        place = os.path.realpath(target).casefold()
        if place in written or not read.isdisjoint(_marks(target)):
            raise InputError(f"{str(target)!r} is also an input, or another output: give it another name")
        written.add(place)


def failure(error: Exception, content: Path) -> HaarmonyError | OSError | MemoryError:
    """What is wrong with one file, without the tracebacks, which keep its pixels.

    Raises:
        Exception: the error itself, where it is no fault of the file.
    """
    if is_out_of_memory(error):
        told = MemoryError(f"{str(content)!r}: out of memory, give a smaller picture")
        told.__cause__ = error
        error = told
    if not isinstance(error, (HaarmonyError, OSError, MemoryError)):
        raise error
    _strip(error)
    return error


def run(
    contents: Sequence[str | os.PathLike[str]],
    targets: Sequence[str | os.PathLike[str]],
    transfer: Callable[[Path, Path], object],
    *,
    resume: bool = False,
    workers: int = WORKERS,
    threads: int | None = None,
) -> Iterator[Done]:
    """Transfer files, and yield what became of each, in their order.

    Args:
        contents: the files.
        targets: where each result goes, from `outputs`.
        transfer: from a content to its target; raises what is wrong with the one file.
        resume: leave outputs that are there.
        workers: files in work at once.
        threads: of the processor, for each of them; None to divide among them those that torch has.
    """
    before = torch.get_num_threads()
    each = max(1, before // workers) if threads is None else threads

    def one(content: Path, target: Path) -> Done:
        try:
            transfer(content, target)
        except Exception as error:
            return Done(content, target, failure(error, content))
        return Done(content, target)

    pool = ThreadPoolExecutor(workers, initializer=torch.set_num_threads, initargs=(each,))
    try:
        pending: list[Done | Future[Done]] = [
            Done(content, target, skipped=True)
            if resume and target.exists()
            else pool.submit(one, content, target)
            for content, target in zip(map(Path, contents), map(Path, targets), strict=True)
        ]
        for done in pending:
            yield done.result() if isinstance(done, Future) else done
    finally:
        pool.shutdown(cancel_futures=True)
        torch.set_num_threads(before)


def _marks(path: str | os.PathLike[str]) -> set[object]:
    """What tells a file from others: its path without links and, if it is there, its place on the disk."""
    marks: set[object] = {os.path.realpath(path)}
    with suppress(OSError):
        there = Path(path).stat()
        marks.add((there.st_dev, there.st_ino))
    return marks


def _strip(error: BaseException) -> None:
    """Take the traceback from an error and from all that led to it."""
    seen: set[int] = set()
    chain: list[BaseException | None] = [error]
    while chain:
        one = chain.pop()
        if one is not None and id(one) not in seen:
            seen.add(id(one))
            one.__traceback__ = None
            chain += [one.__cause__, one.__context__]
