"""Backbones: networks whose features a method looks at, and no more, by name or from a plain state dict.

`vgg19` is the network of the papers, from its own weights; `compact` is the embedded one. Any VGG of
torchvision's naming (11, 13, 16 or 19 layers, without batch norm) comes from a file, so that "why VGG-19" can
be asked as an experiment.
"""

from __future__ import annotations

import re
from abc import ABC, abstractmethod
from collections.abc import Iterable, Mapping
from functools import lru_cache
from pathlib import Path
from typing import ClassVar

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from haarmony.errors import InputError, WeightsError
from haarmony.networks.autoencoder import LEVELS, Skips
from haarmony.networks.compact import Compact
from haarmony.networks.oxford import oxford_vgg19
from haarmony.networks.weights import load_network, read_state

_MEAN_BGR = (103.939, 116.779, 123.68)
_MEAN_RGB, _STD_RGB = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)


class Backbone(nn.Module, ABC):
    """A picture to its features.

    Attributes:
        layers: the names of all features, from the picture on.
        style_layers: those that a loss of style looks at where nothing else is said.
        content_layers: those that a loss of content looks at.
        smallest: the shortest side of a picture that the network takes.
    """

    layers: tuple[str, ...]
    style_layers: tuple[str, ...]
    content_layers: tuple[str, ...]
    smallest: int

    @abstractmethod
    def features(self, picture: Tensor, wanted: Iterable[str]) -> dict[str, Tensor]:
        """The wanted features of a picture (B, 3, H, W), RGB in [0, 1], by name.

        Raises:
            InputError: for a name that is none of `layers`.
        """

    def check(self, wanted: Iterable[str]) -> None:
        """Find out whether all names are known.

        Raises:
            InputError: for one that is none of `layers`.
        """
        for name in wanted:
            if name not in self.layers:
                raise InputError(
                    f"the backbone has no layer {name!r}: choose any of {', '.join(self.layers)}"
                )


class VGG(Backbone):
    """The convolutions of a VGG, as `conv2_1` and, rectified, `relu2_1` (Simonyan and Zisserman 2015).

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
        mean = torch.tensor(_MEAN_BGR if bgr else _MEAN_RGB)
        self.register_buffer("shift", mean.view(1, 3, 1, 1))
        self.register_buffer("scale", torch.tensor((1.0, 1.0, 1.0) if bgr else _STD_RGB).view(1, 3, 1, 1))

    def features(self, picture: Tensor, wanted: Iterable[str]) -> dict[str, Tensor]:
        """See `Backbone.features`."""
        left = set(wanted)
        self.check(left)
        found: dict[str, Tensor] = {}
        x = ((picture.flip(1) * 255 if self.bgr else picture) - self.shift) / self.scale
        for before, name in zip(("conv1_0", *self.names), self.names, strict=False):
            if before[4] != name[4]:
                x = F.avg_pool2d(x, 2, ceil_mode=True)
            mode = "reflect" if min(x.shape[-2:]) > 1 else "replicate"
            x = self.get_submodule(name)(F.pad(x, (1, 1, 1, 1), mode=mode))
            for layer in (name, f"relu{name[4:]}"):
                x = F.relu(x) if layer != name else x
                if layer in left:
                    found[layer] = x
            left -= found.keys()
            if not left:
                break
        return found


class CompactFeatures(Backbone):
    """The four levels of the embedded network, `level1` to `level4`, each as its positive and negative parts.

    The network is nearly linear, and a Gram matrix of linear features cannot tell a colour from its opposite;
    rectified halves can. Its features move in steps of its pooling, which shows as a fine weave in what is
    optimised on them.
    """

    layers = tuple(f"level{level}" for level in LEVELS)
    style_layers = layers
    content_layers = ("level4",)
    smallest = 8

    def __init__(self, network: Compact) -> None:
        super().__init__()
        self.network = network

    def features(self, picture: Tensor, wanted: Iterable[str]) -> dict[str, Tensor]:
        """See `Backbone.features`."""
        left = set(wanted)
        self.check(left)
        skips: Skips = {}
        found: dict[str, Tensor] = {}
        x = picture
        for level in LEVELS:
            x = self.network.encode(level, x, skips)
            if f"level{level}" in left:
                found[f"level{level}"] = torch.cat((F.relu(x), F.relu(-x)), 1)
            if len(found) == len(left):
                break
        return found


@lru_cache(maxsize=2)
def load_backbone(name: str) -> Backbone:
    """A backbone, loaded once.

    Args:
        name: `vgg19`, `compact`, or the path of a VGG's state dict, .pth or .safetensors.

    Raises:
        InputError: for a name that is neither known nor a file.
        WeightsError: for weights that are missing, damaged or of another network.
    """
    if name == "vgg19":
        return VGG(_in_order(oxford_vgg19()), bgr=True).eval()
    if name == "compact":
        network, _ = load_network("compact")
        assert isinstance(network, Compact)
        return CompactFeatures(network).eval()
    if not Path(name).is_file():
        raise InputError(
            f"unknown backbone {name!r}: choose vgg19, compact, or the file of a VGG's state dict"
        )
    return VGG(_of_torchvision(read_state(name), name), bgr=False).eval()


def _in_order(weights: Mapping[str, Tensor]) -> dict[str, Tensor]:
    return {key: weights[key] for key in sorted(weights)}


def _of_torchvision(state: Mapping[str, Tensor], path: str) -> dict[str, Tensor]:
    """`features.N.weight` to `convB_N.weight`: two steps on is the same block, three the next."""
    places = sorted(
        int(match[1]) for key in state if (match := re.fullmatch(r"features\.(\d+)\.weight", key))
    )
    renamed: dict[str, Tensor] = {}
    block, number, before = 1, 0, -2
    for place in places:
        weight, bias = state[f"features.{place}.weight"], state.get(f"features.{place}.bias")
        block, number = (block + 1, 1) if place - before == 3 else (block, number + 1)
        before = place
        if weight.ndim != 4 or weight.shape[-2:] != (3, 3) or bias is None or number > 4 or block > 5:
            break
        renamed[f"conv{block}_{number}.weight"], renamed[f"conv{block}_{number}.bias"] = weight, bias
    if len(renamed) != 2 * len(places) or len(places) < 4:
        raise WeightsError(
            f"{path} is no state dict of a VGG without batch norm: expected features.0.weight "
            "(64, 3, 3, 3) and so on"
        )
    return renamed
