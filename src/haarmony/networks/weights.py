"""The trained networks that haarmony knows: what they are and where they lie.

A trained file lies inside the package as fp16 safetensors and is checked against its sha256 whenever it is
read. The VGG-19 models ship their decoder alone; the encoder is made from VGG-19's own weights, which
`networks.oxford` finds, by `networks.vgg19_weights`.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import cast

import torch
from safetensors.torch import load
from torch import Tensor, nn

from haarmony.errors import WeightsError
from haarmony.networks.autoencoder import WaveletAutoencoder
from haarmony.networks.compact import Compact
from haarmony.networks.imagined import ImaginedCompact
from haarmony.networks.levels import LevelAutoencoder
from haarmony.networks.oxford import find_oxford
from haarmony.networks.pooled import Unpooling
from haarmony.networks.pooling import PoolingName
from haarmony.networks.stylists import Trained, built, read_stylist
from haarmony.networks.vgg19 import Variant
from haarmony.networks.vgg19_weights import build_pooled, build_vgg19

SHIPPED = Path(__file__).parent / "shipped"


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


def _vgg19_model(variant: Variant, sha256: str, parameters: int, pooling: PoolingName = "haar") -> Model:
    file = f"vgg19_{variant if pooling == 'haar' else pooling}_decoder.safetensors"
    return Model(file, sha256, _LICENCE, parameters, build_vgg19(variant, pooling), needs_vgg19=True)


def _pooled_model(unpooling: Unpooling, name: str, sha256: str, parameters: int) -> Model:
    return Model(
        f"{name}.safetensors", sha256, _LICENCE, parameters, build_pooled(unpooling), needs_vgg19=True
    )


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
    "vgg19_split": _vgg19_model(
        "sum", "1a20b1971b8dd4078b8ee94cb91070fa805450989c648ac55ec52912703c63f9", 7_010_959, "split"
    ),
    "vgg19_max": Model(
        "vgg19_places.safetensors",
        _PLACES_SHA256,
        _LICENCE,
        7_010_959,
        build_vgg19("sum", "max"),
        needs_vgg19=True,
    ),
}
"""The wavelet autoencoders, by name."""

DECODERS: dict[str, Model] = {
    "compact_plain": Model(
        "compact_plain.safetensors",
        "88e4f81e4c11a970e58933ded19f175f866db9cb0472a289dfc82d66e0c08f7e",
        "Apache-2.0",
        854_892,
        _imagined,
    ),
    "vgg19_plain": _pooled_model(
        "nearest",
        "vgg19_plain",
        "928e2568dd9007597117f8c3c5d8766b692f830d318375ebb299904c6b010c2f",
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
        "4e3bc5ba75799bad7b6b77d1953b49af5b86313d7defe5015c31961e2c2262f2",
        7_010_959,
    ),
}
"""The networks of AdaIN, WCT and PhotoWCT, with decoders that need no skips, by name."""

STYLISTS: dict[str, Model] = {
    name: Model(f"{name}.safetensors", sha256, "Apache-2.0", parameters, built)
    for name, sha256, parameters in (
        ("conditional", "6ed24bc0e4bc0ae1905af3874cc571022df52b1a6d7b2561213534cc05283246", 1_685_653),
        (
            "texture_net_mondrian",
            "c3b3e5bc62d0738ba806053cf9038bed31ccd3410371f303a41063343aeea74e",
            1_679_241,
        ),
        ("texture_net_gravel", "b4b6124fb8cacc53463158bd5cd04d10532d062bf0958cf936ad592b5a6979c2", 71_659),
    )
}
"""The networks that were trained for their styles, by name."""
