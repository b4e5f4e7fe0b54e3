"""Descent: a picture that makes a loss small, by L-BFGS or Adam; watched, and stopped when flat."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterable, Mapping
from contextlib import nullcontext
from dataclasses import dataclass
from typing import Any, Literal, TypeAlias

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.optimize import minimize
from torch import Tensor
from torch.overrides import TorchFunctionMode
from torch.utils._pytree import tree_map_only

from haarmony.errors import HaarmonyWarning, InputError

Optimiser: TypeAlias = Literal["lbfgs", "adam"]
Objective: TypeAlias = Callable[[Tensor], Tensor]

_WINDOW = 20
_MEMORY = 10
_RATE = 0.02
_RESTARTS = 2


@dataclass
class _Progress:
    """The best picture so far, and the losses on the way."""

    best: Tensor
    losses: list[float]
    lowest: float = float("inf")

    def note(self, loss: float, x: Tensor) -> None:
        self.losses.append(loss)
        if loss < self.lowest:
            self.lowest, self.best = loss, x.detach().clone()

    def is_flat(self, flat: float) -> bool:
        """Whether the last steps together gained less than this share of the loss."""
        if flat == 0 or len(self.losses) <= _WINDOW:
            return False
        before = min(self.losses[:-_WINDOW])
        return before - min(self.losses[-_WINDOW:]) <= flat * abs(before)


class _Stop(Exception):  # noqa: N818 (it ends the search, nothing is wrong)
    pass


class _Diverged(Exception):  # noqa: N818
    pass


class _Copied(TorchFunctionMode):
    """While it is on, copies stand for tensors of inference mode: no gradient could be found by those.

    Attributes:
        copies: by the identity of a tensor, the tensor, which so stays alive, and its copy.
    """

    def __init__(self) -> None:
        super().__init__()
        self.copies: dict[int, tuple[Tensor, Tensor]] = {}

    def __torch_function__(
        self,
        func: Callable[..., Any],
        types: Iterable[type],
        args: tuple[Any, ...] = (),
        kwargs: Mapping[str, Any] | None = None,
    ) -> Any:
        """See `torch.overrides`."""
        args, kwargs = tree_map_only(Tensor, self._copy, (args, kwargs or {}))
        return func(*args, **kwargs)

    def _copy(self, tensor: Tensor) -> Tensor:
        if not tensor.is_inference():
            return tensor
        if id(tensor) not in self.copies:
            self.copies[id(tensor)] = tensor, tensor.detach().clone()
        return self.copies[id(tensor)][1]


def minimise(
    objective: Objective,
    start: Tensor,
    *,
    optimiser: Optimiser = "lbfgs",
    steps: int = 300,
    flat: float = 1e-4,
    watch: Callable[[int, float, Tensor], None] = lambda step, loss, x: None,
) -> Tensor:
    """The x of the least loss that was seen.

    A step is one evaluation of the loss and its gradient. A loss that is not finite ends the run, which
    begins again from the best x with Adam and a quarter of the rate; a `HaarmonyWarning` says so. It works
    in inference mode too.

    Args:
        objective: from x to a loss, ().
        start: where the search begins.
        optimiser: `lbfgs` needs fewest steps; `adam` less memory.
        steps: at most.
        flat: stop when the last 20 steps together gain less than this share of the loss.
        watch: called after every step with its number, its loss and its x.

    Raises:
        InputError: when the loss is not finite at the start.
    """
    seen = _Progress(start.detach().clone(), [])
    copied = _Copied()

    def evaluate(x: Tensor) -> tuple[float, Tensor]:
        if len(seen.losses) >= steps:
            raise _Stop
        x = x.detach().requires_grad_(True)
        copies = not seen.losses or copied.copies  # the first step finds out
        with torch.enable_grad(), copied if copies else nullcontext():
            loss = objective(x)
            (gradient,) = torch.autograd.grad(loss, x)
        value = float(loss.detach())
        if not np.isfinite(value) or not bool(torch.isfinite(gradient).all()):
            raise _Diverged
        seen.note(value, x)
        watch(len(seen.losses), value, x.detach())
        if seen.is_flat(flat):
            raise _Stop
        return value, gradient

    rate = _RATE
    for attempt in range(_RESTARTS + 1):
        try:
            with torch.inference_mode(False), torch.no_grad():
                if optimiser == "lbfgs" and attempt == 0:
                    _lbfgs(evaluate, seen.best)
                else:
                    _adam(evaluate, seen.best, rate)
        except _Stop:
            break
        except _Diverged:
            if not seen.losses:
                raise InputError("the loss is not finite at the start: give smaller weights") from None
            rate /= 4
            warnings.warn(
                f"the loss was not finite after step {len(seen.losses)}: going on with a smaller step",
                HaarmonyWarning,
                stacklevel=2,
            )
        else:
            break
    return seen.best


def _lbfgs(evaluate: Callable[[Tensor], tuple[float, Tensor]], start: Tensor) -> None:
    """Byrd, Lu, Nocedal and Zhu 1995, scipy's, without bounds."""

    def of_array(flat: NDArray[Any]) -> tuple[float, NDArray[Any]]:
        loss, gradient = evaluate(torch.from_numpy(flat).to(start).view(start.shape))
        return loss * scale, gradient.flatten().double().cpu().numpy() * scale

    scale = 1.0
    first = start.flatten().double().cpu().numpy()
    _, gradient = of_array(first)
    scale = 1.0 / max(float(np.abs(gradient).max()), 1e-30) * _RATE * 10
    minimize(
        of_array, first, jac=True, method="L-BFGS-B",
        options={"maxcor": _MEMORY, "maxiter": 10**9, "maxfun": 10**9, "ftol": 0.0, "gtol": 0.0},
    )  # fmt: skip


def _adam(evaluate: Callable[[Tensor], tuple[float, Tensor]], start: Tensor, rate: float) -> None:
    """Kingma and Ba 2015; the picture stays within [0, 1]."""
    x = start.clone()
    adam = torch.optim.Adam([x], lr=rate)
    while True:
        _, x.grad = evaluate(x)
        adam.step()
        x.clamp_(0, 1)
