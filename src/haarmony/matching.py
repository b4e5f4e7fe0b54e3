"""Matching: the affine map that gives content features the statistics of the style.

Every function takes (content Moments, style Moments) and returns an `Affine`. All work in float64 and give a
finite map for any input: no statistics on one side give the identity, a constant region is only moved.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TypeAlias

import torch
from torch import Tensor

from haarmony.errors import InputError
from haarmony.moments import Moments
from haarmony.pages import empty_channels_last, in_strips, strips
from haarmony.remembered import remembered
from haarmony.side_by_side import learns, shared_out

_TINY = 1e-30
"""A variance below all that features can have."""

Matching = Callable[[Moments, Moments], "Affine"]


@dataclass(frozen=True)
class Mixture:
    """What features shall have of several styles: a map is found to each, and the maps are averaged.

    Attributes:
        parts: the Moments of each style and its share; the shares sum to 1.
    """

    parts: tuple[tuple[Moments, float], ...]


Target: TypeAlias = Moments | Mixture


@dataclass(frozen=True)
class Affine:
    """y = A x + b on feature vectors.

    Attributes:
        matrix: A, (C, C) float64.
        offset: b, (C,) float64.
    """

    matrix: Tensor
    offset: Tensor

    @classmethod
    def identity(cls, like: Moments) -> Affine:
        """The map that changes nothing, for the channels (and device) of some moments."""
        return cls(
            torch.eye(like.channels, dtype=torch.float64, device=like.mean.device),
            torch.zeros_like(like.mean),
        )

    @classmethod
    def moving(cls, matrix: Tensor, source: Tensor, target: Tensor) -> Affine:
        """The map with the given matrix that carries the point `source` to `target`."""
        return cls(matrix, target - matrix @ source)

    def __call__(self, features: Tensor, *, spend: bool = False) -> Tensor:
        """Map features (B, C, H, W): one 1x1 convolution in the features' own dtype and on their device.

        Args:
            features: to be mapped.
            spend: whether they are not needed any more: large ones are then written over.
        """
        matrix, offset = self.matrix.to(features), self.offset.to(features)
        if not in_strips(features) or learns(matrix, offset):
            return torch.nn.functional.conv2d(features, matrix[..., None, None], offset)
        channels = matrix.shape[0]
        over = spend and matrix.shape[1] == channels
        over = over and features.is_contiguous(memory_format=torch.channels_last)
        mapped = features if over else empty_channels_last(features, channels, *features.shape[-2:])

        def change(share: Sequence[slice]) -> None:
            room = features.new_empty((share[0].stop - share[0].start) * features.shape[-1], channels)
            for rows in share:
                for x, target in zip(features[..., rows, :], mapped[..., rows, :], strict=True):
                    pixels, out = (one.permute(1, 2, 0).flatten(0, 1) for one in (x, target))
                    out.copy_(torch.addmm(offset, pixels, matrix.T, out=room[: len(pixels)]))

        shared_out(change, strips(features))
        return mapped

    def blend(self, strength: float) -> Affine:
        """Between the identity (strength 0) and this map (strength 1)."""
        eye = torch.eye(self.offset.shape[0], dtype=torch.float64, device=self.offset.device)
        return Affine(torch.lerp(eye, self.matrix, strength), self.offset * strength)


def solve(matching: Matching, content: Moments, target: Target) -> Affine:
    """The map to one style, or the weighted mean of the maps to several, where the content's moments are."""
    device = content.mean.device
    if isinstance(target, Moments):
        return matching(content, target.to(device))
    maps = [(matching(content, style.to(device)), share) for style, share in target.parts]
    return Affine(
        torch.stack([share * one.matrix for one, share in maps]).sum(0),
        torch.stack([share * one.offset for one, share in maps]).sum(0),
    )


def mean_std(content: Moments, style: Moments, *, floor: float = 1e-5) -> Affine:
    """Match mean and standard deviation of each channel: AdaIN (Huang and Belongie, ICCV 2017, eq. 8).

    Args:
        content: statistics of the features to map.
        style: statistics that they shall have.
        floor: variances below this count as constant and are not amplified.
    """
    if _nothing_known(content, style):
        return Affine.identity(content)
    variance, wanted = content.covariance().diagonal(), style.covariance().diagonal()
    known = variance > floor
    scale = torch.where(known, (wanted.clamp_min(0) / variance.clamp_min(floor)).sqrt(), 1.0)
    return Affine.moving(torch.diag(scale), content.mean, style.mean)


