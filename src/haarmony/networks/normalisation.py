"""Normalisation of features: over a batch, over each picture, and with a scale and shift for every style."""

from typing import Literal, TypeAlias

import torch
import torch.nn.functional as F
from torch import Tensor, nn

Normalisation: TypeAlias = Literal["instance", "batch"]

_TINY = 1e-5


class StyleNorm(nn.Module):
    """Instance normalisation whose scale and shift are a style's (Dumoulin et al., ICLR 2017, eq. 5).

    With one style it is instance normalisation (Ulyanov et al. 2016, arXiv:1607.08022).

    Args:
        channels: of the feature.
        styles: how many there are.
    """

    def __init__(self, channels: int, styles: int) -> None:
        super().__init__()
        self.scale = nn.Parameter(torch.ones(styles, channels))
        self.shift = nn.Parameter(torch.zeros(styles, channels))

    def forward(self, x: Tensor, mix: Tensor) -> Tensor:
        """Normalise each channel of each picture.

        Args:
            x: (B, C, H, W).
            mix: (B, S), how much of every style each picture gets; scales and shifts are mixed so.
        """
        scale, shift = (mix @ one for one in (self.scale, self.shift))
        return F.instance_norm(x, eps=_TINY) * scale[..., None, None] + shift[..., None, None]


class BatchNorm(nn.Module):
    """Batch normalisation with the interface of `StyleNorm`; of one style, so the mix changes nothing."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.norm = nn.BatchNorm2d(channels)

    def forward(self, x: Tensor, mix: Tensor) -> Tensor:
        """(B, C, H, W) to the same shape."""
        normalised: Tensor = self.norm(x)
        return normalised


def normalisation(kind: Normalisation, channels: int, styles: int = 1) -> nn.Module:
    """A layer that is called with a feature (B, C, H, W) and a mix (B, S)."""
    return BatchNorm(channels) if kind == "batch" else StyleNorm(channels, styles)
