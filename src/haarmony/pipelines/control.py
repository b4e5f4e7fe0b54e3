"""Local control: what of the content stays, wherever the light goes.

`preserve` blends as the modes "color" and "luminosity" of PDF and CSS do (W3C, Compositing and Blending Level
1, section 10): one picture's luminosity with the other's hue and saturation, brought back into range without
a change of luminosity. `protect` leaves places as they are. `grain` takes the finest texture off before the
transfer and lays it on again after it, as strong as it was, by a local Wiener filter (Lee 1980); of a film
also what changes at random from frame to frame. Where a channel has become darker its grain becomes weaker
by as much, as it does with less exposure: so blacks stay clean. A strong style does not amplify noise, and
film keeps its grain.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor

from haarmony.errors import InputError
from haarmony.media.kinds import MaskLike, to_mask
from haarmony.pipelines.rows import CACHED, Rows, RowsOf, cuts
from haarmony.regions import Regions
from haarmony.windows import box

Preserve = Literal["none", "luminance", "color"]

GRAIN_REACH = 2
"""Pixels to either side that count as one place: coarser texture is no grain."""

GRAIN_CONTRAST = 0.02
"""Standard deviation, of values in [0, 1], below which texture is grain."""

_BLACK = 0.02
"""Of values in [0, 1]: what is darker has the grain of black."""

_LUMINOSITY = (0.3, 0.59, 0.11)


@dataclass(frozen=True, eq=False)
class Control:
    """What stays of the content.

    Attributes:
        preserve: `luminance` takes the colours of the result alone, `color` its luminance alone.
        protect: a mask whose white places (grey ones in part) stay as they are: a grey or black-and-white
            image, booleans, or weights (H, W) in [0, 1].
        grain: `keep` keeps the finest texture as strong as it was.
    """

    preserve: Preserve = "none"
    protect: MaskLike | None = None
    grain: Literal["keep"] | None = None

    def __post_init__(self) -> None:
        if not isinstance(self.preserve, str) or self.preserve not in ("none", "luminance", "color"):
            raise InputError(f"preserve is luminance, color or none, got {self.preserve!r}")
        if self.grain is not None and not (isinstance(self.grain, str) and self.grain == "keep"):
            raise InputError(f"grain is keep or None, got {self.grain!r}")

    @property
    def is_plain(self) -> bool:
        """Whether nothing is asked for but the transfer."""
        return self.preserve == "none" and self.protect is None and self.grain is None


PLAIN = Control()
"""Nothing but the transfer."""


@dataclass(frozen=True)
class Steadied:
    """A frame without what changes at random in time.

    Attributes:
        rows: as its neighbours in time agree on it.
        kept: (H, W) in (0, 1], how much of the rest is laid on again; where little is, coarser texture counts
            as grain.
    """

    rows: Rows
    kept: Tensor


def controlled(
    content: Rows,
    control: Control,
    transfer: Callable[[Rows], Iterator[Tensor]],
    *,
    steadied: Steadied | None = None,
) -> Iterator[Tensor]:
    """The bands of a transfer under control.

    Args:
        content: the picture.
        control: what stays of it.
        transfer: from rows to the bands of the result, from the top, (B, 3, rows, width).
        steadied: of a film: what the picture lacks there is grain too.

    Raises:
        InputError: for a mask that is not of the picture's size, or has no white.
    """
    protected = (
        None if control.protect is None else _weights(control.protect, (content.height, content.width))
    )
    source = content
    if control.grain:
        source = Smooth(content) if steadied is None else Smooth(steadied.rows, steadied.kept)
    top = 0
    for band in transfer(source):
        bottom = top + band.shape[-2]
        before = content.rows(top, bottom)
        if control.grain:
            smooth = source.rows(top, bottom)
            grained = before
            if steadied is not None:
                grained = torch.lerp(steadied.rows.rows(top, bottom), before, steadied.kept[top:bottom])
            band = band + grain_gain(smooth, band) * (grained - smooth)
        if control.preserve == "luminance":
            band = with_luminosity(band, before)
        elif control.preserve == "color":
            band = with_luminosity(before, band)
        if protected is not None:
            band = torch.lerp(band.clamp(0, 1), before, protected[top:bottom].to(band))
        yield band
        top = bottom


class Smooth(RowsOf):
    """A picture without its grain, as `Rows`; the band that was read last is kept.

    Texture up to a contrast of `GRAIN_CONTRAST` is grain, over `kept` (H, W) where that is given.
    """

    def __init__(self, picture: Rows, kept: Tensor | None = None) -> None:
        super().__init__(picture)
        self._kept = kept
        self._last: tuple[int, int, Tensor] | None = None

    def rows(self, top: int, bottom: int) -> Tensor:
        """These rows, the same whatever band they are asked for in."""
        if self._last is None or self._last[:2] != (top, bottom):
            bands = [self._band(top + a, top + b) for a, b in cuts(bottom - top, self.width, CACHED)]
            self._last = top, bottom, torch.cat(bands, -2)
        return self._last[2]

    def _band(self, top: int, bottom: int) -> Tensor:
        first, last = max(0, top - 2 * GRAIN_REACH), min(self.height, bottom + 2 * GRAIN_REACH)
        contrast = GRAIN_CONTRAST if self._kept is None else GRAIN_CONTRAST / self._kept[first:last]
        rows = self.picture.rows(first, last)
        return without_grain(rows, contrast)[..., top - first : bottom - first, :]


def without_grain(picture: Tensor, contrast: float | Tensor = GRAIN_CONTRAST) -> Tensor:
    """A local Wiener filter of every channel by itself: (B, 3, H, W) to the same shape.

    Where the standard deviation is below `contrast`, which may be (H, W), a place becomes its mean; at an
    edge it stays.
    """
    return torch.cat([_without_grain(channel, contrast) for channel in picture.chunk(picture.shape[1], 1)], 1)


def _without_grain(channel: Tensor, contrast: float | Tensor) -> Tensor:
    """Of one channel, (B, 1, H, W): few enough numbers for the cache of a core."""
    mean = box(channel, GRAIN_REACH)
    variance = (box(channel * channel, GRAIN_REACH) - mean * mean).clamp_min(1e-12)
    gain = (1 - contrast**2 / variance).clamp_min(0)
    return torch.addcmul(
        box(torch.addcmul(mean, gain, mean, value=-1), GRAIN_REACH), box(gain, GRAIN_REACH), channel
    )


def grain_gain(before: Tensor, after: Tensor) -> Tensor:
    """How strong grain is in its new light: as it was, or as much less as a channel has become darker.

    Args:
        before: (B, 3, H, W) in [0, 1], the picture without its grain.
        after: of the same shape, the result without it; not clipped.

    Returns:
        Of the same shape, in (0, 1].
    """
    return ((after.clamp(0, 1) + _BLACK) / (before + _BLACK)).clamp_max(1)


def with_luminosity(colours: Tensor, luminosity: Tensor) -> Tensor:
    """Hue and saturation of one picture with the luminosity of another, both (B, 3, H, W) in [0, 1]."""
    colours, wanted = colours.clamp(0, 1), _luminosity(luminosity.clamp(0, 1))
    moved = colours + (wanted - _luminosity(colours))
    low, high = moved.amin(1, keepdim=True), moved.amax(1, keepdim=True)
    room = torch.minimum(
        torch.where(low < 0, wanted / (wanted - low).clamp_min(1e-6), 1.0),
        torch.where(high > 1, (1 - wanted) / (high - wanted).clamp_min(1e-6), 1.0),
    )
    return wanted + (moved - wanted) * room.clamp(0, 1)


def _luminosity(picture: Tensor) -> Tensor:
    red, green, blue = picture.unbind(1)
    return (_LUMINOSITY[0] * red + _LUMINOSITY[1] * green + _LUMINOSITY[2] * blue)[:, None]


def _weights(mask: MaskLike, size: tuple[int, int]) -> Tensor:
    """How protected every pixel is, (H, W)."""
    regions = Regions.of(to_mask(mask, size=size))
    for name in ("white", "1", "255"):
        if name in regions.labels:
            return regions.only([name]).at(size)[name]
    raise InputError(
        f"the mask of what to protect has no white region, only {', '.join(regions.labels)}: paint "
        "white what is to stay, and the rest black"
    )
