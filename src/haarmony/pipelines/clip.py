"""A film in, a film out: every frame of a shot in the same light.

What a transfer measures of the content it measures of the shot (`shot_plans.py`), so nothing flickers. Three
paths lead from there to the frames:

- *carry*: the field of colour maps has a time axis. What a field is fitted to is looked at every
  `STEP` seconds and averaged over time as it is over the picture, under a Gaussian that ends at the shot's
  borders; between, the field is interpolated. Frames wait for what is behind them, two seconds at most.
- *network*: the network decodes every frame, tile by tile, with the shot's maps.
- *lut*: one table of colours a shot, fitted to the samples as the carry would have them. The fastest.
"""

from __future__ import annotations

import hashlib
import os
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from fractions import Fraction
from functools import partial, reduce
from itertools import groupby
from math import exp
from operator import add
from typing import Any, Literal

import torch
from torch import Tensor

from haarmony.carry import Evidence, RegionFields, apply_field, guided_fields, mean_evidence
from haarmony.errors import InputError
from haarmony.media.ahead import ahead
from haarmony.media.film import Film, Frame, open_film
from haarmony.media.kinds import MaskLike
from haarmony.methods.wct2 import WCT2, blend, carried_weights
from haarmony.mixing import MIXES
from haarmony.moments import Moments
from haarmony.pipelines.control import Control, controlled
from haarmony.pipelines.frame_masks import FrameMasks, mask_identity, open_masks
from haarmony.pipelines.memory import budget, tile_side
from haarmony.pipelines.rows import Rows, TensorRows, planes, reduced, samples
from haarmony.pipelines.shot_looks import ShotLooks
from haarmony.pipelines.shot_plans import Schedule, ShotPlans
from haarmony.pipelines.spans import Sample, Span, spans
from haarmony.pipelines.styles import StyleLike, one_style, parts_of
from haarmony.pipelines.tiles import rendered
from haarmony.pipelines.ways import Ways
from haarmony.regions import Regions

Path = Literal["carry", "network", "lut"]
Placed = Iterable[tuple[Frame, Span]]

KEEPING_GRAIN = Control(grain="keep")
"""What stays of a film where nothing else is asked for."""

STEP = 0.4
"""Seconds between two looks at the content."""

SMOOTH = 0.8
"""Standard deviation, in seconds, of the window in time that a field is fitted over."""

_KNOTS = round(2 * SMOOTH / STEP)
"""Looks to either side that a field is fitted to."""


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


def transfer_film(
    content: str | os.PathLike[str],
    style: StyleLike | Sequence[tuple[StyleLike, float]] | Mapping[float, Any],
    output: str | os.PathLike[str],
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
    codec: str | None = None,
    quality: str | None = None,
    resume: bool = False,
    keep_partial: bool = False,
    progress: Callable[[int], None] = lambda done: None,
) -> int:
    """Give a film the light of a photo, from file to file, frame by frame.

    Sound, times and all else are the film's own. Memory does not depend on the film's length.

    Args:
        content: the film: a video file, a folder of numbered pictures, an animated GIF or WebP.
        style: as `transfer` takes it; or a schedule, a mapping of seconds to such styles, between which the
            light passes evenly: `{0: "noon.jpg", 10: "evening.jpg"}`.
        output: the file to write, by its extension.
        model: as `transfer` takes it.
        strength: 0 gives the film back, 1 the full transfer.
        path: carry, where the change of colour follows the picture; network, where the network decodes every
            frame at full size, which is slow; lut, one table of colours a shot, which is fast.
        window: seconds that statistics are taken over, to follow a slow drift within a shot such as a sunset;
            None for the whole shot.
        content_mask: one mask for all frames; a film of masks; or a folder with one for every frame.
        style_mask: labels of the style picture; of several, a list. Not with a schedule of pictures.
        mix: see `transfer`.
        stages: see `transfer`.
        ways: its memory, statistics and shares count.
        control: what stays of the content; by default its grain, which a strong style would amplify. A table
            of colours can keep nothing: with the path lut it does not count.
        codec: of the film to write, and the following; see `haarmony.media.film_writing.write_film`.
        quality: likewise.
        resume: go on with what an earlier call left.
        keep_partial: take what can be decoded of a damaged film.
        progress: called with the number of frames that are done.

    Returns:
        The number of frames written.

    Raises:
        FilmError: for a film that cannot be read or written.
        ImageError: for a picture that cannot be read.
        WeightsError: for an unknown model, or weights that are missing or damaged.
        InputError: for anything that does not fit together.
    """
    from haarmony.media.film_writing import write_film

    with open_film(content, keep_partial=keep_partial) as film:
        lit = settled(
            film,
            style,
            model=model,
            strength=strength,
            path=path,
            window=window,
            content_mask=content_mask,
            style_mask=style_mask,
            mix=mix,
            stages=stages,
            ways=ways,
            control=control,
        )
        return write_film(
            output,
            film,
            partial(transferred_frames, film, lit),
            codec=codec,
            quality=quality,
            settings=lit.settings(),
            resume=resume,
            progress=progress,
        )


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
    look_back = (_KNOTS + 1) * lit.step if lit.path == "carry" else 0
    make = {"carry": _carried, "network": _decoded, "lut": _looked_up}[lit.path]
    yield from make(_placed(film, lit, start, look_back), lit, start)


