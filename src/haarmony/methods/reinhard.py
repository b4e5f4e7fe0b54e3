"""Reinhard: mean and standard deviation of each axis of l alpha beta (Reinhard et al., IEEE CG&A 2001).

The first of its line: the light of a picture as the first two moments of its colours, in a space whose axes
are nearly independent in natural scenes, so that each can be matched by itself. It needs no network, and as
a map of colours alone it cannot make an edge or a halo that was not there; but it knows no correlation
between axes, and no more of the distribution than its width.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from typing import ClassVar

from torch import Tensor

from haarmony.matching import mean_std
from haarmony.methods.pointwise import ColourMap, Pointwise, moments_in_rows
from haarmony.spaces import from_log_opponent, to_log_opponent

_CONSTANT = 1e-8
"""A variance of logarithms below that of one step of 16 bits."""


@dataclass(frozen=True, kw_only=True)
class Reinhard(Pointwise):
    """Colour transfer by mean and standard deviation in l alpha beta."""

    paper: ClassVar[str] = "Reinhard, Ashikhmin, Gooch, Shirley: Color Transfer between Images, IEEE CG&A"
    year: ClassVar[int] = 2001

    def colour_map(
        self, content: Tensor, style: Tensor, content_weight: Tensor | None, style_weight: Tensor | None
    ) -> ColourMap:
        """See `Pointwise.colour_map`."""
        measure = partial(moments_in_rows, space=to_log_opponent)
        affine = mean_std(measure(content, content_weight), measure(style, style_weight), floor=_CONSTANT)
        return lambda picture: from_log_opponent(affine(to_log_opponent(picture)))
