"""Results of methods for pairs, made or read, and measured; whatever is there already stays.

outputs/METHOD/PAIR.png     what a method gave
measured/METHOD/PAIR.json   its figures, or why there is none; of a folder's also which file it was

What failed is tried again, and so is a folder's result that is another file now, and what was measured when
VGG-19 was not there.
"""

from __future__ import annotations

import hashlib
import json
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from pathlib import Path
from typing import Any, Final

import numpy as np
import torch
from PIL import Image

from haarmony.errors import HaarmonyError, InputError
from haarmony.evaluation.pairs import Pair, check_shape, find_output
from haarmony.evaluation.report.figures import Measuring
from haarmony.media.files import beside
from haarmony.media.image import Picture, from_pil, read_image, to_pil, to_profile, write_image
from haarmony.media.mask import Mask, read_mask
from haarmony.methods import DEFAULT, make
from haarmony.methods.wct2 import WCT2
from haarmony.pipelines.photo import transfer

UNTOUCHED: Final = "untouched"
"""The content as it is: what any figure is to be read against."""

_LEAST: Final = 8
"""Pixels across, under which nothing is left of a picture after the poolings of VGG-19."""

Transferring = Callable[[Picture, Picture, Any, Any], Picture]


@dataclass(frozen=True)
class Contender:
    """What is compared: a method that runs, or a folder of results.

    Attributes:
        name: in the report and as a folder.
        spec: `NAME:option=value:option=value` of a method; None for a folder.
        folder: of results; None for a method.
    """

    name: str
    spec: str | None = None
    folder: Path | None = None

    @classmethod
    def of_method(cls, spec: str) -> Contender:
        """From a method with options behind colons.

        Raises:
            InputError: for a method or an option that there is not.
        """
        runner(spec)
        return cls(spec.replace(":", "_").replace("=", "-").replace("/", "-"), spec=spec)


@dataclass(frozen=True)
class Result:
    """What became of a pair by one contender.

    Attributes:
        contender: its name.
        pair: its name.
        masks: whether regions were matched.
        figures: by the names of `figures.METRICS`; empty where it failed.
        note: why it failed, or what else there is to say.
    """

    contender: str
    pair: str
    masks: bool
    figures: dict[str, float]
    note: str = ""


@dataclass(frozen=True)
class Work:
    """A report that is being made.

    Attributes:
        folder: of the report.
        size: the long side that pictures are reduced to; None for as they are.
        truths: of pairs that have one, by name.
    """

    folder: Path
    size: int | None
    truths: dict[str, Path]

    def output(self, contender: str, pair: str) -> Path:
        """Where a result lies."""
        return self.folder / "outputs" / contender / f"{pair}.png"

    def seen(self, path: Path) -> Picture:
        """A picture in sRGB, reduced."""
        picture = to_profile(read_image(path), None)
        return Picture(_reduced(picture, self.size).pixels)


@lru_cache(maxsize=8)
def runner(spec: str) -> Transferring:
    """A method with options behind colons, as a function of content, style and their masks."""
    name, *rest = spec.split(":")
    settings = {}
    for one in rest:
        key, equals, value = one.partition("=")
        if not equals:
            raise InputError(f"an option of a method is NAME=VALUE, got {one!r} in {spec!r}")
        settings[key] = value
    if name == UNTOUCHED:
        return lambda content, style, content_mask, style_mask: content
    if name == DEFAULT:
        unknown = [key for key in settings if key != "model"]
        if unknown:
            raise InputError(f"{DEFAULT} has no option {unknown[0]!r} here: it has model")
        model = WCT2.load(settings.get("model", "compact"))
        return lambda content, style, content_mask, style_mask: transfer(
            content, style, model=model, content_mask=content_mask, style_mask=style_mask
        )
    method = make(name, settings)
    return lambda content, style, content_mask, style_mask: method(
        content,
        style if method.takes_style else None,
        content_mask=content_mask if method.takes_masks else None,
        style_mask=style_mask if method.takes_masks else None,
    )


