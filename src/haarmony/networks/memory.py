"""Memory for large features, in large pages where the system has them.

The first touch of a fresh page costs more than the arithmetic of a pass over it; with pages of 2 MB in place of
4 KB it is ten times cheaper. Linux gives them to memory that asks for them.
"""

import math
import mmap

import torch
from torch import Tensor

_LARGE = 1 << 24
"""Bytes from which memory is asked for in large pages."""


def empty_channels_last(like: Tensor, channels: int, height: int, width: int) -> Tensor:
    """An uninitialised (B, channels, height, width), channels last, of the type, device and batch of `like`."""
    shape = (like.shape[0], height, width, channels)
    count = math.prod(shape)
    size = count * like.element_size()
    if size < _LARGE or like.device.type != "cpu" or not hasattr(mmap, "MADV_HUGEPAGE"):
        return like.new_empty(shape).permute(0, 3, 1, 2)
    pages = mmap.mmap(-1, size, flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS)
    try:
        pages.madvise(mmap.MADV_HUGEPAGE)
    except OSError:  # a kernel without them
        pass
    return torch.frombuffer(pages, dtype=like.dtype, count=count).view(shape).permute(0, 3, 1, 2)
