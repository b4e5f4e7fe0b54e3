"""One file a system of the literature, and the table of all of them.

    from haarmony.methods import Reinhard

    Reinhard(strength=0.8)("day.jpg", "sunset.jpg").save("out.jpg")

Each file holds one class of options that is called with pictures. They are imported on first use, so that the
names of all are known without torch. WCT2 alone is a loaded model, and `haarmony.transfer` its front door.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from importlib import import_module
from typing import TYPE_CHECKING, Any

from haarmony.errors import InputError
from haarmony.methods.settings import Setting, read_settings, settings_of

if TYPE_CHECKING:
    from haarmony.methods.adain import AdaIN
    from haarmony.methods.deep_photo import DeepPhoto
    from haarmony.methods.distribution_transfer import DistributionTransfer
    from haarmony.methods.histogram_matching import HistogramMatching
    from haarmony.methods.method import Method
    from haarmony.methods.monge_kantorovich import MongeKantorovich
    from haarmony.methods.neural_style import NeuralStyle
    from haarmony.methods.photowct import PhotoWCT
    from haarmony.methods.reinhard import Reinhard
    from haarmony.methods.texture_synthesis import TextureSynthesis
    from haarmony.methods.wct import WCT
    from haarmony.methods.wct2 import WCT2

DEFAULT = "wct2"
_WCT2_PAPER = "Yoo, Uh, Chun, Kang, Ha: Photorealistic Style Transfer via Wavelet Transforms, ICCV"

METHODS: Mapping[str, str] = {
    "histogram_matching": "HistogramMatching",
    "reinhard": "Reinhard",
    "distribution_transfer": "DistributionTransfer",
    "monge_kantorovich": "MongeKantorovich",
    "texture_synthesis": "TextureSynthesis",
    "neural_style": "NeuralStyle",
    "deep_photo": "DeepPhoto",
    "texture_net": "TextureNet",
    "conditional": "Conditional",
    "adain": "AdaIN",
    "wct": "WCT",
    "photowct": "PhotoWCT",
}
"""Module to class, in the order of the literature; `wct2` stands apart."""

__all__ = [
    "DEFAULT",
    "METHODS",
    "WCT",
    "WCT2",
    "AdaIN",
    "Card",
    "Conditional",
    "DeepPhoto",
    "DistributionTransfer",
    "HistogramMatching",
    "MongeKantorovich",
    "NeuralStyle",
    "PhotoWCT",
    "Reinhard",
    "TextureNet",
    "TextureSynthesis",
    "cards",
    "make",
    "method_class",
]


def method_class(name: str) -> type[Method]:
    """The class of options of a method.

    Raises:
        InputError: for a name that is not in `METHODS`.
    """
    if name not in METHODS:
        raise InputError(f"unknown method {name!r}: choose {', '.join((DEFAULT, *METHODS))}")
    found: type[Method] = getattr(import_module(f"haarmony.methods.{name}"), METHODS[name])
    return found


def make(name: str, settings: Mapping[str, str] | None = None) -> Method:
    """A method with options as text, as the command line takes them: `make("reinhard", {"strength": "0.8"})`.

    Raises:
        InputError: for a name or a value that there is not; the line lists what there is.
    """
    chosen = method_class(name)
    return chosen(**read_settings(chosen, settings or {}))


@dataclass(frozen=True)
class Card:
    """What `haarmony methods` tells of a method.

    Attributes:
        name: by which it is chosen.
        paper: authors, title and venue.
        year: of the paper.
        needs: beyond the package.
        settings: its options.
        note: what else there is to say.
    """

    name: str
    paper: str
    year: int
    needs: str
    settings: tuple[Setting, ...]
    note: str = ""


def cards() -> list[Card]:
    """A card for every method, the default first."""
    note = "the default; its options are those of haarmony transfer"
    found = [Card(DEFAULT, _WCT2_PAPER, 2019, "nothing", (), note)]
    for name in METHODS:
        one = method_class(name)
        found.append(Card(name, one.paper, one.year, one.needs, tuple(settings_of(one))))
    return found


def __getattr__(name: str) -> Any:
    for module, class_name in (*METHODS.items(), (DEFAULT, "WCT2")):
        if name == class_name:
            return getattr(import_module(f"haarmony.methods.{module}"), name)
    raise AttributeError(f"module 'haarmony.methods' has no attribute {name!r}")


def __dir__() -> list[str]:
    return list(__all__)
