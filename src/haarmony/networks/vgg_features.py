"""Plain VGG-19 features (Simonyan and Zisserman 2015): the teacher of `compact`, and of the Gram distance."""

from collections.abc import Mapping

import torch
import torch.nn.functional as F
from torch import Tensor, nn

LAYERS = ("relu1_1", "relu2_1", "relu3_1", "relu4_1")
_WIDTHS = {1: (64, 64), 2: (128, 128), 3: (256, 256, 256, 256), 4: (512,)}
_MEAN_BGR = (103.939, 116.779, 123.68)


class VGGFeatures(nn.Module):
    """relu1_1, relu2_1, relu3_1, relu4_1 of VGG-19 with max-pooling; takes (B, 3, H, W), RGB in [0, 1]."""

    mean: Tensor

    def __init__(self, weights: Mapping[str, Tensor], *, padding: str = "constant") -> None:
        """Take the convolutions from a state dict.

        Args:
            weights: `convB_N.weight` (out, in, 3, 3) and `convB_N.bias` for conv1_1 to conv4_1, for BGR input
                in 0..255 minus the ImageNet mean.
            padding: how the 3x3 convolutions see the border: constant (zero), as the network was trained, or
                reflect.
        """
        super().__init__()
        self.padding = padding
        self.register_buffer("mean", torch.tensor(_MEAN_BGR).view(1, 3, 1, 1))
        channels = 3
        for block, widths in _WIDTHS.items():
            for number, width in enumerate(widths, start=1):
                name = f"conv{block}_{number}"
                conv = nn.Conv2d(channels, width, 3)
                conv.weight.data = weights[f"{name}.weight"].float()
                conv.bias.data = weights[f"{name}.bias"].float()  # type: ignore[union-attr]
                self.add_module(name, conv.requires_grad_(False))
                channels = width

    def forward(self, picture: Tensor) -> list[Tensor]:
        """The four features, at 1, 1/2, 1/4 and 1/8 of the sides."""
        x = picture.flip(1) * 255 - self.mean
        features: list[Tensor] = []
        for block, widths in _WIDTHS.items():
            if block > 1:
                x = F.max_pool2d(x, 2)
            for number in range(1, len(widths) + 1):
                x = F.relu(
                    self.get_submodule(f"conv{block}_{number}")(F.pad(x, (1, 1, 1, 1), mode=self.padding))
                )
                if number == 1:
                    features.append(x)
        return features
