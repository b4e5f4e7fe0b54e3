"""Convolutions by minimal filtering: fewer products for the same result (Winograd 1980; Lavin and Gray 2016).

Six lines of input and the kernel are evaluated at the points 0, inf, 1, 2, -1, -2; at each point the
convolution is a product, and interpolation gives the lines of output: F(4, 3) takes 6 products for 4 outputs
of 3 taps (12 else), F(5, 2) takes 6 for 5 outputs of 2 taps (10 else). Applied along the height alone, a
product is a small convolution along the width; applied along both sides, a product is that of channels alone.
The result is that of a plain convolution to about 1e-5 of its largest value.

All is done in strips, so that what lies between input and output stays in the cache and takes bounded memory;
of large pictures each core has strips of its own.
On CPUs only. Nothing here has a gradient; `networks.frozen` puts one together.
"""

from __future__ import annotations

import platform
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import cache, partial
from typing import Any, Literal, TypeAlias

import torch
from torch import Tensor

from haarmony.pages import empty_channels_last, traced
from haarmony.remembered import remembered
from haarmony.side_by_side import shared_out, side_by_side

Beyond: TypeAlias = Literal["reflected", "repeated", "zero"]
"""What lies beyond the border: one line of the picture, or two of zeros."""

_POINTS = 6
_STRIP = 1 << 21
"""Numbers in the evaluated inputs and the products of one strip."""
_SHARED_OUT = 1 << 24
"""The same numbers of the whole, from which each core has strips of its own: before, starting threads costs
more than their waiting for each other."""
_BOTH_SIDES = 128
"""Channels in and out from which products cost more than a second evaluation."""
_BOTH_SIDES_AT_MOST = 1 << 20
"""Channels in times out beyond which a kernel evaluated along both sides would take too much memory."""
_FEWEST_OUTPUTS = 16
_FEWEST_PIXELS = 1024

# A kernel at 0, inf, 1, 2, -1, -2, scaled so that the evaluation of the input has whole numbers.
_EVALUATION = (
    (1 / 4, 0, 0),
    (0, 0, 1),
    (-1 / 6, -1 / 6, -1 / 6),
    (1 / 24, 1 / 12, 1 / 6),
    (-1 / 6, 1 / 6, -1 / 6),
    (1 / 24, -1 / 12, 1 / 6),
)
_ONE = 2  # the place of the point 1, the only one that a constant output has


