"""A look laid over a picture from file to file, band by band."""

from __future__ import annotations

import os
from collections.abc import Iterator
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from haarmony.media.files import refuse_replacing
from haarmony.media.image import Picture, to_profile
from haarmony.media.lut import Lut, interpolate
from haarmony.media.opening import named
from haarmony.media.sink import check_writable, write_bands, written_depth
from haarmony.media.source import Header, Source, open_source, unit
from haarmony.pipelines.rows import cuts, planes, samples


def apply_to_file(look: Lut, content: str | os.PathLike[str], output: str | os.PathLike[str]) -> Header:
    """Lay a look over a picture as `Lut.apply` does, in memory that does not grow with the height of a TIFF.

    Args:
        look: the table.
        content: the file to change.
        output: the file to write, by its extension; whole or left as it was. It may not be the content.

    Returns:
        What was written, all but the pixels.

    Raises:
        ImageError: for a file that cannot be read or written, or a profile that cannot be converted.
        InputError: when the output is the content.
    """
    refuse_replacing(output, [content])
    check_writable(output)
    with open_source(content) as source:
        working = look.working_profile(source.header.profile, named(content))
        depth = written_depth(output, source.header.depth)
        write_bands(output, source.header, _bands(look, source, working, depth))
        return source.header


def _bands(look: Lut, source: Source, working: bytes | None, depth: int) -> Iterator[NDArray[Any]]:
    header = source.header
    dtype = torch.uint8 if depth == 8 else torch.uint16
    for top, bottom in cuts(header.height, header.width):
        band = source.read(top, bottom)
        colours = Picture(np.ascontiguousarray(unit(band[..., :3])), profile=header.profile)
        changed = interpolate(look, planes(to_profile(colours, working).pixels))
        if working != header.profile:
            pixels = np.ascontiguousarray(changed[0].permute(1, 2, 0).numpy())
            changed = planes(to_profile(Picture(pixels, profile=working), header.profile).pixels)
        if header.has_alpha:
            changed = torch.cat([changed, planes(band[..., 3:])], 1)
        yield samples(changed, dtype).numpy()
