"""Recipes: how a model uses its network."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import partial
from typing import Literal

from haarmony.errors import InputError
from haarmony.matching import Matching, gaussian_ot, zca
from haarmony.networks.autoencoder import LEVELS

STAGES = ("encoder", "skip", "decoder")


@dataclass(frozen=True)
class Recipe:
    """How a model uses its network.

    Attributes:
        stages: where features are matched, any of encoder, skip, decoder.
        matching: (content Moments, style Moments) -> Affine, used at every site.
        clamp: keep each matched feature within the content feature's own minimum and maximum.
        work_side: run the network on copies of at most as many pixels as a square of this side has, and at
            most twice as long, so that every shape takes as long; give back what it loses on the plain
            content, and carry the change of colour to the full picture as a smooth field of affine maps, so
            that a picture with itself as style comes back as it was; strength then blends the pictures. None
            runs the network at full size, and what it decodes is the result.
        shares: of the strength, by site (`encoder1`), stage (`skip`), or `fine` (levels 1 and 2) and `coarse`
            (3 and 4); the most particular counts, and 1 where nothing is said.
        unmatched: what becomes of a region of the content that the style lacks, or has at a very different
            area: `keep` leaves it its look, as the public code of WCT2 does; `whole` gives it the light of
            the whole style, by the map of the whole content.
    """

    stages: tuple[str, ...] = STAGES
    matching: Matching = zca
    clamp: bool = False
    work_side: int | None = None
    shares: Mapping[str, float] = field(default_factory=dict)
    unmatched: Literal["keep", "whole"] = "keep"

    def __post_init__(self) -> None:
        unknown = set(self.stages) - set(STAGES)
        if unknown:
            raise InputError(f"unknown stages {sorted(unknown)}: choose any of {', '.join(STAGES)}")
        if self.work_side is not None and not (isinstance(self.work_side, int) and self.work_side >= 1):
            raise InputError(f"work_side is a whole number of pixels, 1 or more, got {self.work_side!r}")
        if self.unmatched not in ("keep", "whole"):
            raise InputError(f"unmatched is keep or whole, got {self.unmatched!r}")
        known = (*(f"{stage}{level}" for stage in STAGES for level in LEVELS), *STAGES, "fine", "coarse")
        for name, share in self.shares.items():
            if name not in known:
                raise InputError(
                    f"no strength is known by the name {name!r}: choose fine, coarse, a stage such as skip, "
                    "or a stage and its level, such as encoder1"
                )
            stage = name.rstrip("1234")
            if stage in STAGES and stage not in self.stages:
                raise InputError(
                    f"the strength of {name} counts for nothing: features are matched in "
                    f"{', '.join(self.stages) or 'no stage'} alone"
                )
            if not 0 <= share <= 1:
                raise InputError(f"the strength of {name} is between 0 and 1, got {share:g}")

    @property
    def carries(self) -> bool:
        """Whether the result is a field of maps, which follows the texture of the style."""
        return self.work_side is not None and bool(self.stages)

    def share(self, site: str) -> float:
        """Of the strength, at a site."""
        place = site.split(".")[0]
        stage, level = place.rstrip("1234"), int(place[-1])
        names = (place, stage, "fine" if level <= 2 else "coarse")
        return next((self.shares[name] for name in names if name in self.shares), 1.0)


_PAPER = Recipe(STAGES, partial(zca, ridge=1.0), clamp=True, work_side=416)
RECIPES: Mapping[str, Recipe] = {
    "compact": Recipe(("encoder",), partial(gaussian_ot, ridge=1e-3), work_side=292, unmatched="whole"),
} | dict.fromkeys(("vgg19", "vgg19_sum", "vgg19_max", "vgg19_split"), _PAPER)
"""Of the models that ship, by name."""
