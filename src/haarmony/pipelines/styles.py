"""Style pictures of any size, and styles made before, as the one style that a transfer is given."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from functools import reduce
from itertools import repeat
from numbers import Real
from operator import add
from typing import Any, NamedTuple, TypeAlias

import torch

from haarmony.errors import InputError
from haarmony.media import profile as icc
from haarmony.media.kinds import MaskLike, PictureLike, to_mask, to_picture
from haarmony.media.source import open_source
from haarmony.methods.wct2 import WCT2
from haarmony.mixing import check_mix
from haarmony.mixing import mix as mixed
from haarmony.pipelines.memory import budget, tile_side
from haarmony.pipelines.rows import Rows, SourceRows, TensorRows, in_profile, planes, reduced
from haarmony.pipelines.tiles import tiled_style
from haarmony.pipelines.ways import Ways
from haarmony.regions import Regions
from haarmony.style import Style

StyleLike: TypeAlias = "PictureLike | Style"


class Part(NamedTuple):
    """One of the styles of a transfer."""

    style: StyleLike
    mask: MaskLike | None
    weight: float

    @property
    def has_mask(self) -> bool:
        """Whether it has labels."""
        return self.mask is not None or (isinstance(self.style, Style) and self.style.areas is not None)


def make_style(
    pictures: Sequence[PictureLike],
    *,
    model: str | WCT2 = "compact",
    masks: Sequence[MaskLike] = (),
    stages: Sequence[str] | None = None,
    ways: Ways = Ways(),
) -> Style:
    """The style of a picture, or the sum of those of several, in sRGB.

    Args:
        pictures: of any kind that `transfer` takes but a batch.
        model: as `transfer` takes it.
        masks: labels of every picture, in their order; empty for none.
        stages: see `transfer`.
        ways: see `transfer`.

    Raises:
        ImageError: for a file that cannot be read.
        WeightsError: for an unknown model, or weights that are missing or damaged.
        InputError: for anything that does not fit together.
    """
    if isinstance(pictures, (str, os.PathLike)) or not len(pictures):
        raise InputError(f"style pictures are given as a list of one or more, got {pictures!r:.80}")
    _check_masks(len(masks) or len(pictures), len(pictures))
    wct2 = ways.model(model, stages)
    pairs = zip(pictures, masks or repeat(None, len(pictures)), strict=True)
    return reduce(add, (_measured(wct2, picture, mask, None, ways) for picture, mask in pairs))


def parts_of(
    style: StyleLike | Sequence[tuple[StyleLike, float]],
    style_mask: MaskLike | Sequence[MaskLike] | None,
    *,
    mix: str,
) -> list[Part]:
    """The styles of a transfer, in order, each with its mask and weight, before a file is opened.

    Raises:
        InputError: when styles, masks, weights and the way to mix do not fit together.
    """
    pairs: list[Any] = list(style) if isinstance(style, (list, tuple)) else [(style, 1.0)]
    if not all(isinstance(pair, tuple) and len(pair) == 2 and isinstance(pair[1], Real) for pair in pairs):
        raise InputError("several styles are given as a list of pairs (style, weight): [(a, 0.7), (b, 0.3)]")
    check_mix(mix, [weight for _, weight in pairs])
    masks: list[Any] = [style_mask] if not isinstance(style_mask, (list, tuple)) else list(style_mask)
    if style_mask is None:
        masks = [None] * len(pairs)
    else:
        pictures = sum(not isinstance(one, Style) for one, _ in pairs)
        if not pictures:
            raise InputError(
                "a saved style has its regions in it: give the mask when it is made (haarmony style save "
                "--mask, WCT2.style), or give the style as a picture"
            )
        _check_masks(len(masks), pictures)
    rest = iter(masks)
    parts = [Part(one, None if isinstance(one, Style) else next(rest), weight) for one, weight in pairs]
    if len({part.has_mask for part in parts}) > 1:
        raise InputError("one style has a mask and another has none: give a mask to all or to none")
    return parts


def has_masks(parts: Sequence[Part]) -> bool:
    """Whether the styles, which are alike in this, have labels."""
    return parts[0].has_mask


def common_profile(parts: Sequence[Part], content: bytes | None) -> bytes | None:
    """The profile in which styles and content meet: the content's, but sRGB with a style made before."""
    means_srgb = icc.name(content) == icc.SRGB
    return content if means_srgb or not any(isinstance(part.style, Style) for part in parts) else None


def one_style(wct2: WCT2, parts: Sequence[Part], *, profile: bytes | None, mix: str, ways: Ways) -> Style:
    """The mix of styles, those of pictures in a profile."""
    made = [
        (
            part.style
            if isinstance(part.style, Style)
            else _measured(wct2, part.style, part.mask, profile, ways),
            part.weight,
        )
        for part in parts
    ]
    return mixed(made, by=mix)


@contextmanager
def style_rows(picture: PictureLike, profile: bytes | None, device: torch.device) -> Iterator[Rows]:
    """The rows of a style picture, brought into a profile, on a device."""
    if isinstance(picture, (str, os.PathLike)):
        with open_source(picture) as source:
            yield SourceRows(source, profile, device)
    else:
        known = to_picture(picture)
        yield TensorRows(in_profile(planes(known.pixels, device), known.profile, profile))


def _measured(
    wct2: WCT2, picture: PictureLike, mask: MaskLike | None, profile: bytes | None, ways: Ways
) -> Style:
    """The style of a picture brought into a profile."""
    with style_rows(picture, profile, wct2.device) as rows:
        size = rows.height, rows.width
        regions = None if mask is None else Regions.of(to_mask(mask, size=size), wct2.device)
        if wct2.recipe.work_side is not None:
            return wct2.measure(reduced(rows, wct2.work_size(size)), regions)
        seen = ways.seen(rows)
        side = tile_side(wct2.network, seen.width, budget(ways.max_memory, wct2.device))
        return tiled_style(wct2, seen, regions, side=side)


def _check_masks(masks: int, pictures: int) -> None:
    if masks != pictures:
        raise InputError(
            f"got {masks} style masks for {pictures} style pictures: give one for each, in their order"
        )
