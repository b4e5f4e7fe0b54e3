"""A look as a file: the one table of colours that comes nearest to what a transfer did to a photo.

A transfer answers to places, a table to colours alone; so the table is a fit. It is a tensor product of cubic
B-splines with a penalty on the differences of their coefficients (Eilers and Marx, *Flexible Smoothing with
B-splines and Penalties*, Statistical Science 1996), fitted to the pixels as displacement from one affine map
of the whole picture. Where the photo has no colours, the penalty leads to that map, at a constant distance.
Brighter stays brighter: where a fit would let the luma fall along grey, it is bent until it does not.

How stiff it is was chosen by eye: with a tenth of the penalty the blocks of a JPEG sky show, with three times
as much the look is told less closely, and no sky gets better.
"""

from __future__ import annotations

import math
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final, NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy import sparse
from scipy.sparse.linalg import LinearOperator, cg
from skimage.color import deltaE_ciede2000, rgb2lab

from haarmony.errors import InputError
from haarmony.media import profile
from haarmony.media.image import Picture, to_profile
from haarmony.media.kinds import MaskLike, PictureLike, to_picture
from haarmony.media.lut import SIZES, Lut
from haarmony.methods.wct2 import WCT2
from haarmony.pipelines.photo import transfer
from haarmony.style import Style

Array = NDArray[np.float64]

_SEGMENTS: Final = 16
_KNOTS: Final = _SEGMENTS + 3
_CELLS: Final = 64
_SAMPLE: Final = 1_000_000

_AFFINE_RIDGE: Final = 1e-3
_BEND: Final = 3e-5
_STRETCH: Final = 3e-4
_SHIFT: Final = 1e-3
_FALL: Final = 1.0
_LEAST_SLOPE: Final = 0.05
_ROUNDS: Final = 5
_TOLERANCE: Final = 1e-4
_LUMA: Final = np.array([0.2126, 0.7152, 0.0722])


class Residual(NamedTuple):
    """How far a table is from the transfer that it stands for, in CIEDE2000: 1 is just visible."""

    median: float
    percentile_95: float


def lut(
    content: PictureLike,
    style: PictureLike | Style,
    *,
    size: int = 33,
    model: str | WCT2 = "compact",
    strength: float = 1.0,
    content_mask: MaskLike | None = None,
    style_mask: MaskLike | None = None,
) -> Lut:
    """Return the light of another photo as a look-up table, for any picture and any program.

    The table works in the colour space of the content: sRGB, or its ICC profile.

    Args:
        content: a photo of the kind that the look is for, as `transfer` takes it.
        style: the photo whose light it gets.
        size: points of the table a side, 2 to 256; 17, 33 and 65 are read everywhere.
        model: as in `transfer`, and the following.
        strength: 0 gives a table that changes nothing.
        content_mask: labels of the content.
        style_mask: labels of the style picture.

    Raises:
        HaarmonyError: as `transfer`.
    """
    before = to_picture(content)
    after = transfer(
        before, style, model=model, strength=strength, content_mask=content_mask, style_mask=style_mask
    )
    return fit_lut(before, after, size=size, title=f"{_called(content)} in the light of {_called(style)}")


def fit_lut(before: PictureLike, after: PictureLike, *, size: int = 33, title: str = "a look") -> Lut:
    """Return the smooth table that comes nearest to what was done to a photo.

    Args:
        before: the photo; the table works in its colour space.
        after: the same photo, of the same size, in another light. It is converted to that space.
        size: points of the table a side, 2 to 256.
        title: one line; the colour space is added.

    Raises:
        InputError: the sizes differ, or no table has this size.
        ImageError: a file cannot be read, or a profile not converted.
    """
    if isinstance(size, float) or size not in SIZES:
        raise InputError(f"a table has {SIZES[0]} to {SIZES[-1]} points a side, got {size}")
    first = to_picture(before)
    second = to_profile(to_picture(after), first.profile)
    colours, results, weights = _cells(*_sampled(first, second))
    space = profile.name(first.profile)
    return Lut(
        _fit(colours, results, weights, size=size).astype(np.float32),
        title=f"{title} ({space})",
        space=space,
        profile=first.profile if space != profile.SRGB else None,
    )


def residual(look: Lut, before: PictureLike, after: PictureLike) -> Residual:
    """Return how far a look, laid over a photo, is from what was really done to it.

    Raises:
        HaarmonyError: as `fit_lut`.
    """
    first = to_picture(before)
    pairs = (to_profile(picture, None) for picture in (look.apply(first), to_picture(after)))
    here, there = (rgb2lab(colours) for colours in _sampled(*pairs))
    distance = deltaE_ciede2000(here, there)  # type: ignore[no-untyped-call]
    return Residual(float(np.median(distance)), float(np.percentile(distance, 95)))


def _called(picture: Any) -> str:
    return Path(picture).name if isinstance(picture, (str, os.PathLike)) else "a picture"


