"""VGG-19's own weights and a trained decoder, put together to a network; and the published checkpoints."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from typing import TypeVar

import torch
from torch import Tensor, nn

from haarmony.errors import WeightsError
from haarmony.networks.levels import PooledLevels
from haarmony.networks.oxford import oxford_vgg19
from haarmony.networks.pooled import PooledVGG19, Unpooling
from haarmony.networks.pooling import PoolingName
from haarmony.networks.state import read_state
from haarmony.networks.vgg19 import ENCODER, VGG19, Variant

_VGG = TypeVar("_VGG", VGG19, PooledVGG19)
_MEAN_BGR = (103.939, 116.779, 123.68)
_POOLINGS = "poolings."
_AFTER_POOLING = ("conv2_1", "conv3_1", "conv4_1")


def vgg19_encoder(
    oxford: Mapping[str, Tensor], units: Tensor | None = None, *, pooled: float = 0.5
) -> dict[str, Tensor]:
    """The encoder's state dict from VGG-19's own weights, in handy units.

    LL is twice the average of its 2x2 block, so the convolutions after a Haar pooling are halved, which makes
    it VGG-19 with average pooling. ReLU and maxima commute with positive factors, so each layer can be
    measured in its own unit and still computes the same.

    Args:
        oxford: `convB_N.weight` (out, in, 3, 3) and `convB_N.bias`, for BGR in 0..255 less the ImageNet mean.
        units: (9,) the unit of each layer's feature, in the order of `ENCODER`; all 1 if None. Fewer give the
            first layers alone.
        pooled: the factor of the convolutions after a pooling; 1 where it takes maxima.

    Raises:
        WeightsError: when a convolution is missing.
    """
    state = {
        "conv0.weight": 255 * torch.eye(3).flip(0)[..., None, None],
        "conv0.bias": -torch.tensor(_MEAN_BGR),
    }
    before = torch.ones(())
    for name, unit in zip(ENCODER, torch.ones(len(ENCODER)) if units is None else units, strict=False):
        factor = pooled if name in _AFTER_POOLING else 1.0
        try:
            state[f"{name}.weight"] = oxford[f"{name}.weight"].float() * (factor * before / unit)
            state[f"{name}.bias"] = oxford[f"{name}.bias"].float() / unit
        except KeyError as missing:
            raise WeightsError(f"VGG-19's weights lack {missing}: expected conv1_1 to conv4_1") from None
        before = unit
    return state


def import_wct2_checkpoint(encoder: str | os.PathLike[str], decoder: str | os.PathLike[str]) -> VGG19:
    """A network with the weights of the published checkpoints (`wave_encoder_cat5_l4.pth` and its decoder).

    Args:
        encoder: path of the encoder's state dict.
        decoder: path of the decoder's state dict, whose shapes tell the variant.

    Raises:
        WeightsError: for files that are no such state dicts.
    """
    states = {"encoder": _checkpoint(encoder), "decoder": _checkpoint(decoder)}
    variant: Variant = "cat5" if "conv3_4_2.weight" in states["decoder"] else "sum"
    network = _empty(variant)
    for part, path in (("encoder", encoder), ("decoder", decoder)):
        expected = {key: tuple(value.shape) for key, value in getattr(network, part).state_dict().items()}
        given = {key: tuple(value.shape) for key, value in states[part].items()}
        wrong = sorted(key for key in expected.keys() | given.keys() if expected.get(key) != given.get(key))
        if wrong:
            name = wrong[0]
            raise WeightsError(
                f"{path} is no {variant} {part} of WCT2: {name} is {given.get(name, 'missing')}, "
                f"expected {expected.get(name, 'no such tensor')} ({len(wrong)} tensors differ)"
            )
    return _fill(network, states["encoder"], states["decoder"])


def read_vgg19(path: str | os.PathLike[str], variant: Variant, pooling: PoolingName = "haar") -> VGG19:
    """The network of WCT2 with a decoder that `haarmony train decoder --export` wrote.

    Raises:
        WeightsError: for a file that holds no such decoder, and where VGG-19's own weights are missing.
    """
    tensors = read_state(path)
    try:
        return build_vgg19(variant, pooling)(tensors).eval().requires_grad_(False)
    except (KeyError, RuntimeError, IndexError) as error:
        reason = str(error).splitlines()[0]
        raise WeightsError(
            f"{path} holds no decoder of VGG-19 with {variant} ({reason}): expected what haarmony train "
            "decoder --export writes"
        ) from None


def build_vgg19(variant: Variant, pooling: PoolingName = "haar") -> Callable[[dict[str, Tensor]], VGG19]:
    """How the network of WCT2 is made of a trained decoder and VGG-19's own weights."""

    def build(tensors: dict[str, Tensor]) -> VGG19:
        network = _empty(variant, pooling)
        units = tensors.pop("units")
        poolings = {
            name.removeprefix(_POOLINGS): tensors.pop(name)
            for name in [*tensors]
            if name.startswith(_POOLINGS)
        }
        deepest = {name[2:]: tensor for name, tensor in tensors.items() if name.startswith("4.")}
        encoder = vgg19_encoder(oxford_vgg19(), units, pooled=1 / network.gain)
        network.poolings.load_state_dict(poolings, assign=True)
        return _fill(network, encoder, deepest or tensors)

    return build


def build_pooled(unpooling: Unpooling) -> Callable[[dict[str, Tensor]], PooledLevels]:
    """How decoders from several levels, `4.conv4_1.weight` and so on, share one encoder."""

    def build(tensors: dict[str, Tensor]) -> PooledLevels:
        units = tensors.pop("units")
        levels: dict[int, dict[str, Tensor]] = {}
        for name, tensor in tensors.items():
            prefix, _, rest = name.partition(".") if name[0].isdigit() else ("4", "", name)
            levels.setdefault(int(prefix), {})[rest] = tensor
        state = vgg19_encoder(oxford_vgg19(), units, pooled=1.0)
        shared: nn.ModuleDict | None = None
        networks = {}
        for level in sorted(levels, reverse=True):
            with torch.device("meta"):
                networks[level] = PooledVGG19(level, unpooling, encoder=shared)
            shared = networks[level].encoder
            _fill(networks[level], state, levels[level])
        return PooledLevels(networks)

    return build


def _empty(variant: Variant, pooling: PoolingName = "haar") -> VGG19:
    with torch.device("meta"):
        return VGG19(variant, pooling)


def _fill(network: _VGG, encoder: dict[str, Tensor], decoder: dict[str, Tensor]) -> _VGG:
    for tensors in (encoder, decoder):
        for name, tensor in tensors.items():
            if tensor.ndim == 4:
                tensors[name] = tensor.contiguous(memory_format=torch.channels_last)
    network.encoder.load_state_dict(encoder, assign=True)
    network.decoder.load_state_dict(decoder, assign=True)
    return network


def _checkpoint(path: str | os.PathLike[str]) -> dict[str, Tensor]:
    """A published state dict less its fixed Haar filters."""
    return {
        key: value for key, value in read_state(path).items() if not key.startswith(("pool", "recon_block"))
    }
