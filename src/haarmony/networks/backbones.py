"""Backbones by name or from a plain state dict, so that "why VGG-19" can be asked as an experiment.

`vgg19` is the network of the papers, from its own weights; `compact` is the embedded one. VGGs and ResNets of
torchvision's naming and EfficientNet-lites come from a file.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from functools import lru_cache
from pathlib import Path

import torch
import torch.nn.functional as F
from torch import Tensor

from haarmony.errors import InputError, WeightsError
from haarmony.networks.autoencoder import LEVELS, Skips
from haarmony.networks.backbone import Backbone
from haarmony.networks.compact import Compact
from haarmony.networks.efficientnet import efficientnet_lite
from haarmony.networks.oxford import oxford_vgg19
from haarmony.networks.resnet import resnet_of_torchvision
from haarmony.networks.state import read_state
from haarmony.networks.vgg import VGG, vgg_of_torchvision
from haarmony.networks.weights import load_network


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


def load_backbone(name: str, device: torch.device | str = "cpu") -> Backbone:
    """A backbone on a device, loaded once for each.

    Args:
        name: `vgg19`, `compact`, or the path of the state dict of a VGG, a ResNet or an EfficientNet-lite,
            .pth or .safetensors.
        device: where it shall be.

    Raises:
        InputError: for a name that is neither known nor a file.
        WeightsError: for weights that are missing, damaged or of another network.
    """
    return _on_device(name, str(device))


@lru_cache(maxsize=2)
def _on_device(name: str, device: str) -> Backbone:
    with torch.inference_mode(False):
        return _read(name).to(device)


def _read(name: str) -> Backbone:
    if name == "vgg19":
        return VGG(_in_order(oxford_vgg19()), bgr=True).eval()
    if name == "compact":
        network, _ = load_network("compact")
        assert isinstance(network, Compact)
        return CompactFeatures(network).eval()
    if not Path(name).is_file():
        raise InputError(
            f"unknown backbone {name!r}, and no file has that name: choose vgg19, compact, or the file of "
            "the state dict of a VGG, a ResNet or an EfficientNet-lite"
        )
    state = read_state(name)
    if "features.0.weight" in state:
        return vgg_of_torchvision(state, name).eval()
    if any(key.startswith("layer1.") for key in state):
        return resnet_of_torchvision(state, name).eval()
    if any(key.startswith("_blocks.") for key in state):
        return efficientnet_lite(state, name).eval()
    raise WeightsError(
        f"{name} holds no VGG or ResNet of torchvision's naming and no EfficientNet-lite: expected "
        "features.0.weight and so on, conv1.weight, layer1.0.conv1.weight and so on, or _conv_stem.weight, "
        "_blocks.0._depthwise_conv.weight and so on"
    )


def _in_order(weights: Mapping[str, Tensor]) -> dict[str, Tensor]:
    return {key: weights[key] for key in sorted(weights)}
