"""Descent for ill-conditioned convolutions: white inputs, orthogonal steps.

Features of VGG-19 vary a thousand times more in some directions than in others, so a step that is small
enough for the strong directions never moves the weak ones. Here a convolution W is seen as V = W K^-T, which
acts on whitened windows K^T x, with K K^T the inverse of the windows' second moments; and V steps along the
orthogonal matrix that is nearest to its averaged gradient, so that no direction of the outputs is favoured
either. The first is the input half of K-FAC (Martens and Grosse 2015), the second is Muon (Jordan et al.
2024). The weights themselves stay what they are: only the step is formed in V.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

import torch
from torch import Tensor, nn

_NEWTON_SCHULZ = (3.4445, -4.7750, 2.0315)  # Jordan et al.: singular values end between 0.7 and 1.2


def whitening(gram: Tensor, damping: float) -> Tensor:
    """K (N, N) of second moments (N, N), with K^T (gram + damping * mean of its diagonal) K = 1; in bfloat16.

    A step needs no more digits than that.
    """
    values, vectors = torch.linalg.eigh(gram.float())
    white: Tensor = vectors * (values.clamp_min(0) + damping * gram.diagonal().mean()).rsqrt()
    return white.bfloat16()


def orthogonal(matrix: Tensor) -> Tensor:
    """About the nearest matrix with orthonormal rows to a wide one, by five steps of Newton and Schulz."""
    x: Tensor = matrix.bfloat16()
    x = x / x.norm().clamp_min(1e-20)
    first, third, fifth = _NEWTON_SCHULZ
    for _ in range(5):
        square = x @ x.T
        x = first * x + (third * square + fifth * square @ square) @ x
    return x


class WhitenedDescent(torch.optim.Optimizer):
    """Steps for convolutions of known inputs; `lr` is the root mean square of a step's entries in V.

    Args:
        convolutions: with biases; each has no more channels out than its window has entries.
        whitenings: K of each one's windows with a 1 appended, (9C + 1, 9C + 1); see `whitening`.
        learning_rate: of every convolution.
        momentum: how much of the mean gradient stays from step to step.
    """

    def __init__(
        self,
        convolutions: Sequence[nn.Conv2d],
        whitenings: Sequence[Tensor],
        *,
        learning_rate: float,
        momentum: float = 0.95,
    ) -> None:
        groups = [{"params": list(convolution.parameters())} for convolution in convolutions]
        super().__init__(groups, {"lr": learning_rate, "momentum": momentum})
        self.whitenings = whitenings

    @torch.no_grad()
    def step(self, closure: Callable[[], float] | None = None) -> float | None:  # type: ignore[override]
        """Move every convolution by its gradient."""
        loss = None if closure is None else closure()
        for group, whitening in zip(self.param_groups, self.whitenings, strict=True):
            weight, bias = group["params"]
            gradient = torch.cat([weight.grad.flatten(1), bias.grad[:, None]], 1).bfloat16() @ whitening
            gradient = gradient.float()
            mean = self.state[weight].setdefault("mean", torch.zeros_like(gradient))
            mean.lerp_(gradient, 1 - group["momentum"])
            ahead = mean.lerp(gradient, 1 - group["momentum"])
            change = (orthogonal(ahead) @ whitening.T).float() * (group["lr"] * math.sqrt(len(whitening)))
            weight -= change[:, :-1].reshape(weight.shape)
            bias -= change[:, -1]
        return loss
