"""Regions: label masks as weights of the moments, one set of statistics a label.

A hard mask gives each pixel one label; a soft one gives each label a weight at each pixel. Either becomes a
weight map a label at any feature size, so a method never needs to know which it was given.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

from haarmony.media.mask import Mask

WHOLE = "whole"
"""The label of a picture without a mask."""

MIN_PIXELS = 10
MAX_AREA_RATIO = 100


@dataclass(frozen=True)
class Regions:
    """Weight maps of labels at full size.

    Attributes:
        weights: label to (H, W) float weights in [0, 1]; at every pixel they sum to at most 1.
        hard: whether every weight is 0 or 1 and is reduced by nearest neighbour; soft ones are averaged.
    """

    weights: dict[str, Tensor]
    hard: bool

    @classmethod
    def of(cls, mask: Mask, device: torch.device | str = "cpu") -> Regions:
        """The regions of a mask, by name, with weights on a device."""
        values = torch.from_numpy(mask.values).to(device)
        if mask.is_soft:
            return cls(dict(zip(mask.names, values, strict=True)), hard=False)
        return cls({name: (values == label).float() for label, name in enumerate(mask.names)}, hard=True)

    def areas(self) -> dict[str, float]:
        """The area of each label in pixels of the full size."""
        return {label: float(weights.sum(dtype=torch.float64)) for label, weights in self.weights.items()}

    def only(self, labels: Iterable[str]) -> Regions:
        """These labels alone; pixels of the others belong to no region."""
        return Regions({label: self.weights[label] for label in labels}, self.hard)

    def at(self, size: tuple[int, int]) -> dict[str, Tensor]:
        """The weights reduced to the (h, w) of a feature."""
        mode = "nearest-exact" if self.hard else "area"
        return {
            label: F.interpolate(weights[None, None], size, mode=mode)[0, 0]
            for label, weights in self.weights.items()
        }


def shared_labels(content: dict[str, float], style: dict[str, float]) -> list[str]:
    """The labels that can be matched: over 10 pixels on both sides and neither area 100 times the other.

    The rule of the public WCT2 code. Areas are in pixels of the full-size pictures. The order is the
    content's, so that every process adds the regions up in the same order.
    """
    return [
        label
        for label in content
        if label in style
        and min(content[label], style[label]) > MIN_PIXELS
        and max(content[label], style[label]) < MAX_AREA_RATIO * min(content[label], style[label])
    ]
