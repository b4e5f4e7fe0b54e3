"""A photo in, a photo out, of any size: the one call that most users need, and the same from file to file."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Sequence
from functools import cache
from threading import Lock
from typing import Any, TypeVar, overload

import torch
from numpy.typing import NDArray
from PIL import Image
from torch import Tensor

from haarmony.carry import RegionFields, apply_field
from haarmony.errors import InputError
from haarmony.media.files import refuse_replacing
from haarmony.media.image import Picture, to_pil
from haarmony.media.kinds import MaskLike, PictureLike, to_picture, to_tensor
from haarmony.media.sink import check_writable, write_bands, written_depth
from haarmony.media.source import Header, open_source
from haarmony.methods.sites import Maps, blend
from haarmony.methods.wct2 import WCT2, check_request
from haarmony.mixing import MIXES
from haarmony.pipelines.asked import must_be, strength_of
from haarmony.pipelines.automatic import check_automatic, found
from haarmony.pipelines.bands import as_samples, brought_home
from haarmony.pipelines.batch import Done, refuse_clashes
from haarmony.pipelines.batch import run as run_batch
from haarmony.pipelines.control import PLAIN, Control, controlled
from haarmony.pipelines.memory import budget, fits, tile_side
from haarmony.pipelines.rows import Rows, SourceRows, TensorRows, cuts, in_profile, reduced
from haarmony.pipelines.styles import StyleLike, common_profile, has_masks, one_style, parts_of
from haarmony.pipelines.tiles import rendered, tiled_plan
from haarmony.pipelines.ways import Ways
from haarmony.regions import Regions
from haarmony.style import Style

Content = TypeVar("Content", Picture, Image.Image, NDArray[Any], Tensor)


@overload
def transfer(
    content: Content,
    style: StyleLike | Sequence[tuple[StyleLike, float]],
    *,
    model: str | WCT2 = ...,
    strength: float = ...,
    content_mask: MaskLike | None = ...,
    style_mask: MaskLike | Sequence[MaskLike] | None = ...,
    auto_masks: int | None = ...,
    mix: str = ...,
    stages: Sequence[str] | None = ...,
    ways: Ways = ...,
    control: Control = ...,
) -> Content: ...
@overload
def transfer(
    content: str | os.PathLike[str],
    style: StyleLike | Sequence[tuple[StyleLike, float]],
    *,
    model: str | WCT2 = ...,
    strength: float = ...,
    content_mask: MaskLike | None = ...,
    style_mask: MaskLike | Sequence[MaskLike] | None = ...,
    auto_masks: int | None = ...,
    mix: str = ...,
    stages: Sequence[str] | None = ...,
    ways: Ways = ...,
    control: Control = ...,
) -> Picture: ...
@torch.no_grad()
def transfer(
    content: PictureLike,
    style: StyleLike | Sequence[tuple[StyleLike, float]],
    *,
    model: str | WCT2 = "compact",
    strength: float = 1.0,
    content_mask: MaskLike | None = None,
    style_mask: MaskLike | Sequence[MaskLike] | None = None,
    auto_masks: int | None = None,
    mix: str = MIXES[0],
    stages: Sequence[str] | None = None,
    ways: Ways = Ways(),
    control: Control = PLAIN,
) -> Any:
    """Give a photo the light of another photo.

    Pictures that carry an ICC profile are matched in the content's: the style is converted into it, and the
    result keeps it. Arrays and tensors are sRGB. A `Style` is sRGB too: with one, the change is made in sRGB
    and brought into the content's profile.

    Args:
        content: the photo to change: a path, a `Picture`, a Pillow image, an array (H, W, 3) of uint8, uint16
            or floats in [0, 1], or a tensor (3, H, W) or (B, 3, H, W) of floats in [0, 1].
        style: the photo whose light it gets, of any of these kinds but a batch; or a `Style` that the same
            model made. Several are pairs with weights, `[(a, 0.7), (b, 0.3)]`; weights are divided by
            their sum.
        model: the name of a model, which is loaded once in a process, or a loaded one.
        strength: 0 gives the content back, 1 the full transfer.
        content_mask: labels of the content, by name those of the style; together with `style_mask`. Where the
            style lacks a label or has it at a very different area, the whole style lends its light there, or
            with vgg19 the content keeps its look; a `HaarmonyWarning` says so.
        style_mask: labels of the style picture; of several, a list with one for each that is a picture.
        auto_masks: without masks, find so many kinds of regions, 2 to 8, in both pictures.
        mix: how several styles become one, maps or barycentre: see `haarmony.mix`.
        stages: where features are matched, any of encoder, skip, decoder; None for the model's own choice.
        ways: how pictures of any size are done.
        control: what stays of the content: its luminance or colour, protected places, its grain.

    Returns:
        The same kind as the content, a `Picture` for a path, of the same size and depth.

    Raises:
        ImageError: for a file that cannot be read.
        WeightsError: for an unknown model, or weights that are missing or damaged.
        InputError: for anything that does not fit together.
    """
    strength = _asked(strength, ways, control)
    parts = parts_of(style, style_mask, mix=mix)
    check_request(strength, has_content_mask=content_mask is not None, has_style_mask=has_masks(parts))
    is_pillow = isinstance(content, Image.Image)
    if is_pillow or isinstance(content, (str, os.PathLike)):
        content = to_picture(content)
    tensor, back = to_tensor(content)
    wct2 = ways.model(model, stages)
    profile = content.profile if isinstance(content, Picture) else None
    space = common_profile(parts, profile)
    regions: Regions | None = None
    if auto_masks is not None:
        only = check_automatic(wct2, parts, auto_masks, has_content_mask=content_mask is not None)
    else:
        made = one_style(wct2, parts, profile=space, mix=mix, ways=ways)
        regions = _regions(wct2, tensor, made, content_mask)
    result = torch.empty_like(tensor)
    for picture, out in zip(tensor, result, strict=True):
        top = 0
        own = TensorRows(picture[None].to(wct2.device))
        there = own if space == profile else TensorRows(in_profile(own.picture, profile, space))
        if auto_masks is not None:
            made, regions = _found(wct2, there, only, space, auto_masks)
        bands = _controlled(wct2, there, made, strength, regions, ways, control)
        for band in bands if there is own else brought_home(bands, own, there, profile):
            out[:, top : top + band.shape[-2]] = band[0]
            top += band.shape[-2]
    result = back(result.clamp_(0, 1) if strength else tensor.clone())
    return to_pil(result) if is_pillow else result


def transfer_file(
    content: str | os.PathLike[str],
    style: StyleLike | Sequence[tuple[StyleLike, float]],
    output: str | os.PathLike[str],
    *,
    model: str | WCT2 = "compact",
    strength: float = 1.0,
    content_mask: MaskLike | None = None,
    style_mask: MaskLike | Sequence[MaskLike] | None = None,
    auto_masks: int | None = None,
    mix: str = MIXES[0],
    stages: Sequence[str] | None = None,
    ways: Ways = Ways(),
    control: Control = PLAIN,
) -> Header:
    """Give a photo the light of another, from file to file, band by band.

    The content and a style file are never in memory as floats. A TIFF, read or written, is not in memory as a
    whole; other formats are, at the depth of the file.

    Args:
        content: the file to change.
        style: as `transfer` takes it.
        output: the file to write, by its extension; whole or left as it was. It may be none of the inputs.
        model: as `transfer` takes it, and all that follow.
        strength: see `transfer`.
        content_mask: see `transfer`.
        style_mask: see `transfer`.
        auto_masks: see `transfer`.
        mix: see `transfer`.
        stages: see `transfer`.
        ways: see `transfer`.
        control: see `transfer`.

    Returns:
        What was written, all but the pixels.

    Raises:
        ImageError: for a file that cannot be read or written.
        WeightsError: for an unknown model, or weights that are missing or damaged.
        InputError: for anything that does not fit together.
    """
    strength = _asked(strength, ways, control)
    return _file_to_file(
        style, style_mask, content_mask, auto_masks, mix, strength, ways.model(model, stages), ways, control
    )(content, output)


def transfer_files(
    contents: Sequence[str | os.PathLike[str]],
    style: StyleLike | Sequence[tuple[StyleLike, float]],
    outputs: Sequence[str | os.PathLike[str]],
    *,
    model: str | WCT2 = "compact",
    strength: float = 1.0,
    style_mask: MaskLike | Sequence[MaskLike] | None = None,
    auto_masks: int | None = None,
    mix: str = MIXES[0],
    stages: Sequence[str] | None = None,
    ways: Ways = Ways(),
    control: Control = PLAIN,
    resume: bool = False,
) -> Iterator[Done]:
    """Give many photos the light of another, from files to files; the style is looked at once.

    Reading, transfer and writing of different files overlap; see `pipelines.batch`.

    Args:
        contents: the files to change.
        style: as `transfer` takes it, and all that follow but `resume`.
        outputs: the files to write, in the order of the contents; each another, and none of the inputs.
        model: see `transfer`.
        strength: see `transfer`.
        style_mask: see `transfer`; of a `Style` or picture with a mask nothing can be matched here.
        auto_masks: see `transfer`.
        mix: see `transfer`.
        stages: see `transfer`.
        ways: see `transfer`.
        control: see `transfer`.
        resume: leave outputs that are there: they are whole.

    Yields:
        What became of each file, in order. A file that fails stops no other.

    Raises:
        WeightsError: for an unknown model, or weights that are missing or damaged.
        InputError: for anything that does not fit together.
    """
    strength = _asked(strength, ways, control)
    _check_files(contents, outputs)
    wct2 = ways.model(model, stages)
    one = _file_to_file(style, style_mask, None, auto_masks, mix, strength, wct2, ways, control)
    yield from run_batch(contents, outputs, one, resume=resume)


def _asked(strength: float, ways: Ways, control: Control) -> float:
    """The strength, where all that is asked for is of its kind."""
    must_be(Ways, ways, "ways")
    must_be(Control, control, "control")
    return strength_of(strength)


def _check_files(
    contents: Sequence[str | os.PathLike[str]], outputs: Sequence[str | os.PathLike[str]]
) -> None:
    """Find out whether every content has an output of its own."""
    if any(isinstance(one, (str, os.PathLike)) for one in (contents, outputs)):
        raise InputError("contents and outputs are lists of files: for one file there is transfer_file")
    if len(contents) != len(outputs):
        raise InputError(
            f"got {len(outputs)} outputs for {len(contents)} contents: give one for each, in order"
        )
    refuse_clashes(outputs, contents)


def _file_to_file(
    style: StyleLike | Sequence[tuple[StyleLike, float]],
    style_mask: MaskLike | Sequence[MaskLike] | None,
    content_mask: MaskLike | None,
    auto_masks: int | None,
    mix: str,
    strength: float,
    wct2: WCT2,
    ways: Ways,
    control: Control,
) -> Callable[[str | os.PathLike[str], str | os.PathLike[str]], Header]:
    """A transfer from a content file to an output file; the style is made once for each profile."""
    parts = parts_of(style, style_mask, mix=mix)
    check_request(strength, has_content_mask=content_mask is not None, has_style_mask=has_masks(parts))
    if auto_masks is not None:
        only = check_automatic(wct2, parts, auto_masks, has_content_mask=content_mask is not None)
    inputs = [content_mask, control.protect, *(one for part in parts for one in (part.style, part.mask))]
    making = Lock()

    @cache
    def made_for(profile: bytes | None) -> Style:
        return one_style(wct2, parts, profile=profile, mix=mix, ways=ways)

    def transfer_one(content: str | os.PathLike[str], output: str | os.PathLike[str]) -> Header:
        refuse_replacing(output, [content, *inputs])
        check_writable(output)
        with open_source(content) as source:
            header = source.header
            check_writable(output, size=(header.height, header.width))
            space = common_profile(parts, header.profile)
            regions: Regions | None
            own, there = (SourceRows(source, one, wct2.device) for one in (header.profile, space))
            if auto_masks is not None:
                made, regions = _found(wct2, there, only, space, auto_masks)
            else:
                with making:
                    made = made_for(space)
                regions = _regions(wct2, there, made, content_mask)
            bands = _controlled(wct2, there, made, strength, regions, ways, control)
            if space != header.profile:
                bands = brought_home(bands, own, there, header.profile)
            write_bands(output, header, as_samples(bands, source, written_depth(output, header.depth)))
        return header

    return transfer_one


def _controlled(
    wct2: WCT2,
    content: Rows,
    style: Style,
    strength: float,
    regions: Regions | None,
    ways: Ways,
    control: Control,
) -> Iterator[Tensor]:
    if strength == 0:
        return changed(wct2, content, style, strength, regions, ways)
    return controlled(content, control, lambda rows: changed(wct2, rows, style, strength, regions, ways))


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
            yield _carried(content.rows(top, bottom), field, strength, top, size[0])
    else:
        yield from _through_the_network(wct2, content, style, strength, regions, ways)


def _carried(band: Tensor, field: Tensor | RegionFields, strength: float, top: int, height: int) -> Tensor:
    return blend(band, apply_field(band, field, top=top, height=height), strength)


def _through_the_network(
    wct2: WCT2, content: Rows, style: Style, strength: float, regions: Regions | None, ways: Ways
) -> Iterator[Tensor]:
    seen = ways.seen(content)
    memory = budget(ways.max_memory, wct2.device)
    if seen is content and fits(wct2.network, content.height * content.width, memory):
        yield wct2.transferred(content.rows(0, content.height), style, strength, regions)
        return
    maps = _maps(wct2, seen, style, strength, regions, memory)
    del seen
    side = tile_side(wct2.network, content.width, budget(ways.max_memory, wct2.device))
    yield from rendered(wct2, content, maps, strength, regions, side=side)


def _maps(
    wct2: WCT2, seen: Rows, style: Style, strength: float, regions: Regions | None, memory: int
) -> Maps:
    """What fits the picture that is seen to the style, in one piece where so much memory allows it."""
    if fits(wct2.network, seen.height * seen.width, memory):
        return wct2.plan(seen.rows(0, seen.height), style, strength, regions)
    side = tile_side(wct2.network, seen.width, memory)
    return tiled_plan(wct2, seen, style, strength, regions, side=side)


def _regions(wct2: WCT2, content: Tensor | Rows, style: Style, mask: MaskLike | None) -> Regions | None:
    if not isinstance(content, Tensor):
        return wct2.regions((content.height, content.width), style, mask)
    return wct2.regions((content.shape[-2], content.shape[-1]), style, mask, batch=content.shape[0])


def _found(
    wct2: WCT2, content: Rows, style: PictureLike, profile: bytes | None, count: int
) -> tuple[Style, Regions | None]:
    """What `found` finds, up to the borders of a content that is too small for the network."""
    made, regions = found(wct2, content, style, profile, count)
    return made, regions and regions.cropped(wct2.work_size((content.height, content.width)))
