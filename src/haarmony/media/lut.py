"""Look-up tables: a look as a cube of colours, laid over any picture.

Between the points of the cube a colour is interpolated in one of six tetrahedra, as Resolve and FFmpeg do it
(Kasson, Nin, Plouffe, Hafner, *Performing color space conversions with three-dimensional linear
interpolation*, Journal of Electronic Imaging 1995). All six share the cell's grey diagonal; so along grey the
luma between the points rises where it rises from point to point.
"""

from __future__ import annotations

import os
import warnings
from dataclasses import dataclass
from typing import Any, Final, TypeAlias

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image
from torch import Tensor

from haarmony.errors import HaarmonyWarning, InputError
from haarmony.media import profile
from haarmony.media.image import Picture, to_pil, to_profile
from haarmony.media.kinds import PictureLike, to_picture, to_tensor
from haarmony.media.opening import named

Corner: TypeAlias = tuple[float, float, float]

SIZES: Final = range(2, 257)
"""Points a side that a cube may have; those of the Cube LUT specification."""
_UNIT: Final[tuple[Corner, Corner]] = ((0.0, 0.0, 0.0), (1.0, 1.0, 1.0))
_BAND_PIXELS: Final = 1 << 16


@dataclass(frozen=True, eq=False)
class Lut:
    """A look as a cube of colours.

    Attributes:
        table: ``(size, size, size, 3)`` float32, the RGB colour at every point; axes red, green, blue.
        title: one line that says what look this is.
        space: the colour space whose encoded values go in and come out: "sRGB", or the description of an ICC
            profile. None where a file does not say; such a table is used as one of sRGB.
        profile: the ICC profile of that space, an RGB one, where it is known; None for sRGB.
        domain: the colours of the first and the last point of the table.
    """

    table: NDArray[np.float32]
    title: str = ""
    space: str | None = None
    profile: bytes | None = None
    domain: tuple[Corner, Corner] = _UNIT

    def __post_init__(self) -> None:
        if not isinstance(self.table, np.ndarray):
            raise InputError(f"a table must be an array of float32, got {type(self.table).__name__}")
        shape = self.table.shape
        if len(shape) != 4 or shape[3] != 3 or len(set(shape[:3])) != 1 or shape[0] not in SIZES:
            raise InputError(
                f"a table must be (N, N, N, 3) with N from {SIZES[0]} to {SIZES[-1]}, got {shape}"
            )
        if self.table.dtype != np.float32 or not np.isfinite(self.table).all():
            raise InputError("a table must be finite float32, got NaN, infinity or another type")
        try:
            rises = bool(np.isfinite(self.domain).all() and np.less(*self.domain).all())
        except (TypeError, ValueError):
            rises = False
        if not rises or np.shape(self.domain) != (2, 3):
            raise InputError(f"a domain must rise in every channel, got {self.domain}")

    @property
    def size(self) -> int:
        """Points a side."""
        return int(self.table.shape[0])

    def apply(self, picture: PictureLike) -> Any:
        """Lay the look over a picture.

        A `Picture`, path or Pillow image of another colour space than the table's is converted to that space
        and back, so that the look is the one that was made; a `HaarmonyWarning` says so. Where the table's
        profile is not known, its values are taken as they are, and a warning says that. Arrays and tensors
        are taken as encoded in the table's space.

        Args:
            picture: what `to_tensor` takes: a path, `Picture`, Pillow image, array or tensor, [0, 1].

        Returns:
            The same kind, a `Picture` for a path, of the same size, depth, profile, alpha and metadata, with
            colours clipped to [0, 1].

        Raises:
            ImageError: for a file that cannot be read, or a profile that cannot be converted.
            InputError: for what is no picture.
        """
        if isinstance(picture, Image.Image):
            return to_pil(self._managed(to_picture(picture), "the picture"))
        if isinstance(picture, (str, os.PathLike)):
            return self._managed(to_picture(picture), named(picture))
        if isinstance(picture, Picture):
            return self._managed(picture, "the picture")
        tensor, back = to_tensor(picture)
        return back(interpolate(self, tensor))

    def working_profile(self, icc: bytes | None, name: str) -> bytes | None:
        """Return the profile in which a picture's colours are to be looked up.

        Args:
            icc: the profile of the picture; None for sRGB.
            name: what to call the picture in the `HaarmonyWarning` about a profile that is not the table's.
        """
        own, ours = profile.name(icc), self.space or profile.SRGB
        if own == ours:
            return icc
        if self.profile is None and ours != profile.SRGB:
            warnings.warn(
                f"{name} is in {own!r}, the look was made for {ours!r}, a profile that it does not hold: "
                "its colours will be off; convert the picture first, or make the look as a HaldCLUT .png",
                HaarmonyWarning,
                stacklevel=3,
            )
            return icc
        warnings.warn(
            f"{name} is in {own!r}, the look was made for {ours!r}: converted there and back, without the "
            f"colours that {ours!r} cannot hold",
            HaarmonyWarning,
            stacklevel=3,
        )
        return self.profile

    def _managed(self, picture: Picture, name: str) -> Picture:
        tensor, back = to_tensor(to_profile(picture, self.working_profile(picture.profile, name)))
        return to_profile(back(interpolate(self, tensor)), picture.profile)


