"""The barycentre of Gaussians: the Moments between those of several styles, by optimal transport.

Of all Gaussians it has the least weighted sum of squared 2-Wasserstein distances to the given ones (Agueh and
Carlier, SIAM J. Math. Anal. 2011). Its mean is the weighted mean of the means; its covariance S solves
S = sum_i w_i (S^1/2 S_i S^1/2)^1/2 and is found by the fixed point of Alvarez-Esteban et al. (J. Math. Anal.
Appl. 2016, eq. 15), S <- S^-1/2 (sum_i w_i (S^1/2 S_i S^1/2)^1/2)^2 S^-1/2.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from haarmony.moments import Moments

_RIDGE = 1e-8
"""Added to the covariances and taken off again, as a share of the largest mean variance: S has an inverse."""
_TINY = 1e-30
_TOLERANCE = 1e-9
_ROUNDS = 100


def barycentre(parts: Sequence[tuple[Moments, float]]) -> Moments:
    """The 2-Wasserstein barycentre of Gaussians with the given Moments, in float64.

    Args:
        parts: one or more Moments, each of a count above 0, and their shares, which are above 0 and sum to 1.

    Returns:
        Moments with the weighted mean of the counts; a single one comes back as it was.
    """
    if len(parts) == 1:
        return parts[0][0]
    shares = torch.tensor([share for _, share in parts], dtype=torch.float64, device=parts[0][0].mean.device)
    count = shares @ torch.stack([moments.count for moments, _ in parts])
    mean = shares @ torch.stack([moments.mean for moments, _ in parts])
    covariances = torch.stack([moments.covariance() for moments, _ in parts])
    level = _RIDGE * covariances.diagonal(dim1=1, dim2=2).mean(1).max().clamp_min(_TINY)
    eye = torch.eye(len(mean), dtype=mean.dtype, device=mean.device)
    covariance = _fixed_point(covariances + level * eye, shares[:, None, None], level) - level * eye
    return Moments(count, mean, count * covariance)


def _fixed_point(covariances: Tensor, shares: Tensor, level: Tensor) -> Tensor:
    """Starts at (sum_i w_i S_i^1/2)^2, which is the answer where the covariances commute."""
    root = (shares * _root(covariances)).sum(0)
    S = root @ root
    for _ in range(_ROUNDS):
        values, vectors = torch.linalg.eigh(S)
        root = values.clamp_min(level).sqrt()
        half, inverse = (vectors * root) @ vectors.T, (vectors / root) @ vectors.T
        right = inverse @ (shares * _root(half @ covariances @ half)).sum(0)
        before, S = S, right @ right.T
        if (S - before).norm() <= _TOLERANCE * S.norm():
            break
    return S


def _root(symmetric: Tensor) -> Tensor:
    values, vectors = torch.linalg.eigh(symmetric)
    root: Tensor = (vectors * values.clamp_min(0).sqrt()[:, None]) @ vectors.mT
    return root
