"""What is done to the frames of a shot: maps found from its samples together, for every style of a schedule.

The samples' moments are merged site by site, each level behind the maps of the one before, as if the frames
were tiles of one picture; so all frames get the same maps. Between two sets of samples, and between two
styles of a schedule, maps are interpolated.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from functools import lru_cache, reduce
from operator import add

import torch
from torch import Tensor

from haarmony.carry import Evidence, mean_evidence
from haarmony.errors import InputError
from haarmony.methods.sites import Maps, mean_maps
from haarmony.methods.wct2 import WCT2, carried_weights
from haarmony.moments import Moments
from haarmony.pipelines.memory import budget, tile_side
from haarmony.pipelines.places import Places
from haarmony.pipelines.rows import TensorRows
from haarmony.pipelines.spans import Samples, Span
from haarmony.pipelines.tiles import joint_plan
from haarmony.regions import Regions
from haarmony.style import Style
from haarmony.texture import texture_moments

_RAISED = 0.5
"""Of the way to a style's stronger contrast: what moves so that nothing can follow it trembles with it."""

_KEPT = 16
"""Plans that are kept: those of a few sets of samples and styles."""


@dataclass(frozen=True)
class Schedule:
    """Styles over time.

    Attributes:
        times: in seconds, rising; each style holds at its own, and passes evenly into the next. Before the
            first and behind the last nothing changes.
        styles: of one model.
    """

    times: Sequence[float]
    styles: Sequence[Style]

    def __post_init__(self) -> None:
        if list(self.times) != sorted(set(self.times)) or len(self.times) != len(self.styles):
            raise InputError(f"the times of a schedule rise, got {', '.join(f'{t:g}' for t in self.times)}")

    def at(self, time: Fraction) -> list[tuple[int, float]]:
        """The numbers of the styles that count at a time, with their shares."""
        later = next((i for i, known in enumerate(self.times) if known > time), len(self.times))
        if later in (0, len(self.times)):
            return [(max(0, later - 1), 1.0)]
        begin, end = self.times[later - 1], self.times[later]
        share = (float(time) - begin) / (end - begin)
        return [(later - 1, 1 - share), (later, share)] if share > 0 else [(later - 1, 1.0)]


class ShotPlans:
    """The plans of a film, found when a frame needs them."""

    def __init__(
        self,
        wct2: WCT2,
        schedule: Schedule,
        places: Places,
        *,
        strength: float = 1.0,
        max_memory: int | None = None,
    ) -> None:
        """Make plans for one film.

        Args:
            wct2: the model.
            schedule: the styles.
            places: the regions of frames and samples.
            strength: what features are blended by.
            max_memory: see `Ways`.
        """
        self.wct2, self.schedule = wct2, schedule
        self.places = places
        self._strength, self._max_memory = strength, max_memory
        self.plan = lru_cache(_KEPT)(self._found)
        self.textures = lru_cache(_KEPT)(self._measured)
        self.evidence = lru_cache(_KEPT)(self._seen)

    def maps(self, span: Span, index: int, styles: Iterable[tuple[int, float]]) -> Maps:
        """The maps of all sites for a frame, to styles by number and share."""
        parts = [
            (self.plan(samples, style), share * weight)
            for samples, share in span.at(index)
            for style, weight in styles
        ]
        return mean_maps([(maps, share) for maps, share in parts if share > 0])

    def texture(self, span: Span, index: int) -> Mapping[str, Moments]:
        """The texture of the content about a frame, by label."""
        parts = [(self.textures(samples), share) for samples, share in span.at(index) if share > 0]
        return {
            label: reduce(add, (texture[label].scaled(share) for texture, share in parts))
            for label in parts[0][0]
        }

    def lasting(self, span: Span, index: int, style: int) -> dict[str, Evidence]:
        """What the field of the shot about a frame is fitted to, by label."""
        parts = [(self.evidence(samples, style), share) for samples, share in span.at(index) if share > 0]
        return {label: mean_evidence([(one[label], share) for one, share in parts]) for label in parts[0][0]}

    def fields(self, seen: Mapping[str, Evidence], style: int, regions: Regions | None) -> Tensor:
        """The field of every region to a style, (K, 14, rows, columns), from the evidence by label."""
        return self.wct2.fields(seen, self.schedule.styles[style], regions, raised=_RAISED)

    @torch.no_grad()
    def _seen(self, samples: Samples, style: int) -> dict[str, Evidence]:
        maps, textures = self.plan(samples, style), self.textures(samples)
        seen = [self.wct2.evidence(picture, maps, regions) for picture, regions in self.places.known(samples)]
        return {
            label: mean_evidence([(one[label], 1.0) for one in seen]).with_texture(textures[label])
            for label in seen[0]
        }

    @torch.no_grad()
    def _found(self, samples: Samples, style: int) -> Maps:
        sources = [(TensorRows(picture), regions) for picture, regions in self.places.known(samples)]
        memory = budget(self._max_memory, self.wct2.device)
        side = tile_side(self.wct2.network, max(rows.width for rows, _ in sources), memory)
        return joint_plan(self.wct2, sources, self.schedule.styles[style], self._strength, side=side)

    @torch.no_grad()
    def _measured(self, samples: Samples) -> dict[str, Moments]:
        textures = []
        for picture, regions in self.places.known(samples):
            weights = carried_weights(regions, picture)
            textures.append({label: texture_moments(picture, weight) for label, weight in weights.items()})
        return {label: reduce(add, (one[label] for one in textures)) for label in textures[0]}
