"""Folders of test pairs and of results for them, in the layouts of the field.

Two layouts of pairs are known:

    NAME/content.*  NAME/style.*  NAME/content_mask.*  NAME/style_mask.*        a folder each; masks optional
    input/inN.*  style/tarN.*  segmentation/inN.*  segmentation/tarN.*          Deep Photo Style Transfer's
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from haarmony.errors import InputError
from haarmony.media.opening import is_picture

_STRETCH: Final = 0.05


@dataclass(frozen=True)
class Pair:
    """A content and a style.

    Attributes:
        name: of the pair.
        content: the file.
        style: the file.
        content_mask: its labels; None where there are none.
        style_mask: labels of the style; there where those of the content are.
    """

    name: str
    content: Path
    style: Path
    content_mask: Path | None = None
    style_mask: Path | None = None


def read_pairs(folder: Path) -> list[Pair]:
    """The pairs of a folder, in the order of their names, numbers by their value.

    Raises:
        InputError: when there is no pair, or one lacks its other half or one of its two masks, or has two
            contents.
    """
    if not folder.is_dir():
        raise InputError(f"{str(folder)!r} is no folder: expected one with pairs of content and style")
    is_deep_photo = (folder / "input").is_dir() and (folder / "style").is_dir()
    pairs = _deep_photo(folder) if is_deep_photo else _folders(folder)
    if not pairs:
        raise InputError(
            f"{str(folder)!r} holds no pairs: expected folders with content and style pictures, or input/inN "
            "and style/tarN"
        )
    names = [pair.name for pair in pairs]
    for pair in pairs:
        if names.count(pair.name) > 1:
            raise InputError(f"{str(folder)!r} has more than one content for pair {pair.name}: leave one")
        if (pair.content_mask is None) != (pair.style_mask is None):
            raise InputError(f"pair {pair.name} of {str(folder)!r} has one mask: give it both or neither")
    return sorted(pairs, key=lambda pair: natural(pair.name))


def find_output(folder: Path, pair: Pair) -> Path:
    """The result for a pair in a folder of results.

    It is the picture named as the pair (`NAME.*`), or the one whose name has the pair's number as in
    `best14_t_1000.png` or `out14.png`.

    Raises:
        InputError: when there is none, or more than one.
    """
    if not folder.is_dir():
        raise InputError(f"{str(folder)!r} is no folder: expected one with a result for every pair")
    pictures = [path for path in sorted(folder.iterdir()) if is_picture(path)]
    found = [path for path in pictures if path.stem == pair.name]
    if not found and pair.name.isdecimal():
        numbered = re.compile(rf"[A-Za-z_]+0*{int(pair.name)}(?!\d).*")
        found = [path for path in pictures if numbered.fullmatch(path.stem)]
    if len(found) != 1:
        names = ", ".join(path.name for path in found) or "nothing"
        raise InputError(
            f"{str(folder)!r} has {names} for pair {pair.name}: expected one picture {pair.name}.*"
        )
    return found[0]


def check_shape(path: Path, size: tuple[int, int], pair: Pair, content: tuple[int, int]) -> None:
    """Find out whether a result is the whole picture: sizes may differ, shapes by under 5 %.

    Args:
        path: of the result.
        size: its width and height.
        pair: that it is of.
        content: width and height of the content.

    Raises:
        InputError: when it is of another shape.
    """
    stretch = size[0] * content[1] / (size[1] * content[0])
    if not 1 - _STRETCH < stretch < 1 + _STRETCH:
        raise InputError(
            f"{str(path)!r} is {size[0]} x {size[1]}, of another shape than its content "
            f"{str(pair.content)!r}: expected the whole picture"
        )


def natural(name: str) -> list[tuple[int, int, str]]:
    """A key that sorts names with numbers by the numbers' value: in2 before in10."""
    parts = re.split(r"(\d+)", name)
    return [(1, int(part), part) if part.isdecimal() else (0, 0, part) for part in parts]


def _folders(folder: Path) -> list[Pair]:
    pairs = []
    for one in sorted(path for path in folder.iterdir() if path.is_dir()):
        content, style = _picture(one, "content"), _picture(one, "style")
        if content is None and style is None:
            continue
        if content is None or style is None:
            raise InputError(f"{str(one)!r} has a content or a style only: expected both")
        masks = _picture(one, "content_mask"), _picture(one, "style_mask")
        pairs.append(Pair(one.name, content, style, *masks))
    return pairs


def _deep_photo(folder: Path) -> list[Pair]:
    pairs = []
    for content in sorted(filter(is_picture, (folder / "input").iterdir())):
        match = re.fullmatch(r"in(\d+)", content.stem)
        if match is None:
            continue
        style = _picture(folder / "style", f"tar{match[1]}")
        if style is None:
            raise InputError(f"{str(content)!r} has no style: expected style/tar{match[1]}.*")
        masks = (_picture(folder / "segmentation", f"{kind}{match[1]}") for kind in ("in", "tar"))
        pairs.append(Pair(match[1], content, style, *masks))
    return pairs


def _picture(folder: Path, stem: str) -> Path | None:
    if not folder.is_dir():
        return None
    return next((path for path in sorted(folder.iterdir()) if path.stem == stem and is_picture(path)), None)
