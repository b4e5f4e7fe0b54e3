"""A photo in, a photo out, of any size: the one call that most users need, and the same from file to file."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, replace
from functools import cache
from typing import Any, Literal, TypeVar, overload

import torch
from numpy.typing import NDArray
from PIL import Image
from torch import Tensor

from haarmony.carry import apply_field
from haarmony.errors import InputError
from haarmony.media.image import Picture, to_pil, to_profile
from haarmony.media.kinds import MaskLike, PictureLike, to_mask, to_picture, to_tensor
from haarmony.media.sink import check_writable, write_bands, written_depth
from haarmony.media.source import Header, Source, open_source
from haarmony.methods.wct2 import WCT2, blend, check_request
from haarmony.pipelines.memory import budget, fits, tile_side
from haarmony.pipelines.rows import Rows, SourceRows, TensorRows, cuts, planes, reduced, samples
from haarmony.pipelines.tiles import rendered, tiled_plan, tiled_style
from haarmony.regions import Regions
from haarmony.style import Style

Content = TypeVar("Content", Picture, Image.Image, NDArray[Any], Tensor)
Detail = Literal["carry", "network"]
Statistics = Literal["exact", "proxy"]

EXACT_UP_TO = 4_000_000
"""Pixels up to which the network's statistics are those of every pixel, unless the caller chooses."""

PROXY_SIDE = 1024
"""Long side of the copy that proxy statistics are taken from."""

CARRY_SIDE = 512
"""Long side of the copy that a network made for full size works on when its colours are carried."""


@dataclass(frozen=True)
class Ways:
    """How a transfer of any size is done.

    Attributes:
        detail: who makes the full picture. `carry`: the network works on a reduced copy, and its change of
            colour is carried to the picture as a smooth field of affine maps, so all detail is the content's
            own. `network`: the network decodes it, tile by tile. None for the model's own way.
        statistics: of the network's way. `exact`: merged over all tiles, as if the picture were one; takes
            several passes. `proxy`: of copies of at most 1024 pixels. None: exact up to 4 megapixels.
        max_memory: bytes that the process may take; tiles are made to fit. None for half of what is free.
    """

    detail: Detail | None = None
    statistics: Statistics | None = None
    max_memory: int | None = None

    def __post_init__(self) -> None:
        for value, known in ((self.detail, ("carry", "network")), (self.statistics, ("exact", "proxy"))):
            if value not in (None, *known):
                raise InputError(f"unknown way {value!r}: choose {' or '.join(known)}")

    def model(self, wct2: WCT2, stages: Sequence[str] | None) -> WCT2:
        """The model with its recipe changed as asked."""
        recipe = wct2.recipe
        if stages is not None:
            recipe = replace(recipe, stages=tuple(stages))
        if self.detail == "network":
            recipe = replace(recipe, work_side=None)
        elif self.detail == "carry" and recipe.work_side is None:
            recipe = replace(recipe, work_side=CARRY_SIDE)
        return wct2 if recipe is wct2.recipe else WCT2(wct2.network, recipe, identity=wct2.identity)

    def exact(self, source: Rows) -> bool:
        """Whether the statistics of a picture are taken of every pixel."""
        if self.statistics is None:
            return source.height * source.width <= EXACT_UP_TO
        return self.statistics == "exact"


