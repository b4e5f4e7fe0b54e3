"""A photo in, a photo out: the one call that most users need."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import replace
from functools import cache
from typing import Any, TypeVar, overload

from numpy.typing import NDArray
from PIL import Image
from torch import Tensor

from haarmony.errors import InputError
from haarmony.media.image import Picture, to_pil, to_profile
from haarmony.media.kinds import MaskLike, PictureLike, to_mask, to_picture, to_tensor
from haarmony.methods.wct2 import WCT2, check_request
from haarmony.style import Style

Content = TypeVar("Content", Picture, Image.Image, NDArray[Any], Tensor)


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

    Returns:
        The same kind as the content, a `Picture` for a path, of the same size and depth.

    Raises:
        ImageError: for a file that cannot be read.
        WeightsError: for an unknown model, or weights that are missing or damaged.
        InputError: for anything that does not fit together.
    """
    if isinstance(style, Style) and style_mask is not None:
        raise InputError("a mask is part of a Style: give it to WCT2.style, or give the style as a picture")
    has_style_mask = style_mask is not None or (isinstance(style, Style) and style.areas is not None)
    check_request(strength, has_content_mask=content_mask is not None, has_style_mask=has_style_mask)

    is_pillow = isinstance(content, Image.Image)
    if is_pillow or isinstance(content, (str, os.PathLike)):
        content = to_picture(content)
    tensor, back = to_tensor(content)
    if content_mask is not None:
        content_mask = to_mask(content_mask, size=(tensor.shape[-2], tensor.shape[-1]))
    if not isinstance(style, Style):
        style = to_profile(to_picture(style), content.profile if isinstance(content, Picture) else None)

    wct2 = _loaded(model) if isinstance(model, str) else model
    if stages is not None:
        wct2 = WCT2(wct2.network, replace(wct2.recipe, stages=tuple(stages)), identity=wct2.identity)
    if not isinstance(style, Style):
        style = wct2.style(style, style_mask)
    result = back(wct2(tensor, style, strength=strength, content_mask=content_mask))
    return to_pil(result) if is_pillow else result


@cache
def _loaded(name: str) -> WCT2:
    return WCT2.load(name)
