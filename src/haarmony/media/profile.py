"""ICC colour profiles: which space one describes, and colours taken from one to another.

LittleCMS does the arithmetic, in float32: eight bits would band a 16-bit sky, and the library's 16-bit path
rounds its tone curves, which shows in the shadows.
"""

import io
from contextlib import suppress
from functools import cache
from typing import Any, Final

import imagecodecs
import numpy as np
from numpy.typing import NDArray
from PIL import ImageCms

RELATIVE_COLORIMETRIC: Final = 1
SRGB: Final = "sRGB"
_CHANNELS: Final = {"GRAY": "gray", "RGB": "rgb", "CMYK": "cmyk"}


@cache
def srgb() -> bytes:
    """Return an ICC profile of sRGB."""
    return bytes(imagecodecs.cms_profile("srgb"))


def colour_space(profile: bytes | None) -> str | None:
    """Return "RGB", "GRAY", "CMYK" or another space of ICC.1:2022, 7.2.6; None without a sound profile."""
    if profile is None or len(profile) < 132 or profile[36:40] != b"acsp":
        return None
    return profile[16:20].decode("ascii", "replace").strip()


def name(profile: bytes | None) -> str:
    """Return what to call a profile: "sRGB" for any that means the same colours, else its own description.

    Many a profile of sRGB calls itself something else, so its colours are looked at: a difference below one
    step of eight bits is none.
    """
    if profile is None:
        return SRGB
    steps = np.linspace(0, 1, 6, dtype=np.float32)
    colours = np.stack(np.meshgrid(steps, steps, steps), axis=-1).reshape(1, -1, 3)
    with suppress(ValueError):
        if np.abs(convert(colours, profile, None) - colours).max() < 1 / 255:
            return SRGB
    with suppress(ImageCms.PyCMSError, OSError):
        described = ImageCms.getProfileDescription(ImageCms.ImageCmsProfile(io.BytesIO(profile)))
        if words := " ".join(described.split()):
            return words
    return "a colour profile without a name"


def convert(samples: NDArray[Any], source: bytes | None, target: bytes | None) -> NDArray[np.float32]:
    """Express colours of one profile in another, RGB, one (relative colorimetric intent).

    Args:
        samples: ``(height, width, channels)`` of the space of ``source``: float32 in [0, 1], or for CMYK
            uint8 with 0 for no ink.
        source: The profile of the samples; None for sRGB.
        target: The profile wanted; None for sRGB.

    Returns:
        ``(height, width, 3)`` float32. Colours that ``target`` cannot hold are clipped to [0, 1].

    Raises:
        ValueError: LittleCMS cannot use one of the profiles in this direction.
    """
    source, target = source or srgb(), target or srgb()
    if colour_space(target) != "RGB":
        raise ValueError("the target is not an RGB profile")
    channels = _CHANNELS.get(colour_space(source) or "")
    if channels is None:
        raise ValueError("the source is not a grey, RGB or CMYK profile")
    try:
        converted = imagecodecs.cms_transform(
            samples[..., 0] if channels == "gray" else samples,
            source,
            target,
            colorspace=channels,
            outcolorspace="rgb",
            outdtype="float32",
            intent=RELATIVE_COLORIMETRIC,
        )
    except RuntimeError as error:
        raise ValueError(str(error)) from error
    result: NDArray[np.float32] = converted.reshape(*samples.shape[:2], 3)
    return np.clip(result, 0, 1, out=result)
