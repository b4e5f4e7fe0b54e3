"""Convolutions in strips: what lies between input and output stays in the cache and takes bounded memory.

Of large pictures each core has strips of its own. What is done with a strip is the kernel's: `winograd` takes
fewer products, `rounded` quicker ones, both oneDNN's, with weights that are packed once.

On CPUs only. Nothing here has a gradient; `networks.frozen` puts one together.
"""

from __future__ import annotations

import platform
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any, Literal, Protocol, TypeAlias, TypeVar

import torch
from torch import Tensor

from haarmony.pages import empty_channels_last, traced
from haarmony.remembered import remembered
from haarmony.side_by_side import learns, shared_out, side_by_side

Beyond: TypeAlias = Literal["reflected", "repeated", "zero"]
"""What lies beyond the border: one line of the picture, or two of zeros."""
Prepared = TypeVar("Prepared", bound="Kernel")

_STRIP = 1 << 21
"""Numbers in what a strip is worked on with."""
_SHARED_OUT = 1 << 24
"""The same numbers of the whole, from which each core has strips of its own: before, starting threads costs
more than their waiting for each other."""
_FEWEST_OUTPUTS = 16
_FEWEST_PIXELS = 1024


@dataclass(frozen=True)
class Plan:
    """How a picture of one size is cut.

    Attributes:
        inputs: channels C.
        outputs: channels O.
        taps: of the kernel, along each side.
        height: of the output.
        width: of the output.
        rows: of output, in a strip.
        shared_out: whether each core has strips of its own.
    """

    inputs: int
    outputs: int
    taps: int
    height: int
    width: int
    rows: int
    shared_out: bool

    @property
    def strips(self) -> range:
        """The first rows of all strips."""
        return range(0, self.height, self.rows)


class Kernel(Protocol):
    """A kernel, made once for every picture of one size."""

    @property
    def plan(self) -> Plan: ...  # noqa: D102

    def strips(
        self, inputs: Sequence[Tensor], tops: Sequence[int], beyond: Beyond
    ) -> Iterator[tuple[int, Tensor]]:
        """The first row and the outputs (rows, W, O) of each strip, which are lost with the next one."""


