"""Memory for large features: in large pages where the system has them, and passes over it in strips.

The first touch of a fresh page costs more than the arithmetic of a pass over it; with pages of 2 MB in place
of 4 KB it is ten times cheaper. Linux gives them to memory that asks for them. Pages that were touched once
are used again while there are features in them.

What is made in one thread and freed in another, frame after frame, is better given back to the system, and
so are the holes that it leaves.
"""

import ctypes
import math
import mmap
import sys
import threading
import weakref
from collections.abc import Iterable, Iterator
from contextlib import suppress
from typing import TypeVar

import numpy as np
import torch
from torch import Tensor

Item = TypeVar("Item")

_LARGE = 1 << 24
"""Bytes from which memory is asked for in large pages, and a feature is worked on in strips."""
_STRIP = 1 << 20
"""Numbers in a strip."""
_GIVEN_BACK = 1 << 22
"""Bytes of a block from which it is given back when it is freed."""
_BETWEEN = 32
"""Items from one time to the next that free pages are given back."""
_SPARE = 1 << 23
"""Bytes that may lie free at the end of the heap before they are given back, block by block."""
_M_TRIM_THRESHOLD, _M_MMAP_THRESHOLD = -1, -3  # of malloc.h


def empty_channels_last(like: Tensor, channels: int, height: int, width: int) -> Tensor:
    """Uninitialised (B, channels, height, width), channels last, of the batch, type and device of `like`."""
    shape = (like.shape[0], height, width, channels)
    count = math.prod(shape)
    size = count * like.element_size()
    if size < _LARGE or like.device.type != "cpu" or not hasattr(mmap, "MADV_HUGEPAGE"):
        return like.new_empty(shape).permute(0, 3, 1, 2)
    return torch.frombuffer(_BLOCKS.take(size), dtype=like.dtype, count=count).view(shape).permute(0, 3, 1, 2)


class _Blocks:
    """Blocks of large pages. What is freed is kept for what comes next, in any thread.

    All together are never more than were in use at once, and when none is in use all go back to the system.
    """

    def __init__(self) -> None:
        self._lock = threading.RLock()  # what is freed by the garbage collector comes back in the midst of it
        self._kept: list[mmap.mmap] = []
        self._used = self._most = 0

    def take(self, size: int) -> np.ndarray[tuple[int], np.dtype[np.uint8]]:
        """The bytes of a block, as they were left; it comes back when nothing refers to them any more."""
        with self._lock:
            block = next((kept for kept in reversed(self._kept) if len(kept) == size), None)
            if block is not None:
                with suppress(ValueError):  # something came back just now, and this was to go
                    self._kept.remove(block)
            else:
                self._most = max(self._most, self._used + size)
                self._keep(self._most - self._used - size)
                block = mmap.mmap(-1, size, flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS)
                with suppress(OSError):  # a kernel without them
                    block.madvise(mmap.MADV_HUGEPAGE)
            self._used += size
            taken = np.frombuffer(block, np.uint8)
            weakref.finalize(taken, self._take_back, block).atexit = False
        return taken

    def _take_back(self, block: mmap.mmap) -> None:
        with self._lock:
            self._used -= len(block)
            self._kept.append(block)
            if not self._used:
                self._most = 0
            self._keep(self._most - self._used)

    def _keep(self, most: int) -> None:
        """No more bytes than these, of those that came back last."""
        while self._kept and sum(map(len, self._kept)) > most:
            self._kept.pop(0)


_BLOCKS = _Blocks()


def give_back_large_blocks() -> None:
    """Have glibc, where it is the C library, give large blocks back to the system as soon as they are freed.

    By itself it raises the size from which it does so up to 32 MB, as such blocks are freed, and keeps a pool
    of memory a thread: over a film the frames that go from thread to thread spread over the holes of all.
    What is smaller stays for the next frame: pages that are given back are touched anew at a price.
    It is a setting of the whole process.
    """
    if sys.platform == "linux":
        with suppress(AttributeError):  # another C library
            library = ctypes.CDLL(None)
            library.mallopt(_M_MMAP_THRESHOLD, _GIVEN_BACK)
            library.mallopt(_M_TRIM_THRESHOLD, _SPARE)


def giving_back(items: Iterable[Item]) -> Iterator[Item]:
    """Yield items, and now and then give back the pages that lie free between what is in use."""
    for number, item in enumerate(items):
        if number % _BETWEEN == 0:
            give_back_free_pages()
        yield item


def give_back_free_pages() -> None:
    """Have glibc, where it is the C library, give back the pages that lie free between what is in use."""
    if sys.platform == "linux":
        with suppress(AttributeError):  # another C library
            ctypes.CDLL(None).malloc_trim(0)


def in_strips(x: Tensor) -> bool:
    """Whether work on (B, C, H, W) gains by strips: large, in main memory, without a gradient."""
    return (
        x.device.type == "cpu"
        and x.numel() * x.element_size() >= _LARGE
        and not (torch.is_grad_enabled() and x.requires_grad)
        and not traced()
    )


def traced() -> bool:
    """Whether a compiler or a tracer looks on, for which plain operations are best."""
    return torch.compiler.is_compiling() or torch.jit.is_tracing()  # type: ignore[attr-defined, no-untyped-call]


def strips(x: Tensor) -> list[slice]:
    """Slices of the rows of (B, C, H, W), of an even number of rows each, that fit into a cache."""
    height = x.shape[-2]
    step = max(2, _STRIP * height // x.numel() // 2 * 2)
    return [slice(top, min(height, top + step)) for top in range(0, height, step)]