def _placed(film: Film, lit: Lit, start: int, look_back: int) -> Iterator[tuple[Frame, Span]]:
    """Frames with the spans that they lie in, from a little before the first that is wanted."""
    size = lit.wct2.work_size((film.header.height, film.header.width))

    def small(pixels: Any) -> Any:
        rows = TensorRows(planes(pixels))
        copy = lit.ways.seen(rows).rows(0, rows.height) if lit.path == "network" else reduced(rows, size)
        return samples(copy, torch.uint8 if pixels.dtype.itemsize == 1 else torch.uint16).numpy()

    known = ahead(spans(film.frames(), small, window=lit.window), size=1)
    begin = start - look_back
    span = next((one for one in known if one.stop > begin), None)
    if span is None:
        return
    for frame in ahead(film.frames(max(span.start, begin))):
        while frame.index >= span.stop:
            span = next(known)
        yield frame, span


@dataclass(frozen=True)
class _Look:
    """What the content is like at one time, by label."""

    index: int
    time: Fraction
    seen: Mapping[str, Evidence]


def _carried(placed: Placed, lit: Lit, start: int) -> Iterator[Frame]:
    """Frames by the carry."""
    plans = lit.plans()
    for shot, frames in groupby(placed, key=lambda pair: pair[1].shot):
        yield from _carried_shot(shot, frames, plans, lit, start)


def _carried_shot(shot: int, placed: Placed, plans: ShotPlans, lit: Lit, start: int) -> Iterator[Frame]:
    looks: dict[int, _Look] = {}
    fields: dict[int, Tensor] = {}
    waiting: deque[Frame] = deque()

    def field(knot: int) -> Tensor:
        knot = min(knot, max(looks))
        if knot not in fields:
            about = [(k, looks[k]) for k in range(knot - _KNOTS, knot + _KNOTS + 1) if k in looks]
            fields[knot] = _field(looks[knot], [(look, _share(k - knot)) for k, look in about], lit)
        return fields[knot]

    def made(frame: Frame) -> Frame:
        knot, behind = divmod(frame.index - shot, lit.step)
        for known in (looks, fields):
            for old in [k for k in known if k < knot - _KNOTS]:
                del known[old]
        maps = torch.lerp(field(knot), field(knot + 1), behind / lit.step) if behind else field(knot)
        maps_here = _guided(maps, frame, lit)

        def changed(rows: Rows) -> Iterator[Tensor]:
            picture = rows.rows(0, rows.height)
            yield blend(picture, apply_field(picture, maps_here), lit.strength)

        return _controlled(frame, changed, lit)

    for frame, span in placed:
        knot, behind = divmod(frame.index - shot, lit.step)
        if behind == 0:
            looks[knot] = _look(frame, span, plans, lit)
        if frame.index >= start:
            waiting.append(frame)
        while waiting and (waiting[0].index - shot) // lit.step + 1 + _KNOTS <= knot:
            yield made(waiting.popleft())
    while waiting:
        yield made(waiting.popleft())


def _share(apart: int) -> float:
    """How much a look counts for a field so many looks away."""
    return exp(-0.5 * (apart * STEP / SMOOTH) ** 2)


def _look(frame: Frame, span: Span, plans: ShotPlans, lit: Lit) -> _Look:
    """What a field is fitted to in one frame, with the texture of the shot."""
    maps = plans.maps(span, frame.index, frame.time)
    seen = lit.wct2.evidence(_small(frame, lit), maps, lit.regions(frame.index))
    textures = plans.texture(span, frame.index)
    return _Look(
        frame.index,
        frame.time,
        {label: one.with_texture(textures[label]) for label, one in seen.items()},
    )


def _field(here: _Look, about: Sequence[tuple[_Look, float]], lit: Lit) -> Tensor:
    """(K, 12, rows, columns), fitted to looks with their shares."""
    seen = {label: mean_evidence([(look.seen[label], share) for look, share in about]) for label in here.seen}
    regions = lit.regions(here.index)
    return reduce(
        add,
        (
            share * lit.wct2.fields(seen, lit.schedule.styles[style], regions)
            for style, share in lit.schedule.at(here.time)
        ),
    )


def _guided(maps: Tensor, frame: Frame, lit: Lit) -> Tensor | RegionFields:
    """The fields of all regions, blended along the edges of a frame."""
    if lit.masks is None:
        return maps
    copy = _small(frame, lit)
    return guided_fields(maps, copy, list(carried_weights(lit.regions(frame.index), copy).values()))


def _decoded(placed: Placed, lit: Lit, start: int) -> Iterator[Frame]:
    """Frames by the network."""
    plans = lit.plans()
    for frame, span in placed:
        if frame.index < start:
            continue
        side = tile_side(lit.wct2.network, frame.pixels.shape[1], budget(lit.ways.max_memory))
        maps, regions = plans.maps(span, frame.index, frame.time), lit.regions(frame.index)
        yield _controlled(
            frame,
            lambda rows: rendered(lit.wct2, rows, maps, lit.strength, regions, side=side),  # noqa: B023
            lit,
        )


def _looked_up(placed: Placed, lit: Lit, start: int) -> Iterator[Frame]:
    """Frames by tables of colours."""
    looks = ShotLooks(lit.plans(), lit.strength)
    for frame, span in placed:
        if frame.index >= start:
            yield replace(frame, pixels=looks.applied(frame, span))


def _small(frame: Frame, lit: Lit) -> Tensor:
    rows = TensorRows(planes(frame.pixels))
    return lit.wct2.enlarged(reduced(rows, lit.wct2.work_size((rows.height, rows.width)))).to(lit.wct2.device)


def _controlled(frame: Frame, change: Callable[[Rows], Iterator[Tensor]], lit: Lit) -> Frame:
    """A frame that is changed, but for what is to stay of it."""
    rows = TensorRows(planes(frame.pixels).to(lit.wct2.device))
    picture = torch.cat(list(controlled(rows, lit.control, change)), -2)
    dtype = torch.uint8 if frame.pixels.dtype.itemsize == 1 else torch.uint16
    return replace(frame, pixels=samples(picture.cpu(), dtype).numpy())
