"""Monge-Kantorovich: mean and covariance of colours, moved the least (Pitie and Kokaram, CVMP 2007).

Adds to Reinhard: the correlation of the colour axes. Among all linear maps that give the content the style's
covariance, this is the one of least displacement (their eq. 8), the optimal transport between two Gaussians;
so it depends on no choice of axes, keeps neutral order, and never flips a colour. What the network methods do
to features this does to colours.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from typing import ClassVar, Literal

from torch import Tensor

from haarmony.matching import gaussian_ot
from haarmony.methods.pointwise import ColourMap, Pointwise, moments_in_rows
from haarmony.methods.settings import option
from haarmony.spaces import from_log_opponent, to_log_opponent

_RIDGE = 1e-5


@dataclass(frozen=True, kw_only=True)
class MongeKantorovich(Pointwise):
    """Colour transfer by the optimal transport between two Gaussians.

    Attributes:
        space: where colours are Gaussian: the picture's own values, or l alpha beta, which is kinder to
            shadows and harsher to highlights.
    """

    paper: ClassVar[str] = "Pitie, Kokaram: The Linear Monge-Kantorovitch Linear Colour Mapping, CVMP"
    year: ClassVar[int] = 2007

    space: Literal["rgb", "log-opponent"] = option("rgb", "where colours are matched")

    def colour_map(
        self, content: Tensor, style: Tensor, content_weight: Tensor | None, style_weight: Tensor | None
    ) -> ColourMap:
        """See `Pointwise.colour_map`."""
        there, back = _SPACES[self.space]
        measure = partial(moments_in_rows, space=there)
        affine = gaussian_ot(measure(content, content_weight), measure(style, style_weight), ridge=_RIDGE)
        return lambda picture: back(affine(there(picture)))


def _as_it_is(picture: Tensor) -> Tensor:
    return picture


_SPACES = {"rgb": (_as_it_is, _as_it_is), "log-opponent": (to_log_opponent, from_log_opponent)}
