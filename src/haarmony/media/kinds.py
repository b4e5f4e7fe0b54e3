"""Whatever a caller holds a picture in, as the tensor that networks take, and back as the same kind."""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import replace
from math import isfinite
from typing import Any, TypeAlias

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image
from torch import Tensor

from haarmony.errors import InputError
from haarmony.media.image import Picture, from_pil, read_image, to_pil
from haarmony.media.mask import Mask, as_mask, read_mask

PictureLike: TypeAlias = "str | os.PathLike[str] | Picture | Image.Image | NDArray[Any] | Tensor"

MaskLike: TypeAlias = "str | os.PathLike[str] | Mask | NDArray[Any] | Tensor"

_FULL = {np.dtype(np.uint8): 255.0, np.dtype(np.uint16): 65535.0}


def to_tensor(picture: PictureLike) -> tuple[Tensor, Callable[[Tensor], Any]]:
    """A picture as floats (B, 3, H, W), RGB in [0, 1], and the way back to its own kind.

    Args:
        picture: a path or a `Picture` (comes back as a `Picture`), a Pillow image, an array (H, W),
            (H, W, 1), (H, W, 3) or (H, W, 4) of uint8, uint16 or floats in [0, 1] (grey comes back as
            (H, W, 3), alpha untouched), or a tensor (3, H, W) or (B, 3, H, W) of floats in [0, 1].

    Raises:
        ImageError: for a file that cannot be read.
        InputError: for any other kind, shape or range.
    """
    if isinstance(picture, Tensor):
        return _of_tensor(picture)
    if isinstance(picture, np.ndarray):
        return _of_array(picture)
    if isinstance(picture, Image.Image):
        tensor, back = _of_picture(from_pil(picture))
        return tensor, lambda result: to_pil(back(result))
    if isinstance(picture, Picture):
        return _of_picture(picture)
    if isinstance(picture, (str, os.PathLike)):
        return _of_picture(read_image(picture))
    raise InputError(
        f"expected a path, Picture, Pillow image, array or tensor, got {type(picture).__name__}: "
        "convert it first"
    )


def to_picture(picture: PictureLike) -> Picture:
    """A picture of any kind that `to_tensor` takes as a `Picture`; arrays and tensors are sRGB.

    Raises:
        ImageError: for a file that cannot be read.
        InputError: as `to_tensor`, and for a batch.
    """
    if isinstance(picture, Picture):
        pixels = _checked(picture)
        return picture if pixels is picture.pixels else replace(picture, pixels=pixels)
    if isinstance(picture, Image.Image):
        return from_pil(picture)
    if isinstance(picture, (str, os.PathLike)):
        return read_image(picture)
    tensor, _ = to_tensor(picture)
    if tensor.shape[0] != 1:
        raise InputError(f"expected one picture, got a batch of {tensor.shape[0]}: give them one by one")
    return Picture(_pixels(tensor.detach()))


def to_mask(mask: MaskLike, *, size: tuple[int, int]) -> Mask:
    """A label mask of a picture of the given height and width.

    Args:
        mask: a path or a `Mask`; or what `as_mask` takes: integer labels (H, W), or float weights (H, W) or
            (L, H, W), as array or tensor.
        size: the picture's (height, width), which the mask must have.

    Raises:
        ImageError: for a file that cannot be read or is no mask of this size.
        InputError: for an array that is no mask of this size.
    """
    if isinstance(mask, Mask):
        if mask.size != size:
            raise InputError(
                f"the mask is {mask.size[1]} x {mask.size[0]} but its picture {size[1]} x {size[0]}: "
                "give a mask of the picture's size"
            )
        return mask
    if isinstance(mask, (str, os.PathLike)):
        return read_mask(mask, size=size)
    return as_mask(mask_array(mask), size=size)


def mask_array(mask: NDArray[Any] | Tensor) -> NDArray[Any]:
    """The labels or weights of a mask, of whatever kind, as an array.

    Raises:
        InputError: for a tensor that holds none.
    """
    if not isinstance(mask, Tensor):
        return np.asarray(mask)
    if not _holds_values(mask):
        raise InputError(f"expected a mask of values in memory, got one {mask.layout} on {mask.device}")
    values = mask.detach().cpu()
    return (values.float() if values.dtype == torch.bfloat16 else values).numpy()


