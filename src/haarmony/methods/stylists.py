"""What the methods share whose networks were trained for their styles: which network, and its picture."""

from __future__ import annotations

from dataclasses import replace
from functools import cache
from pathlib import Path

import torch
import torch.nn.functional as F
from torch import Tensor

from haarmony.errors import InputError
from haarmony.methods.method import Example
from haarmony.methods.optimised import enlarged, fitted, resized, tell_reduced
from haarmony.networks.stylists import Trained, read_stylist
from haarmony.networks.texture_net import TextureGenerator
from haarmony.networks.transform_net import SMALLEST, TransformNet
from haarmony.networks.weights import STYLISTS, load_stylist


@cache
def _shipped(name: str, device: str) -> Trained:
    return _placed(load_stylist(name), device)


@cache
def _of_file(path: str, changed: int, device: str) -> Trained:
    return _placed(read_stylist(path), device)


def _placed(trained: Trained, device: str) -> Trained:
    return replace(trained, network=trained.network.to(device))


def known_stylist(name: str, *, prefix: str = "", device: torch.device | str = "cpu") -> Trained:
    """A network by its name or file; read once a process and device, and again when the file has changed.

    Args:
        name: as the user gives it.
        prefix: of the names of shipped networks, which the user leaves out.
        device: where the network shall be.

    Raises:
        InputError: for what is neither.
        WeightsError: for a file that holds no such network.
    """
    if prefix + name in STYLISTS:
        return _shipped(prefix + name, str(device))
    if not Path(name).is_file():
        names = ", ".join(one.removeprefix(prefix) for one in STYLISTS if one.startswith(prefix))
        raise InputError(f"no network is known by the name {name!r}: choose {names}, or a file of your own")
    return _of_file(name, Path(name).stat().st_mtime_ns, str(device))


@torch.no_grad()
def in_style(network: TransformNet, content: Example, mix: Tensor, side: int) -> Tensor:
    """The content in a mixture of styles, (1, 3, H, W) of its size.

    Args:
        network: that knows the styles, on the content's device.
        content: the picture.
        mix: (S,) shares, which sum to 1.
        side: long side of the copy that is worked on, at most.
    """
    height, width = size = fitted(content.size, side)
    tell_reduced(content.size, size)
    picture = resized(content.picture, size).clamp(0, 1)
    made = network(enlarged(picture, SMALLEST), mix[None].to(picture))[..., :height, :width]
    return resized(made, content.size)


@torch.no_grad()
def texture_of(network: TextureGenerator, size: tuple[int, int], seed: int) -> Tensor:
    """A texture (1, 3, H, W); with sides that are multiples of `step` it repeats without seams."""
    height, width = size
    step = network.step
    least = 8 * step  # of less, instance normalisation sees too little to know the texture
    whole = max(least, -(-height // step) * step), max(least, -(-width // step) * step)
    noise = network.noise(whole, 1, torch.Generator().manual_seed(seed))
    made: Tensor = network([one.to(network.colour.weight) for one in noise])
    return made[..., :height, :width]


def one_hot(chosen: dict[int, float], count: int) -> Tensor:
    """Shares of styles by their number, as a vector that sums to 1."""
    indices = torch.tensor(list(chosen))
    weights = torch.tensor(list(chosen.values()))
    return (F.one_hot(indices, count) * weights[:, None]).sum(0) / weights.sum()
