"""Looks of shots: one table of colours for all frames, as fast as pictures can be looked up."""

from __future__ import annotations

from functools import lru_cache
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from haarmony.carry import apply_field
from haarmony.media.film import Frame
from haarmony.media.image import Picture
from haarmony.media.lut import Lut, interpolate
from haarmony.methods.sites import blend
from haarmony.pipelines.exposure import at_usual, exposed
from haarmony.pipelines.look import fit_lut
from haarmony.pipelines.rows import planes, samples
from haarmony.pipelines.shot_plans import ShotPlans
from haarmony.pipelines.spans import Samples, Span

_KEPT = 4
_SIZE = 33
_SLABS = 16


class ShotLooks:
    """The tables of a film, fitted when a frame needs them."""

    def __init__(self, plans: ShotPlans, strength: float) -> None:
        """Make tables from the plans of the film's shots, at full strength, and the strength to be used."""
        self._plans, self._strength = plans, strength
        self._look = lru_cache(_KEPT)(self._fitted)
        self._whole = lru_cache(1)(_every_colour)

    def applied(self, frame: Frame, span: Span) -> NDArray[Any]:
        """The pixels of a frame, looked up."""
        parts = [
            (self._look(samples_, style), share * weight)
            for samples_, share in span.at(frame.index)
            for style, weight in self._plans.schedule.at(frame.time)
            if share * weight > 0
        ]
        exposure = span.exposure(frame.index)
        if len(parts) == 1 and exposure == 1 and frame.pixels.dtype == np.uint8:
            return _at_every_colour(frame.pixels, self._whole(parts[0][0]))
        table = sum(np.float32(share) * look.table for look, share in parts)
        assert isinstance(table, np.ndarray)
        dtype = torch.uint8 if frame.pixels.dtype == np.uint8 else torch.uint16
        picture = planes(frame.pixels)
        changed = interpolate(Lut(table), at_usual(picture, exposure))
        return samples(exposed(changed, picture, exposure), dtype).numpy()

    @torch.no_grad()
    def _fitted(self, samples_: Samples, style: int) -> Lut:
        """The table that comes nearest to what the carry does to the samples."""
        plans = self._plans
        pictures = plans.places.known(samples_)
        joint = plans.evidence(samples_, style)
        fields = plans.fields(joint, style, pictures[0][1])
        before = torch.cat([picture for picture, _ in pictures], -2)
        after = torch.cat([apply_field(picture, fields) for picture, _ in pictures], -2)
        return fit_lut(_picture(before), _picture(blend(before, after, self._strength)), size=_SIZE)


def _picture(tensor: Tensor) -> Picture:
    return Picture(tensor[0].clamp(0, 1).permute(1, 2, 0).cpu().contiguous().numpy())


def _every_colour(look: Lut) -> NDArray[np.uint32]:
    """(2^24,): what each colour of 8 bits becomes, as the bytes red, green, blue and none."""
    levels = torch.arange(256) / 255
    table = np.zeros((256, 256, 256, 4), np.uint8)
    for slab in range(0, 256, 256 // _SLABS):
        reds = levels[slab : slab + 256 // _SLABS]
        colours = torch.stack(torch.meshgrid(reds, levels, levels, indexing="ij")).flatten(1, 2)
        mapped = samples(interpolate(look, colours[None]), torch.uint8).numpy()
        table[slab : slab + 256 // _SLABS, ..., :3] = mapped.reshape(-1, 256, 256, 3)
    return table.reshape(-1, 4).view(np.uint32)[:, 0]


def _at_every_colour(pixels: NDArray[np.uint8], table: NDArray[np.uint32]) -> NDArray[np.uint8]:
    red, green, blue = (pixels[..., channel].astype(np.uint32) for channel in range(3))
    found = table[(red << 16) | (green << 8) | blue]
    return np.ascontiguousarray(found.view(np.uint8).reshape(*pixels.shape[:2], 4)[..., :3])
