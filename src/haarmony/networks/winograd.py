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

# The evaluation of six lines at 0, inf, 1, 2, -1, -2.
_AT_POINTS = torch.tensor(
    [
        [4.0, 0, -5, 0, 1, 0],
        [0, 4, 0, -5, 0, 1],
        [0, -4, -4, 1, 1, 0],
        [0, -2, -1, 2, 1, 0],
        [0, 4, -4, -1, 1, 0],
        [0, 2, -1, -2, 1, 0],
    ]
)
# Lines of output from their values at the points; the value at infinity is the last line's alone.
_FROM_POINTS = torch.tensor(
    [
        [1.0, 0, 1, 1, 1, 1],
        [0, 0, 1, 2, -1, -2],
        [0, 0, 1, 4, 1, 4],
        [0, 0, 1, 8, -1, -8],
        [0, 0, 1, 16, 1, 16],
    ]
)
# A kernel at the points, scaled so that the evaluation of the input has whole numbers.
_KERNEL_AT_POINTS = (
    (1 / 4, 0, 0),
    (0, 0, 1),
    (-1 / 6, -1 / 6, -1 / 6),
    (1 / 24, 1 / 12, 1 / 6),
    (-1 / 6, 1 / 6, -1 / 6),
    (1 / 24, -1 / 12, 1 / 6),
)
_INFINITY, _ONE = 1, 2  # places of points; 1 is the only one that a constant output has


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
        placed = torch.zeros(_POINTS, step, plan.columns, plan.inputs)
        out = torch.empty(step, side, plan.width, plan.outputs)
        for top in tops:
            inner = strips.inside(margin, inputs, top, beyond)
            if inner is None:
                strips.fill(margin, inputs, top, beyond)
                _evaluate_rows(margin, side, placed)
            else:
                _evaluate_rows(inner, side, placed[:, :, 1 : 1 + inner.shape[1]])
                strips.fill_columns(placed, inner.shape[1], beyond)
            _interpolate_rows([_multiply(placed[i], self, i) for i in range(_POINTS)], out)
            yield top, out.flatten(0, 1)[: plan.height - top]


def evaluate(plan: Plan, kernel: Tensor, bias: Tensor | None = None) -> Kernel:
    """Prepare a kernel (O, C, taps, taps) and a bias (O,)."""
    points = kernel.new_tensor(_KERNEL_AT_POINTS)[:, : plan.taps]
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


def _evaluate_rows(x: Tensor, side: int, out: Tensor) -> None:
    """Rows (L, W, C) at the points: tiles of six rows, `side` apart, to (6, tiles, W, C)."""
    rows, placed = x.flatten(1), out.flatten(2)
    for tile in range(out.shape[1]):
        torch.mm(_AT_POINTS, rows[side * tile :][:_POINTS], out=placed[:, tile])


def _interpolate_rows(values: Sequence[Tensor], out: Tensor) -> None:
    """Values (tiles, W, C) at the six points to the rows (tiles, side, W, C)."""
    tiles, side = out.shape[:2]
    matrix = _interpolation(side)
    here = out.new_empty(_POINTS, out[0, 0].numel())
    for tile in range(tiles):
        torch.stack([value[tile].flatten() for value in values], out=here)
        torch.mm(matrix, here, out=out[tile].flatten(1))


def _interpolation(side: int) -> Tensor:
    matrix = _FROM_POINTS[:side].clone()
    matrix[-1, _INFINITY] = 1
    return matrix


def _multiply(x: Tensor, kernel: Kernel, point: int) -> Tensor:
    """The convolution along the width of (r, columns, C), at one point of the height: (r, W, O)."""
    plan, weight = kernel.plan, kernel.places[point]
    bias = kernel.bias if point == _ONE else None
    if not plan.both_sides:
        return strips.multiply(x, weight, bias, 1)
    rows, tiles, side = plan.step, (plan.columns - _POINTS) // plan.side + 1, plan.side
    placed = torch.empty(rows, tiles, _POINTS, plan.inputs)
    at_points = _AT_POINTS.expand(tiles, -1, -1)
    for windows, into in zip(x.unfold(1, _POINTS, side).mT, placed, strict=True):
        torch.bmm(at_points, windows, out=into)
    products = strips.multiply(placed.flatten(2), weight, bias, _POINTS)
    out = torch.empty(rows, tiles, side, plan.outputs)
    from_points = _interpolation(side).expand(rows * tiles, -1, -1)
    values = products.view(rows * tiles, _POINTS, plan.outputs)
    torch.bmm(from_points, values, out=out.flatten(0, 1))
    return out.flatten(1, 2)[:, : plan.width]
