"""Parity with the outputs of the public WCT2 network, on weights made by a rule (shared/README.md)."""

import os
import zlib
from functools import cache, partial
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor

from haarmony.matching import zca
from haarmony.methods.recipe import Recipe
from haarmony.methods.wct2 import WCT2
from haarmony.networks.vgg19 import VGG19

TOLERANCE = 2e-3
FILE = Path(os.environ.get("HAARMONY_DATA", "")) / "reference" / "wct2_reference.npz"
PRESENT = "HAARMONY_DATA" in os.environ and FILE.is_file()

pytestmark = [
    pytest.mark.data,
    pytest.mark.skipif(not PRESENT, reason="the reference outputs are not here: set HAARMONY_DATA"),
]


@cache
def reference() -> dict[str, np.ndarray]:
    with np.load(FILE) as arrays:
        return dict(arrays)


def cases() -> list[str]:
    return sorted(name for name in reference() if "__" in name) if PRESENT else ["absent"]


def made_by_rule(name: str, shape: torch.Size) -> Tensor:
    draw = np.random.default_rng(zlib.crc32(name.encode())).standard_normal(tuple(shape))
    scale = 0.01 if name.endswith("bias") else np.sqrt(2 / np.prod(shape[1:]))
    return torch.from_numpy((draw * scale).astype(np.float32))


@cache
def network(variant: str) -> VGG19:
    network = VGG19(variant)
    for part in (network.encoder, network.decoder):
        part.load_state_dict({name: made_by_rule(name, old.shape) for name, old in part.state_dict().items()})
    return network.eval()


def picture(name: str) -> Tensor:
    return torch.from_numpy(reference()[name]).permute(2, 0, 1)[None] / 255


def mask(name: str) -> Tensor:
    return torch.from_numpy(reference()[name])


@pytest.mark.parametrize("case", cases())
def test_the_public_network_gives_the_same(case: str, record_property) -> None:
    variant, stages, *options = case.split("__")
    masked = "masks" in options
    strength = next((float(option.removeprefix("alpha")) for option in options if option != "masks"), 1.0)
    recipe = Recipe(() if stages == "none" else tuple(stages.split("_")), partial(zca, ridge=1.0), clamp=True)
    model = WCT2(network(variant), recipe)
    style = model.style(picture("style"), mask("style_mask") if masked else None)
    content = picture("content")
    with torch.no_grad():
        # Not `forward`, which clips and gives back what the network itself loses.
        regions = model.regions(tuple(content.shape[-2:]), style, mask("content_mask") if masked else None)
        output = model.stylize(content, style, strength, regions)[0].numpy()
    expected = reference()[case]
    error = np.abs(output - expected).max() / expected.std()
    record_property("error", float(error))
    assert error <= TOLERANCE
