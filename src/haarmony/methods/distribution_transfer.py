"""Iterative distribution transfer: the whole distribution of colours (Pitie, Kokaram and Dahyot, CVIU 2007).

Adds to Monge-Kantorovich, which knows covariances alone, the whole distribution in three dimensions. Colours
are turned, matched along each axis by their histograms, and turned back; over enough rotations the
distribution becomes that of the style (their section 3). What is so exact can be rough: a dense cloud of
colours spread over a sparse one shows as grain. Their second step, `regrain`, puts the content's gradients
back under the new colours (section 5), which is a matter of space and no map of colours any more.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor

from haarmony.distribution import Grid, Histograms, RisingMaps, match_histograms
from haarmony.methods.method import Example, Watch
from haarmony.methods.pointwise import ColourMap, Pointwise
from haarmony.methods.settings import option, seed_option
from haarmony.regrain import regrain

_SAMPLE = 1 << 18
_POINTS = 1024


@dataclass(frozen=True, kw_only=True)
class DistributionTransfer(Pointwise):
    """Colour transfer by the whole distribution of colours.

    Attributes:
        rotations: how often colours are turned and matched.
        seed: of the rotations.
        regrain: whether the content's own gradients come back under the new colours.
    """

    paper: ClassVar[str] = "Pitie, Kokaram, Dahyot: Automated Colour Grading, CVIU 107"
    year: ClassVar[int] = 2007

    rotations: int = option(20, "how often colours are turned and matched", least=1, most=200)
    regrain: bool = option(True, "bring the content's own gradients back under the new colours")
    seed: int = seed_option("of the rotations")

    def transferred(self, content: Example, styles: Sequence[Example], watch: Watch) -> Tensor:
        """See `Transfer.transferred`."""
        mapped = super().transferred(content, styles, watch)
        return regrain(content.picture, mapped) if self.regrain else mapped

    def colour_map(
        self, content: Tensor, style: Tensor, content_weight: Tensor | None, style_weight: Tensor | None
    ) -> ColourMap:
        """See `Pointwise.colour_map`."""
        generator = torch.Generator().manual_seed(self.seed)
        x, weights = _sample(content, content_weight, generator)
        y, wanted = _sample(style, style_weight, generator)
        turns: list[tuple[Tensor, RisingMaps]] = []
        for number in range(self.rotations):
            turn = _rotation(generator, first=number == 0).to(x)
            here, there = turn @ x, turn @ y
            grid = Grid.over(here, there, points=_POINTS)
            maps = match_histograms(Histograms.of(here, grid, weights), Histograms.of(there, grid, wanted))
            x = turn.T @ maps(here)
            turns.append((turn, maps))

        def change(picture: Tensor) -> Tensor:
            colours = picture[0].flatten(1)
            for turn, maps in turns:
                colours = turn.T @ maps(turn @ colours)
            return colours.view_as(picture)

        return change


def _sample(
    picture: Tensor, weight: Tensor | None, generator: torch.Generator
) -> tuple[Tensor, Tensor | None]:
    """Colours (3, N) and their weights (N,): all that count, or so many that their distribution is known."""
    colours, weights = picture[0].flatten(1), None if weight is None else weight.flatten()
    if colours.shape[1] <= _SAMPLE:
        return colours, weights
    if weights is None or not bool(weights.any()):
        chosen = _drawn(colours.shape[1], generator).to(colours.device)
        return colours[:, chosen], None if weights is None else weights[chosen]
    counting = weights.nonzero()[:, 0]
    if len(counting) > _SAMPLE:
        counting = counting[_drawn(len(counting), generator).to(colours.device)]
    return colours[:, counting], weights[counting]


def _drawn(count: int, generator: torch.Generator) -> Tensor:
    """Places in a sample, of so many; one can be drawn twice."""
    return torch.randint(count, (_SAMPLE,), generator=generator)


def _rotation(generator: torch.Generator, *, first: bool) -> Tensor:
    """A rotation of colours, all alike likely; the first is none, so that the channels themselves count."""
    if first:
        return torch.eye(3)
    q, r = torch.linalg.qr(torch.randn(3, 3, generator=generator, dtype=torch.float64))
    turn: Tensor = q * r.diagonal().sign()
    return turn.float()
