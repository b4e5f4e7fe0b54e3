"""The frames of a film in its new light, by one of three paths.

What a transfer measures of the content it measures of the shot (`shot_plans.py`), so nothing flickers. Three
paths lead from there to the frames:

- *carry*: the field of colour maps has a time axis. What a field is fitted to is looked at every
  `STEP` seconds and averaged over time as it is over the picture, under a Gaussian that ends at the shot's
  borders; between, the field is interpolated. One reader looks two seconds ahead, another brings the frames.
  Places that look as they do over the whole shot are held to what is found over the shot.
  Where grain is kept, maps are applied to steadied frames (`steady.py`).
- *network*: the network decodes every frame, tile by tile, with the shot's maps.
- *lut*: one table of colours a shot, fitted to the samples as the carry would have them. The fastest.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from functools import cache, partial, reduce
from itertools import chain, groupby
from math import exp
from operator import add
from typing import Any

import numpy as np
import torch
from torch import Tensor

from haarmony.carry import Evidence, RegionFields, apply_field, guided_fields, held, mean_evidence
from haarmony.media.ahead import ahead
from haarmony.media.film import Film, Frame
from haarmony.methods.sites import Maps, blend
from haarmony.methods.wct2 import carried_weights
from haarmony.pipelines.control import Steadied, controlled
from haarmony.pipelines.exposure import UsualRows, exposed
from haarmony.pipelines.lit import STEP, Lit
from haarmony.pipelines.memory import budget, tile_side, together
from haarmony.pipelines.places import ABOUT, small
from haarmony.pipelines.rows import Rows, SampleRows, StackedRows, TensorRows, passes, reduced, samples
from haarmony.pipelines.shot_looks import ShotLooks
from haarmony.pipelines.shot_plans import ShotPlans
from haarmony.pipelines.spans import Span, spans
from haarmony.pipelines.steady import FAR, Steady, Steadying
from haarmony.pipelines.tiles import rendered
from haarmony.regions import Regions
from haarmony.side_by_side import side_by_side

Placed = Iterable[tuple[Frame, Span]]

SMOOTH = 0.8
"""Standard deviation, in seconds, of the window in time that a field is fitted over."""

_KNOTS = round(2 * SMOOTH / STEP)
"""Looks to either side that a field is fitted to."""

_LIGHTER = 0.01
"""Step of light, of values in [0, 1], that the gain of contrast is measured by."""

_BATCH = 8
"""Frames with the same maps, without masks, that the network decodes at a time on a GPU, at most."""

_SIDE_BY_SIDE = 4
"""Frames that are made at a time, at most: each holds a picture or two."""

_ABOUT = max(FAR, ABOUT)
"""Frames to either side of one that it is steadied by, and its regions."""


@torch.no_grad()
def transferred_frames(film: Film, lit: Lit, start: int = 0) -> Iterator[Frame]:
    """The frames of the result from a number on: the same, wherever one starts.

    Args:
        film: the content.
        lit: from `settled`.
        start: the number of the first frame.
    """
    if lit.strength == 0:
        yield from film.frames(start)
        return
    look_back = max((_KNOTS + 1) * lit.step, _ABOUT) if lit.path == "carry" else 0
    placed = _placed(film, lit, start, look_back)
    if lit.path == "carry":
        yield from _carried(placed, ahead(film.frames(max(0, start - FAR))), lit, start)
    else:
        make = {"network": _decoded, "lut": _looked_up}[lit.path]
        yield from make(placed, lit, start)


def _placed(film: Film, lit: Lit, start: int, look_back: int) -> Iterator[tuple[Frame, Span]]:
    """Frames with the spans that they lie in, from a little before the first that is wanted."""
    size = lit.wct2.work_size((film.header.height, film.header.width))

    def kept(pixels: Any) -> Any:
        rows = SampleRows(pixels)
        copy = lit.ways.seen(rows).rows(0, rows.height) if lit.path == "network" else reduced(rows, size)
        return samples(copy, torch.uint8 if pixels.dtype.itemsize == 1 else torch.uint16).numpy()

    known = ahead(spans(film.frames(), kept, window=lit.window), size=1)
    begin = start - look_back
    span = next((one for one in known if one.stop > begin), None)
    if span is None:
        return
    for frame in ahead(film.frames(max(span.start, begin))):
        while frame.index >= span.stop:
            span = next(known)
        yield frame, span


class _Look:
    """What the content is like at one time."""

    def __init__(self, frame: Frame, span: Span, plans: ShotPlans) -> None:
        self.regions = plans.places.of(frame.index)
        self._picture = small(plans.wct2, frame.pixels, span.exposure(frame.index))
        self._index, self._span, self._plans = frame.index, span, plans
        self.evidence = cache(self._seen)

    def _seen(self, style: int) -> Mapping[str, Evidence]:
        """What the field to a style is fitted to, by label, with the texture of the shot."""
        plans, span, index = self._plans, self._span, self._index
        seen = plans.wct2.evidence(self._picture, plans.maps(span, index, [(style, 1.0)]), self.regions)
        lasting, textures = plans.lasting(span, index, style), plans.texture(span, index)
        return {label: held(one, lasting[label]).with_texture(textures[label]) for label, one in seen.items()}


def _carried(placed: Placed, frames: Iterator[Frame], lit: Lit, start: int) -> Iterator[Frame]:
    """Frames by the carry: `placed` runs ahead to look, `frames` follows with what is changed."""
    shots = _by_shot(placed, lit)
    jobs = (
        job
        for shot, plans, looked_at in shots
        for job in _carried_shot(shot, looked_at, frames, plans, lit, start)
    )
    return side_by_side(jobs, most=_SIDE_BY_SIDE)


def _by_shot(placed: Placed, lit: Lit) -> Iterator[tuple[int, ShotPlans, Placed]]:
    """Of every shot the number of its first frame, its plans and its frames."""
    for shot, frames in groupby(placed, key=lambda pair: pair[1].shot):
        frame, span = next(frames)
        yield shot, lit.plans(span), chain([(frame, span)], frames)  # noqa: B031 (goes on behind the first)


def _carried_shot(
    shot: int, placed: Placed, frames: Iterator[Frame], plans: ShotPlans, lit: Lit, start: int
) -> Iterator[Callable[[], Frame]]:
    looks: dict[int, _Look] = {}
    fields: dict[tuple[int, int], Tensor] = {}
    near: deque[Frame] = deque()
    exposures: dict[int, float] = {}
    steady = Steadying() if lit.control.grain else None

    def field(knot: int, style: int) -> Tensor:
        knot = min(knot, max(looks))
        if (knot, style) not in fields:
            about = [(k, looks[k]) for k in range(knot - _KNOTS, knot + _KNOTS + 1) if k in looks]
            shares = [(look, _share(k - knot)) for k, look in about]
            fields[knot, style] = _field(looks[knot], shares, plans, style)
        return fields[knot, style]

    def between(knot: int, behind: int, style: int) -> Tensor:
        if behind == 0:
            return field(knot, style)
        return torch.lerp(field(knot, style), field(knot + 1, style), behind / lit.step)

    def begun(frame: Frame) -> Callable[[], Frame]:
        knot, behind = divmod(frame.index - shot, lit.step)
        for old in [k for k in looks if k < knot - _KNOTS]:
            del looks[old]
        for past in [key for key in fields if key[0] < knot]:
            del fields[past]
        styles = plans.schedule.at(frame.time)
        maps = reduce(add, (share * between(knot, behind, style) for style, share in styles))
        exposure = exposures.pop(frame.index)
        steadied = None if steady is None else steady.at(frame.index)
        return partial(_mapped, frame, _guided(maps, frame, plans, exposure), exposure, lit, steadied)

    def brought(index: int, latest: int) -> Frame:
        """The frame of this number, with those of the shot about it for the steadying."""
        while not near or near[-1].index < min(index + FAR, latest):
            frame = next(frames)
            if frame.index >= shot:
                near.append(frame)
                if steady is not None:
                    steady.add(frame.index, frame.pixels)
        while near[0].index < index:
            near.popleft()
        return near[0]

    following, latest = max(shot, start), shot
    for frame, span in placed:
        plans.places.see(frame, span)
        exposures[frame.index] = span.exposure(frame.index)
        knot, behind = divmod(frame.index - shot, lit.step)
        if behind == 0:
            looks[knot] = _Look(frame, span, plans)
        latest = frame.index
        while (following - shot) // lit.step + 1 + _KNOTS <= knot and following + _ABOUT <= latest:
            yield begun(brought(following, latest))
            following += 1
    for index in range(following, latest + 1):
        yield begun(brought(index, latest))


def _share(apart: int) -> float:
    """How much a look counts for a field so many looks away."""
    return exp(-0.5 * (apart * STEP / SMOOTH) ** 2)


def _field(here: _Look, about: Sequence[tuple[_Look, float]], plans: ShotPlans, style: int) -> Tensor:
    """(K, 14, rows, columns), to a style, fitted to looks with their shares."""
    known = [(look.evidence(style), share) for look, share in about]
    seen = {
        label: mean_evidence([(one[label], share) for one, share in known]) for label in here.evidence(style)
    }
    return plans.fields(seen, style, here.regions)


def _guided(maps: Tensor, frame: Frame, plans: ShotPlans, exposure: float) -> Tensor | RegionFields:
    """The fields of all regions, blended along the edges of a frame."""
    regions = plans.places.steady(frame.index)
    if regions is None:
        return maps
    copy = small(plans.wct2, frame.pixels, exposure)
    return guided_fields(maps, copy, list(carried_weights(regions, copy).values()))


def _mapped(
    frame: Frame,
    maps: Tensor | RegionFields,
    exposure: float,
    lit: Lit,
    steadied: Callable[[], Steady] | None,
) -> Frame:
    def mapped(rows: Rows) -> Iterator[Tensor]:
        for top, bottom in passes(rows):
            band = rows.rows(top, bottom)
            yield blend(band, apply_field(band, maps, top=top, height=rows.height), lit.strength)

    change = partial(_exposed, mapped, exposure)
    if steadied is None:
        return _controlled([frame], change, lit)[0]
    calm, device = steadied(), lit.wct2.device
    kept = calm.kept(_contrast_gain(change, calm.places().to(device))).to(device)
    return _controlled([frame], change, lit, Steadied(TensorRows(calm.picture.to(device)), kept))[0]


def _contrast_gain(change: Callable[[Rows], Iterator[Tensor]], picture: Tensor) -> Tensor:
    """By how much a change strengthens small differences of light in a picture (1, 3, h, w): (h, w)."""
    lit, brighter = (torch.cat(list(change(TensorRows(one))), -2) for one in (picture, picture + _LIGHTER))
    return ((brighter - lit)[0] / _LIGHTER).square().mean(0).sqrt()


def _decoded(placed: Placed, lit: Lit, start: int) -> Iterator[Frame]:
    """Frames by the network."""
    network = lit.wct2.network
    for _, plans, frames in _by_shot(placed, lit):
        wanted = (pair for pair in frames if pair[0].index >= start)
        for batch, maps, regions, exposure in _together(wanted, plans, lit):
            size = batch[0].pixels.shape[:2]
            if len(batch) > 1:
                side = -(-max(size) // network.stride) * network.stride
            else:
                side = tile_side(network, size[1], budget(lit.ways.max_memory, lit.wct2.device))
            render = partial(rendered, lit.wct2, maps=maps, strength=lit.strength, regions=regions, side=side)
            yield from _controlled(batch, partial(_exposed, render, exposure), lit)


def _together(
    placed: Placed, plans: ShotPlans, lit: Lit
) -> Iterator[tuple[list[Frame], Maps, Regions | None, float]]:
    """Frames that follow each other and are changed alike, and what they are changed by.

    Batches end at the same frames wherever one starts.
    """
    batch: list[Frame] = []
    alike: tuple[Maps, Regions | None, float] | None = None
    most = 0
    for frame, span in placed:
        most = most or _most_together(lit, frame)
        maps = plans.maps(span, frame.index, plans.schedule.at(frame.time))
        here = maps, plans.places.of(frame.index), span.exposure(frame.index)
        if alike and not _same(alike, here):
            yield batch, *alike
            batch = []
        batch.append(frame)
        alike = here
        if (frame.index + 1) % most == 0:
            yield batch, *alike
            batch, alike = [], None
    if alike:
        yield batch, *alike


def _most_together(lit: Lit, frame: Frame) -> int:
    """How many frames like one are decoded at a time: a power of two, which divides segments of films."""
    if lit.wct2.device.type != "cuda":
        return 1
    height, width = frame.pixels.shape[:2]
    memory = budget(lit.ways.max_memory, lit.wct2.device)
    count = min(_BATCH, together(lit.wct2.network, height * width, memory))
    return 1 << (count.bit_length() - 1)


def _same(one: tuple[Maps, Regions | None, float], other: tuple[Maps, Regions | None, float]) -> bool:
    return one[0] is other[0] and one[1] is other[1] and one[2] == other[2]


def _exposed(render: Callable[[Rows], Iterator[Tensor]], exposure: float, rows: Rows) -> Iterator[Tensor]:
    """The bands that rows at their usual exposure are rendered as, at their own exposure."""
    if exposure == 1:
        yield from render(rows)
        return
    top = 0
    for band in render(UsualRows(rows, exposure)):
        bottom = top + band.shape[-2]
        yield exposed(band, rows.rows(top, bottom), exposure)
        top = bottom


def _looked_up(placed: Placed, lit: Lit, start: int) -> Iterator[Frame]:
    """Frames by tables of colours."""
    for _, plans, frames in _by_shot(placed, lit):
        looks = ShotLooks(plans, lit.strength)
        for frame, span in frames:
            if frame.index >= start:
                yield replace(frame, pixels=looks.applied(frame, span))


def _controlled(
    frames: Sequence[Frame],
    change: Callable[[Rows], Iterator[Tensor]],
    lit: Lit,
    steadied: Steadied | None = None,
) -> list[Frame]:
    """Frames that are changed, but for what is to stay of them."""
    rows = StackedRows([SampleRows(frame.pixels, lit.wct2.device) for frame in frames])
    dtype = torch.uint8 if frames[0].pixels.dtype.itemsize == 1 else torch.uint16
    bands = [
        [samples(one[None], dtype).numpy() for one in band]
        for band in controlled(rows, lit.control, change, steadied=steadied)
    ]
    return [
        replace(frame, pixels=np.concatenate(parts))
        for frame, parts in zip(frames, zip(*bands, strict=True), strict=True)
    ]
