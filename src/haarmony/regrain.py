"""Regrain: the gradients of a picture under colours that a map of colours has given it.

A strong map of colours stretches what was smooth into grain and bands. Between the picture I and its mapped
version t lies the J that is least in

    sum  phi |grad J - grad I|^2 + psi |J - t|^2

(Pitie, Kokaram and Dahyot, CVIU 2007, eqs. 17 to 19): where I is flat, phi is large and psi small, so the
gradients are those of I; at its edges the colours are those of t. In terms of the change D = J - I this is a
smoothing of t - I that stops at edges; D is smooth, so it is found from coarse to fine.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

_PHI, _SLOPE = 30.0, 10.0
_FULL = 5.0
"""Gradient, in levels of 255, from which the mapped colours count in full."""
_COARSEST = 16
_STEPS = 12
_TINY = 1e-12


def regrain(picture: Tensor, mapped: Tensor, *, steps: int = _STEPS) -> Tensor:
    """The mapped picture with the gradients of the picture.

    Args:
        picture: (1, 3, H, W) in [0, 1].
        mapped: the same shape.
        steps: of conjugate gradients at each scale.

    Returns:
        (1, 3, H, W), not clipped.
    """
    slope = _slope(picture) * 255
    smoothness, fidelity = _PHI / (1 + _SLOPE * slope), (slope / _FULL).clamp_(1e-3, 1)
    del slope
    result = torch.empty_like(picture)
    for channel in range(picture.shape[1]):
        plane = picture[:, channel : channel + 1]
        change = mapped[:, channel : channel + 1] - plane
        result[:, channel : channel + 1] = plane + smoothed(change, smoothness, fidelity, steps=steps)
    return result


def smoothed(values: Tensor, smoothness: Tensor, fidelity: Tensor, *, steps: int = _STEPS) -> Tensor:
    """The D that is least in sum smoothness |grad D|^2 + fidelity |D - values|^2, from coarse to fine.

    Args:
        values: (1, 1, H, W).
        smoothness: (1, 1, H, W), above 0.
        fidelity: (1, 1, H, W), above 0.
        steps: of conjugate gradients at each scale.
    """
    height, width = values.shape[-2:]
    start = values
    if min(height, width) > _COARSEST:
        weight = _halved(fidelity)
        barriers = 1 / _halved(1 / smoothness)
        coarse = smoothed(_halved(values * fidelity) / weight, barriers, 4 * weight, steps=2 * steps)
        start = F.interpolate(coarse, (height, width), mode="bilinear", align_corners=False)
    down = (smoothness[..., 1:, :] + smoothness[..., :-1, :]) / 2
    across = (smoothness[..., 1:] + smoothness[..., :-1]) / 2

    def system(x: Tensor) -> Tensor:
        out = fidelity * x
        flow = down * (x[..., 1:, :] - x[..., :-1, :])
        out[..., 1:, :] += flow
        out[..., :-1, :] -= flow
        flow = across * (x[..., 1:] - x[..., :-1])
        out[..., 1:] += flow
        out[..., :-1] -= flow
        return out

    diagonal = fidelity.clone()
    for sides, flow in (((slice(1, None), slice(None)), down), ((slice(None), slice(1, None)), across)):
        diagonal[(..., *sides)] += flow
        diagonal[(..., *(slice(None, -1) if side.start else side for side in sides))] += flow
    x = start.clone()
    residual = fidelity * values - system(x)
    ahead = residual / diagonal
    direction, along = ahead, (residual * ahead).sum()
    for _ in range(steps):
        image = system(direction)
        size = along / (direction * image).sum().clamp_min(_TINY)
        x.add_(size * direction)
        residual.sub_(size * image)
        ahead = residual / diagonal
        before, along = along, (residual * ahead).sum()
        direction = ahead + along / before.clamp_min(_TINY) * direction
    return x


def _halved(x: Tensor) -> Tensor:
    return F.avg_pool2d(x, 2, ceil_mode=True, count_include_pad=False)


def _slope(picture: Tensor) -> Tensor:
    """The gradient magnitude over all channels, (1, 1, H, W), by central differences."""
    total = torch.zeros_like(picture[:, :1])
    for channel in range(picture.shape[1]):
        plane = F.pad(picture[:, channel : channel + 1], (1, 1, 1, 1), mode="replicate")
        total += ((plane[..., 2:, 1:-1] - plane[..., :-2, 1:-1]) / 2).square()
        total += ((plane[..., 1:-1, 2:] - plane[..., 1:-1, :-2]) / 2).square()
    return total.sqrt_()
