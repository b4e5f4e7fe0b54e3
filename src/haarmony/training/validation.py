"""What a training loop shows of its network: PSNR there and back on held-out photos, and a sheet."""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path

import torch
from PIL import Image
from torch import Tensor, nn


def psnr(output: Tensor, wanted: Tensor) -> float:
    """Peak signal-to-noise ratio in dB of pictures in [0, 1]; 120 dB for equal ones."""
    return -10 * math.log10(float((output.clamp(0, 1) - wanted).square().mean()) + 1e-12)


@torch.no_grad()
def validate(network: nn.Module, photos: Sequence[Tensor]) -> list[float]:
    """The PSNR in dB of each uint8 photo (3, H, W) after a way through the network and back."""
    device = next(network.parameters()).device
    scores = []
    for photo in photos:
        picture = photo[None].to(device).float() / 255
        scores.append(psnr(network(picture), picture))
    return scores


def squares(photos: Sequence[Tensor]) -> Tensor:
    """uint8 photos (3, H, W) cropped to one square of at most 256, as floats (N, 3, side, side) in [0, 1]."""
    side = min(256, *(length for photo in photos for length in photo.shape[1:]))
    return torch.stack([photo[:, :side, :side] for photo in photos]).float() / 255


def sheet(rows: Sequence[Tensor], path: Path) -> None:
    """Write a picture of rows (N, 3, side, side) in [0, 1], one below the other."""
    side = rows[0].shape[-1]
    pixels = torch.stack([row.detach().cpu().clamp(0, 1) for row in rows]).mul(255).round().byte()
    Image.fromarray(pixels.permute(0, 3, 1, 4, 2).reshape(len(rows) * side, -1, 3).numpy()).save(path)
