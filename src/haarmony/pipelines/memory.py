"""How much memory a transfer may take, and how large its tiles are then."""

from __future__ import annotations

import psutil
import torch

from haarmony.errors import InputError
from haarmony.networks.autoencoder import WaveletAutoencoder
from haarmony.pages import give_back_free_pages

SHARE = 0.5
"""Of the free memory that is taken where the caller names no limit."""

TILE_BYTES, GPU_TILE_BYTES = 5 << 27, 1 << 33
"""What one tile takes at most: larger ones are hardly faster."""

SMALLEST_TILE = 64
_BAND_BYTES = 36
"""A pixel of the bands of rows that a row of tiles is cut from and put together in, and what stays behind."""


def budget(most: int | None, device: torch.device) -> int:
    """The bytes that are left for a transfer.

    Args:
        most: that the whole process may take; None for a safe share of what is free.
        device: whose memory counts.
    """
    if device.type == "cuda":
        free, _ = torch.cuda.mem_get_info(device)
        reserved = torch.cuda.memory_reserved(device)
        unused = reserved - torch.cuda.memory_allocated(device)
        return int(SHARE * (free + unused)) if most is None else most - reserved + unused
    give_back_free_pages()
    if most is None:
        return int(SHARE * psutil.virtual_memory().available)
    return most - int(psutil.Process().memory_info().rss)


def fits(network: WaveletAutoencoder, pixels: int, memory: int) -> bool:
    """Whether a picture of so many pixels can be transferred in one piece."""
    return network.bytes_per_pixel * pixels + network.bytes_aside <= memory


def together(network: WaveletAutoencoder, pixels: int, memory: int) -> int:
    """How many pictures of so many pixels can be transferred at once, each in one piece; one at the least."""
    room = min(memory - network.bytes_aside, GPU_TILE_BYTES)
    return max(1, room // ((network.bytes_per_pixel + _BAND_BYTES) * pixels))


def tile_side(network: WaveletAutoencoder, width: int, memory: int) -> int:
    """The side of the largest tile, without its halo, of a picture of this width that so many bytes allow.

    Raises:
        InputError: when they allow none.
    """
    on_cpu = next(network.parameters()).device.type == "cpu"
    memory = min(memory - network.bytes_aside, TILE_BYTES if on_cpu else GPU_TILE_BYTES)
    pixel, column = network.bytes_per_pixel, _BAND_BYTES * width
    outer = ((column**2 + 4 * pixel * max(0, memory)) ** 0.5 - column) / (2 * pixel)
    side = int(outer - 2 * network.reach) // network.stride * network.stride
    if side < SMALLEST_TILE:
        least = SMALLEST_TILE + 2 * network.reach
        missing = (pixel * least**2 + column * least - memory) / 1e6
        raise InputError(
            f"the memory allowed is about {missing:.0f} MB too little for tiles of this picture: allow more, "
            "or take the model compact"
        )
    return side
