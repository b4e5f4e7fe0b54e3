"""What a command line says of a style: a picture or a saved style, and its weight."""

import re
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from haarmony.style import Style

SAVED = ".safetensors"
_WEIGHTED = re.compile(
    r"(?P<path>.+):(?P<weight>[+-]?(\d+\.?\d*|\.\d+)(e[+-]?\d+)?)", re.IGNORECASE | re.DOTALL
)


class Weighted(NamedTuple):
    """A path and how much it counts."""

    path: str
    weight: float


def weighted(text: str) -> Weighted:
    """PATH or PATH:WEIGHT; a colon that no number follows belongs to the path."""
    match = _WEIGHTED.fullmatch(text)
    return Weighted(match["path"], float(match["weight"])) if match else Weighted(text, 1.0)


def open_style(path: str) -> "str | Style":
    """A saved style; or the path of a picture, as it is."""
    if Path(path).suffix.lower() != SAVED:
        return path
    from haarmony.style import Style

    return Style.load(path)
