"""The masks of a film: one for all frames, one for every frame in a folder, or a film of masks."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import torch
from PIL import Image

from haarmony.errors import ImageError, InputError
from haarmony.media.film import open_film
from haarmony.media.film_folder import by_number
from haarmony.media.film_settings import fingerprint
from haarmony.media.kinds import MaskLike, mask_array, to_mask
from haarmony.media.mask import Mask, mask_of
from haarmony.media.opening import is_picture, named
from haarmony.regions import Regions

PICTURES = {".png", ".gif", ".bmp", ".tif", ".tiff", ".webp", ".jpg", ".jpeg"}


@dataclass(frozen=True)
class FrameMasks:
    """The masks of the frames.

    Attributes:
        names: of the regions that the style has: all frames have these, empty or not.
        mask: from the number of a frame to its mask.
    """

    names: Sequence[str]
    mask: Callable[[int], Mask]

    def regions(self, index: int, *, rest: bool) -> Regions:
        """Of a frame.

        Args:
            index: its number.
            rest: whether what the style has no region for forms a region of its own.

        Raises:
            ImageError: for a mask that cannot be read or is of another size.
            InputError: for a frame without a mask, or a soft one without a region that the style has.
        """
        mask = self.mask(index)
        known = {name: label for label, name in enumerate(mask.names)}
        missing = [name for name in self.names if name not in known]
        if mask.is_soft and missing:
            raise InputError(
                f"the mask of frame {index} has no region {missing[0]!r}, which the style's mask has"
            )
        labels = {name: known.get(name, -1) for name in self.names}
        return Regions(labels, torch.from_numpy(mask.values), rest)


def open_masks(masks: MaskLike, names: Sequence[str], size: tuple[int, int]) -> FrameMasks:
    """Masks of frames of a (height, width).

    Args:
        masks: one for all frames; or the path of a folder of pictures or of a film, with one for every frame.
        names: see `FrameMasks`.
        size: of the frames.

    Raises:
        FilmError: for a film that cannot be read.
        ImageError: for a mask that cannot be read or is of another size.
        InputError: for a folder without pictures.
    """
    path = Path(masks) if isinstance(masks, (str, os.PathLike)) else None
    if path is not None and path.is_dir():
        there = (one for one in path.iterdir() if one.suffix.lower() in PICTURES and is_picture(one))
        files = sorted(there, key=by_number)
        if not files:
            raise InputError(f"{str(masks)!r} has no masks: give a folder of pictures, one for every frame")
        return FrameMasks(names, _in_turn(files, size))
    if path is not None and path.suffix.lower() not in PICTURES:
        return FrameMasks(names, _of_film(path, size))
    still = to_mask(masks, size=size)
    return FrameMasks(names, lambda index: still)


def mask_identity(mask: MaskLike | None) -> str | None:
    """What tells one mask, or one file or folder of masks, from others; None for none.

    Raises:
        ImageError: for a file that cannot be read.
        InputError: for a tensor without values.
    """
    if mask is None:
        return None
    if isinstance(mask, (str, os.PathLike)):
        try:
            return fingerprint(Path(mask))
        except OSError as error:
            raise ImageError(f"{named(mask)} cannot be read ({error.strerror}): check the path") from error
    names, values = (mask.names, mask.values) if isinstance(mask, Mask) else ((), mask_array(mask))
    return hashlib.sha256(f"{names} {values.shape} {values.dtype}".encode() + values.tobytes()).hexdigest()


def _in_turn(files: Sequence[Path], size: tuple[int, int]) -> Callable[[int], Mask]:
    @lru_cache(32)
    def mask(index: int) -> Mask:
        if index >= len(files):
            raise InputError(
                f"frame {index} has no mask: the folder has {len(files)}, give one for every frame"
            )
        return to_mask(files[index], size=size)

    return mask


def _of_film(path: str | os.PathLike[str], size: tuple[int, int]) -> Callable[[int], Mask]:
    film = open_film(path)

    @lru_cache(32)
    def mask(index: int) -> Mask:
        frame = next(film.frames(index, index + 1), None)
        if frame is None:
            raise InputError(f"frame {index} has no mask: {named(path)} is shorter than the film")
        return to_mask(mask_of(Image.fromarray(frame.pixels), f"frame {index} of {named(path)}"), size=size)

    return mask
