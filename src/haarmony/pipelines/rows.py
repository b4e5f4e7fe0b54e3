"""Rows: pictures that are read in bands, from memory or from a file, and reduced copies of them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from haarmony.media.image import Picture, to_profile
from haarmony.media.source import Source
from haarmony.windows import antialiased

BAND = 1 << 20
"""Pixels that a band holds, about."""

CACHED = 1 << 17
"""Pixels of a band of which a few floats stay in the cache of a core."""

CPU = torch.device("cpu")


class Rows(Protocol):
    """A picture that is read in bands of rows.

    Attributes:
        height: in pixels.
        width: in pixels.
        device: where its rows are.
    """

    @property
    def height(self) -> int: ...  # noqa: D102
    @property
    def width(self) -> int: ...  # noqa: D102
    @property
    def device(self) -> torch.device: ...  # noqa: D102

    def rows(self, top: int, bottom: int) -> Tensor:
        """The rows from `top` up to `bottom`, (B, 3, bottom - top, width) in [0, 1]."""


@dataclass(frozen=True)
class TensorRows:
    """A picture (1, 3, H, W) in memory."""

    picture: Tensor

    @property
    def height(self) -> int:
        """In pixels."""
        return self.picture.shape[-2]

    @property
    def width(self) -> int:
        """In pixels."""
        return self.picture.shape[-1]

    @property
    def device(self) -> torch.device:
        """Where the picture is."""
        return self.picture.device

    def rows(self, top: int, bottom: int) -> Tensor:
        """A view of these rows."""
        return self.picture[..., top:bottom, :]


@dataclass(frozen=True)
class SampleRows:
    """A picture (H, W, 3) of uint8 or uint16 in memory, made floats on a device band by band."""

    pixels: NDArray[Any]
    device: torch.device = CPU

    @property
    def height(self) -> int:
        """In pixels."""
        return int(self.pixels.shape[0])

    @property
    def width(self) -> int:
        """In pixels."""
        return int(self.pixels.shape[1])

    def rows(self, top: int, bottom: int) -> Tensor:
        """These rows, as floats."""
        return planes(self.pixels[top:bottom], self.device)


@dataclass(frozen=True)
class StackedRows:
    """Pictures of one size as a batch: their rows are (N, 3, rows, width)."""

    pictures: Sequence[Rows]

    @property
    def height(self) -> int:
        """In pixels."""
        return self.pictures[0].height

    @property
    def width(self) -> int:
        """In pixels."""
        return self.pictures[0].width

    @property
    def device(self) -> torch.device:
        """Where the pictures are."""
        return self.pictures[0].device

    def rows(self, top: int, bottom: int) -> Tensor:
        """These rows of all of them."""
        bands = [picture.rows(top, bottom) for picture in self.pictures]
        return torch.cat(bands) if len(bands) > 1 else bands[0]


@dataclass(frozen=True)
class SourceRows:
    """A picture in a file, in its own profile or converted to another.

    Attributes:
        source: the open file.
        target: the profile of the rows, as in `Header.profile`.
        device: where the rows are wanted.
    """

    source: Source
    target: bytes | None
    device: torch.device = CPU

    @property
    def height(self) -> int:
        """In pixels."""
        return self.source.header.height

    @property
    def width(self) -> int:
        """In pixels."""
        return self.source.header.width

    def rows(self, top: int, bottom: int) -> Tensor:
        """These rows, decoded."""
        band = planes(self.source.read(top, bottom)[..., :3], self.device)
        return in_profile(band, self.source.header.profile, self.target)


class RowsOf:
    """Those of another picture, changed: of the same size, on the same device."""

    def __init__(self, picture: Rows) -> None:
        """Rows of what becomes of a picture."""
        self.picture = picture

    @property
    def height(self) -> int:
        """In pixels."""
        return self.picture.height

    @property
    def width(self) -> int:
        """In pixels."""
        return self.picture.width

    @property
    def device(self) -> torch.device:
        """Where the picture is."""
        return self.picture.device


def in_profile(band: Tensor, source: bytes | None, target: bytes | None) -> Tensor:
    """Colours (1, 3, H, W) of one ICC profile expressed in another; None is sRGB.

    Raises:
        ImageError: when one of the profiles cannot be used in this direction.
    """
    if source == target:
        return band
    pixels = band[0].permute(1, 2, 0).contiguous().cpu().numpy()
    return planes(to_profile(Picture(pixels, profile=source), target).pixels, band.device)


def planes(samples: NDArray[Any], device: torch.device = CPU) -> Tensor:
    """(H, W, C) samples of uint8, uint16 or float32 in [0, 1] as (1, C, H, W) floats in [0, 1]."""
    tensor = torch.from_numpy(samples if samples.flags.writeable else samples.copy()).to(device)
    floats = tensor.permute(2, 0, 1)[None].to(torch.float32, memory_format=torch.contiguous_format)
    return floats if samples.dtype == np.float32 else floats.div_(np.iinfo(samples.dtype).max)


def samples(band: Tensor, dtype: torch.dtype) -> Tensor:
    """(1, C, H, W) floats as (H, W, C) samples of uint8 or uint16, clipped and rounded to the nearest.

    They lie in main memory, whatever device the floats are on.
    """
    full = torch.iinfo(dtype).max
    scaled = (band[0] * full).round_().clamp_(0, full)
    return scaled.to(dtype).permute(1, 2, 0).contiguous().cpu()


def cuts(height: int, width: int, pixels: int = BAND, unit: int = 1) -> Iterator[tuple[int, int]]:
    """Top and bottom of bands of about so many pixels, each but the last of whole units of rows."""
    step = max(1, pixels // width // unit) * unit
    return ((top, min(top + step, height)) for top in range(0, height, step))


def passes(source: Rows) -> Iterator[tuple[int, int]]:
    """Bands of a picture that is computed with: on a processor as its caches like them."""
    return cuts(source.height, source.width, CACHED if source.device.type == "cpu" else BAND)


def reduced(source: Rows, size: tuple[int, int]) -> Tensor:
    """A copy (1, 3, h, w) of the size, by antialiased bilinear interpolation; each band is read once."""
    if size == (source.height, source.width):
        return source.rows(0, source.height)
    copy = torch.zeros(1, 3, *size, device=source.device)
    total = torch.zeros(size[0], 1, device=source.device)
    for top, bottom in cuts(source.height, source.width):
        band = source.rows(top, bottom)
        narrow = antialiased(band, (bottom - top, size[1]))
        weights, first, last = _antialiased(source.height, size[0], top, bottom)
        weights = weights.to(source.device)
        copy[:, :, first:last] += weights @ narrow
        total[first:last] += weights.sum(1, keepdim=True)
    return copy.div_(total)


def _antialiased(pixels: int, cells: int, top: int, bottom: int) -> tuple[Tensor, int, int]:
    """How much the rows of a band count for the cells that they bear on.

    Returns:
        (last - first, bottom - top) weights of the triangle filter, as wide as the reduction, and the first
        cell and the one behind the last.
    """
    scale = max(1.0, pixels / cells)
    step = pixels / cells
    first = max(0, int((top - scale) / step))
    last = min(cells, int((bottom + scale) / step) + 1)
    centres = (torch.arange(first, last, dtype=torch.float64)[:, None] + 0.5) * step
    places = torch.arange(top, bottom, dtype=torch.float64) + 0.5
    weights = (1 - (places - centres).abs() / scale).clamp_min(0)
    return weights.float(), first, last