@overload
def transfer(
    content: Content,
    style: PictureLike | Style,
    *,
    model: str | WCT2 = ...,
    strength: float = ...,
    content_mask: MaskLike | None = ...,
    style_mask: MaskLike | None = ...,
    stages: Sequence[str] | None = ...,
    ways: Ways = ...,
) -> Content: ...
@overload
def transfer(
    content: str | os.PathLike[str],
    style: PictureLike | Style,
    *,
    model: str | WCT2 = ...,
    strength: float = ...,
    content_mask: MaskLike | None = ...,
    style_mask: MaskLike | None = ...,
    stages: Sequence[str] | None = ...,
    ways: Ways = ...,
) -> Picture: ...
def transfer(
    content: PictureLike,
    style: PictureLike | Style,
    *,
    model: str | WCT2 = "compact",
    strength: float = 1.0,
    content_mask: MaskLike | None = None,
    style_mask: MaskLike | None = None,
    stages: Sequence[str] | None = None,
    ways: Ways = Ways(),
) -> Any:
    """Give a photo the light of another photo.

    Pictures that carry an ICC profile are matched in the content's: the style is converted into it, and the
    result keeps it. Arrays and tensors are sRGB. A `Style` is used as it was made.

    Args:
        content: the photo to change: a path, a `Picture`, a Pillow image, an array (H, W, 3) of uint8, uint16
            or floats in [0, 1], or a tensor (3, H, W) or (B, 3, H, W) of floats in [0, 1].
        style: the photo whose light it gets, of any of these kinds but a batch; or a `Style` that the same
            model made.
        model: the name of a model, which is loaded once in a process, or a loaded one.
        strength: 0 gives the content back, 1 the full transfer.
        content_mask: labels of the content, by name those of the style; together with `style_mask`. Where the
            style lacks a label or has it at a very different area, the content keeps its look, and a
            `HaarmonyWarning` says so.
        style_mask: labels of the style picture.
        stages: where features are matched, any of encoder, skip, decoder; None for the model's own choice.
        ways: how pictures of any size are done.

    Returns:
        The same kind as the content, a `Picture` for a path, of the same size and depth.

    Raises:
        ImageError: for a file that cannot be read.
        WeightsError: for an unknown model, or weights that are missing or damaged.
        InputError: for anything that does not fit together.
    """
    _check(style, strength, content_mask, style_mask)
    is_pillow = isinstance(content, Image.Image)
    if is_pillow or isinstance(content, (str, os.PathLike)):
        content = to_picture(content)
    tensor, back = to_tensor(content)
    wct2 = ways.model(_loaded(model) if isinstance(model, str) else model, stages)
    profile = content.profile if isinstance(content, Picture) else None
    with ExitStack() as stack:
        made = _style(stack, wct2, style, style_mask, profile, ways)
    regions = _regions(wct2, tensor, made, content_mask)
    result = torch.empty_like(tensor)
    for picture, out in zip(tensor, result, strict=True):
        top = 0
        for band in changed(wct2, TensorRows(picture[None]), made, strength, regions, ways):
            out[:, top : top + band.shape[-2]] = band[0]
            top += band.shape[-2]
    result = back(result.clamp_(0, 1) if strength else tensor.clone())
    return to_pil(result) if is_pillow else result


def transfer_file(
    content: str | os.PathLike[str],
    style: PictureLike | Style,
    output: str | os.PathLike[str],
    *,
    model: str | WCT2 = "compact",
    strength: float = 1.0,
    content_mask: MaskLike | None = None,
    style_mask: MaskLike | None = None,
    stages: Sequence[str] | None = None,
    ways: Ways = Ways(),
) -> Header:
    """Give a photo the light of another, from file to file, band by band.

    The content and a style file are never in memory as floats. A TIFF, read or written, is not in memory as a
    whole; other formats are, at the depth of the file.

    Args:
        content: the file to change.
        style: as `transfer` takes it.
        output: the file to write, by its extension; whole or left as it was. It may not be the content.
        model: as `transfer` takes it, and all that follow.
        strength: see `transfer`.
        content_mask: see `transfer`.
        style_mask: see `transfer`.
        stages: see `transfer`.
        ways: see `transfer`.

    Returns:
        What was written, all but the pixels.

    Raises:
        ImageError: for a file that cannot be read or written.
        WeightsError: for an unknown model, or weights that are missing or damaged.
        InputError: for anything that does not fit together.
    """
    _check(style, strength, content_mask, style_mask)
    check_writable(output)
    with ExitStack() as stack:
        source = stack.enter_context(open_source(content))
        header = source.header
        check_writable(output, size=(header.height, header.width))
        wct2 = ways.model(_loaded(model) if isinstance(model, str) else model, stages)
        made = _style(stack, wct2, style, style_mask, header.profile, ways)
        rows = SourceRows(source, header.profile)
        regions = _regions(wct2, rows, made, content_mask)
        bands = changed(wct2, rows, made, strength, regions, ways)
        write_bands(output, header, _samples(bands, source, written_depth(output, header.depth)))
    return header