def zca(
    content: Moments, style: Moments, *, ridge: float = 0.0, cutoff: float = 1e-5, ddof: int = 1
) -> Affine:
    """Whitening and colouring by symmetric square roots: WCT (Li et al., NIPS 2017, eqs. 1 and 2).

    Args:
        content: statistics of the features to map.
        style: statistics that they shall have.
        ridge: added to the diagonal of both covariances (the public codes add 1).
        cutoff: eigenvalues below it (absolute) are dropped on both sides.
        ddof: the covariance divisor is count - ddof.
    """
    if _nothing_known(content, style):
        return Affine.identity(content)
    whiten = _power(_ridged(content, ridge, ddof), -0.5, cutoff)
    colour = _colouring(style, ridge, cutoff, ddof)
    return Affine.moving(colour @ whiten, content.mean, style.mean)


def cholesky(content: Moments, style: Moments, *, ridge: float = 1e-5) -> Affine:
    """Whitening and colouring by Cholesky factors, A = L_s L_c^-1: the same statistics, no eigenvectors.

    Args:
        content: statistics of the features to map.
        style: statistics that they shall have.
        ridge: added to both covariances, as a share of the larger mean variance, so that a factor always
            exists; also bounds the gain.
    """
    if _nothing_known(content, style):
        return Affine.identity(content)
    C, S = content.covariance(), style.covariance()
    level = _level(C, S, ridge)
    eye = torch.eye(content.channels, dtype=torch.float64, device=C.device)
    left, right = torch.linalg.cholesky(S + level * eye), torch.linalg.cholesky(C + level * eye)
    matrix = torch.linalg.solve_triangular(right, left, upper=False, left=False)
    return Affine.moving(matrix, content.mean, style.mean)


def gaussian_ot(content: Moments, style: Moments, *, ridge: float = 1e-5) -> Affine:
    """The optimal transport between the two Gaussians, also called Monge-Kantorovich linear or MKL.

    A = C^-1/2 (C^1/2 S C^1/2)^1/2 C^-1/2 (Pitie and Kokaram 2007, eq. 8; Olkin and Pukelsheim 1982): of all
    maps with the wanted covariance the one that moves the features least.

    Args:
        content: statistics of the features to map.
        style: statistics that they shall have.
        ridge: added to both covariances, as a share of the larger mean variance; also bounds the gain.
    """
    if _nothing_known(content, style):
        return Affine.identity(content)
    C, S = content.covariance(), style.covariance()
    level = _level(C, S, ridge)
    eye = torch.eye(content.channels, dtype=torch.float64, device=C.device)
    values, vectors = torch.linalg.eigh(C + level * eye)
    root = values.clamp_min(level).sqrt()
    half, inverse = (vectors * root) @ vectors.T, (vectors / root) @ vectors.T
    matrix = inverse @ _power(half @ (S + level * eye) @ half, 0.5, 0.0) @ inverse
    return Affine.moving((matrix + matrix.T) / 2, content.mean, style.mean)


MATCHINGS: dict[str, Matching] = {
    "mean_std": mean_std,
    "zca": zca,
    "cholesky": cholesky,
    "gaussian_ot": gaussian_ot,
}


def _nothing_known(content: Moments, style: Moments) -> bool:
    if content.channels != style.channels:
        raise InputError(
            f"content has {content.channels} channels and style {style.channels}: take both from one network"
        )
    return bool((content.count <= 0) | (style.count <= 0))


def _level(C: Tensor, S: Tensor, ridge: float) -> Tensor:
    """The share `ridge` of the larger mean variance, so that a flat region is not amplified without end."""
    return ridge * torch.maximum(C.diagonal().mean(), S.diagonal().mean()).clamp_min(_TINY)


def _ridged(moments: Moments, ridge: float, ddof: int) -> Tensor:
    covariance = moments.covariance(ddof=ddof)
    return covariance + ridge * torch.eye(moments.channels, dtype=covariance.dtype, device=covariance.device)


def _colouring(style: Moments, ridge: float, cutoff: float, ddof: int) -> Tensor:
    """The root of a style's covariance, found once for all contents."""

    def make() -> Tensor:
        return _power(_ridged(style, ridge, ddof), 0.5, cutoff)

    if style.scatter.requires_grad:
        return make()
    return remembered("colouring", (style.scatter, style.count), (ridge, cutoff, ddof), make)


def _power(symmetric: Tensor, exponent: float, cutoff: float) -> Tensor:
    values: Tensor
    vectors: Tensor
    values, vectors = torch.linalg.eigh(symmetric)
    kept = values > cutoff
    powers = torch.where(kept, values.clamp_min(torch.finfo(values.dtype).tiny) ** exponent, 0.0)
    return (vectors * powers) @ vectors.T
