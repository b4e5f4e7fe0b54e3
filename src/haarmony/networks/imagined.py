"""`compact` without its skips: a decoder that has the feature alone, and imagines what poolings laid aside.

What AdaIN and WCT need of an autoencoder is a picture for features that no picture had. The bands LH, HL and
HH of the content would contradict such features; here a small network guesses them from LL. What is guessed
is alike in all places that are alike, so it repeats from cell to cell, and whitening would make a grid of it:
the binomial filter takes that away, and convolutions at the larger size make the picture sharp again.
"""

from typing import Any

import torch
from torch import Tensor, nn

from haarmony.networks.autoencoder import LEVELS, Skips
from haarmony.networks.compact import WIDTHS, Compact, Residual
from haarmony.networks.enlarging import without_alternation
from haarmony.networks.levels import LevelAutoencoder
from haarmony.wavelets import Bands, haar_merge

POOLED = {3: WIDTHS[1], 4: WIDTHS[2]}
"""The levels that begin with a pooling, and the channels of what is pooled."""

OWN = ("network.correct.", "network.unmix.", "imagine.", "sharpen.")
"""How the names of the tensors begin that are this decoder's own; the encoder's are those of `compact`."""


class Imagination(nn.Sequential):
    """LL (B, C, h, w) to LH, HL and HH side by side (B, 3C, h, w); zero before it is trained."""

    def __init__(self, channels: int) -> None:
        wide = 2 * channels
        super().__init__(
            nn.Conv2d(channels, wide, 3, padding=1, padding_mode="replicate"),
            nn.ReLU(),
            nn.Conv2d(wide, wide, 3, padding=1, padding_mode="replicate"),
            nn.ReLU(),
            nn.Conv2d(wide, 3 * channels, 1),
        )
        for parameter in self[-1].parameters():
            nn.init.zeros_(parameter)


class ImaginedCompact(LevelAutoencoder):
    """The encoder of `compact`, and a decoder from any of its levels that needs nothing beside the feature.

    Attributes:
        network: compact; `correct` and `unmix` of it are this decoder's own.
        imagine: by level, what guesses the bands of the pooling that the level begins with.
        sharpen: by level, what follows the unpooling.
    """

    levels, smallest = LEVELS, 1

    def __init__(self, network: Compact) -> None:
        super().__init__()
        self.network = network
        self.imagine = nn.ModuleDict({str(level): Imagination(width) for level, width in POOLED.items()})
        self.sharpen = nn.ModuleDict(
            {str(level): nn.Sequential(Residual(width), Residual(width)) for level, width in POOLED.items()}
        )

    def encode(self, picture: Tensor, level: int) -> tuple[dict[int, Tensor], Any]:
        """See `LevelAutoencoder.encode`; beside the features, only sizes."""
        skips: Skips = {}
        features: dict[int, Tensor] = {}
        for deeper in LEVELS[:level]:
            picture = features[deeper] = self.network.encode(deeper, picture, skips)
        return features, {pooling: skip.size for pooling, skip in skips.items()}

    def decode(self, feature: Tensor, level: int, aside: Any) -> Tensor:
        """See `LevelAutoencoder.decode`."""
        x = feature
        for shallower in range(level, 0, -1):
            x = self.network.unmix[shallower - 1](self.network.correct[shallower - 1](x))
            if shallower in POOLED:
                bands = torch.chunk(self.imagine[str(shallower)](x), 3, 1)
                x = without_alternation(haar_merge(Bands(x, *bands), aside[shallower - 1]))
                x = self.sharpen[str(shallower)](x)
        return haar_merge(Bands(*x.chunk(4, 1)), aside[0]) + 0.5