def cut(numbers: int, lines: int) -> tuple[int, bool]:
    """Lines in a strip, and whether each core has strips of its own.

    Args:
        numbers: that all lines together are worked on with.
        lines: that are not cut.
    """
    is_large = numbers >= _SHARED_OUT
    threads = torch.get_num_threads() if is_large else 1
    strips = -(-numbers // (_STRIP * threads)) * threads
    return -(-lines // min(lines, strips)), is_large


def serves(x: Tensor, weight: Tensor, *others: Tensor | None) -> bool:
    """Whether strips gain, and are possible: float32, no gradient, no tracing, an x86 CPU with oneDNN.

    Args:
        x: what is convolved.
        weight: of the convolution.
        others: what else goes in, such as the bias.
    """
    return (
        weight.shape[0] >= _FEWEST_OUTPUTS
        and x.shape[-2] * x.shape[-1] >= _FEWEST_PIXELS
        and x.device.type == weight.device.type == "cpu"
        and x.dtype == weight.dtype == torch.float32
        and not learns(x, weight, *others)
        and not torch.is_autocast_enabled("cpu")
        and not traced()
        and torch.backends.mkldnn.is_available()  # type: ignore[no-untyped-call]
        and platform.machine() in ("x86_64", "AMD64")
        and library_works(torch.float32)
    )


@cache
def library_works(dtype: torch.dtype) -> bool:
    """Whether this build of torch has oneDNN's packed convolutions, and they give what they shall.

    They are not part of torch's public interface.
    """
    weight, x = torch.arange(64.0).view(4, 16, 1, 1), torch.arange(96.0).view(1, 6, 16) / 96
    try:
        (ready,) = packed([weight.to(dtype)], [1, 16, 1, 6], 1, Plan(16, 4, 1, 1, 6, 1, False))
        found = multiply(x.to(dtype), ready, None, 1).float()
    except (AttributeError, RuntimeError):
        return False
    return torch.allclose(found, x @ weight[:, :, 0, 0].T, rtol=16 * torch.finfo(dtype).eps)


def prepared(
    name: str, weight: Tensor, bias: Tensor | None, size: tuple[int, int], make: Callable[[], Prepared]
) -> Prepared:
    """What `make` makes of a weight and a bias for outputs of (H, W).

    It is remembered, under `name`, as long as the weight lives, is not changed, and the plan is the same.
    """
    weights = (weight,) if bias is None else (weight, bias)
    return remembered(name, weights, (size, torch.get_num_threads()), make)


def convolve(x: Tensor, kernel: Kernel, *, beyond: Beyond, rectify: bool = False) -> Tensor:
    """(B, C, h, w) to (B, O, H, W), channels last, with ReLU where asked to; see `convolve_strips`."""
    plan = kernel.plan
    out = empty_channels_last(x, plan.outputs, plan.height, plan.width)
    for one, target in zip(x, out.permute(0, 2, 3, 1), strict=True):

        def take(top: int, strip: Tensor, target: Tensor = target) -> None:
            rows = target[top : top + len(strip)]
            if rectify and strip.dtype == rows.dtype:
                torch.clamp_min(strip, 0, out=rows)
            else:
                rows.copy_(strip.relu_() if rectify else strip)

        convolve_strips([one], kernel, take, beyond=beyond)
    return out


def convolve_strips(
    inputs: Sequence[Tensor], kernel: Kernel, take: Callable[[int, Tensor], None], *, beyond: Beyond
) -> None:
    """All strips of a convolution, in several threads where it is large.

    The output at (y, x) sees the inputs from (y - 1, x - 1) on; where zeros lie beyond, from (y - 2, x - 2).

    Args:
        inputs: each (C', h, w), together the channels of the kernel; h, w >= 2 to be reflected.
        kernel: for outputs that see no more than those lines beyond the border.
        take: called with the first row and the outputs (rows, W, O) of each strip, which are then lost.
        beyond: the inputs' border.
    """

    def work(tops: Sequence[int]) -> None:
        for top, strip in kernel.strips(inputs, tops, beyond):
            take(top, strip)

    plan = kernel.plan
    if plan.shared_out:
        shared_out(work, plan.strips)
    else:
        work(plan.strips)


def fill(margin: Tensor, inputs: Sequence[Tensor], first: int, beyond: Beyond) -> None:
    """Copy the rows that the output from row `first` on sees, with the lines beyond every border."""
    lines = 2 if beyond == "zero" else 1
    near = 1 if beyond == "reflected" else 0
    top = first - lines
    height, width = inputs[0].shape[-2:]
    rows = margin.shape[0]
    begin, end = max(0, top), min(height, top + rows)
    inner = margin[:, lines : width + lines]
    channel = 0
    for one in inputs:
        x = one.permute(1, 2, 0)
        into = inner[..., channel : channel + one.shape[0]]
        into[begin - top : end - top] = x[begin:end]
        if beyond != "zero":
            if top < 0:
                into[0] = x[near]
            if end < top + rows:
                into[end - top] = x[height - 1 - near]
        channel += one.shape[0]
    if beyond == "zero":
        margin[: begin - top] = 0
        margin[end - top :] = 0
        return
    if end < top + rows:
        margin[end - top + 1 :] = 0
    fill_columns(margin, width, beyond)


def fill_columns(x: Tensor, width: int, beyond: Beyond) -> None:
    """The columns of (..., columns, C) on both sides of a width, unless zeros lie beyond."""
    near = 1 if beyond == "reflected" else 0
    x[..., 0, :] = x[..., 1 + near, :]
    if x.shape[-2] > width + 1:
        x[..., width + 1, :] = x[..., width - near, :]


def inside(margin: Tensor, inputs: Sequence[Tensor], first: int, beyond: Beyond) -> Tensor | None:
    """The rows (rows, w, C) that `fill` would copy into a margin, where they lie in memory; else None."""
    top, rows = first - 1, margin.shape[0]
    if beyond == "zero" or len(inputs) > 1 or top < 0 or top + rows > inputs[0].shape[-2]:
        return None
    lines = inputs[0].permute(1, 2, 0)[top : top + rows]
    return lines if lines.is_contiguous() else None


def packed(weights: Sequence[Tensor], size: list[int], groups: int, plan: Plan) -> tuple[Any, ...]:
    """Weights in the layout that oneDNN likes best for inputs of this size (1, groups * C, rows, columns)."""

    def pack() -> tuple[Any, ...]:
        reorder = torch.ops.mkldnn._reorder_convolution_weight
        return tuple(reorder(weight, [0, 0], [1, 1], [1, 1], groups, size) for weight in weights)

    # What is best depends on the number of threads that a strip has.
    return next(side_by_side([pack])) if plan.shared_out else pack()


def multiply(x: Tensor, weight: Any, bias: Tensor | None, groups: int) -> Tensor:
    """The convolution of (r, columns, C), channels last, by a packed weight that is read as it is."""
    out: Tensor = torch.ops.mkldnn._convolution_pointwise(
        x.permute(2, 0, 1)[None], weight, bias, [0, 0], [1, 1], [1, 1], groups, "none", [], ""
    )
    return out[0].permute(1, 2, 0)
