"""Convolutions of what is rounded to bfloat16, for processors that multiply matrices of it quickly (AMX).

Products are added up in float32, and what comes back is rounded once more, to 8 bits. Where products are this
quick, to take fewer of them (`winograd`) would cost more than it saves.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any

import torch
from torch import Tensor

from haarmony.networks import strips
from haarmony.networks.strips import Beyond, Plan

_FEWEST_CHANNELS = 16
"""Channels in below which little is to be gained: those of the picture itself stay exact."""


@dataclass(frozen=True)
class Kernel:
    """A kernel in bfloat16.

    Attributes:
        plan: of the size.
        weight: packed.
        bias: (O,), bfloat16; None for no bias.
    """

    plan: Plan
    weight: Any
    bias: Tensor | None

    def strips(
        self, inputs: Sequence[Tensor], tops: Sequence[int], beyond: Beyond
    ) -> Iterator[tuple[int, Tensor]]:
        """See `strips.Kernel.strips`."""
        plan = self.plan
        beside = plan.taps - 1
        margin = torch.zeros(plan.rows + beside, plan.width + beside, plan.inputs, dtype=torch.bfloat16)
        for top in tops:
            strips.fill(margin, inputs, top, beyond)
            yield top, strips.multiply(margin, self.weight, self.bias, 1)[: plan.height - top]


def serves(weight: Tensor) -> bool:
    """Whether `prepared` gains by a weight (O, C, ...)."""
    return weight.shape[1] >= _FEWEST_CHANNELS and is_quick()


@cache
def is_quick() -> bool:
    """Whether this processor, and this build of torch, multiply matrices of bfloat16."""
    try:
        has_amx = bool(torch.cpu.get_capabilities()["amx_bf16"])
    except (AttributeError, KeyError):  # an older torch, another processor
        return False
    return has_amx and strips.library_works(torch.bfloat16)


def prepared(
    name: str, weight: Tensor, bias: Tensor | None, size: tuple[int, int], part: Callable[[Tensor], Tensor]
) -> Kernel:
    """The kernel `part(weight)` and a bias for outputs of (H, W); see `strips.prepared`."""

    def make() -> Kernel:
        return evaluate(part(weight), bias, size)

    return strips.prepared(f"{name}, rounded", weight, bias, size, make)


def evaluate(kernel: Tensor, bias: Tensor | None, size: tuple[int, int]) -> Kernel:
    """Prepare a kernel (O, C, taps, taps) and a bias (O,) for outputs of (H, W)."""
    outputs, inputs, taps, _ = kernel.shape
    height, width = size
    columns = width + taps - 1
    rows, shared_out = strips.cut(height * columns * (inputs + outputs), height)
    plan = Plan(inputs, outputs, taps, height, width, rows, shared_out)
    size_of_strip = [1, inputs, rows + taps - 1, columns]
    (packed,) = strips.packed([kernel.bfloat16()], size_of_strip, 1, plan)
    return Kernel(plan, packed, None if bias is None else bias.bfloat16())
