"""haarmony: give a photo the light of another photo, and keep every edge of it.

    import haarmony

    haarmony.transfer("day.jpg", "sunset.jpg", strength=0.8).save("out.jpg")

The public names are imported on first use, so that `import haarmony` and the command line start without
loading torch.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from haarmony import matching, methods, wavelets
    from haarmony.errors import (
        FilmError,
        HaarmonyError,
        HaarmonyWarning,
        ImageError,
        InputError,
        WeightsError,
    )
    from haarmony.matching import Affine
    from haarmony.media.image import Picture, read_image, write_image
    from haarmony.media.lut import Lut
    from haarmony.media.lut_files import read_lut, write_lut
    from haarmony.media.mask import Mask, read_mask
    from haarmony.methods.recipe import Recipe
    from haarmony.methods.wct2 import WCT2
    from haarmony.mixing import mix
    from haarmony.moments import Moments
    from haarmony.networks.weights import models
    from haarmony.pipelines.clip import transfer_film
    from haarmony.pipelines.control import Control
    from haarmony.pipelines.look import fit_lut, lut
    from haarmony.pipelines.photo import transfer, transfer_file, transfer_files
    from haarmony.pipelines.ways import Ways
    from haarmony.style import Style

    __version__: str

_HOME = {
    "Affine": "haarmony.matching",
    "Control": "haarmony.pipelines.control",
    "FilmError": "haarmony.errors",
    "HaarmonyError": "haarmony.errors",
    "HaarmonyWarning": "haarmony.errors",
    "ImageError": "haarmony.errors",
    "InputError": "haarmony.errors",
    "Lut": "haarmony.media.lut",
    "Mask": "haarmony.media.mask",
    "Moments": "haarmony.moments",
    "Picture": "haarmony.media.image",
    "Recipe": "haarmony.methods.recipe",
    "Style": "haarmony.style",
    "WCT2": "haarmony.methods.wct2",
    "Ways": "haarmony.pipelines.ways",
    "WeightsError": "haarmony.errors",
    "fit_lut": "haarmony.pipelines.look",
    "lut": "haarmony.pipelines.look",
    "mix": "haarmony.mixing",
    "models": "haarmony.networks.weights",
    "read_image": "haarmony.media.image",
    "read_lut": "haarmony.media.lut_files",
    "read_mask": "haarmony.media.mask",
    "transfer": "haarmony.pipelines.photo",
    "transfer_film": "haarmony.pipelines.clip",
    "transfer_file": "haarmony.pipelines.photo",
    "transfer_files": "haarmony.pipelines.photo",
    "write_image": "haarmony.media.image",
    "write_lut": "haarmony.media.lut_files",
}
_MODULES = ("matching", "methods", "wavelets")

__all__ = [
    "WCT2",
    "Affine",
    "Control",
    "FilmError",
    "HaarmonyError",
    "HaarmonyWarning",
    "ImageError",
    "InputError",
    "Lut",
    "Mask",
    "Moments",
    "Picture",
    "Recipe",
    "Style",
    "Ways",
    "WeightsError",
    "__version__",
    "fit_lut",
    "lut",
    "matching",
    "methods",
    "mix",
    "models",
    "read_image",
    "read_lut",
    "read_mask",
    "transfer",
    "transfer_file",
    "transfer_files",
    "transfer_film",
    "wavelets",
    "write_image",
    "write_lut",
]


def __getattr__(name: str) -> Any:
    if name == "__version__":
        return import_module("importlib.metadata").version("haarmony")
    if name in _MODULES:
        return import_module(f"haarmony.{name}")
    if name not in _HOME:
        raise AttributeError(f"module 'haarmony' has no attribute {name!r}")
    return getattr(import_module(_HOME[name]), name)


def __dir__() -> list[str]:
    return list(__all__)
