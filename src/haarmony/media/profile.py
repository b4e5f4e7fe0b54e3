"""ICC colour profiles: which space one describes, and colours taken from one to another.

LittleCMS does the arithmetic, in float32: eight bits would band a 16-bit sky, and the library's 16-bit path
rounds its tone curves, which shows in the shadows.
"""

from functools import cache
from typing import Any, Final

import imagecodecs
import numpy as np
from numpy.typing import NDArray

RELATIVE_COLORIMETRIC: Final = 1
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
