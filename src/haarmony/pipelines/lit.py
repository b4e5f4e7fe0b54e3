"""What is settled of a film before its first frame: model, styles, masks, and how frames are made."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal

from torch import Tensor

from haarmony.errors import InputError
from haarmony.media.film import Film
from haarmony.media.kinds import MaskLike
from haarmony.methods.wct2 import WCT2
from haarmony.mixing import MIXES
from haarmony.moments import Moments
from haarmony.pipelines.control import Control
from haarmony.pipelines.frame_masks import FrameMasks, mask_identity, open_masks
from haarmony.pipelines.rows import planes
from haarmony.pipelines.shot_plans import Schedule, ShotPlans
from haarmony.pipelines.spans import Sample
from haarmony.pipelines.styles import StyleLike, one_style, parts_of
from haarmony.pipelines.ways import Ways
from haarmony.regions import Regions

Path = Literal["carry", "network", "lut"]

KEEPING_GRAIN = Control(grain="keep")
"""What stays of a film where nothing else is asked for."""

STEP = 0.4
"""Seconds between two looks at the content."""


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
    mask: str | None
    ways: Ways
    control: Control

    def settings(self) -> dict[str, Any]:
        """All that decides how frames come out, as JSON holds it."""
        styles = hashlib.sha256()
        for style in self.schedule.styles:
            for site, targets in style.sites.items():
                styles.update(f"{site} {sorted(targets)}".encode())
                for target in targets.values():
                    for moments, share in [(target, 1.0)] if isinstance(target, Moments) else target.parts:
                        styles.update(f"{share}".encode())
                        styles.update(moments.mean.numpy().tobytes() + moments.scatter.numpy().tobytes())
        return {
            "model": self.wct2.identity,
            "recipe": [list(self.wct2.recipe.stages), dict(self.wct2.recipe.shares)],
            "styles": styles.hexdigest(),
            "times": list(self.schedule.times),
            "strength": self.strength,
            "path": self.path,
            "window": self.window,
            "masks": self.mask,
            "control": [self.control.preserve, self.control.grain, mask_identity(self.control.protect)],
        }

    def regions(self, index: int) -> Regions | None:
        """Of a frame."""
        if self.masks is None:
            return None
        return self.masks.regions(index, rest=self.wct2.recipe.unmatched == "whole").to(self.wct2.device)

    def plans(self) -> ShotPlans:
        """The plans of this film."""
        features = self.strength if self.path == "network" else 1.0
        known: Callable[[Sample], tuple[Tensor, Regions | None]] = lambda sample: (  # noqa: E731
            planes(sample.pixels).to(self.wct2.device),
            self.regions(sample.index),
        )
        return ShotPlans(self.wct2, self.schedule, known, strength=features, max_memory=self.ways.max_memory)


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
    mix: str = MIXES[0],
    stages: Sequence[str] | None = None,
    ways: Ways = Ways(),
    control: Control = KEEPING_GRAIN,
) -> Lit:
    """Look at the styles, and find out whether all fits together; for the arguments see `transfer_film`."""
    if path not in ("carry", "network", "lut"):
        raise InputError(f"unknown path {path!r}: choose carry, network or lut")
    if path == "lut" and content_mask is not None:
        raise InputError("a table of colours knows no places: leave out the masks, or the path lut")
    if path == "lut" and (control.preserve != "none" or control.protect is not None):
        raise InputError(
            "a table of colours keeps nothing of a frame: leave out preserve and protect, or the path lut"
        )
    if not 0 <= strength <= 1:
        raise InputError(f"strength is between 0 and 1, got {strength:g}")
    if window is not None and not window > 0:
        raise InputError(f"a window is a number of seconds above 0, got {window:g}")
    ways = replace(ways, detail="network" if path == "network" else "carry")
    wct2 = ways.model(model, stages)
    scheduled = style if isinstance(style, Mapping) else {0.0: style}
    if not scheduled:
        raise InputError("a schedule has one style or more, got none")
    styles = []
    for _, one in sorted(scheduled.items()):
        parts = parts_of(one, style_mask, mix=mix)
        made = one_style(wct2, parts, profile=None, mix=mix, ways=ways)
        made.check_model(wct2.identity)
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
        mask_identity(content_mask),
        ways,
        control,
    )
