"""The masks of a film: one for all frames, one for every frame in a folder, or a film of masks.

Which of their regions are matched is found once a shot, by the rule for photos: how large a region is is its
mean area over those samples of the shot that have it, with a window over those of the shot's first samples.
"""

from __future__ import annotations

import hashlib
import os
import warnings
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import lru_cache
from pathlib import Path
from statistics import fmean

import torch
from PIL import Image

from haarmony.errors import HaarmonyWarning, ImageError, InputError
from haarmony.media.film import open_film
from haarmony.media.film_folder import by_number
from haarmony.media.film_settings import fingerprint
from haarmony.media.kinds import MaskLike, mask_array, to_mask
from haarmony.media.mask import Mask, mask_of
from haarmony.media.opening import is_picture, named
from haarmony.pipelines.spans import Samples
from haarmony.regions import Regions, shared_labels, unshared

PICTURES = {".png", ".gif", ".bmp", ".tif", ".tiff", ".webp", ".jpg", ".jpeg"}


@dataclass(frozen=True)
class FrameMasks:
    """The masks of the frames.

    Attributes:
        names: of the regions that are matched: all frames have these, empty or not.
        mask: from the number of a frame to its mask.
        told: what has been warned of, in any shot.
    """

    names: Sequence[str]
    mask: Callable[[int], Mask]
    told: set[str] = field(default_factory=set)

    def matched(self, styles: Sequence[Mapping[str, float]], samples: Samples, *, whole: bool) -> FrameMasks:
        """Those of a shot, with the regions that can be matched; a `HaarmonyWarning` names the others, once.

        A region that none of the samples has may come later: it stays where the styles have enough of it.

        Args:
            styles: of each the areas of its regions.
            samples: of the shot.
            whole: as in `match_regions`.
        """
        areas = self._areas(samples)
        names = self.names
        for style in styles:
            shared = shared_labels({**style, **areas}, dict(style))
            names = [name for name in names if name in shared]
        for text in {unshared(areas, style, names, whole=whole): None for style in styles}:
            if text and text not in self.told:
                self.told.add(text)
                warnings.warn(f"in the shot from frame {samples.first} {text}", HaarmonyWarning, stacklevel=2)
        return replace(self, names=names)

    def regions(self, index: int, *, rest: bool) -> Regions:
        """Of a frame.

        Args:
            index: its number.
            rest: whether what belongs to no region that is matched forms one of its own.

        Raises:
            ImageError: for a mask that cannot be read or is of another size.
            InputError: for a frame without a mask.
        """
        found, nowhere = Regions.of(self.mask(index)), len(self.mask(index).names)
        labels = {name: found.labels.get(name, nowhere) for name in self.names}
        if found.hard or nowhere not in labels.values():
            return Regions(labels, found.values, rest)
        return Regions(labels, torch.cat((found.values, torch.zeros_like(found.values[:1]))), rest)

    def _areas(self, samples: Samples) -> dict[str, float]:
        """The mean area of each region over the samples that have it."""
        seen: dict[str, list[float]] = {}
        for one in samples.frames:
            for name, area in Regions.of(self.mask(one.index)).areas().items():
                if area > 0:
                    seen.setdefault(name, []).append(area)
        return {name: fmean(areas) for name, areas in seen.items()}


def open_masks(masks: MaskLike, names: Sequence[str], size: tuple[int, int]) -> FrameMasks:
    """Masks of frames of a (height, width).

    Args:
        masks: one for all frames; or the path of a folder of pictures or of a film, with one for every frame.
        names: of the regions that the style has.
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
