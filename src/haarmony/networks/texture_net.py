"""Noise to a texture that the network has learnt, of any size, in one pass (Ulyanov et al., ICML 2016).

Noise enters at several scales; each is convolved a little, and the coarser ones are enlarged and joined to
the next finer. The convolutions go round the borders, so every picture is a tile that repeats without seams.
"""

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from haarmony.networks.enlarging import enlarged
from haarmony.networks.normalisation import Normalisation, normalisation

_SLOPE = 0.01


class Layer(nn.Module):
    """Convolution that goes round the borders, normalisation, and a leaky ReLU."""

    def __init__(self, inputs: int, outputs: int, kernel: int, kind: Normalisation) -> None:
        super().__init__()
        self.border = kernel // 2
        self.conv = nn.Conv2d(inputs, outputs, kernel)
        self.norm = normalisation(kind, outputs)

    def forward(self, x: Tensor) -> Tensor:
        """(B, inputs, H, W) to (B, outputs, H, W)."""
        x = self.conv(F.pad(x, (self.border,) * 4, mode="circular"))
        return F.leaky_relu(self.norm(x, x.new_ones(len(x), 1)), _SLOPE)


class Block(nn.Sequential):
    """Two layers of 3x3 and one of 1x1."""

    def __init__(self, inputs: int, outputs: int, kind: Normalisation) -> None:
        super().__init__(
            Layer(inputs, outputs, 3, kind),
            Layer(outputs, outputs, 3, kind),
            Layer(outputs, outputs, 1, kind),
        )


class TextureGenerator(nn.Module):
    """Noise at several scales to a texture.

    Args:
        scales: how many; 5 in the paper for pictures of 256 pixels.
        width: channels that each scale adds; 8 in the paper.
        kind: `batch`, as in the paper, or `instance`.
    """

    def __init__(self, *, scales: int = 5, width: int = 8, kind: Normalisation = "instance") -> None:
        super().__init__()
        self.scales = scales
        joined = [width * number for number in range(1, scales + 1)]
        self.enter = nn.ModuleList(Block(3, width, kind) for _ in range(scales))
        self.coarse = nn.ModuleList(normalisation(kind, count) for count in joined[:-1])
        self.fine = nn.ModuleList(normalisation(kind, width) for _ in joined[1:])
        self.join = nn.ModuleList(Block(count, count, kind) for count in joined[1:])
        self.colour = nn.Conv2d(joined[-1], 3, 1)

    @property
    def step(self) -> int:
        """The sides of what is made are multiples of this."""
        return 1 << (self.scales - 1)

    def noise(self, size: tuple[int, int], count: int, generator: torch.Generator) -> list[Tensor]:
        """Uniform noise for `forward`, the coarsest first.

        Args:
            size: height and width of the texture, multiples of `step`.
            count: how many textures.
            generator: of the numbers.
        """
        steps = [1 << (self.scales - 1 - number) for number in range(self.scales)]
        return [torch.rand(count, 3, size[0] // step, size[1] // step, generator=generator) for step in steps]

    def forward(self, noise: Sequence[Tensor]) -> Tensor:
        """Textures (B, 3, H, W) in [0, 1], of noise (B, 3, h, w) for every scale, the coarsest first."""
        first, *rest = (enter(one) for enter, one in zip(self.enter, noise, strict=True))
        x = first
        for coarse, fine, join, one in zip(self.coarse, self.fine, self.join, rest, strict=True):
            x = enlarged(x, "circular")
            every = x.new_ones(len(x), 1)
            x = join(torch.cat((coarse(x, every), fine(one, every)), 1))
        return torch.sigmoid(self.colour(x)).float()