def _sampled(first: Picture, second: Picture) -> tuple[Array, Array]:
    """Colours (n, 3) at the same places of two pictures: every k-th row and column."""
    if first.pixels.shape != second.pixels.shape:
        raise InputError(
            f"expected two pictures of one size, got {first.pixels.shape[:2]}, {second.pixels.shape[:2]}"
        )
    height, width = first.pixels.shape[:2]
    step = math.ceil(math.sqrt(max(1, height * width / _SAMPLE)))
    here, there = (picture.pixels[::step, ::step].reshape(-1, 3) for picture in (first, second))
    if first.alpha is not None:
        seen = first.alpha[::step, ::step].ravel() > 0
        if seen.any():
            here, there = here[seen], there[seen]
    return here.astype(np.float64), there.astype(np.float64)


def _cells(colours: Array, results: Array) -> tuple[Array, Array, Array]:
    """Mean colour, mean result and share (they sum to 1) of every cell of the cube that has pixels."""
    place = np.minimum((colours * _CELLS).astype(np.int64), _CELLS - 1)
    cell = (place[:, 0] * _CELLS + place[:, 1]) * _CELLS + place[:, 2]
    _, index, counts = np.unique(cell, return_inverse=True, return_counts=True)
    sums = [np.bincount(index, values[:, c]) for values in (colours, results) for c in range(3)]
    means = np.stack(sums, axis=1) / counts[:, None]
    return means[:, :3], means[:, 3:], counts / counts.sum()


def _fit(colours: Array, results: Array, weights: Array, *, size: int) -> Array:
    matrix, offset = _affine(colours, results, weights)
    basis = _basis(colours)
    weighted = basis.T @ sparse.diags_array(weights)
    system = (weighted @ basis + _penalty()).tocsr()
    wanted = weighted @ (results - colours @ matrix - offset)
    coefficients = _solve(system, wanted)
    coefficients = _keep_brighter_brighter(coefficients, system, wanted, matrix=matrix, offset=offset)
    steps = np.linspace(0, 1, size)
    grid = np.stack(np.meshgrid(steps, steps, steps, indexing="ij"), axis=-1)
    return np.clip(grid @ matrix + offset + _sample(coefficients, steps), 0, 1)


def _affine(colours: Array, results: Array, weights: Array) -> tuple[Array, Array]:
    """Result = colour @ matrix + offset over the whole picture; the identity where colours do not vary.

    Luma rises along grey, be it ever so little.
    """
    mean, target = weights @ colours, weights @ results
    centred = (colours - mean) * weights[:, None]
    ridge = _AFFINE_RIDGE * np.eye(3)
    matrix = np.linalg.solve(centred.T @ (colours - mean) + ridge, centred.T @ (results - target) + ridge)
    slope, least = float(matrix.sum(axis=0) @ _LUMA), _LEAST_SLOPE
    if slope < least:  # a negative: no fit from here would let brighter grey be brighter
        share = (least - slope) / (1 - slope)
        matrix = (1 - share) * matrix + share * np.eye(3)
    offset: Array = target - mean @ matrix
    return matrix.astype(np.float64), offset


def _pieces(values: Array) -> tuple[NDArray[np.int64], Array]:
    """First coefficient (n,) and weights (n, 4) of the cubic B-splines at values in [0, 1]."""
    place = values * _SEGMENTS
    first = np.clip(place.astype(np.int64), 0, _SEGMENTS - 1)
    t = place - first
    s = 1 - t
    pieces = [s**3, 4 - 6 * t**2 + 3 * t**3, 4 - 6 * s**2 + 3 * s**3, t**3]
    return first, np.stack(pieces, axis=1) / 6


def _basis(colours: Array) -> Any:
    """All products of three splines, at colours: sparse (n, knots^3)."""
    index, weight = np.zeros((len(colours), 1), np.int64), np.ones((len(colours), 1))
    for channel in range(3):
        first, pieces = _pieces(colours[:, channel])
        at = first[:, None] + np.arange(4)
        index = (index[:, :, None] * _KNOTS + at[:, None]).reshape(len(colours), -1)
        weight = (weight[:, :, None] * pieces[:, None]).reshape(len(colours), -1)
    starts = np.arange(0, index.size + 1, index.shape[1])
    return sparse.csr_array((weight.ravel(), index.ravel(), starts), shape=(len(colours), _KNOTS**3))


def _axis() -> tuple[Array, Array]:
    """What bending and stretching along one axis cost, and the squared steps of it: (knots, knots) each."""
    step, bend = (np.diff(np.eye(_KNOTS), order, axis=0) for order in (1, 2))
    return _BEND * _SEGMENTS * bend.T @ bend + _STRETCH / _SEGMENTS * step.T @ step, step.T @ step


def _penalty() -> Any:
    """What bending, stretching and shifting cost, as integrals over the cube: sparse, (knots^3, knots^3)."""
    along, step = map(sparse.csr_array, _axis())
    one = sparse.eye_array(_KNOTS)

    def product(*factors: Any) -> Any:
        return sparse.kron(sparse.kron(factors[0], factors[1]), factors[2])

    total = _SHIFT / _SEGMENTS**3 * sparse.eye_array(_KNOTS**3)
    for axis in range(3):
        total = total + product(*(along if other == axis else one for other in range(3)))
        twist = product(*(one if other == axis else step for other in range(3)))
        total = total + 2 * _BEND * _SEGMENTS * twist
    return total


