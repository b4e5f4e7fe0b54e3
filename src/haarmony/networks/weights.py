"""The trained networks that haarmony knows: what they are, where they lie, and how they are put together.

A trained file lies inside the package as fp16 safetensors and is checked against its sha256 whenever it is
read. The VGG-19 models ship their decoder alone; the encoder is made from VGG-19's own weights, which
`networks.oxford` finds.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path
from typing import Any, TypeVar, cast

import torch
from safetensors.torch import load
from torch import Tensor, nn

from haarmony.errors import WeightsError
from haarmony.networks.autoencoder import WaveletAutoencoder
from haarmony.networks.compact import Compact
from haarmony.networks.imagined import ImaginedCompact
from haarmony.networks.levels import LevelAutoencoder, PooledLevels
from haarmony.networks.oxford import find_oxford, oxford_vgg19
from haarmony.networks.pooled import PooledVGG19, Unpooling
from haarmony.networks.pooling import PoolingName
from haarmony.networks.stylists import Trained, built, read_stylist
from haarmony.networks.vgg19 import ENCODER, VGG19, Variant

SHIPPED = Path(__file__).parent / "shipped"

_VGG = TypeVar("_VGG", VGG19, PooledVGG19)
_MEAN_BGR = (103.939, 116.779, 123.68)
_AFTER_POOLING = ("conv2_1", "conv3_1", "conv4_1")


@dataclass(frozen=True)
class Model:
    """A trained network that haarmony knows.

    Attributes:
        file: its name in `SHIPPED`.
        sha256: of that file; empty while it is not trained.
        licence: of all that it is made of.
        parameters: how many numbers the network has, in all.
        build: the network, from the file's tensors.
        needs_vgg19: whether VGG-19's own weights are needed beside the file.
    """

    file: str
    sha256: str
    licence: str
    parameters: int
    build: Callable[[dict[str, Tensor]], nn.Module]
    needs_vgg19: bool = False


@dataclass(frozen=True)
class ModelCard:
    """What `haarmony models` tells of a model.

    Attributes:
        name: by which it is loaded.
        parameters: how many numbers the network has.
        size: bytes of its files that are here.
        licence: of all that it is made of.
        paths: the files that are here.
        missing: what has to be fetched before it can be used; empty when all is here.
        sha256: of the shipped file.
    """

    name: str
    parameters: int
    size: int
    licence: str
    paths: tuple[Path, ...]
    missing: tuple[str, ...]
    sha256: str


def models() -> list[ModelCard]:
    """A card for every model that haarmony knows, whether or not it is all here."""
    return [_card(name, model) for name, model in (MODELS | DECODERS | STYLISTS).items()]


def load_network(name: str) -> tuple[WaveletAutoencoder, str]:
    """A trained wavelet autoencoder, ready for inference, and its identity.

    The identity names the model and the numbers it runs on, for a style to remember.

    Raises:
        WeightsError: for an unknown name, and for weights that are missing or damaged.
    """
    network, identity = _load(MODELS, name)
    return cast(WaveletAutoencoder, network), identity


def load_levels(name: str) -> tuple[LevelAutoencoder, str]:
    """A network with a decoder from each of its levels, of `DECODERS`; see `load_network`."""
    network, identity = _load(DECODERS, name)
    return cast(LevelAutoencoder, network), identity


def load_stylist(name: str) -> Trained:
    """A network that was trained for its styles, of `STYLISTS`.

    Raises:
        WeightsError: for an unknown name, and for weights that are missing or damaged.
    """
    if name not in STYLISTS:
        raise WeightsError(f"unknown network {name!r}: choose {', '.join(STYLISTS)}")
    path, _ = _checked(STYLISTS[name])
    return read_stylist(path)


def _load(known: Mapping[str, Model], name: str) -> tuple[nn.Module, str]:
    if name not in known:
        raise WeightsError(f"unknown model {name!r}: choose {', '.join(known)}")
    network = known[name].build(read_shipped(name)).eval().requires_grad_(False)
    digest = hashlib.sha256()
    for tensor in network.state_dict().values():
        digest.update(tensor.contiguous().numpy().tobytes())
    return network, f"{name} {digest.hexdigest()[:16]}"


def read_shipped(name: str) -> dict[str, Tensor]:
    """The tensors of a shipped file, float32.

    Raises:
        WeightsError: when the file is missing, not the one that was shipped, or not trained yet.
    """
    model = (MODELS | DECODERS)[name]
    if not model.sha256:
        raise WeightsError(f"{name} has no trained decoder yet: choose another model, see haarmony models")
    _, content = _checked(model)
    return {key: tensor.float() for key, tensor in load(content).items()}


def _checked(model: Model) -> tuple[Path, bytes]:
    """The file of a model, and what it holds, which is what was shipped."""
    path = SHIPPED / model.file
    try:
        content = path.read_bytes()
    except OSError as error:
        raise WeightsError(f"cannot read {path}: {error.strerror}; install haarmony anew") from None
    if hashlib.sha256(content).hexdigest() != model.sha256:
        raise WeightsError(f"{path} is damaged (its sha256 is another): install haarmony anew")
    return path, content


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
        return _vgg19(variant, pooling)(tensors).eval().requires_grad_(False)
    except (KeyError, RuntimeError, IndexError) as error:
        reason = str(error).splitlines()[0]
        raise WeightsError(
            f"{path} holds no decoder of VGG-19 with {variant} ({reason}): expected what haarmony train "
            "decoder --export writes"
        ) from None


def _vgg19(variant: Variant, pooling: PoolingName = "haar") -> Callable[[dict[str, Tensor]], VGG19]:
    def build(tensors: dict[str, Tensor]) -> VGG19:
        network = _empty(variant, pooling)
        units = tensors.pop("units")
        deepest = {name[2:]: tensor for name, tensor in tensors.items() if name.startswith("4.")}
        encoder = vgg19_encoder(oxford_vgg19(), units, pooled=1 / network.pooling.gain)
        return _fill(network, encoder, deepest or tensors)

    return build


def _pooled(unpooling: Unpooling) -> Callable[[dict[str, Tensor]], PooledLevels]:
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


def _imagined(tensors: dict[str, Tensor]) -> ImaginedCompact:
    network = ImaginedCompact(_compact(read_shipped("compact")))
    network.load_state_dict(network.state_dict() | tensors)
    return network


def _compact(tensors: dict[str, Tensor]) -> Compact:
    with torch.device("meta"):
        network = Compact()
    network.load_state_dict(tensors, assign=True)
    network.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    return network


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


def read_state(path: str | os.PathLike[str]) -> dict[str, Tensor]:
    """The tensors of a state dict in a file of another project, .safetensors or .pth; no code is run.

    A dict under `state_dict` or `model`, as training scripts save it, and the `module.` before every name of
    a network that was trained in parallel are unwrapped.

    Raises:
        WeightsError: for a file that holds no such thing.
    """
    try:
        content = Path(path).read_bytes()
    except OSError as error:
        raise WeightsError(f"cannot read {path}: {error.strerror}") from None
    try:
        if Path(path).suffix == ".safetensors":
            state: Any = load(content)
        else:
            state = torch.load(BytesIO(content), map_location="cpu", weights_only=True)
    except Exception:  # a damaged pickle makes the reader stumble in any way
        raise WeightsError(
            f"{path} is not a checkpoint of plain tensors: expected a .pth state dict or .safetensors"
        ) from None
    for wrapper in ("state_dict", "model"):
        if isinstance(state, dict) and isinstance(state.get(wrapper), dict):
            state = state[wrapper]
    if not isinstance(state, dict) or not all(
        isinstance(key, str) and isinstance(value, Tensor) for key, value in state.items()
    ):
        raise WeightsError(f"{path} holds no state dict: expected tensors by name")
    prefix = "module." if all(key.startswith("module.") for key in state) else ""
    return {key.removeprefix(prefix): value.float() for key, value in state.items()}


def _checkpoint(path: str | os.PathLike[str]) -> dict[str, Tensor]:
    """A published state dict less its fixed Haar filters."""
    return {
        key: value for key, value in read_state(path).items() if not key.startswith(("pool", "recon_block"))
    }


def _card(name: str, model: Model) -> ModelCard:
    wanted: dict[str, Path | None] = {model.file: SHIPPED / model.file}
    if model.needs_vgg19:
        wanted["VGG-19's weights"] = find_oxford()
    here = tuple(path for path in wanted.values() if path is not None and path.is_file())
    return ModelCard(
        name,
        model.parameters,
        sum(path.stat().st_size for path in here),
        model.licence,
        here,
        tuple(what for what, path in wanted.items() if path not in here),
        model.sha256,
    )


_PLACES_SHA256 = "db559a18812f8b5d88f92612c9a08dffd54adad49b838e2e9ab4616f5c4adcd3"
_LICENCE = "Apache-2.0 (decoder); CC BY 4.0, Oxford VGG group (encoder)"


def _vgg19_model(variant: Variant, sha256: str, parameters: int) -> Model:
    file = f"vgg19_{variant}_decoder.safetensors"
    return Model(file, sha256, _LICENCE, parameters, _vgg19(variant), needs_vgg19=True)


def _pooled_model(unpooling: Unpooling, name: str, sha256: str, parameters: int) -> Model:
    return Model(f"{name}.safetensors", sha256, _LICENCE, parameters, _pooled(unpooling), needs_vgg19=True)


MODELS: dict[str, Model] = {
    "compact": Model(
        "compact.safetensors",
        "7fbabcd815fcf2f9e6f8056fe0f8adb4410f1c0e64193d2eb68fa90fe9ad8746",
        "Apache-2.0",
        444_236,
        _compact,
    ),
    "vgg19": _vgg19_model(
        "cat5", "946bc52842445186c6d798c42feef1d5c08c048acadea5a8e2b7afb10d3e73fa", 10_107_535
    ),
    "vgg19_sum": _vgg19_model(
        "sum", "a520fa4134d6a3fced4252bb76d688ab4ed4068decc839763b16c386cd051bc5", 7_010_959
    ),
    "vgg19_split": Model(
        "vgg19_split_decoder.safetensors",
        "1a20b1971b8dd4078b8ee94cb91070fa805450989c648ac55ec52912703c63f9",
        _LICENCE,
        7_010_959,
        _vgg19("sum", "split"),
        needs_vgg19=True,
    ),
    "vgg19_max": Model(
        "vgg19_places.safetensors",
        _PLACES_SHA256,
        _LICENCE,
        7_010_959,
        _vgg19("sum", "max"),
        needs_vgg19=True,
    ),
}
"""The wavelet autoencoders, by name."""

DECODERS: dict[str, Model] = {
    "compact_plain": Model(
        "compact_plain.safetensors",
        "aad7be574d7c2206c313118d4a632819e5787e0d3b8e4a571db78b5a3f8cf57d",
        "Apache-2.0",
        752_108,
        _imagined,
    ),
    "vgg19_plain": _pooled_model(
        "nearest",
        "vgg19_plain",
        "ebcda5b9b3bbf53a09ec27741a94a2048234d1b6c439efa5954f81af48e4c95a",
        7_680_216,
    ),
    "vgg19_places": _pooled_model(
        "places",
        "vgg19_places",
        _PLACES_SHA256,
        7_680_216,
    ),
    "vgg19_adain": _pooled_model(
        "nearest",
        "vgg19_adain",
        "bafb7e567bacb201c4598df335496fb5847403a05f9eea46605dacb74779cef8",
        7_010_959,
    ),
}
"""The networks of AdaIN, WCT and PhotoWCT, with decoders that need no skips, by name."""

STYLISTS: dict[str, Model] = {
    name: Model(f"{name}.safetensors", sha256, "Apache-2.0", parameters, built)
    for name, sha256, parameters in (
        ("conditional", "84e6ca4ae3d4d2d33cbf9a5e7de0805bed5c502ca1f40ace7432fe88ad9f9680", 1_685_653),
        (
            "texture_net_mondrian",
            "0bd7f3df14c2734d860a6dae59e623096eb5f712abbf0759da90dfa4491ce861",
            1_679_241,
        ),
        ("texture_net_gravel", "b4b6124fb8cacc53463158bd5cd04d10532d062bf0958cf936ad592b5a6979c2", 71_659),
    )
}
"""The networks that were trained for their styles, by name."""
