"""What the command line says: results on stdout, all else on stderr, progress on a terminal alone."""

import os
import sys
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, suppress
from io import TextIOWrapper
from typing import TypeVar

Item = TypeVar("Item")


def say(text: str) -> None:
    """Print a line of results."""
    print(text, flush=True)


def complain(text: str) -> None:
    """Print one line on stderr, whatever line breaks and control characters the text has.

    That nobody can read it stops no work.
    """
    line = "".join(one if one.isprintable() else repr(one)[1:-1] for one in " ".join(text.split()))
    try:
        print(f"haarmony: {line}", file=sys.stderr, flush=True)
    except OSError:
        # or what is left of the line would be tried again at the end, and fail the command
        with suppress(OSError):
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stderr.fileno())


def prepare_streams() -> None:
    """Let stdout and stderr take whatever is said: what they cannot encode is escaped.

    A process that was started with one of them closed, of which Python makes None, gets a deaf one.
    """
    for name in ("stdout", "stderr"):
        stream = getattr(sys, name)
        if stream is None:
            deaf = os.fdopen(os.open(os.devnull, os.O_WRONLY), "w", encoding="utf-8")
            setattr(sys, name, deaf)
        elif isinstance(stream, TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")


@contextmanager
def working(text: str, *, quiet: bool) -> Iterator[None]:
    """Show that work goes on while the block runs; not in a pipe."""
    if quiet or not sys.stderr.isatty():
        yield
        return
    from rich.console import Console
    from rich.markup import escape

    with Console(stderr=True).status(escape(text)):
        yield


def counted(items: Iterable[Item], total: int, *, quiet: bool) -> Iterator[Item]:
    """The items, with a bar of how many of the total have come and the time left; not in a pipe."""
    if quiet or not sys.stderr.isatty():
        yield from items
        return
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TimeRemainingColumn

    columns = (BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns, console=Console(stderr=True), redirect_stdout=sys.stdout.isatty()) as progress:
        yield from progress.track(items, total=total)


@contextmanager
def stepping(text: str, *, quiet: bool) -> Iterator[Callable[[int, int, str], None]]:
    """Show the steps of long work: call what this gives with steps done, steps in all, and a note.

    Until the first step it shows that work goes on; in a pipe it shows nothing.
    """
    if quiet or not sys.stderr.isatty():
        yield lambda done, total, note: None
        return
    from rich.console import Console
    from rich.markup import escape
    from rich.progress import (
        BarColumn,
        MofNCompleteColumn,
        Progress,
        SpinnerColumn,
        TextColumn,
        TimeRemainingColumn,
    )

    columns = (
        SpinnerColumn(),
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeRemainingColumn(),
    )
    with Progress(*columns, console=Console(stderr=True), transient=True) as progress:
        task = progress.add_task(escape(text), total=None)

        def show(done: int, total: int, note: str) -> None:
            progress.update(task, completed=done, total=total, description=escape(f"{text} {note}".strip()))

        yield show


@contextmanager
def counting(total: int | None, *, quiet: bool) -> Iterator[Callable[[int], None]]:
    """A function to tell how many frames are done: shows that, the speed and the time left; not in a pipe."""
    if quiet or not sys.stderr.isatty():
        yield lambda done: None
        return
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    speed = TextColumn("{task.fields[speed]}")
    columns = (BarColumn(), MofNCompleteColumn(), speed, TimeRemainingColumn())
    with Progress(*columns, console=Console(stderr=True), redirect_stdout=sys.stdout.isatty()) as progress:
        task = progress.add_task("", total=total, speed="")
        first, since = 0, 0.0

        def tell(done: int) -> None:
            nonlocal first, since
            now = time.perf_counter()
            if not since:
                first, since = done, now
            speed = (done - first) / (now - since) if now > since else 0.0
            progress.update(task, completed=done, speed=f"{speed:.1f} frames/s" if speed else "")

        yield tell
