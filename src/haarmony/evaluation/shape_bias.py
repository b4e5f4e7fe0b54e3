"""Shape bias: by what a classifier decides where shape and texture are of two classes.

Geirhos et al.: ImageNet-trained CNNs are biased towards texture; increasing shape bias improves accuracy and
robustness, ICLR 2019, section 2.2 and figure 4: of the decisions for either of the two classes, the share
that is for the shape.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from haarmony.errors import InputError
from haarmony.evaluation.agreement import Share
from haarmony.media.opening import is_picture


@dataclass(frozen=True)
class Conflict:
    """A picture with the shape of one class and the texture of another.

    Attributes:
        path: of the picture, relative to the folder of all.
        shape: the one class.
        texture: the other.
    """

    path: str
    shape: str
    texture: str


@dataclass(frozen=True)
class Decisions:
    """What a classifier took the pictures of one shape, or of all, for.

    Attributes:
        shape: how often for the class of the shape.
        texture: how often for the class of the texture.
        other: how often for any other.
    """

    shape: int
    texture: int
    other: int

    @property
    def bias(self) -> Share:
        """The share for the shape of the decisions for either; the interval is Wilson's."""
        return Share(self.shape, self.shape + self.texture)


def conflicts(folder: Path) -> list[Conflict]:
    """The pictures of a folder, `cat/cat7-elephant3.png` and so on; those without a conflict are left out.

    Raises:
        InputError: when there are none, or a name does not say its two classes.
    """
    if not folder.is_dir():
        raise InputError(f"{str(folder)!r} is no folder: expected cue-conflict pictures in a folder a class")
    classes = sorted(path.name for path in folder.iterdir() if path.is_dir())
    found = []
    for shape in classes:
        for path in sorted(filter(is_picture, (folder / shape).iterdir())):
            one = Conflict(f"{shape}/{path.name}", shape, _texture(path, shape))
            if one.shape != one.texture:
                found.append(one)
    if not found:
        raise InputError(f"{str(folder)!r} holds no cue-conflict pictures: expected cat/cat7-elephant3.png")
    return found


def shape_bias(found: Iterable[Conflict], predictions: Mapping[str, str]) -> dict[str, Decisions]:
    """Count the decisions, by the class of the shape.

    Args:
        found: the pictures.
        predictions: of each by its path, the class it was taken for.

    Raises:
        InputError: for a picture that no prediction was made of.
    """
    counts: dict[str, list[int]] = {}
    for one in found:
        if one.path not in predictions:
            raise InputError(f"there is no prediction for {one.path!r}: give one for every picture")
        said = predictions[one.path]
        decided = 0 if said == one.shape else 1 if said == one.texture else 2
        counts.setdefault(one.shape, [0, 0, 0])[decided] += 1
    return {shape: Decisions(*decided) for shape, decided in counts.items()}


def total(decisions: Iterable[Decisions]) -> Decisions:
    """All of them together."""
    every: Sequence[Decisions] = list(decisions)
    return Decisions(
        sum(one.shape for one in every), sum(one.texture for one in every), sum(one.other for one in every)
    )


def _texture(path: Path, shape: str) -> str:
    match = re.fullmatch(rf"{re.escape(shape)}(?:_?\d+)?-(.+)", path.stem)
    if match is None:
        raise InputError(f"{str(path)!r} does not say two classes: expected such as {shape}7-elephant3.png")
    named = match[1]
    # a class whose name ends in a digit is parted from the number by an underscore
    return re.sub(r"(?<=\d)_\d+$", "", named) if re.search(r"\d_\d+$", named) else named.rstrip("0123456789")
