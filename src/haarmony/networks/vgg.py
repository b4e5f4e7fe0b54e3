"""VGGs (Simonyan and Zisserman 2015) as backbones: 11 to 19 layers, with or without batch norm."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import ClassVar, cast

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from haarmony.networks.backbone import MEAN_RGB, STD_RGB, Backbone
from haarmony.networks.folding import Convolutions
from haarmony.networks.frozen import convolve_frozen

_MEAN_BGR = (103.939, 116.779, 123.68)
_BLOCKS = 5


class VGG(Backbone):
    """The convolutions of a VGG, as `conv2_1` and, rectified, `relu2_1`; a batch norm is part of the former.

    Pooling is the average, which gives Gatys' methods smoother pictures than the maximum (Gatys et al. 2015,
    section 2).
    """

    shift: Tensor
    scale: Tensor
    _STYLE: ClassVar = ("relu1_1", "relu2_1", "relu3_1", "relu4_1", "relu5_1")

    def __init__(self, weights: Mapping[str, Tensor], *, bgr: bool) -> None:
        """Take the convolutions from a state dict.

        Args:
            weights: `convB_N.weight` (out, in, 3, 3) and `convB_N.bias`, in the order of the network.
            bgr: whether the network takes BGR in 0..255 less the mean, as the original; else RGB in [0, 1]
                less the mean over the deviation, as torchvision's.
        """
        super().__init__()
        self.bgr = bgr
        self.names = tuple(name.removesuffix(".weight") for name in weights if name.endswith(".weight"))
        for name in self.names:
            weight = weights[f"{name}.weight"].float()
            conv = nn.Conv2d(weight.shape[1], weight.shape[0], 3)
            conv.weight.data, conv.bias.data = weight, weights[f"{name}.bias"].float()  # type: ignore[union-attr]
            self.add_module(name, conv.requires_grad_(False))
        self.layers = tuple(kind + name[4:] for name in self.names for kind in ("conv", "relu"))
        self.style_layers = tuple(name for name in self._STYLE if name in self.layers)
        deepest = "relu4_2" if "relu4_2" in self.layers else self.layers[-1]
        self.content_layers = (deepest,)
        self.smallest = 2 ** int(self.names[-1][4])
        mean = torch.tensor(_MEAN_BGR if bgr else MEAN_RGB)
        self.register_buffer("shift", mean.view(1, 3, 1, 1))
        self.register_buffer("scale", torch.tensor((1.0, 1.0, 1.0) if bgr else STD_RGB).view(1, 3, 1, 1))

    def features(self, picture: Tensor, wanted: Iterable[str]) -> dict[str, Tensor]:
        """See `Backbone.features`."""
        left = set(wanted)
        self.check(left)
        found: dict[str, Tensor] = {}
        x = ((picture.flip(1) * 255 if self.bgr else picture) - self.shift) / self.scale
        for before, name in zip(("conv1_0", *self.names), self.names, strict=False):
            if before[4] != name[4]:
                x = F.avg_pool2d(x, 2, ceil_mode=True)
            x = self._convolved(name, x)
            for layer in (name, f"relu{name[4:]}"):
                x = F.relu(x) if layer != name else x
                if layer in left:
                    found[layer] = x
            left -= found.keys()
            if not left:
                break
        return found

    def _convolved(self, name: str, x: Tensor) -> Tensor:
        conv = cast(nn.Conv2d, self.get_submodule(name))
        if min(x.shape[-2:]) > 1:
            return convolve_frozen(x, conv.weight, cast(Tensor, conv.bias))
        convolved: Tensor = conv(F.pad(x, (1, 1, 1, 1), mode="replicate"))
        return convolved


def vgg_of_torchvision(state: Mapping[str, Tensor], path: str) -> VGG:
    """A VGG from torchvision's state dict.

    `features.N` are a convolution, its batch norm if there is one, and its ReLU; a place that is left out is
    that of a pooling, behind which the next block begins.

    Args:
        state: tensors by name.
        path: of the file, for the errors.

    Raises:
        WeightsError: for tensors that are missing, misshapen or too many.
    """
    known = Convolutions(state, path, "VGG of torchvision's naming")
    places = {int(match[1]) for key in state if (match := re.match(r"features\.(\d+)\.", key))}
    normed = any(re.fullmatch(r"features\.\d+\.running_mean", key) for key in state)
    weights: dict[str, Tensor] = {}
    place, block, number, channels = 0, 1, 1, 3
    while place <= max(places) and block <= _BLOCKS:
        weight, bias = known.take(
            f"features.{place}", f"features.{place + 1}" if normed else None, channels=channels, kernel=3
        )
        weights[f"conv{block}_{number}.weight"], weights[f"conv{block}_{number}.bias"] = weight, bias
        channels = len(bias)
        place, number = place + (3 if normed else 2), number + 1
        if place not in places:
            place, block, number = place + 1, block + 1, 1
    known.expect_no_more(head="classifier.")
    return VGG(weights, bgr=False)
