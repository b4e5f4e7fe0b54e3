"""Residual networks as backbones: ResNet (He et al. 2016) and its wide and grouped kin.

Wide ones are Zagoruyko and Komodakis's (2016), grouped ones, ResNeXt, Xie et al.'s (2017). All are blocks of
two or three convolutions beside a shortcut; what sets them apart is in the shapes of their weights.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from haarmony.networks.backbone import MEAN_RGB, STD_RGB, Backbone
from haarmony.networks.folding import Convolutions


class Block(nn.Module):
    """Convolutions with ReLUs between them, added to a shortcut and rectified."""

    def __init__(self, convolutions: Sequence[nn.Conv2d], shortcut: nn.Conv2d | None) -> None:
        """Take the convolutions; without one of its own, the shortcut is the input."""
        super().__init__()
        self.convolutions = nn.ModuleList(convolutions)
        self.shortcut = nn.Identity() if shortcut is None else shortcut

    def forward(self, x: Tensor) -> Tensor:
        """(B, C, H, W) to (B, C', H / stride, W / stride), rounded up."""
        y = x
        for convolution in self.convolutions[:-1]:
            y = F.relu(convolution(y))
        return F.relu(self.convolutions[-1](y) + self.shortcut(x))


class ResNet(Backbone):
    """The stem, rectified, as `relu1`, and the ends of the stages, `layer1` to `layer4`.

    They have 1/2 and 1/4 to 1/32 of the picture's sides. The network is as it was trained: zeros beyond the
    border, and the maximum behind the stem. `layer2` stands for the content, since it has the resolution of
    VGG's relu4_2.
    """

    layers = ("relu1", "layer1", "layer2", "layer3", "layer4")
    style_layers = layers
    content_layers = ("layer2",)
    smallest = 32
    shift: Tensor
    scale: Tensor

    def __init__(self, stem: nn.Conv2d, stages: Sequence[Sequence[Block]]) -> None:
        """Put a network together.

        Args:
            stem: the first convolution, of RGB less ImageNet's mean over its deviation.
            stages: four, of blocks.
        """
        super().__init__()
        self.stem = stem
        self.stages = nn.ModuleList(nn.Sequential(*blocks) for blocks in stages)
        self.register_buffer("shift", torch.tensor(MEAN_RGB).view(1, 3, 1, 1))
        self.register_buffer("scale", torch.tensor(STD_RGB).view(1, 3, 1, 1))

    def features(self, picture: Tensor, wanted: Iterable[str]) -> dict[str, Tensor]:
        """See `Backbone.features`."""
        left = set(wanted)
        self.check(left)
        found: dict[str, Tensor] = {}
        x = (picture - self.shift) / self.scale
        for layer, part in zip(self.layers, (self.stem, *self.stages), strict=True):
            if not left:
                break
            x = F.max_pool2d(x, 3, 2, 1) if layer == "layer1" else x
            x = F.relu(part(x)) if layer == "relu1" else part(x)
            if layer in left:
                found[layer] = x
                left.remove(layer)
        return found


def resnet_of_torchvision(state: Mapping[str, Tensor], path: str) -> ResNet:
    """A residual network from torchvision's state dict; depth, width and groups are read off it.

    A bottleneck begins with a 1x1 convolution. Strides leave no trace in the weights: they are torchvision's,
    in the first 3x3 convolution of stages 2 to 4.

    Args:
        state: tensors by name.
        path: of the file, for the errors.

    Raises:
        WeightsError: for tensors that are missing, misshapen or too many.
    """
    known = Convolutions(state, path, "ResNet of torchvision's naming")
    stem = _convolution(*known.take("conv1", "bn1", channels=3, kernel=7), channels=3, stride=2)
    channels = stem.out_channels
    stages = []
    for stage in (1, 2, 3, 4):
        found = (re.match(rf"layer{stage}\.(\d+)\.", key) for key in state)
        last = max((int(match[1]) for match in found if match), default=0)
        blocks = []
        for number in range(last + 1):
            name, stride = f"layer{stage}.{number}", 2 if stage > 1 and number == 0 else 1
            first = state.get(f"{name}.conv1.weight")
            bottleneck = first is not None and first.shape[-1:] == (1,)
            block, channels = _block(known, name, channels, stride, bottleneck=bottleneck)
            blocks.append(block)
        stages.append(blocks)
    known.expect_no_more(head="fc.")
    return ResNet(stem, stages)


def _block(
    known: Convolutions, name: str, channels: int, stride: int, *, bottleneck: bool
) -> tuple[Block, int]:
    """The block that is given so many channels, and how many it gives."""
    kernels = (1, 3, 1) if bottleneck else (3, 3)
    convolutions: list[nn.Conv2d] = []
    width = channels
    for number, kernel in enumerate(kernels, start=1):
        grouped = bottleneck and kernel == 3
        weight, bias = known.take(
            f"{name}.conv{number}", f"{name}.bn{number}", channels=width, kernel=kernel, grouped=grouped
        )
        here = stride if number - 1 == kernels.index(3) else 1
        convolutions.append(_convolution(weight, bias, channels=width, stride=here))
        width = len(bias)
    if stride == 1 and width == channels:
        return Block(convolutions, None), width
    weight, bias = known.take(
        f"{name}.downsample.0", f"{name}.downsample.1", channels=channels, kernel=1, out=width
    )
    return Block(convolutions, _convolution(weight, bias, channels=channels, stride=stride)), width


def _convolution(weight: Tensor, bias: Tensor, *, channels: int, stride: int) -> nn.Conv2d:
    """A convolution of so many channels, in groups where its weight has fewer."""
    out, inner, kernel, _ = weight.shape
    convolution = nn.Conv2d(
        channels, out, kernel, stride, kernel // 2, groups=channels // inner, device="meta"
    )
    convolution.weight = nn.Parameter(weight, requires_grad=False)
    convolution.bias = nn.Parameter(bias, requires_grad=False)
    return convolution
