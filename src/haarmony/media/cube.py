"""The .cube file: a table as text, in the form of the Cube LUT specification 1.0 (Adobe, 2013).

Other programs' files are read tolerantly: blank lines, comments and unknown keywords anywhere, any line
ends, a byte order mark, Resolve's `LUT_3D_INPUT_RANGE`. What is not one cube of colours is refused.
"""

import io
import math
import re
from array import array
from collections.abc import Iterable
from typing import BinaryIO, Final

import numpy as np

from haarmony.errors import ImageError
from haarmony.media.lut import SIZES, Lut

_SPACE: Final = re.compile(r"#\s*colou?r space:\s*(.+)", re.IGNORECASE)
_LONGEST_LINE: Final = 4096


def write(file: BinaryIO, lut: Lut) -> None:
    """Write a table, red fastest, to six decimals; title and colour space as far as ASCII holds them."""
    head = [f'TITLE "{_plain(lut.title)}"'] if lut.title else []
    if lut.space:
        head += [f"# Colour space: {_plain(lut.space)}"]
    head += [f"LUT_3D_SIZE {lut.size}"]
    for keyword, corner in zip(("DOMAIN_MIN", "DOMAIN_MAX"), lut.domain, strict=True):
        head += [" ".join([keyword, *(repr(float(value)) for value in corner)])]
    file.write(("\n".join(head) + "\n").encode("ascii", "replace"))
    for blue in range(lut.size):
        rows = lut.table[:, :, blue].transpose(1, 0, 2).reshape(-1, 3)
        file.write("".join(f"{r:.6f} {g:.6f} {b:.6f}\n" for r, g, b in rows.tolist()).encode("ascii"))


def read(file: BinaryIO, name: str) -> Lut:
    """Read a table of colours.

    Args:
        file: open for reading.
        name: what to call the file in a message.

    Raises:
        ImageError: the file is no .cube file, is damaged, or holds a 1D table or a shaper.
    """
    text = io.TextIOWrapper(file, encoding="utf-8-sig", errors="replace")
    try:
        return _Reader(name).read(iter(lambda: text.readline(_LONGEST_LINE), ""))
    finally:
        text.detach()


class _Reader:
    """What the lines of one file have said so far."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.size = 0
        self.title = ""
        self.space: str | None = None
        self.domain = [(0.0, 0.0, 0.0), (1.0, 1.0, 1.0)]
        self.values = array("d")

    def read(self, lines: Iterable[str]) -> Lut:
        for number, line in enumerate(lines, start=1):
            if len(line) == _LONGEST_LINE:
                raise ImageError(f"{self.name}, line {number}: too long for a .cube file")
            words = line.strip()
            if words.startswith("#"):
                self._comment(words)
            elif words:
                self._line(words, number)
        if not self.size:
            raise ImageError(f"{self.name} is no .cube file: it has no LUT_3D_SIZE")
        if len(self.values) != 3 * self.size**3:
            raise ImageError(
                f"{self.name} holds {len(self.values) // 3} colours, LUT_3D_SIZE {self.size} needs "
                f"{self.size**3}: fetch or export it again"
            )
        with np.errstate(over="ignore"):
            table = np.array(self.values).astype(np.float32)
        if not np.isfinite(table).all():
            raise ImageError(f"{self.name} holds NaN or infinity: export it again")
        cube = table.reshape(self.size, self.size, self.size, 3).transpose(2, 1, 0, 3)
        low, high = self.domain
        if not all(a < b for a, b in zip(low, high, strict=True)):
            raise ImageError(f"{self.name} has the domain {low} to {high}, which must rise in every channel")
        return Lut(np.ascontiguousarray(cube), title=self.title, space=self.space, domain=(low, high))

    def _comment(self, text: str) -> None:
        if found := _SPACE.match(text):
            self.space = found[1].strip()

    def _line(self, text: str, number: int) -> None:
        keyword, *rest = text.split()
        match keyword.upper():
            case "TITLE":
                self.title = text[len(keyword) :].strip().strip('"')
            case "LUT_1D_SIZE" | "LUT_1D_INPUT_RANGE":
                raise ImageError(f"{self.name} holds a 1D table or a shaper: export it as one plain 3D .cube")
            case "LUT_3D_SIZE" if self.size:
                raise ImageError(f"{self.name}, line {number}: a second LUT_3D_SIZE; expected one table")
            case "LUT_3D_SIZE":
                self.size = self._size(rest, number)
            case "DOMAIN_MIN":
                self.domain[0] = self._three(rest, number)
            case "DOMAIN_MAX":
                self.domain[1] = self._three(rest, number)
            case "LUT_3D_INPUT_RANGE":
                low, high, _ = self._three([*rest, "0"], number)
                self.domain = [(low,) * 3, (high,) * 3]
            case _ if _is_number(keyword):
                self._colour([keyword, *rest], number)

    def _colour(self, words: list[str], number: int) -> None:
        if not self.size:
            raise ImageError(f"{self.name}, line {number}: colours before LUT_3D_SIZE; expected a 3D .cube")
        if len(self.values) >= 3 * self.size**3:
            raise ImageError(
                f"{self.name}, line {number}: more than the {self.size**3} colours of LUT_3D_SIZE {self.size}"
            )
        self.values.extend(self._three(words, number, finite=False))

    def _size(self, words: list[str], number: int) -> int:
        text = words[0] if len(words) == 1 else " ".join(words)
        if not text.isascii() or not text.isdigit() or len(text) > 9 or int(text) not in SIZES:
            raise ImageError(
                f"{self.name}, line {number}: LUT_3D_SIZE {text[:20]!r}, expected {SIZES[0]} to {SIZES[-1]}"
            )
        return int(text)

    def _three(self, words: list[str], number: int, *, finite: bool = True) -> tuple[float, float, float]:
        try:
            first, second, third = map(float, words)
        except ValueError:
            raise ImageError(
                f"{self.name}, line {number}: expected three numbers, got {' '.join(words)[:40]!r}"
            ) from None
        if finite and not all(map(math.isfinite, (first, second, third))):
            raise ImageError(f"{self.name}, line {number}: a domain must be finite")
        return first, second, third


def _is_number(word: str) -> bool:
    try:
        float(word)
    except ValueError:
        return False
    return True


def _plain(text: str) -> str:
    return " ".join(text.replace('"', "'").split())
