"""What is settled of a film before its first frame: model, styles, masks, and how frames are made."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from math import inf, isfinite
from typing import Any, Literal

from torch import Tensor

from haarmony.errors import InputError
from haarmony.matching import Matching
from haarmony.media.film import Film
from haarmony.media.kinds import MaskLike
from haarmony.methods.recipe import Recipe
from haarmony.methods.wct2 import WCT2
from haarmony.mixing import MIXES
from haarmony.moments import Moments
from haarmony.pipelines.asked import must_be, number, strength_of
from haarmony.pipelines.automatic import check_automatic, seen_style
from haarmony.pipelines.control import Control
from haarmony.pipelines.frame_masks import FrameMasks, mask_identity, open_masks
from haarmony.pipelines.places import Followed, Given, Places, found_in
from haarmony.pipelines.shot_plans import Schedule, ShotPlans
from haarmony.pipelines.spans import Span
from haarmony.pipelines.styles import StyleLike, one_style, parts_of
from haarmony.pipelines.ways import Ways

Path = Literal["carry", "network", "lut"]

KEEPING_GRAIN = Control(grain="keep")
"""What stays of a film where nothing else is asked for."""

STEP = 0.4
"""Seconds between two looks at the content."""


@dataclass(frozen=True)
class Automatic:
    """Regions that are to be found.

    Attributes:
        count: of kinds.
        styles: of the schedule, (1, 3, H, W) as the network sees them.
    """

    count: int
    styles: Sequence[Tensor]


@dataclass(frozen=True)
class Lit:
    """All that is settled before the first frame.

    Attributes:
        wct2: the model.
        schedule: the styles.
        strength: of the transfer.
        path: how frames are made.
        step: frames between two looks at the content.
        window: frames that statistics are taken over; None for the shot.
        masks: of the content.
        automatic: of regions that are found, how many, and in which styles.
        mask: what `masks` were opened from, as it is told from others.
        ways: of which memory and statistics count.
        control: what stays of the content.
    """

    wct2: WCT2
    schedule: Schedule
    strength: float
    path: Path
    step: int
    window: int | None
    masks: FrameMasks | None
    automatic: Automatic | None
    mask: str | None
    ways: Ways
    control: Control

    def settings(self) -> dict[str, Any]:
        """All that decides how frames come out, as JSON holds it."""
        styles = hashlib.sha256()
        for style in self.schedule.styles:
            styles.update(f"{style.areas}".encode())
            for site, targets in style.sites.items():
                styles.update(f"{site} {sorted(targets)}".encode())
                for target in targets.values():
                    for moments, share in [(target, 1.0)] if isinstance(target, Moments) else target.parts:
                        styles.update(f"{share}".encode())
                        styles.update(moments.mean.numpy().tobytes() + moments.scatter.numpy().tobytes())
        return {
            "model": self.wct2.identity,
            "recipe": _plain(self.wct2.recipe),
            "styles": styles.hexdigest(),
            "times": list(self.schedule.times),
            "strength": self.strength,
            "path": self.path,
            "window": self.window,
            "masks": self.mask,
            "auto_masks": None if self.automatic is None else self.automatic.count,
            "statistics": self.ways.statistics,
            "precision": self.ways.precision,
            "control": [self.control.preserve, self.control.grain, mask_identity(self.control.protect)],
        }

    def plans(self, span: Span) -> ShotPlans:
        """The plans of the shot that a span is of."""
        places: Places
        schedule = self.schedule
        if self.automatic is None:
            places = Given(self.wct2, self._matched(span))
        else:
            common = found_in(self.wct2, span.opening, self.automatic.styles, self.automatic.count)
            places, schedule = Followed(self.wct2, common), replace(schedule, styles=common.styles)
        features = self.strength if self.path == "network" else 1.0
        return ShotPlans(self.wct2, schedule, places, strength=features, max_memory=self.ways.max_memory)

    def _matched(self, span: Span) -> FrameMasks | None:
        """The masks of the shot that a span is of."""
        if self.masks is None:
            return None
        areas = [style.areas or {} for style in self.schedule.styles]
        return self.masks.matched(areas, span.opening, whole=self.wct2.recipe.unmatched == "whole")


def settled(
    film: Film,
    style: StyleLike | Sequence[tuple[StyleLike, float]] | Mapping[float, Any],
    *,
    model: str | WCT2 = "compact",
    strength: float = 1.0,
    path: Path = "carry",
    window: float | None = None,
    content_mask: MaskLike | None = None,
    style_mask: MaskLike | Sequence[MaskLike] | None = None,
    auto_masks: int | None = None,
    mix: str = MIXES[0],
    stages: Sequence[str] | None = None,
    ways: Ways = Ways(),
    control: Control = KEEPING_GRAIN,
) -> Lit:
    """Look at the styles, and find out whether all fits together; for the arguments see `transfer_film`."""
    must_be(Ways, ways, "ways")
    must_be(Control, control, "control")
    strength = strength_of(strength)
    if path not in ("carry", "network", "lut"):
        raise InputError(f"unknown path {path!r}: choose carry, network or lut")
    if path == "lut" and content_mask is not None:
        raise InputError("a table of colours knows no places: leave out the masks, or the path lut")
    if path == "lut" and (control.preserve != "none" or control.protect is not None):
        raise InputError(
            "a table of colours keeps nothing of a frame: leave out preserve and protect, or the path lut"
        )
    if auto_masks is not None and path != "carry":
        raise InputError(
            f"regions are found where colours are carried: leave out auto_masks, or the path {path}"
        )
    if window is not None and not 0 < number(window) < inf:
        raise InputError(f"a window is a number of seconds above 0, got {window!r}")
    ways = replace(ways, detail="network" if path == "network" else "carry")
    wct2 = ways.model(model, stages)
    scheduled = style if isinstance(style, Mapping) else {0.0: style}
    if not scheduled:
        raise InputError("a schedule has one style or more, got none")
    for time in scheduled:
        if not isfinite(number(time)):
            raise InputError(f"the times of a schedule are numbers of seconds, got {time!r}")
    styles, pictures = [], []
    for _, one in sorted(scheduled.items()):
        parts = parts_of(one, style_mask, mix=mix)
        if auto_masks is not None:
            only = check_automatic(wct2, parts, auto_masks, has_content_mask=content_mask is not None)
            pictures.append(seen_style(wct2, only, None))
        made = one_style(wct2, parts, profile=None, mix=mix, ways=ways)
        wct2.check_style(made)
        styles.append(made)
    for other in styles[1:]:
        styles[0].check_fits(other)
    areas = styles[0].areas
    if (content_mask is None) != (areas is None):
        given, missing = ("style", "content") if content_mask is None else ("content", "style")
        raise InputError(f"the {given} has a mask but the {missing} has none: give both or neither")
    size = film.header.height, film.header.width
    rate = float(film.header.average_rate)
    return Lit(
        wct2,
        Schedule(sorted(map(float, scheduled)), styles),
        strength,
        path,
        max(1, round(STEP * rate)),
        None if window is None else max(1, round(window * rate)),
        None if content_mask is None else open_masks(content_mask, list(areas or ()), size),
        None if auto_masks is None else Automatic(auto_masks, pictures),
        mask_identity(content_mask),
        ways,
        control,
    )


def _plain(recipe: Recipe) -> dict[str, Any]:
    """A recipe as JSON holds it."""
    return {
        "stages": list(recipe.stages),
        "matching": _written(recipe.matching),
        "clamp": recipe.clamp,
        "work_side": recipe.work_side,
        "shares": {name: float(share) for name, share in recipe.shares.items()},
        "unmatched": recipe.unmatched,
    }


def _written(matching: Matching) -> str:
    """A matching as it would be written: gaussian_ot(ridge=0.001)."""
    bound = partial(matching)
    given = [*map(repr, bound.args), *(f"{name}={value!r}" for name, value in sorted(bound.keywords.items()))]
    name = getattr(bound.func, "__qualname__", type(bound.func).__qualname__)
    return f"{name}({', '.join(given)})"
