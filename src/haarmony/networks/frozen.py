"""A convolution that learns nothing, forth and back by `winograd` where that is faster.

What descends on a picture through a network that stays as it is needs gradients of the picture alone, and
that of a convolution is a convolution with the turned kernel.
"""

from __future__ import annotations

from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor
from torch.autograd.function import once_differentiable

from haarmony.networks import strips, winograd

_FEWEST_CHANNELS = 128


def convolve_frozen(x: Tensor, weight: Tensor, bias: Tensor) -> Tensor:
    """A 3x3 convolution of the reflected picture, differentiable in x alone.

    Args:
        x: (B, C, H, W), H and W at least 2.
        weight: (O, C, 3, 3), without a gradient.
        bias: (O,), without a gradient.

    Returns:
        (B, O, H, W).
    """
    if min(weight.shape[:2]) >= _FEWEST_CHANNELS and strips.serves(x.detach(), weight):
        convolved: Tensor = _Frozen.apply(x, weight, bias)  # type: ignore[no-untyped-call]
        return convolved
    return F.conv2d(F.pad(x, (1, 1, 1, 1), mode="reflect"), weight, bias)


class _Frozen(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, x: Tensor, weight: Tensor, bias: Tensor) -> Tensor:
        ctx.save_for_backward(weight)
        kernel = winograd.prepared("all", weight, bias, (x.shape[-2], x.shape[-1]), lambda whole: whole)
        return strips.convolve(x, kernel, beyond="reflected")

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor, None, None]:
        (weight,) = ctx.saved_tensors
        size = gradient.shape[-2] + 2, gradient.shape[-1] + 2
        kernel = winograd.prepared("turned", weight, None, size, _turned)
        return _folded(strips.convolve(gradient, kernel, beyond="zero")), None, None


def _turned(weight: Tensor) -> Tensor:
    return weight.transpose(0, 1).flip(2, 3)


def _folded(padded: Tensor) -> Tensor:
    """(B, C, H + 2, W + 2) to (B, C, H, W): the lines beyond the border added to those that they reflect."""
    for axis in (-2, -1):
        for line, source in ((2, 0), (-3, -1)):
            padded.select(axis, line).add_(padded.select(axis, source))
    return padded[..., 1:-1, 1:-1]
