"""A batch: many files through one loaded model; reading, transfer and writing of different files overlap.

A file that fails stops no other. Outputs are whole or absent, so a batch that was stopped can go on.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from glob import glob, has_magic
from pathlib import Path

import torch

from haarmony.errors import HaarmonyError, InputError
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
        error: why there is none.
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
        InputError: when two would go to one file, or one would replace its content.
    """
    targets: dict[Path, Path] = {}
    for content in contents:
        name = content.name if writable(content) else f"{content.stem}.jpg"
        target = folder / name
        if target in targets:
            raise InputError(
                f"{str(targets[target])!r} and {str(content)!r} would both be written to {str(target)!r}: "
                "give them in two runs with two folders"
            )
        if target.exists() and content.exists() and target.samefile(content):
            raise InputError(f"{str(content)!r} would be replaced by its own result: give another folder")
        targets[target] = content
    return list(targets)


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
        except (HaarmonyError, OSError, MemoryError) as error:
            return Done(content, target, error)
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
