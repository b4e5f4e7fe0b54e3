"""Photographs for training: crops that depend on seed and step alone, so that a run can resume."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from haarmony.errors import InputError

_SUFFIXES = {".jpg", ".jpeg", ".png", ".webp"}


def load_photos(folder: str | os.PathLike[str], *, at_least: int = 1) -> list[Tensor]:
    """Every photograph of a folder, sorted by name, as uint8 (3, H, W) sRGB.

    Args:
        folder: searched without its subfolders.
        at_least: photos with a shorter side than this are left out.

    Raises:
        InputError: when there is none, or one that cannot be read.
    """
    photos = []
    for path in sorted(Path(folder).glob("*")):
        if path.suffix.lower() in _SUFFIXES:
            try:
                with Image.open(path) as image:
                    array = np.array(image.convert("RGB"))
            except (OSError, SyntaxError, Image.DecompressionBombError) as error:
                raise InputError(f"cannot read the photograph {path}: {error}; take it out") from error
            if min(array.shape[:2]) >= at_least:
                photos.append(torch.from_numpy(array).permute(2, 0, 1))
    if not photos:
        raise InputError(
            f"no photographs of at least {at_least} pixels in {folder}; expected .jpg, .png or .webp files"
        )
    return photos


def crops(photos: list[Tensor], *, size: int, batch: int, seed: int, step: int) -> Tensor:
    """Random square crops, half of them mirrored, as float (batch, 3, size, size) in [0, 1]."""
    choose = np.random.default_rng((seed, step))
    picked = []
    for index in choose.integers(len(photos), size=batch):
        photo = photos[index]
        top = choose.integers(photo.shape[1] - size + 1)
        left = choose.integers(photo.shape[2] - size + 1)
        crop = photo[:, top : top + size, left : left + size]
        picked.append(crop.flip(2) if choose.random() < 0.5 else crop)
    return torch.stack(picked).float() / 255


def recoloured(batch: Tensor, share: float, *, seed: int, step: int) -> Tensor:
    """Pictures (B, 3, H, W) of which a share has its channels permuted, or is a negative, or both."""
    choose = np.random.default_rng((seed, step, 1))
    changed = [
        (1 - one if choose.random() < 0.5 else one)[choose.permutation(3)] if choose.random() < share else one
        for one in batch
    ]
    return torch.stack(changed)
