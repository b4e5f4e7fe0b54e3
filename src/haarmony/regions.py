"""Regions: label masks as weights of the moments, one set of statistics a label.

A hard mask gives each pixel one label; a soft one gives each label a weight at each pixel. Either becomes a
weight map a label at any feature size, so a method never needs to know which it was given.
"""

from __future__ import annotations

import warnings
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from haarmony.errors import HaarmonyWarning, InputError
from haarmony.media.mask import Mask

WHOLE = "whole"
"""The label of a picture without a mask, and of all that belongs to no other region."""

MIN_PIXELS = 10
MAX_AREA_RATIO = 100


Weights = Mapping[str, Tensor | None]
"""The (h, w) weights of each label at a feature; None for 1 everywhere."""


@dataclass(frozen=True)
class Part:
    """Where a piece of a feature lies: its first row and column, and the size of the whole."""

    top: int
    left: int
    height: int
    width: int


@dataclass(frozen=True)
class Regions:
    """The regions of a picture.

    Attributes:
        labels: name to its label, an index into the mask's names.
        values: (H, W) labels of a hard mask, or (L, H, W) weights in [0, 1] of a soft one, at full size; at
            every pixel weights sum to 1.
        rest: whether pixels of no label form a region of their own, `WHOLE`.
    """

    labels: dict[str, int]
    values: Tensor
    rest: bool = False

    @classmethod
    def of(cls, mask: Mask, device: torch.device | str = "cpu") -> Regions:
        """The regions of a mask, by name, with weights on a device.

        Raises:
            InputError: for a region with the name that the whole picture has.
        """
        if WHOLE in mask.names:
            raise InputError(f"a mask names a region {WHOLE!r}, that of the whole picture: rename it")
        labels = {name: label for label, name in enumerate(mask.names)}
        return cls(labels, torch.from_numpy(mask.values).to(device))

    def to(self, device: torch.device | str) -> Regions:
        """The same on a device."""
        return Regions(self.labels, self.values.to(device), self.rest)

    @property
    def hard(self) -> bool:
        """Whether every weight is 0 or 1 and is reduced by nearest neighbour; soft ones are averaged."""
        return self.values.ndim == 2

    def areas(self) -> dict[str, float]:
        """The area of each label in pixels of the full size."""
        if self.hard:
            counts = torch.bincount(
                self.values.flatten(), minlength=max(self.labels.values(), default=-1) + 1
            )
        else:
            counts = self.values.sum((1, 2), dtype=torch.float64)
        return {name: float(counts[label]) for name, label in self.labels.items()}

    def only(self, labels: Iterable[str], *, rest: bool = False) -> Regions:
        """These labels alone; pixels of the others belong to no region, or with `rest` to `WHOLE`."""
        return Regions({name: self.labels[name] for name in labels}, self.values, rest)

    def padded(self, size: tuple[int, int], smallest: int) -> Regions:
        """Those of a picture whose last row and column are repeated until each side has so many pixels.

        Args:
            size: (height, width) of the picture, which may be a copy of another size than the regions.
            smallest: the fewest pixels of a side.
        """
        if min(size) >= smallest:
            return self
        rows, columns = (
            torch.arange(max(side, smallest * side // own), device=self.values.device).clamp_max(side - 1)
            for side, own in zip(self.values.shape[-2:], size, strict=True)
        )
        return replace(self, values=self.values[..., rows, :][..., columns])

    def cropped(self, size: tuple[int, int]) -> Regions:
        """Those of the first rows and columns of a picture that is as large as the regions are."""
        return replace(self, values=self.values[..., : size[0], : size[1]])

    def at(self, size: tuple[int, int], part: Part | None = None) -> dict[str, Tensor]:
        """The weights reduced to a feature.

        Args:
            size: the (h, w) of the feature, or of a piece of it.
            part: where the piece lies; None for the whole feature.

        Returns:
            Label to (h, w). What a piece gets is what the whole would have there.
        """
        part = part or Part(0, 0, *size)
        height, width = self.values.shape[-2:]
        rows = _Reduction(height, part.height, part.top, size[0])
        columns = _Reduction(width, part.width, part.left, size[1])
        if self.hard:
            device = self.values.device
            picked = self.values[rows.centres(device)[:, None], columns.centres(device)]
            return self._with_rest(
                {name: (picked == label).float() for name, label in self.labels.items()}, size
            )
        seen = self.values[:, rows.first : rows.last, columns.first : columns.last]
        down, across = rows.averaging(seen), columns.averaging(seen)
        weights = {name: down @ seen[label] @ across.T for name, label in self.labels.items()}
        return self._with_rest(weights, size)

    def _with_rest(self, weights: dict[str, Tensor], size: tuple[int, int]) -> dict[str, Tensor]:
        if not self.rest:
            return weights
        taken = torch.zeros(size, device=self.values.device)
        for weight in weights.values():
            taken = taken + weight
        return {**weights, WHOLE: (1 - taken).clamp(0, 1)}


def weights_at(regions: Regions | None, size: tuple[int, int], part: Part | None = None) -> Weights:
    """The weights of the regions at a feature, or of the whole picture as the one region."""
    return {WHOLE: None} if regions is None else regions.at(size, part)


@dataclass(frozen=True)
class _Reduction:
    """One axis: `count` cells from `start` on of a line of `pixels` that is reduced to `cells`."""

    pixels: int
    cells: int
    start: int
    count: int

    @property
    def first(self) -> int:
        """The first pixel that matters."""
        return self.start * self.pixels // self.cells

    @property
    def last(self) -> int:
        """One behind the last pixel that matters."""
        return -(-(self.start + self.count) * self.pixels // self.cells)

    def centres(self, device: torch.device) -> Tensor:
        """(count,) the pixel under each cell's centre, as Pillow's nearest neighbour takes it."""
        cells = torch.arange(self.start, self.start + self.count, device=device)
        return (2 * cells + 1) * self.pixels // (2 * self.cells)

    def averaging(self, like: Tensor) -> Tensor:
        """(count, last - first) the weights of the mean over each cell, whole pixels at its ends."""
        cells = torch.arange(self.start, self.start + self.count, device=like.device)[:, None]
        pixels = torch.arange(self.first, self.last, device=like.device)
        begins, ends = cells * self.pixels // self.cells, -(-(cells + 1) * self.pixels // self.cells)
        inside = ((pixels >= begins) & (pixels < ends)).to(like.dtype)
        return inside / inside.sum(1, keepdim=True)


def shared_labels(content: dict[str, float], style: dict[str, float]) -> list[str]:
    """The labels that can be matched: over 10 pixels on both sides and neither area 100 times the other.

    The rule of the public WCT2 code. Areas are in pixels of the full-size pictures. The order is the
    content's, so that every process adds the regions up in the same order.
    """
    return [
        label
        for label in content
        if label in style
        and min(content[label], style[label]) > MIN_PIXELS
        and max(content[label], style[label]) < MAX_AREA_RATIO * min(content[label], style[label])
    ]


def match_regions(content: Regions, style: Mapping[str, float], *, whole: bool) -> Regions:
    """The regions of a content that a style has too; a `HaarmonyWarning` names the others.

    Args:
        content: all its regions.
        style: the areas of the style's, in pixels of the full size.
        whole: whether what the style lacks becomes the region `WHOLE`, to be given the light of the whole
            style; else it belongs to no region and keeps its look.
    """
    areas = content.areas()
    shared = shared_labels(areas, dict(style))
    told = unshared(areas, style, shared, whole=whole)
    if told:
        warnings.warn(told, HaarmonyWarning, stacklevel=3)
    others = any(areas[label] > 0 for label in areas if label not in shared)
    return content.only(shared, rest=content.rest or (whole and others))


def unshared(
    content: Mapping[str, float], style: Mapping[str, float], shared: Collection[str], *, whole: bool
) -> str:
    """What is to be told of labels that one side alone has; nothing where there are none.

    Args:
        content: area by label.
        style: area by label.
        shared: the labels that are matched.
        whole: see `match_regions`.
    """
    others = [label for label in content if label not in shared and content[label] > 0]
    unused = [label for label in style if label not in content]
    told = []
    if others:
        happens = "gets the light of the whole style" if whole else "keeps its look"
        told.append(
            f"the content {happens} where its mask says {', '.join(others)}: the style's mask "
            f"({', '.join(style)}) has no such region, or one of a very different area"
        )
    if unused:
        told.append(f"nothing takes its light from the style where its mask says {', '.join(unused)}")
    return "; ".join(told)
