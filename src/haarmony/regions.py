"""Regions: label masks as weights of the moments, one set of statistics a label.

A hard mask gives each pixel one integer label; a soft one gives each label a weight at each pixel. Either becomes
a weight map a label at any feature size, so a method never needs to know which it was given.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import torch.nn.functional as F
from torch import Tensor

from haarmony.errors import InputError

WHOLE = 0
MIN_PIXELS = 10
MAX_AREA_RATIO = 100


@dataclass(frozen=True)
class Regions:
    """Weight maps of labels at full size.

    Attributes:
        weights: label to (H, W) float weights in [0, 1]; at every pixel they sum to at most 1.
        hard: whether every weight is 0 or 1 and is reduced by nearest neighbour; soft ones are averaged.
    """

    weights: dict[int, Tensor]
    hard: bool

    @classmethod
    def of(cls, mask: Tensor, size: tuple[int, int]) -> Regions:
        """From a mask of the picture of the given (H, W).

        Args:
            mask: (H, W) integer labels, or (L, H, W) float weights of the labels 0 to L-1.
            size: (H, W) of the picture that the mask belongs to.

        Raises:
            InputError: for a mask of another size or kind, or weights outside [0, 1] or summing to more than 1.
        """
        if tuple(mask.shape[-2:]) != size:
            raise InputError(
                f"the mask is {mask.shape[-1]}x{mask.shape[-2]} but its picture {size[1]}x{size[0]}: give a mask of the same size"
            )
        if mask.ndim == 2 and not mask.is_floating_point():
            return cls({int(label): (mask == label).float() for label in mask.unique()}, hard=True)
        if mask.ndim != 3 or not mask.is_floating_point():
            raise InputError(
                f"expected a mask (H, W) of integer labels or (L, H, W) of float weights, got {tuple(mask.shape)} {mask.dtype}"
            )
        if not bool(((mask >= 0) & (mask <= 1)).all()) or bool((mask.sum(0) > 1 + 1e-3).any()):
            raise InputError("expected mask weights in [0, 1] that sum to at most 1 at every pixel")
        return cls(dict(enumerate(mask.float())), hard=False)

    def areas(self) -> dict[int, float]:
        """The area of each label in pixels of the full size."""
        return {label: float(weights.sum()) for label, weights in self.weights.items()}

    def only(self, labels: Iterable[int]) -> Regions:
        """These labels alone; pixels of the others belong to no region."""
        return Regions({label: self.weights[label] for label in labels}, self.hard)

    def at(self, size: tuple[int, int]) -> dict[int, Tensor]:
        """The weights reduced to the (h, w) of a feature."""
        mode = "nearest-exact" if self.hard else "area"
        return {
            label: F.interpolate(weights[None, None], size, mode=mode)[0, 0]
            for label, weights in self.weights.items()
        }


def shared_labels(content: dict[int, float], style: dict[int, float]) -> list[int]:
    """The labels that can be matched: over 10 pixels on both sides and neither area 100 times the other.

    The rule of the public WCT2 code. Areas are in pixels of the full-size pictures.
    """
    return [
        label
        for label in sorted(content.keys() & style.keys())
        if min(content[label], style[label]) > MIN_PIXELS
        and max(content[label], style[label]) < MAX_AREA_RATIO * min(content[label], style[label])
    ]
