"""Colour spaces: sRGB to linear light and to spaces whose axes are nearly independent in photographs."""

from __future__ import annotations

import torch
from torch import Tensor

_LMS = (
    (0.3811, 0.5783, 0.0402),
    (0.1967, 0.7244, 0.0782),
    (0.0241, 0.1288, 0.8444),
)
_OPPONENT = ((1.0, 1.0, 1.0), (1.0, 1.0, -2.0), (1.0, -1.0, 0.0))
_LENGTHS = (3.0**-0.5, 6.0**-0.5, 2.0**-0.5)
_FLOOR = 1e-3
"""Added to cone responses before the logarithm: about one step of eight bits in the shadows."""


def to_linear(picture: Tensor) -> Tensor:
    """Linear light of sRGB values in [0, 1] (IEC 61966-2-1); any shape."""
    return torch.where(picture <= 0.04045, picture / 12.92, ((picture.clamp_min(0) + 0.055) / 1.055) ** 2.4)


def from_linear(light: Tensor) -> Tensor:
    """The sRGB values of linear light, not clipped."""
    curve = 1.055 * light.clamp_min(0.0031308) ** (1 / 2.4) - 0.055
    return torch.where(light <= 0.0031308, light * 12.92, curve)


def to_log_opponent(picture: Tensor) -> Tensor:
    """The l alpha beta of sRGB (B, 3, H, W): decorrelated logarithms of cone responses.

    Reinhard et al. 2001, eqs. 4 to 6, after Ruderman, Cronin and Chiao 1998. A small floor keeps
    black finite.
    """
    return _mixed(_opponent(picture), (_mixed(picture.new_tensor(_LMS), to_linear(picture)) + _FLOOR).log())


def from_log_opponent(values: Tensor) -> Tensor:
    """The inverse of `to_log_opponent`, not clipped."""
    cones = _mixed(_opponent(values).T, values).exp() - _FLOOR
    return from_linear(_mixed(values.new_tensor(_LMS).double().inverse().to(values), cones))


def _opponent(like: Tensor) -> Tensor:
    """Orthonormal, so that its transpose is its inverse."""
    return like.new_tensor(_OPPONENT) * like.new_tensor(_LENGTHS)[:, None]


def _mixed(matrix: Tensor, picture: Tensor) -> Tensor:
    return torch.einsum("ij,bjhw->bihw", matrix, picture)