def identity(size: int) -> NDArray[np.float32]:
    """Return the table ``(size, size, size, 3)`` that changes nothing."""
    steps = np.linspace(0, 1, size, dtype=np.float64).astype(np.float32)
    return np.stack(np.meshgrid(steps, steps, steps, indexing="ij"), axis=-1)


def interpolate(lut: Lut, colours: Tensor) -> Tensor:
    """Look colours up, between the points of the table by tetrahedra.

    Args:
        lut: the table.
        colours: ``(batch, 3, height, width)``; those outside the table's domain are taken at its border.

    Returns:
        Colours of the same shape, clipped to [0, 1], float32. Memory beyond them is bounded.
    """
    flat = torch.from_numpy(np.ascontiguousarray(lut.table)).to(colours.device).view(-1, 3)
    batch, _, height, width = colours.shape
    result = torch.empty((batch, 3, height, width), dtype=torch.float32, device=colours.device)
    rows = max(1, _BAND_PIXELS // max(1, width))
    for number in range(batch):
        for top in range(0, height, rows):
            band = colours[number, :, top : top + rows].detach().float()
            result[number, :, top : top + rows] = _look_up(flat, lut, band)
    return result


def _look_up(flat: Tensor, lut: Lut, colours: Tensor) -> Tensor:
    """Colours (3, height, width) through a table of (size^3, 3)."""
    last = lut.size - 1
    low, high = (torch.tensor(corner, device=colours.device).view(3, 1, 1) for corner in lut.domain)
    place = ((colours - low) / (high - low)).clamp_(0, 1) * last
    cell = place.floor().clamp_(max=last - 1)
    red, green, blue = within = place - cell
    of_red, of_green, of_blue = (torch.tensor(lut.size**power) for power in (2, 1, 0))
    whole = cell.to(torch.int64)
    start = (whole[0] * lut.size + whole[1]) * lut.size + whole[2]

    # The way from the cell's dark corner to its light one leads along the largest of the three first.
    largest, smallest = within.amax(0), within.amin(0)
    middle = within.sum(0) - largest - smallest
    first = torch.where((red >= green) & (red >= blue), of_red, torch.where(green >= blue, of_green, of_blue))
    final = torch.where((blue <= green) & (blue <= red), of_blue, torch.where(green <= red, of_green, of_red))
    diagonal = of_red + of_green + of_blue
    corners = (
        (1 - largest, start),
        (largest - middle, start + first),
        (middle - smallest, start + (diagonal - final)),
        (smallest, start + diagonal),
    )
    total = sum(weight[..., None] * flat[index] for weight, index in corners)
    assert isinstance(total, Tensor)
    return total.clamp_(0, 1).permute(2, 0, 1)
