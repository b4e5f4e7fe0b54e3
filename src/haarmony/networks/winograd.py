"""Convolutions by minimal filtering: fewer products for the same result (Winograd 1980; Lavin and Gray 2016).

Six lines of input and the kernel are evaluated at the points 0, inf, 1, 2, -1, -2; at each point the
convolution is a product, and interpolation gives the lines of output: F(4, 3) takes 6 products for 4 outputs
of 3 taps (12 else), F(5, 2) takes 6 for 5 outputs of 2 taps (10 else). Applied along the height alone, a
product is a small convolution along the width; applied along both sides, a product is that of channels alone.
The result is that of a plain convolution to about 1e-5 of its largest value.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from haarmony.networks import strips
from haarmony.networks.strips import Beyond

_POINTS = 6
_BOTH_SIDES = 128
"""Channels in and out from which products cost more than a second evaluation."""
_BOTH_SIDES_AT_MOST = 1 << 20
"""Channels in times out beyond which a kernel evaluated along both sides would take too much memory."""

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
class Plan(strips.Plan):
    """How a picture of one size is cut.

    Attributes:
        both_sides: whether the width is evaluated too.
        columns: of the inputs, with their border.
    """

    both_sides: bool
    columns: int

    @classmethod
    def of(cls, inputs: int, outputs: int, taps: int, size: tuple[int, int]) -> Plan:
        """The plan of a kernel (O, C, taps, taps) and an output of (H, W)."""
        height, width = size
        both_sides = min(outputs, inputs) >= _BOTH_SIDES and outputs * inputs <= _BOTH_SIDES_AT_MOST
        side = _POINTS + 1 - taps
        columns = -(-width // side) * side + _POINTS - side if both_sides else width + taps - 1
        tiles = -(-height // side)
        step, shared_out = strips.cut(tiles * _POINTS * columns * (inputs + outputs), tiles)
        return cls(inputs, outputs, taps, height, width, step * side, shared_out, both_sides, columns)

    @property
    def side(self) -> int:
        """Lines of output of a tile."""
        return _POINTS + 1 - self.taps

    @property
    def step(self) -> int:
        """Rows of tiles in a strip."""
        return self.rows // self.side


@dataclass(frozen=True)
class Kernel:
    """A kernel at the six points.

    Attributes:
        plan: of the size.
        places: for each point along the height, packed weights.
        bias: at the place `_ONE`; None for no bias.
    """

    plan: Plan
    places: tuple[Any, ...]
    bias: Tensor | None

    def strips(
        self, inputs: Sequence[Tensor], tops: Sequence[int], beyond: Beyond
    ) -> Iterator[tuple[int, Tensor]]:
        """See `strips.Kernel.strips`."""
        plan = self.plan
        side, step = plan.side, plan.step
        margin = torch.zeros(side * step + _POINTS - side, plan.columns, plan.inputs)
        placed = torch.empty(_POINTS, step, plan.columns, plan.inputs)
        out = torch.empty(step, side, plan.width, plan.outputs)
        for top in tops:
            strips.fill(margin, inputs, top, beyond)
            _evaluate_lines(margin, side, placed)
            products = [_multiply(placed[i], self, i) for i in range(_POINTS)]
            _interpolate(products, out.unbind(1))
            yield top, out.flatten(0, 1)[: plan.height - top]


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
        places.append(place)
    packed = strips.packed(places, [1, groups * plan.inputs, plan.step, columns], groups, plan)
    if bias is not None and plan.both_sides:
        whole = bias.new_zeros(_POINTS, plan.outputs)
        whole[_ONE] = bias
        bias = whole.flatten()
    return Kernel(plan, packed, bias)


def prepared(
    name: str, weight: Tensor, bias: Tensor | None, size: tuple[int, int], part: Callable[[Tensor], Tensor]
) -> Kernel:
    """The kernel `part(weight)` and a bias for outputs of (H, W); see `strips.prepared`."""

    def make() -> Kernel:
        taken = part(weight)
        outputs, inputs, taps, _ = taken.shape
        return evaluate(Plan.of(inputs, outputs, taps, size), taken, bias)

    return strips.prepared(name, weight, bias, size, make)


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
        return strips.multiply(x, weight, bias, 1)
    tiles = (plan.columns - _POINTS) // plan.side + 1
    placed = torch.empty(plan.step, tiles, _POINTS, plan.inputs)
    _evaluate_lines(x.transpose(0, 1), plan.side, placed.permute(2, 1, 0, 3))
    products = strips.multiply(placed.flatten(2), weight, bias, _POINTS)
    out = torch.empty(plan.step, tiles, plan.side, plan.outputs)
    _interpolate(products.view(plan.step, tiles, _POINTS, -1).unbind(2), out.unbind(2))
    return out.flatten(1, 2)[:, : plan.width]
