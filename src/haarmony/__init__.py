"""haarmony: give a photo the light of another photo, and keep every edge of it.

The public names are imported on first use, so that `import haarmony` and the command line start without
loading torch.
"""

from importlib import import_module
from importlib.metadata import version
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from haarmony.errors import HaarmonyError, ImageError, InputError, WeightsError

__version__ = version("haarmony")

_HOME = {
    "HaarmonyError": "haarmony.errors",
    "ImageError": "haarmony.errors",
    "InputError": "haarmony.errors",
    "WeightsError": "haarmony.errors",
}

__all__ = ["HaarmonyError", "ImageError", "InputError", "WeightsError", "__version__"]


def __getattr__(name: str) -> Any:
    if name not in _HOME:
        raise AttributeError(f"module 'haarmony' has no attribute {name!r}")
    return getattr(import_module(_HOME[name]), name)


def __dir__() -> list[str]:
    return list(__all__)
