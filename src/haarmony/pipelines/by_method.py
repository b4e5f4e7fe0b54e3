"""Any method of `haarmony.methods`, from file to file."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path

import torch
from torch import Tensor

from haarmony.errors import InputError
from haarmony.media.files import refuse_replacing
from haarmony.media.image import Picture, read_image, write_image
from haarmony.media.kinds import MaskLike, to_picture, to_tensor
from haarmony.media.sink import check_writable
from haarmony.methods.method import Method, Step, Styles, Transfer, Watch, unwatched
from haarmony.pipelines.control import PLAIN, Control, controlled
from haarmony.pipelines.rows import Rows, TensorRows


def method_file(
    method: Method,
    content: str | os.PathLike[str] | None,
    style: Styles | None,
    output: str | os.PathLike[str],
    *,
    content_mask: MaskLike | None = None,
    style_mask: Sequence[MaskLike] | None = None,
    control: Control = PLAIN,
    snapshot: int | None = None,
    watch: Watch = unwatched,
) -> Picture:
    """Run a method on a file and write the result; the whole picture is in memory, as floats.

    Args:
        method: with its options.
        content: the file; None for a method that takes none.
        style: as the method takes it.
        output: the file to write, by its extension; whole or left as it was. It may be none of the inputs.
        content_mask: as the method takes it.
        style_mask: of every style, in their order.
        control: what stays of the content.
        snapshot: write what there is after every so many steps beside the output, as `NAME-0050.EXT`.
        watch: called after every step of a method that takes long.

    Returns:
        What was written.

    Raises:
        ImageError: for a file that cannot be read or written.
        WeightsError: for weights that are missing or damaged.
        InputError: for anything that does not fit together.
    """
    inputs = list(_flat([content, style, content_mask, style_mask, control.protect]))
    refuse_replacing(output, inputs)
    check_writable(output)
    if snapshot is not None and snapshot < 1:
        raise InputError(f"a snapshot is taken every so many steps, 1 or more, got {snapshot}")
    if content is None:
        if not control.is_plain:
            raise InputError("nothing of a content is kept where there is none: leave the options of it out")
        made: Picture = method(None, style)
        write_image(output, made)
        return made
    picture = read_image(content)
    if snapshot is not None:
        watch = _snapping(watch, snapshot, Path(output), picture, inputs)
    run = partial(method, style=style, content_mask=content_mask, style_mask=style_mask, watch=watch)
    if control.is_plain:
        result: Picture = run(picture)
    else:
        if not isinstance(method, Transfer):
            raise InputError(
                f"{type(method).__name__} keeps nothing of its example: leave preserve, protect and grain out"
            )

        def changed(rows: Rows) -> Iterator[Tensor]:
            seen = replace(picture, pixels=to_picture(rows.rows(0, rows.height).clamp(0, 1)).pixels)
            yield to_tensor(run(seen))[0]

        bands = list(controlled(TensorRows(to_tensor(picture)[0]), control, changed))
        result = replace(picture, pixels=to_picture(torch.cat(bands, 2).clamp_(0, 1)).pixels)
    write_image(output, result)
    return result


def _flat(given: object) -> Iterator[object]:
    """What lists, and tuples in them, are made of."""
    if not isinstance(given, (list, tuple)):
        yield given
        return
    for one in given:
        yield from _flat(one)


def _snapping(watch: Watch, every: int, output: Path, content: Picture, inputs: Iterable[object]) -> Watch:
    """A watch that also writes pictures, in the content's profile."""

    def both(step: Step) -> None:
        watch(step)
        if step.picture is not None and step.done % every == 0:
            pixels = to_picture(step.picture.clamp(0, 1)).pixels
            target = output.with_name(f"{output.stem}-{step.done:04d}{output.suffix}")
            refuse_replacing(target, inputs)
            write_image(target, replace(content, pixels=pixels, alpha=None, exif=None, xmp=None))

    return both
