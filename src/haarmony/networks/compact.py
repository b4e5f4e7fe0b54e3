"""The embedded network: a small wavelet autoencoder distilled from VGG-19, the default of haarmony.

Level k = Haar pooling, a tall orthonormal channel mixing (a tight frame: U^T U = I) on a linear main path,
then residual blocks that bend the features towards the principal components of VGG-19's relu1_1 ... relu4_1.
Each decoder block inverts its encoder block from the feature and the skipped high bands alone. The picture
itself enters through a Haar split, so no layer runs at full resolution.
"""

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from haarmony.networks.autoencoder import Skip, Skips, WaveletAutoencoder
from haarmony.wavelets import Bands, haar_merge, haar_split

WIDTHS = (16, 32, 64, 96)
_POOLED = (False, False, True, True)
_ENCODER_BLOCKS = (1, 1, 2, 2)


class Residual(nn.Module):
    """x + W relu(V * x): a 3x3 convolution on reflected borders, ReLU, a 1x1 one that starts at zero."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.spread = nn.Conv2d(channels, channels, 3)
        self.gather = nn.Conv2d(channels, channels, 1)
        for parameter in self.gather.parameters():
            nn.init.zeros_(parameter)

    def forward(self, x: Tensor) -> Tensor:
        """(B, C, H, W) to the same shape."""
        mode = "reflect" if min(x.shape[-2:]) > 1 else "replicate"
        bent: Tensor = self.gather(F.relu_(self.spread(F.pad(x, (1, 1, 1, 1), mode=mode))))
        return x + bent


def _mixing(inputs: int, outputs: int) -> nn.Conv2d:
    mixing = nn.Conv2d(inputs, outputs, 1)
    nn.init.orthogonal_(mixing.weight)
    nn.init.zeros_(mixing.get_parameter("bias"))
    return mixing


class Compact(WaveletAutoencoder):
    """Features of 16, 32, 64, 96 channels at 1/2, 1/2, 1/4, 1/8 of the picture's sides; any picture size."""

    encoder_reach = 8, 8, 16, 32
    reach = 56
    bytes_per_pixel = 400
    bytes_aside = 1 << 27

    def __init__(self) -> None:
        super().__init__()
        inputs = (12, *WIDTHS[:-1])
        self.mix = nn.ModuleList(_mixing(i, o) for i, o in zip(inputs, WIDTHS, strict=True))
        self.bend = nn.ModuleList(
            nn.Sequential(*(Residual(o) for _ in range(blocks)))
            for o, blocks in zip(WIDTHS, _ENCODER_BLOCKS, strict=True)
        )
        self.correct = nn.ModuleList(Residual(o) for o in WIDTHS)
        self.unmix = nn.ModuleList(_mixing(o, i) for i, o in zip(inputs, WIDTHS, strict=True))
        for mixing, unmixing in zip(self.mix, self.unmix, strict=True):
            unmixing.get_parameter("weight").data = (
                mixing.get_parameter("weight").data.transpose(0, 1).clone()
            )

    def encode(self, level: int, x: Tensor, skips: Skips) -> Tensor:
        """See `WaveletAutoencoder.encode`."""
        if level == 1:
            skips[0] = Skip((), _size(x))
            x = torch.cat(haar_split(x - 0.5), 1).contiguous(memory_format=torch.channels_last)
        elif _POOLED[level - 1]:
            bands = haar_split(x)
            skips[level - 1] = Skip(bands[1:], _size(x))
            x = bands.LL
        encoded: Tensor = self.bend[level - 1](self.mix[level - 1](x))
        return encoded

    def decode(self, level: int, x: Tensor, skips: Skips) -> Tensor:
        """See `WaveletAutoencoder.decode`."""
        x = self.unmix[level - 1](self.correct[level - 1](x))
        if level == 1:
            return haar_merge(Bands(*x.chunk(4, 1)), skips[0].size) + 0.5
        if _POOLED[level - 1]:
            x = haar_merge(Bands(x, *skips[level - 1].high), skips[level - 1].size)
        return x


def _size(x: Tensor) -> tuple[int, int]:
    return x.shape[-2], x.shape[-1]
