"""A picture to the same picture in a style that the network has learnt, in one pass.

The residual network of Johnson et al. (ECCV 2016) with the changes of Dumoulin et al. (ICLR 2017, appendix):
reflected borders, no transposed convolutions, and a scale and shift for every style at each
normalisation, which are all that tells one style from another.
"""

from collections.abc import Iterator

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from haarmony.networks.enlarging import enlarged
from haarmony.networks.normalisation import Normalisation, StyleNorm, normalisation

_STRIDES = 4
SMALLEST = 16
"""The shortest side of a picture that the network takes."""


class Layer(nn.Module):
    """Convolution on reflected borders, then normalisation."""

    def __init__(
        self, inputs: int, outputs: int, kernel: int, styles: int, kind: Normalisation, *, stride: int = 1
    ) -> None:
        super().__init__()
        self.border = kernel // 2
        self.conv = nn.Conv2d(inputs, outputs, kernel, stride)
        self.norm = normalisation(kind, outputs, styles)

    def forward(self, x: Tensor, mix: Tensor) -> Tensor:
        """(B, inputs, H, W) to (B, outputs, H / stride, W / stride)."""
        normalised: Tensor = self.norm(self.conv(F.pad(x, (self.border,) * 4, mode="reflect")), mix)
        return normalised


class TransformNet(nn.Module):
    """A picture in a style, or in a mixture of styles.

    Args:
        styles: how many the network knows.
        width: channels of the first layer; 32 in the papers.
        blocks: residual blocks; 5 in the papers.
        kind: `instance`, or `batch` of a network that knows one style.
    """

    def __init__(
        self, styles: int = 1, *, width: int = 32, blocks: int = 5, kind: Normalisation = "instance"
    ) -> None:
        super().__init__()
        self.styles, self.width, self.blocks, self.kind = styles, width, blocks, kind

        def layer(inputs: int, outputs: int, kernel: int, stride: int = 1) -> Layer:
            return Layer(inputs, outputs, kernel, styles, kind, stride=stride)

        wide = 4 * width
        self.down = nn.ModuleList(
            (layer(3, width, 9), layer(width, 2 * width, 3, 2), layer(2 * width, wide, 3, 2))
        )
        self.first = nn.ModuleList(layer(wide, wide, 3) for _ in range(blocks))
        self.second = nn.ModuleList(layer(wide, wide, 3) for _ in range(blocks))
        self.up = nn.ModuleList((layer(wide, 2 * width, 3), layer(2 * width, width, 3)))
        self.last = layer(width, 3, 9)

    def forward(self, picture: Tensor, mix: Tensor) -> Tensor:
        """A picture in a style.

        Args:
            picture: (B, 3, H, W), RGB in [0, 1], no side under `SMALLEST`.
            mix: (B, S) how much of each style every picture gets; the rows sum to 1.

        Returns:
            (B, 3, H, W) in [0, 1].
        """
        height, width = picture.shape[-2:]
        x = F.pad(picture, (0, -width % _STRIDES, 0, -height % _STRIDES), mode="reflect") - 0.5
        for layer in self.down:
            x = F.relu(layer(x, mix))
        for first, second in zip(self.first, self.second, strict=True):
            x = x + second(F.relu(first(x, mix)), mix)
        for layer in self.up:
            x = F.relu(layer(enlarged(x, "reflect"), mix))
        made: Tensor = torch.sigmoid(self.last(x, mix)).float()
        return made[..., :height, :width]

    def norms(self) -> Iterator[tuple[str, StyleNorm]]:
        """The layers that hold the styles, by name."""
        return ((name, module) for name, module in self.named_modules() if isinstance(module, StyleNorm))


@torch.no_grad()
def with_styles(network: TransformNet, grown: TransformNet) -> TransformNet:
    """A network that knows more styles, with all that another has learnt.

    Args:
        network: that has learnt.
        grown: of the same make, with more styles; those beyond the other's begin at the mean of its own.

    Returns:
        `grown`.
    """
    state = grown.state_dict()
    for name, tensor in network.state_dict().items():
        if name.endswith((".scale", ".shift")):
            new = tensor.mean(0, keepdim=True).expand(grown.styles - network.styles, -1)
            tensor = torch.cat((tensor, new))
        state[name] = tensor
    grown.load_state_dict(state)
    return grown
