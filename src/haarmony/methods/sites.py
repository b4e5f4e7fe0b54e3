"""Sites: where features of a wavelet autoencoder are matched, and what is seen and done at each."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from math import inf

import torch
from torch import Tensor

from haarmony.matching import Affine
from haarmony.moments import Moments
from haarmony.networks.autoencoder import LEVELS, Begun, Skips, WaveletAutoencoder
from haarmony.regions import Part, Regions, Weights, weights_at

_HIGH = ("LH", "HL", "HH")

Visit = Callable[[str, Tensor], Tensor]
Where = Callable[[Tensor], Part]


def visit_sites(
    network: WaveletAutoencoder,
    picture: Tensor,
    stages: Sequence[str],
    visit: Visit,
    begun: Begun | None = None,
) -> tuple[Tensor, Skips, int]:
    """Walk a picture through the network to the last transfer site, offering the feature at each to `visit`.

    The order is that of progressive stylization: each encoder level before the next is encoded, then the
    skips, then the feature before each decoder level. `visit(site, feature)` returns the feature to go on
    with, and may write over what it is given. A known level 1, `begun`, is given up to it.

    Returns:
        The feature behind the last site, the skips, and the decoder level to go on with.
    """
    x, skips = begun or network.begin(picture)
    for level in LEVELS:
        if level > LEVELS[0]:
            x = network.encode(level, x, skips)
        if "encoder" in stages:
            x = visit(f"encoder{level}", x)
    if "skip" in stages:
        for pool, skip in skips.items():
            high = (visit(f"skip{pool}.{name}", band) for name, band in zip(_HIGH, skip.high, strict=False))
            skips[pool] = replace(skip, high=tuple(high))
    if "decoder" not in stages:
        return x, skips, LEVELS[-1]
    if "encoder" not in stages:
        x = visit(f"decoder{LEVELS[-1]}", x)
    for level in reversed(LEVELS[1:]):
        x = network.decode(level, x, skips)
        skips.pop(level - 1, None)
        x = visit(f"decoder{level - 1}", x)
    return x, skips, LEVELS[0]


def traverse(
    network: WaveletAutoencoder,
    picture: Tensor,
    stages: Sequence[str],
    visit: Visit,
    begun: Begun | None = None,
) -> Tensor:
    """Visit all sites and decode to the end: the picture, unclipped; see `visit_sites`."""
    x, skips, last = visit_sites(network, picture, stages, visit, begun)
    for level in range(last, 0, -1):
        x = network.decode(level, x, skips)
        skips.pop(level - 1, None)
    return x


@torch.no_grad()
def sites_of(network: WaveletAutoencoder, stages: Sequence[str]) -> tuple[str, ...]:
    """The transfer sites that a network has at these stages, in the order of the walk."""
    sites: list[str] = []

    def note(site: str, feature: Tensor) -> Tensor:
        sites.append(site)
        return feature

    weight = next(network.parameters())
    visit_sites(network, weight.new_zeros(1, 3, network.smallest, network.smallest), stages, note)
    return tuple(sites)


@dataclass(frozen=True)
class Seen:
    """What a transfer needs to know of a feature at one site in one region; `+` merges that of two tiles.

    Attributes:
        moments: of the feature.
        low: its smallest value over all channels, where the recipe clamps; else minus infinity.
        high: its largest.
    """

    moments: Moments
    low: float
    high: float

    def __add__(self, other: Seen) -> Seen:
        return Seen(self.moments + other.moments, min(self.low, other.low), max(self.high, other.high))


@dataclass(frozen=True)
class SiteMap:
    """What is done to a feature at one site in one region: an affine map, then bounds."""

    affine: Affine
    low: float = -inf
    high: float = inf

    def __call__(self, feature: Tensor, *, spend: bool = False) -> Tensor:
        """(B, C, H, W) to the same shape; see `Affine`."""
        mapped = self.affine(feature, spend=spend)
        return mapped.clamp_(self.low, self.high) if -inf < self.low <= self.high < inf else mapped


Maps = dict[str, dict[str, SiteMap]]
"""Of all sites, by site and label: with these a transfer is a plain feed-forward pass."""


def mean_maps(parts: Sequence[tuple[Maps, float]]) -> Maps:
    """Between several plans for the same sites and labels, with their shares, which sum to 1."""
    if len(parts) == 1:
        return parts[0][0]
    return {
        site: {
            label: SiteMap(
                Affine(
                    torch.stack([share * maps[site][label].affine.matrix for maps, share in parts]).sum(0),
                    torch.stack([share * maps[site][label].affine.offset for maps, share in parts]).sum(0),
                ),
                sum(share * maps[site][label].low for maps, share in parts),
                sum(share * maps[site][label].high for maps, share in parts),
            )
            for label in labels
        }
        for site, labels in parts[0][0].items()
    }


def change(
    feature: Tensor, maps: Mapping[str, SiteMap | Affine], weights: Weights, strength: float
) -> Tensor:
    """A feature (1, C, H, W), which may be written over, with the maps of all regions applied by weights."""
    spend = strength == 1 and all(weight is None for weight in weights.values())
    mapped = feature
    for label, weight in weights.items():
        one = maps[label](feature, spend=spend)
        mapped = one if weight is None else mapped + weight * (one - feature)
    return blend(feature, mapped, strength)


def applying(maps: Maps, strength: float, regions: Regions | None, where: Where | None = None) -> Visit:
    """A visit that applies known maps."""

    def visit(site: str, feature: Tensor) -> Tensor:
        weights = weights_at(regions, (feature.shape[-2], feature.shape[-1]), where and where(feature))
        return change(feature, maps[site], weights, strength)

    return visit


def blend(plain: Tensor, full: Tensor, strength: float) -> Tensor:
    """From the plain (strength 0) to the full (strength 1)."""
    return full if strength == 1 else torch.lerp(plain, full, strength)
