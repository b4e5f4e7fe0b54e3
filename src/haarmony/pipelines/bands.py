"""Bands of a result on their way out: home into the content's profile, and as the samples of a file."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import torch
from numpy.typing import NDArray
from torch import Tensor

from haarmony.media.source import Source
from haarmony.pipelines.rows import CACHED, Rows, cuts, in_profile, planes, samples


def brought_home(
    bands: Iterator[Tensor], content: Rows, there: Rows, profile: bytes | None
) -> Iterator[Tensor]:
    """Bands of a transfer that was done in sRGB, brought into the content's profile.

    The difference is brought home and not the picture, so that colours beyond sRGB keep their distance.
    """
    top = 0
    for band in bands:
        bottom = top + band.shape[-2]
        before, after = (
            in_profile(one, None, profile) for one in (there.rows(top, bottom), band.clamp(0, 1))
        )
        yield content.rows(top, bottom) + (after - before)
        top = bottom


def as_samples(bands: Iterator[Tensor], source: Source, depth: int) -> Iterator[NDArray[Any]]:
    """Bands as they are written, of 8 or 16 bits, with the alpha of the source.

    They come in parts that fit into a cache: so what is between a band and its samples takes no memory.
    """
    dtype = torch.uint8 if depth == 8 else torch.uint16
    start = 0
    for band in bands:
        height, width = band.shape[-2:]
        for top, bottom in cuts(height, width):
            if source.header.has_alpha:
                alpha = source.read(start + top, start + bottom)[..., 3:]
            for first, last in cuts(bottom - top, width, CACHED):
                part = band[..., top + first : top + last, :]
                if source.header.has_alpha:
                    part = torch.cat([part, planes(alpha[first:last], part.device)], 1)
                yield samples(part, dtype).numpy()
        start += height