@torch.no_grad()
def changed(
    wct2: WCT2, content: Rows, style: Style, strength: float, regions: Regions | None, ways: Ways
) -> Iterator[Tensor]:
    """The bands of the transfer's result, from the top: (1, 3, rows, width), not clipped."""
    size = content.height, content.width
    if strength == 0:
        for top, bottom in cuts(*size):
            yield content.rows(top, bottom)
    elif wct2.recipe.work_side is not None:
        field = wct2.field(reduced(content, wct2.work_size(size)), style, regions)
        for top, bottom in cuts(*size):
            band = content.rows(top, bottom)
            yield blend(band, apply_field(band, field, top=top, height=size[0]), strength)
    else:
        yield from _through_the_network(wct2, content, style, strength, regions, ways)


def _through_the_network(
    wct2: WCT2, content: Rows, style: Style, strength: float, regions: Regions | None, ways: Ways
) -> Iterator[Tensor]:
    size = content.height, content.width
    memory = budget(ways.max_memory)
    exact = ways.exact(content)
    if exact and fits(wct2.network, size[0] * size[1], memory):
        yield wct2.transferred(content.rows(0, size[0]), style, strength, regions)
        return
    side = tile_side(wct2.network, size[1], memory)
    if exact:
        maps = tiled_plan(wct2, content, style, strength, regions, side=side)
    else:
        maps = wct2.plan(reduced(content, _proxy_size(size)), style, strength, regions)
    yield from rendered(wct2, content, maps, strength, regions, side=side)


def _samples(bands: Iterator[Tensor], source: Source, depth: int) -> Iterator[NDArray[Any]]:
    """Bands as they are written, with the alpha of the source."""
    dtype = torch.uint8 if depth == 8 else torch.uint16
    top = 0
    for band in bands:
        bottom = top + band.shape[-2]
        if source.header.has_alpha:
            alpha = planes(source.read(top, bottom)[..., 3:])
            band = torch.cat([band, alpha], 1)
        yield samples(band, dtype).numpy()
        top = bottom


def _style(
    stack: ExitStack,
    wct2: WCT2,
    style: PictureLike | Style,
    mask: MaskLike | None,
    profile: bytes | None,
    ways: Ways,
) -> Style:
    """The style for a content of this profile."""
    if isinstance(style, Style):
        return style
    if isinstance(style, (str, os.PathLike)):
        rows: Rows = SourceRows(stack.enter_context(open_source(style)), profile)
    else:
        rows = TensorRows(to_tensor(to_profile(to_picture(style), profile))[0])
    size = rows.height, rows.width
    regions = None if mask is None else Regions.of(to_mask(mask, size=size))
    if wct2.recipe.work_side is not None:
        return wct2.measure(reduced(rows, wct2.work_size(size)), regions)
    if not ways.exact(rows):
        return wct2.measure(reduced(rows, _proxy_size(size)), regions)
    side = tile_side(wct2.network, size[1], budget(ways.max_memory))
    return tiled_style(wct2, rows, regions, side=side)


def _regions(wct2: WCT2, content: Tensor | Rows, style: Style, mask: MaskLike | None) -> Regions | None:
    if not isinstance(content, Tensor):
        return wct2.regions((content.height, content.width), style, mask)
    return wct2.regions((content.shape[-2], content.shape[-1]), style, mask, batch=content.shape[0])


def _check(
    style: PictureLike | Style,
    strength: float,
    content_mask: MaskLike | None,
    style_mask: MaskLike | None,
) -> None:
    if isinstance(style, Style) and style_mask is not None:
        raise InputError("a mask is part of a Style: give it to WCT2.style, or give the style as a picture")
    has_style_mask = style_mask is not None or (isinstance(style, Style) and style.areas is not None)
    check_request(strength, has_content_mask=content_mask is not None, has_style_mask=has_style_mask)


def _proxy_size(size: tuple[int, int]) -> tuple[int, int]:
    scale = min(1.0, PROXY_SIDE / max(size))
    return max(1, round(size[0] * scale)), max(1, round(size[1] * scale))


@cache
def _loaded(name: str) -> WCT2:
    return WCT2.load(name)