def results(
    work: Work, pairs: Sequence[Pair], contenders: Sequence[Contender], measuring: Measuring
) -> Iterator[Result]:
    """Make and measure what is not there yet; one that fails is a result that says why."""
    for contender in contenders:
        for pair in pairs:
            record = work.folder / "measured" / contender.name / f"{pair.name}.json"
            made, given = _known(record), _given(pair, contender)
            if made.get("given") != given or measuring.misses(made.get("figures", {})):
                record.parent.mkdir(parents=True, exist_ok=True)
                made = _made(work, pair, contender, measuring) | {"given": given}
                with beside(record) as temporary:
                    temporary.write_text(json.dumps(made), "utf-8")
            yield Result(contender.name, pair.name, made["masks"], made["figures"], made["note"])


def _known(record: Path) -> dict[str, Any]:
    """What was measured before; nothing where it was not, or is damaged."""
    try:
        return dict(json.loads(record.read_text("utf-8")))
    except (FileNotFoundError, ValueError):
        return {}


def _given(pair: Pair, contender: Contender) -> str | None:
    """What tells a folder's result from another; None where there is none, and of a method."""
    if contender.folder is None:
        return None
    try:
        return hashlib.sha256(find_output(contender.folder, pair).read_bytes()).hexdigest()
    except (InputError, OSError):
        return None


def _made(work: Work, pair: Pair, contender: Contender, measuring: Measuring) -> dict[str, Any]:
    masks = pair.content_mask is not None
    try:
        content, style = work.seen(pair.content), work.seen(pair.style)
        for path, picture in ((pair.content, content), (pair.style, style)):
            if min(picture.pixels.shape[:2]) < _LEAST:
                raise InputError(
                    f"{str(path)!r} is under {_LEAST} pixels across: there is nothing to measure"
                )
        output, seconds, note = _output(work, pair, contender, content, style)
        truth = work.truths.get(pair.name)
        figures = measuring.figures(
            content.pixels, style.pixels, output.pixels, None if truth is None else work.seen(truth).pixels
        )
    except (HaarmonyError, MemoryError, RuntimeError) as error:
        why = " ".join(str(error).split()) or type(error).__name__
        return {"masks": masks, "figures": {}, "note": why}
    if seconds is not None and contender.name != UNTOUCHED:
        figures["seconds"] = seconds
    return {"masks": masks, "figures": figures, "note": note}


def _output(
    work: Work, pair: Pair, contender: Contender, content: Picture, style: Picture
) -> tuple[Picture, float | None, str]:
    """The result as it lies in the report, the seconds it took, and a note."""
    height, width = content.pixels.shape[:2]
    note, seconds = "", None
    if contender.folder is not None:
        path = find_output(contender.folder, pair)
        given = to_profile(read_image(path), None)
        if given.pixels.shape != content.pixels.shape:
            check_shape(path, given.pixels.shape[1::-1], pair, (width, height))
            note = f"{given.pixels.shape[1]} x {given.pixels.shape[0]}, resized to {width} x {height}"
            given = from_pil(to_pil(given).resize((width, height), Image.Resampling.LANCZOS))
    else:
        assert contender.spec is not None
        masks = [
            None if path is None else at_size(read_mask(path), picture)
            for path, picture in ((pair.content_mask, content), (pair.style_mask, style))
        ]
        run = runner(contender.spec)
        torch.manual_seed(0)
        start = time.perf_counter()
        given = run(content, style, *masks)
        seconds = time.perf_counter() - start
        if given.pixels.shape != content.pixels.shape:
            raise InputError(
                f"{contender.spec} gave {given.pixels.shape[1]} x {given.pixels.shape[0]} for "
                f"{width} x {height}: it makes no version of its content"
            )
    target = work.output(contender.name, pair.name)
    target.parent.mkdir(parents=True, exist_ok=True)
    write_image(target, Picture(given.pixels))
    return read_image(target), seconds, note


def at_size(mask: Mask, picture: Picture) -> Mask:
    """A mask at a picture's size, by the nearest place."""
    rows, columns = (
        np.arange(side) * known // side
        for side, known in zip(picture.pixels.shape[:2], mask.values.shape[-2:], strict=True)
    )
    values: Any = np.ascontiguousarray(mask.values[..., rows, :][..., columns])
    return replace(mask, values=values)


def _reduced(picture: Picture, size: int | None) -> Picture:
    height, width = picture.pixels.shape[:2]
    scale = 1.0 if size is None else size / max(height, width)
    if scale >= 1:
        return picture
    small = max(1, round(width * scale)), max(1, round(height * scale))
    return from_pil(to_pil(picture).resize(small, Image.Resampling.LANCZOS))
