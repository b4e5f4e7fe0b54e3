"""Mixing: several styles with weights as one.

By `maps`, the map that a feature gets is the weighted mean of its maps to each style. By `barycentre`, the
styles' Gaussians are brought to their 2-Wasserstein barycentre once and for all: a style like any
other, to be saved and used again. Where all covariances commute, optimal transport gives the same by either.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from math import inf, nan
from numbers import Real
from typing import Any, Final

from haarmony.barycentre import barycentre
from haarmony.errors import InputError
from haarmony.matching import Mixture, Target
from haarmony.moments import Moments
from haarmony.regions import MIN_PIXELS
from haarmony.style import Style

MIXES: Final = ("maps", "barycentre")


def mix(styles: Sequence[tuple[Style, float]], *, by: str = MIXES[0]) -> Style:
    """One style between several.

    Args:
        styles: each with its weight, 0 or more. Weights are divided by their sum, so 7 and 3 say the same as
            0.7 and 0.3. A region that only some of the styles have is mixed from those.
        by: maps or barycentre.

    Returns:
        A style of the same model. One by maps cannot be saved or added to.

    Raises:
        InputError: for weights that are negative or all zero, and styles that do not fit together.
    """
    pairs = list(styles) if isinstance(styles, Iterable) else [styles]
    if not all(map(_is_pair, pairs)):
        raise InputError("styles are given as a list of pairs (Style, weight): [(a, 0.7), (b, 0.3)]")
    check_mix(by, [weight for _, weight in pairs])
    kept = [(style, float(weight)) for style, weight in pairs if weight > 0]
    first = kept[0][0]
    if len(kept) == 1:
        return first
    for style, _ in kept[1:]:
        first.check_fits(style)
    return Style(
        first.model,
        {
            site: {label: _target(parts, by) for label, parts in _by_label(kept, site).items()}
            for site in first.sites
        },
        None if first.areas is None else _areas(kept),
    )


def check_mix(by: str, weights: Sequence[Any]) -> None:
    """Find out before any work whether styles could be mixed so.

    Raises:
        InputError: for an unknown way, and weights of which one is negative, not finite or no number, or none
            above 0.
    """
    if by not in MIXES:
        raise InputError(f"unknown way to mix {by!r}: choose {' or '.join(MIXES)}")
    try:
        numbers = [float(weight) if isinstance(weight, Real) else nan for weight in weights]
    except OverflowError:
        numbers = [inf]
    if not all(weight >= 0 for weight in numbers) or not 0 < sum(numbers) < inf:
        given = ", ".join(f"{weight:g}" for weight in numbers) or "none"
        raise InputError(
            f"the weights of styles are 0 or more, and their sum is finite and above 0, got {given}"
        )


def _is_pair(one: Any) -> bool:
    return isinstance(one, (tuple, list)) and len(one) == 2 and isinstance(one[0], Style)


def _by_label(styles: Sequence[tuple[Style, float]], site: str) -> dict[str, list[tuple[Moments, float]]]:
    """The known Moments of each label at a site, with the weights of their styles."""
    found: dict[str, list[tuple[Moments, float]]] = {}
    small: dict[str, list[tuple[Moments, float]]] = {}
    for style, weight in styles:
        for label, target in style.sites[site].items():
            parts = target.parts if isinstance(target, Mixture) else ((target, 1.0),)
            enough = style.areas is None or style.areas[label] > MIN_PIXELS
            for moments, share in parts:
                known = enough and moments.count > 0
                (found if known else small).setdefault(label, []).append((moments, weight * share))
    return {label: found.get(label) or small[label][:1] for label in {**found, **small}}


def _target(parts: Sequence[tuple[Moments, float]], by: str) -> Target:
    total = sum(weight for _, weight in parts)
    shares = tuple((moments, weight / total) for moments, weight in parts)
    if len(shares) == 1:
        return shares[0][0]
    return Mixture(shares) if by == "maps" else barycentre(shares)


def _areas(styles: Sequence[tuple[Style, float]]) -> dict[str, float]:
    """The weighted mean area of each label over the styles that have it."""
    sums: dict[str, tuple[float, float]] = {}
    for style, weight in styles:
        for label, area in (style.areas or {}).items():
            enough = weight if area > MIN_PIXELS else 0.0
            total, weights = sums.get(label, (0.0, 0.0))
            sums[label] = total + enough * area, weights + enough
    return {label: total / weights if weights else 0.0 for label, (total, weights) in sums.items()}
