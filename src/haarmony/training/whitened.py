"""Descent for ill-conditioned convolutions: white inputs, orthogonal steps.

Features of VGG-19 vary a thousand times more in some directions than in others, so a step that is small
enough for the strong directions never moves the weak ones. Here a convolution W is seen as V = W K^-T, which
acts on whitened windows K^T x, with K K^T = P the inverse of the windows' second moments; and V steps along
the orthogonal matrix that is nearest to its averaged gradient, so that no direction of the outputs is
favoured either. The first is the input half of K-FAC (Martens and Grosse 2015), the second is Muon (Jordan et
al. 2024).

Neither V nor K need be formed. V's gradient is G K, the nearest orthogonal matrix to it S^-1/2 G K with
S = G P G^T, and W moves along that times K^T, which is S^-1/2 G P: one product with P.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

import torch
from torch import Tensor, nn

_WEAKEST = 1e-6
"""Squared singular values of a gradient below this share of the largest are not raised to 1."""
_ROUNDS = 14


def precision(gram: Tensor, damping: float) -> Tensor:
    """P (N, N), the inverse of second moments (N, N) to which `damping` x their mean diagonal is added."""
    damped = gram.double()
    damped.diagonal().add_(damping * damped.diagonal().mean())
    return torch.cholesky_inverse(torch.linalg.cholesky(damped)).float()


def steepest(gradient: Tensor, precision: Tensor) -> Tensor:
    """The step S^-1/2 G P, with S = G P G^T, for a gradient G (O, N), O <= N, and P (N, N)."""
    along = gradient @ precision
    square = (along @ gradient.T).double()
    return (_inverse_root(square) if square.is_cuda else _by_eigenvectors(square)).float() @ along


def _by_eigenvectors(square: Tensor) -> Tensor:
    """S^-1/2 (O, O), with singular values that are too weak taken for stronger ones."""
    values, vectors = torch.linalg.eigh(square)
    values = values.clamp_min(_WEAKEST * float(values[-1])).clamp_min(1e-30)
    root: Tensor = (vectors * values.rsqrt()) @ vectors.T
    return root


def _inverse_root(square: Tensor) -> Tensor:
    """The same by products alone (Newton and Schulz, fifth order): a GPU takes eigenvalues one by one.

    In a round, singular values grow by 1.875 until they are 1; those below the root of `_WEAKEST` stay weak.
    """
    size: Tensor = torch.linalg.matrix_norm(square).clamp_min(1e-30)
    root = torch.eye(len(square), dtype=square.dtype, device=square.device)
    left = square / size + _WEAKEST * root  # rounding can make weak ones negative, and those would grow
    for _ in range(_ROUNDS):
        factor = torch.addmm(left, left, left, beta=-1.25, alpha=0.375)
        factor.diagonal().add_(1.875)
        root, left = factor @ root, factor @ left @ factor
    return root / size.sqrt()


class WhitenedDescent(torch.optim.Optimizer):
    """Steps for convolutions of known inputs; `lr` is the root mean square of a step's entries in V.

    Args:
        convolutions: with biases; each has no more channels out than its window has entries.
        precisions: P of each one's windows with a 1 appended, (9C + 1, 9C + 1); see `precision`.
        learning_rate: of every convolution.
        momentum: how much of the mean gradient stays from step to step.
    """

    def __init__(
        self,
        convolutions: Sequence[nn.Conv2d],
        precisions: Sequence[Tensor],
        *,
        learning_rate: float,
        momentum: float = 0.95,
    ) -> None:
        groups = [{"params": list(convolution.parameters())} for convolution in convolutions]
        super().__init__(groups, {"lr": learning_rate, "momentum": momentum})
        self.precisions = precisions

    @torch.no_grad()
    def step(self, closure: Callable[[], float] | None = None) -> float | None:  # type: ignore[override]
        """Move every convolution by its gradient."""
        loss = None if closure is None else closure()
        for group, precision in zip(self.param_groups, self.precisions, strict=True):
            weight, bias = group["params"]
            gradient = torch.cat([weight.grad.flatten(1), bias.grad[:, None]], 1)
            mean = self.state[weight].setdefault("mean", torch.zeros_like(gradient))
            mean.lerp_(gradient, 1 - group["momentum"])
            ahead = mean.lerp(gradient, 1 - group["momentum"])
            change = steepest(ahead, precision) * (group["lr"] * math.sqrt(len(precision)))
            weight -= change[:, :-1].reshape(weight.shape)
            bias -= change[:, -1]
        return loss