def _without_penalty() -> Callable[[Array], Array]:
    """The inverse of the penalty, nearly: each axis in the directions that its own cost has.

    Fast diagonalisation (Lynch, Rice and Thomas, *Direct Solution of Partial Difference Equations by Tensor
    Product Methods*, Numerische Mathematik 1964), exact but for the twist.
    """
    along, step = _axis()
    costs, turn = np.linalg.eigh(along)
    steps = np.einsum("ai,ab,bi->i", turn, step, turn)
    total = _SHIFT / _SEGMENTS**3 + np.zeros((_KNOTS,) * 3)
    for axis in range(3):
        total += np.expand_dims(costs, tuple({0, 1, 2} - {axis}))
        total += 2 * _BEND * _SEGMENTS * np.expand_dims(np.outer(steps, steps), axis)

    def apply(vector: Array) -> Array:
        cubes = vector.reshape(3, _KNOTS, _KNOTS, _KNOTS)
        turned = np.einsum("ai,bj,ck,dabc->dijk", turn, turn, turn, cubes, optimize=True) / total
        back: Array = np.einsum("ai,bj,ck,dijk->dabc", turn, turn, turn, turned, optimize=True)
        return back.ravel()

    return apply


def _sample(coefficients: Array, steps: Array) -> Array:
    """The splines (knots^3, 3) on the grid of steps: (n, n, n, 3)."""
    splines = _at(steps)
    cube = coefficients.reshape(_KNOTS, _KNOTS, _KNOTS, 3)
    sampled: Array = np.einsum("ra,gb,cd,abdk->rgck", splines, splines, splines, cube, optimize=True)
    return sampled


def _at(steps: Array) -> Array:
    """The splines (n, knots) of one axis at values in [0, 1]."""
    first, pieces = _pieces(steps)
    dense = np.zeros((len(steps), _KNOTS))
    np.put_along_axis(dense, first[:, None] + np.arange(4), pieces, axis=1)
    return dense


def _keep_brighter_brighter(
    coefficients: Array, system: Any, wanted: Array, *, matrix: Array, offset: Array
) -> Array:
    """Bend the splines until luma falls nowhere along the grey diagonals of a grid, or rounds are out.

    A quadratic penalty with multipliers (Nocedal and Wright, *Numerical Optimization*, 17.3) on every place
    that fell. Only channels that are not clipped count: one that stands at 1 cannot make up for another that
    falls.
    """
    fine = 2 * _SEGMENTS
    steps = np.linspace(0, 1, fine + 1)
    grid = np.stack(np.meshgrid(steps, steps, steps, indexing="ij"), axis=-1)
    plain = grid @ matrix + offset
    least = _LEAST_SLOPE / fine
    cost = math.sqrt(_FALL / fine)  # of a slope in a cell: squared, fine^2 / fine^3
    falling = np.zeros((fine,) * 3, bool)
    owed = np.zeros((fine,) * 3)
    for _ in range(_ROUNDS):
        values = plain + _sample(coefficients, steps)
        rise = _rise(np.clip(values, 0, 1)) @ _LUMA
        if rise.min() > -_TOLERANCE:
            break
        free = ((values > 0) & (values < 1)).astype(np.float64)
        shares = (free[1:, 1:, 1:] + free[:-1, :-1, :-1]) / 2 * _LUMA
        demanded = least * shares.sum(-1)
        falling |= rise < demanded
        owed += np.where(falling, np.maximum(demanded - rise, 0), 0)
        here, shares = np.argwhere(falling), cost * shares[falling]
        change = _basis((here + 1) / fine) - _basis(here / fine)
        falls = sparse.hstack([change.multiply(shares[:, [channel]]) for channel in range(3)]).tocsr()
        target = cost * (demanded + owed)[falling] - (_rise(plain)[falling] * shares).sum(-1)
        coefficients = _solve(system, wanted, start=coefficients, falls=falls, target=target)
    return coefficients


def _rise(values: Array) -> Array:
    return values[1:, 1:, 1:] - values[:-1, :-1, :-1]


def _solve(
    system: Any, wanted: Array, *, start: Array | None = None, falls: Any = None, target: Array | None = None
) -> Array:
    """Coefficients (n, 3), system @ x = wanted with |falls @ x - target|^2 added, by conjugate gradients."""
    right = wanted.T.ravel()
    if falls is not None:
        right = right + falls.T @ target

    def apply(vector: Array) -> Array:
        result = np.asarray((system @ vector.reshape(3, -1).T).T).ravel()
        return result if falls is None else result + falls.T @ (falls @ vector)

    shape = (right.size, right.size)
    found, _ = cg(
        LinearOperator(shape, apply, dtype=np.float64),
        right,
        x0=None if start is None else start.T.ravel(),
        rtol=1e-6,
        maxiter=1000,
        M=LinearOperator(shape, _without_penalty(), dtype=np.float64),
    )
    solution: Array = found.reshape(3, -1).T
    return solution
