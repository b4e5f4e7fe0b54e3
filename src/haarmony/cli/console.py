"""What the command line says: results on stdout, all else on stderr, progress on a terminal alone."""

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TextIO


def say(text: str) -> None:
    """Print a line of results."""
    _print(text, sys.stdout)


def complain(text: str) -> None:
    """Print one line on stderr, whatever line breaks the text has."""
    _print("haarmony: " + " ".join(text.split()), sys.stderr)


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


def _print(text: str, file: TextIO) -> None:
    encoding = file.encoding or "utf-8"
    print(text.encode(encoding, "backslashreplace").decode(encoding), file=file, flush=True)