def _of_picture(picture: Picture) -> tuple[Tensor, Callable[[Tensor], Picture]]:
    return _planes(_checked(picture)), lambda result: replace(picture, pixels=_pixels(result))


def _checked(picture: Picture) -> NDArray[np.float32]:
    """The pixels of a picture that a caller may have made."""
    pixels: Any = picture.pixels
    if not isinstance(pixels, np.ndarray) or pixels.dtype != np.float32:
        kind = pixels.dtype if isinstance(pixels, np.ndarray) else type(pixels).__name__
        raise InputError(
            f"the pixels of a Picture are an array of float32 in [0, 1], got {kind}: convert them, or give "
            "an array instead of a Picture"
        )
    if pixels.ndim != 3 or pixels.shape[2] != 3 or pixels.size == 0:
        raise InputError(f"the pixels of a Picture are (height, width, 3), got shape {pixels.shape}")
    return _within_unit(np.require(pixels, requirements=("C", "W")))


def _of_array(array: NDArray[Any]) -> tuple[Tensor, Callable[[Tensor], NDArray[Any]]]:
    channels = array.shape[2] if array.ndim == 3 else 1
    if array.ndim not in (2, 3) or channels not in (1, 3, 4) or array.size == 0:
        raise InputError(f"expected an array (height, width, 3), got shape {array.shape}")
    if array.dtype not in _FULL and array.dtype.kind != "f":
        raise InputError(f"expected an array of uint8, uint16 or floats, got {array.dtype}: convert it first")
    full = _FULL.get(array.dtype, 1.0)
    colours = np.broadcast_to(np.atleast_3d(array)[..., :3], (*array.shape[:2], 3)).astype(np.float32) / full
    tensor = _planes(_within_unit(colours))

    def back(result: Tensor) -> NDArray[Any]:
        pixels = _pixels(result) * full
        pixels = (np.round(pixels) if full > 1 else pixels).astype(array.dtype)
        return np.concatenate((pixels, array[..., 3:]), 2) if channels == 4 else pixels

    return tensor, back


def _of_tensor(tensor: Tensor) -> tuple[Tensor, Callable[[Tensor], Tensor]]:
    batched = tensor if tensor.ndim == 4 else tensor[None]
    if batched.ndim != 4 or batched.shape[1] != 3 or not tensor.is_floating_point() or tensor.numel() == 0:
        raise InputError(
            f"expected a tensor (3, H, W) or (B, 3, H, W) of floats, got {tuple(tensor.shape)} {tensor.dtype}"
        )
    if not _holds_values(tensor):
        raise InputError(f"expected a tensor of values in memory, got one {tensor.layout} on {tensor.device}")
    low, high = (float(value) for value in tensor.detach().aminmax())
    _check_unit(low, high)
    return batched.float(), lambda result: result.to(tensor).view(tensor.shape)


def _holds_values(tensor: Tensor) -> bool:
    return tensor.layout == torch.strided and not tensor.is_meta


def _planes(pixels: NDArray[np.float32]) -> Tensor:
    return torch.from_numpy(np.ascontiguousarray(pixels)).permute(2, 0, 1)[None].contiguous()


def _pixels(result: Tensor) -> NDArray[np.float32]:
    return np.ascontiguousarray(result[0].permute(1, 2, 0).cpu().numpy())


def _within_unit(pixels: NDArray[np.float32]) -> NDArray[np.float32]:
    _check_unit(float(pixels.min()), float(pixels.max()))
    return pixels


def _check_unit(low: float, high: float) -> None:
    if not (isfinite(low) and isfinite(high)):
        raise InputError("expected floats in [0, 1], got NaN or infinity: put numbers in their place")
    if not (low >= -1e-3 and high <= 1 + 1e-3):
        raise InputError(
            f"expected floats in [0, 1], got values from {low:g} to {high:g}: divide by the white level"
        )