@dataclass(frozen=True)
class Plan:
    """How a picture of one size is cut.

    Attributes:
        inputs: channels C.
        outputs: channels O.
        taps: 2 or 3.
        height: of the output.
        width: of the output.
        both_sides: whether the width is evaluated too.
        shared_out: whether each core has strips of its own.
        tiles: rows of tiles.
        step: rows of tiles in a strip.
        columns: of the inputs, with their border.
    """

    inputs: int
    outputs: int
    taps: int
    height: int
    width: int
    both_sides: bool
    shared_out: bool
    tiles: int
    step: int
    columns: int

    @classmethod
    def of(cls, inputs: int, outputs: int, taps: int, size: tuple[int, int]) -> Plan:
        """The plan of a kernel (O, C, taps, taps) and an output of (H, W)."""
        height, width = size
        both_sides = min(outputs, inputs) >= _BOTH_SIDES and outputs * inputs <= _BOTH_SIDES_AT_MOST
        side = _POINTS + 1 - taps
        columns = -(-width // side) * side + _POINTS - side if both_sides else width + taps - 1
        tiles = -(-height // side)
        numbers = tiles * _POINTS * columns * (inputs + outputs)
        is_large = numbers >= _SHARED_OUT
        threads = torch.get_num_threads() if is_large else 1
        strips = -(-numbers // (_STRIP * threads)) * threads
        step = -(-tiles // min(tiles, strips))
        return cls(inputs, outputs, taps, height, width, both_sides, is_large, tiles, step, columns)

    @property
    def side(self) -> int:
        """Lines of output of a tile."""
        return _POINTS + 1 - self.taps

    @property
    def strips(self) -> range:
        """The first lines of all strips."""
        return range(0, self.height, self.side * self.step)


@dataclass(frozen=True)
class Kernel:
    """A kernel at the six points, made once for every picture of one size.

    Attributes:
        plan: of the size.
        places: for each point along the height, weights in the layout that oneDNN likes best for this plan.
        bias: at the place `_ONE`; None for no bias.
    """

    plan: Plan
    places: tuple[Any, ...]
    bias: Tensor | None


def serves(x: Tensor, weight: Tensor) -> bool:
    """Whether `reflected` takes these, and gains: float32, no gradient, no tracing, a CPU with oneDNN."""
    return (
        weight.shape[0] >= _FEWEST_OUTPUTS
        and x.shape[-2] * x.shape[-1] >= _FEWEST_PIXELS
        and x.device.type == weight.device.type == "cpu"
        and x.dtype == weight.dtype == torch.float32
        and not (torch.is_grad_enabled() and (x.requires_grad or weight.requires_grad))
        and not torch.is_autocast_enabled("cpu")
        and not traced()
        and torch.backends.mkldnn.is_available()  # type: ignore[no-untyped-call]
        and platform.machine() in ("x86_64", "AMD64")
        and library_works()
    )


@cache
def library_works() -> bool:
    """Whether this build of torch has oneDNN's packed convolutions, and they give what they shall.

    They are not part of torch's public interface.
    """
    weight, x = torch.arange(64.0).view(4, 16, 1, 1), torch.arange(96.0).view(1, 6, 16) / 96
    try:
        size = [1, 16, 1, 6]
        packed = torch.ops.mkldnn._reorder_convolution_weight(weight, [0, 0], [1, 1], [1, 1], 1, size)
        found = _library(x, packed, None, 1)
    except (AttributeError, RuntimeError):
        return False
    return torch.allclose(found, x @ weight[:, :, 0, 0].T, rtol=1e-4)


def evaluate(plan: Plan, kernel: Tensor, bias: Tensor | None = None) -> Kernel:
    """Prepare a kernel (O, C, taps, taps) and a bias (O,)."""
    points = kernel.new_tensor(_EVALUATION)[:, : plan.taps]
    points[1, plan.taps - 1] = 1
    groups, columns = 1, plan.columns
    if plan.both_sides:
        groups, columns = _POINTS, (plan.columns - _POINTS) // plan.side + 1
    places = []
    for point in points:
        place = torch.einsum("y,ocyx->xoc", point, kernel)
        if plan.both_sides:
            place = torch.tensordot(points, place, 1).reshape(-1, plan.inputs, 1, 1)
        else:
            place = place.permute(1, 2, 0)[:, :, None].contiguous()
        size = [1, groups * plan.inputs, plan.step, columns]
        places.append(
            torch.ops.mkldnn._reorder_convolution_weight(place, [0, 0], [1, 1], [1, 1], groups, size)
        )
    if bias is not None and plan.both_sides:
        whole = bias.new_zeros(_POINTS, plan.outputs)
        whole[_ONE] = bias
        bias = whole.flatten()
    return Kernel(plan, tuple(places), bias)


def prepared(
    name: str, weight: Tensor, bias: Tensor | None, size: tuple[int, int], part: Callable[[Tensor], Tensor]
) -> Kernel:
    """The kernel `part(weight)` and a bias for outputs of (H, W).

    It is remembered, under `name`, as long as the weight lives, is not changed, and the plan is the same.
    """

    def make() -> Kernel:
        taken = part(weight)
        outputs, inputs, taps, _ = taken.shape
        plan = Plan.of(inputs, outputs, taps, size)
        work = partial(evaluate, plan, taken, bias)
        # The layout that is best depends on the number of threads that a strip has.
        return next(side_by_side([work])) if plan.shared_out else work()

    weights = (weight,) if bias is None else (weight, bias)
    return remembered(name, weights, (size, torch.get_num_threads()), make)


def convolve(x: Tensor, kernel: Kernel, *, beyond: Beyond, rectify: bool = False) -> Tensor:
    """(B, C, h, w) to (B, O, H, W), channels last, with ReLU where asked to; see `convolve_strips`."""
    plan = kernel.plan
    out = empty_channels_last(x, plan.outputs, plan.height, plan.width)
    for one, target in zip(x, out.permute(0, 2, 3, 1), strict=True):

        def take(top: int, strip: Tensor, target: Tensor = target) -> None:
            rows = target[top : top + len(strip)]
            torch.clamp_min(strip, 0, out=rows) if rectify else rows.copy_(strip)

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
        for top, strip in _strips(inputs, kernel, tops, beyond):
            take(top, strip)

    plan = kernel.plan
    if plan.shared_out:
        shared_out(work, plan.strips)
    else:
        work(plan.strips)


def _strips(
    inputs: Sequence[Tensor], kernel: Kernel, tops: Sequence[int], beyond: Beyond
) -> Iterator[tuple[int, Tensor]]:
    plan = kernel.plan
    side, step = plan.side, plan.step
    margin = torch.zeros(side * step + _POINTS - side, plan.columns, plan.inputs)
    placed = torch.empty(_POINTS, step, plan.columns, plan.inputs)
    out = torch.empty(step, side, plan.width, plan.outputs)
    for top in tops:
        _fill(margin, inputs, top, beyond)
        _evaluate_lines(margin, side, placed)
        products = [_multiply(placed[i], kernel, i) for i in range(_POINTS)]
        _interpolate(products, out.unbind(1))
        yield top, out.flatten(0, 1)[: plan.height - top]


def _fill(margin: Tensor, inputs: Sequence[Tensor], first: int, beyond: Beyond) -> None:
    """Copy the rows that the output from row `first` on sees, with the lines beyond every border."""
    lines = 2 if beyond == "zero" else 1
    near = 1 if beyond == "reflected" else 0
    top = first - lines
    height, width = inputs[0].shape[-2:]
    rows, columns = margin.shape[:2]
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
    margin[:, 0] = margin[:, 1 + near]
    if columns > width + 1:
        margin[:, width + 1] = margin[:, width - near]


def _evaluate_lines(x: Tensor, side: int, out: Tensor) -> None:
    """Evaluate lines (L, ...) at the points: tiles of six lines, `side` apart, to (6, tiles, ...)."""
    tiles = out.shape[1]

    def line(y: Tensor, offset: int) -> Tensor:
        return y[offset : offset + side * (tiles - 1) + 1 : side]

    step = x[2:] - x[:-2]
    torch.sub(line(step, 2), line(step, 0), alpha=4, out=out[0])
    torch.sub(line(step, 3), line(step, 1), alpha=4, out=out[1])
    torch.add(line(step, 2), line(step, 1), alpha=2, out=out[3])
    torch.sub(line(step, 2), line(step, 1), alpha=2, out=out[5])
    even, odd = (torch.sub(line(x, k + 2), line(x, k), alpha=4) for k in (2, 1))
    torch.add(even, odd, out=out[2])
    torch.sub(even, odd, out=out[4])


def _interpolate(values: Sequence[Tensor], out: Sequence[Tensor]) -> None:
    """Values at the six points to the 4 or 5 lines of a tile; the values are lost."""
    zero, infinity, one, two, minus_one, minus_two = values
    even_one, even_two = one + minus_one, two + minus_two
    odd_one, odd_two = one.sub_(minus_one), two.sub_(minus_two)
    torch.add(even_one, even_two, out=out[0]).add_(zero)
    torch.add(odd_one, odd_two, alpha=2, out=out[1])
    torch.add(even_one, even_two, alpha=4, out=out[2])
    torch.add(odd_one, odd_two, alpha=8, out=out[3])
    if len(out) == 5:
        torch.add(even_one, even_two, alpha=16, out=out[4])
    out[-1].add_(infinity)


def _multiply(x: Tensor, kernel: Kernel, point: int) -> Tensor:
    """The convolution along the width of (r, columns, C), at one point of the height: (r, W, O)."""
    plan, weight = kernel.plan, kernel.places[point]
    bias = kernel.bias if point == _ONE else None
    if not plan.both_sides:
        return _library(x, weight, bias, 1)
    tiles = (plan.columns - _POINTS) // plan.side + 1
    placed = torch.empty(plan.step, tiles, _POINTS, plan.inputs)
    _evaluate_lines(x.transpose(0, 1), plan.side, placed.permute(2, 1, 0, 3))
    products = _library(placed.flatten(2), weight, bias, _POINTS)
    out = torch.empty(plan.step, tiles, plan.side, plan.outputs)
    _interpolate(products.view(plan.step, tiles, _POINTS, -1).unbind(2), out.unbind(2))
    return out.flatten(1, 2)[:, : plan.width]


def _library(x: Tensor, weight: Any, bias: Tensor | None, groups: int) -> Tensor:
    """OneDNN's convolution of (r, columns, C), channels last; the packed weight is read as it is."""
    out: Tensor = torch.ops.mkldnn._convolution_pointwise(
        x.permute(2, 0, 1)[None], weight, bias, [0, 0], [1, 1], [1, 1], groups, "none", [], ""
    )
    return out[0].permute(1, 2, 0)
