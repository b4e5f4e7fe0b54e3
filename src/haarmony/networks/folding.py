"""Convolutions of a published state dict, each with the batch norm behind it folded in.

A batch norm that no longer learns is an affine map of each channel, and so is a convolution's output: the two
are one convolution (Ioffe and Szegedy 2015, section 3.1).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final

import torch
from torch import Tensor

from haarmony.errors import WeightsError

EPSILON: Final = 1e-5
"""Added to the variance by the batch norms of torch, where nothing else is said."""


def fold(
    weight: Tensor, bias: Tensor | None, norm: Mapping[str, Tensor], epsilon: float = EPSILON
) -> tuple[Tensor, Tensor]:
    """A convolution that does what a convolution and a batch norm in evaluation do, float32.

    Args:
        weight: (out, in, k, k).
        bias: (out,), or None for 0.
        norm: `weight`, `bias`, `running_mean` and `running_var` of the batch norm, (out,) each.
        epsilon: that it adds to the variance.
    """
    scale = norm["weight"].double() / (norm["running_var"].double() + epsilon).sqrt()
    shift = -norm["running_mean"].double() if bias is None else bias.double() - norm["running_mean"].double()
    folded = weight.double() * scale[:, None, None, None]
    return folded.float(), (norm["bias"].double() + shift * scale).float()


class Convolutions:
    """The convolutions of a state dict, taken one by one; what is missing, misshapen or left over is told."""

    def __init__(
        self, state: Mapping[str, Tensor], path: str, network: str, epsilon: float = EPSILON
    ) -> None:
        """Begin with nothing taken.

        Args:
            state: tensors by name.
            path: of the file, for the errors.
            network: what the file should hold and whose naming it has, for the errors.
            epsilon: that its batch norms add to the variance.
        """
        self._state, self._path, self._network, self._epsilon = state, path, network, epsilon
        self._taken: set[str] = set()

    def take(
        self,
        name: str,
        norm: str | None,
        *,
        channels: int,
        kernel: int,
        out: int | None = None,
        grouped: bool = False,
    ) -> tuple[Tensor, Tensor]:
        """The weight (out, in, k, k) and the bias (out,) of a convolution.

        Args:
            name: of the convolution.
            norm: name of the batch norm behind it, if there is one.
            channels: that it is given.
            kernel: its side.
            out: channels that it must give; None for any.
            grouped: whether its channels may be in groups, which a weight with a part of `channels` tells.

        Raises:
            WeightsError: for tensors that are missing, of other shapes or not finite.
        """
        weight = self._tensor(f"{name}.weight", (out, None if grouped else channels, kernel, kernel))
        width, inner = weight.shape[:2]
        if channels % inner or width % (channels // inner):
            raise self._error(f"{name}.weight is {tuple(weight.shape)}, which are no groups of {channels}")
        has_bias = norm is None or f"{name}.bias" in self._state
        bias = self._tensor(f"{name}.bias", (width,)) if has_bias else None
        if norm is not None:
            parts = ("weight", "bias", "running_mean", "running_var")
            tensors = {part: self._tensor(f"{norm}.{part}", (width,)) for part in parts}
            weight, bias = fold(weight, bias, tensors, self._epsilon)
        assert bias is not None
        if not (torch.isfinite(weight).all() and torch.isfinite(bias).all()):
            raise self._error(f"{name} is not finite")
        return weight, bias

    def expect_no_more(self, *, head: str) -> None:
        """Find out whether all has been taken but the classifier.

        Args:
            head: what the names of the classifier's tensors begin with.

        Raises:
            WeightsError: for a tensor that the network has no place for.
        """
        for name in self._state.keys() - self._taken:
            if not name.startswith(head) and not name.endswith(".num_batches_tracked"):
                raise self._error(f"there is no place for {name}")

    def _tensor(self, name: str, shape: Sequence[int | None]) -> Tensor:
        if name not in self._state:
            raise self._error(f"{name} is missing")
        tensor = self._state[name]
        if tensor.ndim != len(shape) or any(
            side == 0 or wanted not in (None, side) for side, wanted in zip(tensor.shape, shape, strict=True)
        ):
            expected = ", ".join("any" if side is None else str(side) for side in shape)
            raise self._error(f"{name} is {tuple(tensor.shape)}, expected ({expected})")
        self._taken.add(name)
        return tensor

    def _error(self, what: str) -> WeightsError:
        return WeightsError(f"{self._path} is no {self._network}: {what}")
