"""Poolings of 2x2 blocks and their unpoolings: Haar's, and what WCT2 was compared with.

Haar analysis and the four phases of a block (`split`) are orthonormal: nothing is lost. Averages and maxima
lose three values of four, and their unpoolings repeat the average, or put the maximum back where it was and
leave zeros. What goes on to the next layer differs too: Haar's LL is smooth, a phase is one pixel of four
(Yoo et al., ICCV 2019, the ablation of the pooling). A split can also be learned, with its inverse.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final, Literal, get_args

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from haarmony.networks.autoencoder import Skip
from haarmony.wavelets import Bands, haar_merge, haar_split

PoolingName = Literal["haar", "average", "max", "split", "learned"]
POOLING_NAMES: Final[tuple[PoolingName, ...]] = get_args(PoolingName)


@dataclass(frozen=True)
class Pooling:
    """A pooling and its unpooling.

    Attributes:
        pool: (B, C, H, W) to what goes on, (B, C, ceil(H/2), ceil(W/2)), and what is laid aside.
        unpool: both to (B, C, H, W), as far as it is known.
        gain: by how much what goes on of a constant block is larger than the block.
    """

    pool: Callable[[Tensor], tuple[Tensor, Skip]]
    unpool: Callable[[Tensor, Skip], Tensor]
    gain: float = 1.0


class LearnedPooling(nn.Module):
    """A split of each channel's 2x2 blocks by four filters of its own, and their own way back, both learned.

    They begin as the phases, which lose nothing; nothing holds them to that.

    Attributes:
        analysis: (C, 4, 4), the weight of each pixel of a block in each band; the first band goes on.
        synthesis: (C, 4, 4), the weight of each band in each pixel.
    """

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.analysis = nn.Parameter(torch.eye(4).repeat(channels, 1, 1))
        self.synthesis = nn.Parameter(torch.eye(4).repeat(channels, 1, 1))

    def pool(self, x: Tensor) -> tuple[Tensor, Skip]:
        """See `Pooling`."""
        first, *others = _mixed(split_phases(x), self.analysis)
        return first.contiguous(memory_format=torch.channels_last), Skip(tuple(others), _size(x))

    def unpool(self, x: Tensor, skip: Skip) -> Tensor:
        """See `Pooling`."""
        return merge_phases(_mixed(Bands(x, *skip.high), self.synthesis), skip.size)


def _mixed(bands: Bands, mixing: Tensor) -> Bands:
    """Each channel's four values (B, C, h, w) by its own matrix of (C, 4, 4)."""
    weights = mixing.permute(1, 2, 0)[..., None, None]
    return Bands(*(sum(weight * band for weight, band in zip(row, bands, strict=True)) for row in weights))


def split_phases(x: Tensor) -> Bands:
    """The four pixels of each 2x2 block, from the top left on; odd sides are padded as by `haar_split`."""
    height, width = x.shape[-2:]
    x = F.pad(x, (0, width % 2, 0, height % 2), mode="replicate")
    return Bands(*(x[..., row::2, column::2] for row in range(2) for column in range(2)))


def merge_phases(phases: Bands, size: tuple[int, int]) -> Tensor:
    """The inverse of `split_phases`, of this size."""
    rows = [torch.stack(pair, -1).flatten(-2) for pair in (phases[:2], phases[2:])]
    return torch.stack(rows, -2).flatten(-3, -2)[..., : size[0], : size[1]]


def _haar(x: Tensor) -> tuple[Tensor, Skip]:
    low, *high = haar_split(x)
    return low, Skip(tuple(high), _size(x))


def _phases(x: Tensor) -> tuple[Tensor, Skip]:
    first, *others = split_phases(x)
    return first.contiguous(memory_format=torch.channels_last), Skip(tuple(others), _size(x))


def _average(x: Tensor) -> tuple[Tensor, Skip]:
    return F.avg_pool2d(x, 2, ceil_mode=True, count_include_pad=False), Skip((), _size(x))


def repeated(x: Tensor, skip: Skip) -> Tensor:
    """(B, C, h, w), each value four times, at the size before the pooling."""
    return F.interpolate(x, scale_factor=2.0, mode="nearest")[..., : skip.size[0], : skip.size[1]]


def maximum_alone(x: Tensor) -> tuple[Tensor, Skip]:
    """The maximum of each 2x2 block, of what there is of it at an odd side; where it was is forgotten."""
    return F.max_pool2d(x, 2, ceil_mode=True), Skip((), _size(x))


def _maximum(x: Tensor) -> tuple[Tensor, Skip]:
    largest, places = F.max_pool2d(x, 2, ceil_mode=True, return_indices=True)
    return largest, Skip((), _size(x), places=places)


def _placed(x: Tensor, skip: Skip) -> Tensor:
    assert skip.places is not None
    return F.max_unpool2d(x, skip.places, 2, output_size=list(skip.size))  # type: ignore[arg-type]


def _size(x: Tensor) -> tuple[int, int]:
    return x.shape[-2], x.shape[-1]


POOLINGS: Final[dict[str, Pooling]] = {
    "haar": Pooling(_haar, lambda x, skip: haar_merge(Bands(x, *skip.high), skip.size), gain=2.0),
    "split": Pooling(_phases, lambda x, skip: merge_phases(Bands(x, *skip.high), skip.size)),
    "average": Pooling(_average, repeated),
    "max": Pooling(_maximum, _placed),
}
"""Those that have nothing to learn, by name."""
