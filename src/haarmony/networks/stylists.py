"""Networks that were trained for their styles, as files: fp16 safetensors that say what they know.

The make of a network is read off its tensors; the names of its styles are in the file's metadata.
"""

from __future__ import annotations

import json
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor, nn

from haarmony.errors import WeightsError
from haarmony.networks.normalisation import Normalisation
from haarmony.networks.texture_net import TextureGenerator
from haarmony.networks.transform_net import TransformNet

Stylist = TextureGenerator | TransformNet


@dataclass(frozen=True)
class Trained:
    """A network and what it was trained for.

    Attributes:
        network: ready for inference.
        styles: the names of its styles, in their order; of a texture, one.
    """

    network: Stylist
    styles: tuple[str, ...]


def built(tensors: Mapping[str, Tensor]) -> Stylist:
    """The network whose tensors these are.

    Raises:
        WeightsError: when they are of no such network.
    """
    kind: Normalisation = "batch" if any(name.endswith("running_mean") for name in tensors) else "instance"
    try:
        network: Stylist
        if "colour.weight" in tensors:
            width = tensors["enter.0.0.conv.weight"].shape[0]
            network = TextureGenerator(scales=_count(tensors, "enter"), width=width, kind=kind)
        else:
            width = tensors["down.0.conv.weight"].shape[0]
            styles = 1 if kind == "batch" else tensors["last.norm.scale"].shape[0]
            network = TransformNet(styles, width=width, blocks=_count(tensors, "first"), kind=kind)
        network.load_state_dict(dict(tensors))
    except (KeyError, RuntimeError, IndexError, ValueError) as error:
        reason = str(error).splitlines()[0]
        raise WeightsError(
            f"the tensors are of no texture net and no network of styles ({reason}): give a file that "
            "haarmony train texture-net or haarmony train conditional has written"
        ) from None
    network.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    return network.eval().requires_grad_(False)


def save_stylist(
    network: nn.Module, styles: Sequence[str], target: Path, *, training: Mapping[str, Any]
) -> None:
    """Write a network as haarmony ships it; whole or absent.

    Args:
        network: a `Stylist`.
        styles: its names.
        target: a .safetensors file.
        training: what to tell of how it was trained.
    """
    state = network.state_dict()
    tensors = {
        name: (tensor.half() if tensor.is_floating_point() else tensor).contiguous()
        for name, tensor in state.items()
    }
    part = target.with_name(target.name + ".part")
    # One key: several would be written in an order that differs from process to process.
    save_file(tensors, part, {"haarmony": json.dumps({"styles": list(styles), "training": dict(training)})})
    part.replace(target)


def read_stylist(path: str | os.PathLike[str]) -> Trained:
    """A network from its file.

    Raises:
        WeightsError: for a file that holds no such thing.
    """
    try:
        with safe_open(path, "pt") as file:
            said = (file.metadata() or {}).get("haarmony", "{}")
            tensors = {
                name: tensor.float() if (tensor := file.get_tensor(name)).is_floating_point() else tensor
                for name in file.keys()  # noqa: SIM118
            }
        names = tuple(map(str, json.loads(said).get("styles", ())))
    except OSError as error:
        raise WeightsError(f"cannot read {path}: {error.strerror or error}") from None
    except (SafetensorError, ValueError, AttributeError):
        raise WeightsError(f"{path} is no .safetensors file of haarmony: give one it has trained") from None
    network = built(tensors)
    count = network.styles if isinstance(network, TransformNet) else 1
    if len(names) != count:
        raise WeightsError(f"{path} names {len(names)} styles and holds {count}: export it anew")
    return Trained(network, names)


def _count(tensors: Mapping[str, Tensor], group: str) -> int:
    return len({name.split(".")[1] for name in tensors if name.startswith(f"{group}.")})
