"""Methods whose result at a pixel depends on that pixel's colour alone: what a grading tool does.

The map is found once and laid over the picture in strips, so any size and depth is exact and takes little
memory beside the picture itself. With masks there is a map a region, and they meet along the picture's own
edges.
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import reduce
from operator import add

import torch
from torch import Tensor

from haarmony.guided import guide, guided_weights
from haarmony.methods.method import Example, Transfer, Watch, paired_weights
from haarmony.moments import Moments
from haarmony.windows import antialiased

ColourMap = Callable[[Tensor], Tensor]
"""(1, 3, h, W) in [0, 1] to the same shape."""

_STRIP = 1 << 18
_GUIDE_SIDE = 1024


@dataclass(frozen=True, kw_only=True)
class Pointwise(Transfer):
    """A transfer that is one map of colours a region."""

    @abstractmethod
    def colour_map(
        self, content: Tensor, style: Tensor, content_weight: Tensor | None, style_weight: Tensor | None
    ) -> ColourMap:
        """The map of a region.

        Args:
            content: (1, 3, H, W), the whole picture.
            style: (1, 3, h, w).
            content_weight: (H, W), how much each pixel belongs to the region; None for all alike.
            style_weight: (h, w).
        """

    def transferred(self, content: Example, styles: Sequence[Example], watch: Watch) -> Tensor:
        """See `Transfer.transferred`."""
        pairs = list(paired_weights(content, styles[0]))
        maps = [self.colour_map(content.picture, styles[0].picture, *pair) for pair in pairs]
        if len(maps) == 1:
            return in_rows(content.picture, maps[0])
        guides = _guides(content.picture, [weight for weight, _ in pairs if weight is not None])
        result = torch.empty_like(content.picture)
        for top, bottom in _strips(content.picture):
            band = content.picture[..., top:bottom, :]
            weights = guided_weights(band, guides, top=top, height=content.size[0])
            mapped = (weight * one(band) for weight, one in zip(weights, maps, strict=True))
            result[..., top:bottom, :] = reduce(add, mapped)
        return result


def in_rows(picture: Tensor, change: ColourMap) -> Tensor:
    """A map of colours laid over a picture, strip by strip."""
    result = torch.empty_like(picture)
    for top, bottom in _strips(picture):
        result[..., top:bottom, :] = change(picture[..., top:bottom, :])
    return result


def strips_of(picture: Tensor, weight: Tensor | None) -> Iterator[tuple[Tensor, Tensor | None]]:
    """Strips of a picture as colours (3, N), and their weights (N,)."""
    for top, bottom in _strips(picture):
        colours = picture[0, :, top:bottom].flatten(1)
        yield colours, None if weight is None else weight[top:bottom].flatten()


def moments_in_rows(picture: Tensor, weight: Tensor | None, space: ColourMap) -> Moments:
    """The Moments of a picture's colours in another space, strip by strip."""
    parts = strips_of(picture, weight)
    return reduce(add, (Moments.of(space(x[None, :, None])[0], w) for x, w in parts)).cpu()


def _strips(picture: Tensor) -> Iterator[tuple[int, int]]:
    height, width = picture.shape[-2:]
    step = max(1, _STRIP // width)
    return ((top, min(top + step, height)) for top in range(0, height, step))


def _guides(picture: Tensor, weights: Sequence[Tensor]) -> Tensor:
    height, width = picture.shape[-2:]
    scale = min(1.0, _GUIDE_SIDE / max(height, width))
    size = max(1, round(height * scale)), max(1, round(width * scale))
    small, areas = (antialiased(one, size) for one in (picture, torch.stack(list(weights))[None]))
    return guide(small, areas[0])
