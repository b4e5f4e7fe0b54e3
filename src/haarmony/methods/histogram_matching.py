"""Histogram matching: the whole distribution of each channel, one by one (Gonzalez and Fittes 1977).

Adds to Reinhard's two moments the whole shape of each channel's distribution, by the rising map between equal
ranks; loses what holds the channels together, so colours can come out that neither picture has. It is exact:
every value of 8 or 16 bits is counted. A picture of few tones can be torn apart by it, as its map is as steep
as the histograms ask.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import reduce
from operator import add
from typing import ClassVar

from torch import Tensor

from haarmony.distribution import Grid, Histograms, match_histograms
from haarmony.methods.pointwise import ColourMap, Pointwise, strips_of

_LEVELS = 65536


@dataclass(frozen=True, kw_only=True)
class HistogramMatching(Pointwise):
    """Colour transfer by the histogram of each channel."""

    paper: ClassVar[str] = "Gonzalez, Fittes: Gray-Level Transformations for Image Enhancement, MMT 12"
    year: ClassVar[int] = 1977

    def colour_map(
        self, content: Tensor, style: Tensor, content_weight: Tensor | None, style_weight: Tensor | None
    ) -> ColourMap:
        """See `Pointwise.colour_map`."""
        maps = match_histograms(_counted(content, content_weight), _counted(style, style_weight))
        return lambda picture: maps(picture[0].flatten(1)).view_as(picture)


def _counted(picture: Tensor, weight: Tensor | None) -> Histograms:
    """On the values that 16 bits have, of which those of 8 bits are some."""
    grid = Grid(picture.new_zeros(3), picture.new_full((3,), 1 / (_LEVELS - 1)), _LEVELS)
    parts = strips_of(picture, weight)
    return reduce(add, (Histograms.of(x, grid, w) for x, w in parts))
