"""Tiles: a transfer through the network at full size, in memory that does not grow with the picture.

Moments merge, so the statistics of a whole picture are the sum of those of its tiles; and a map is affine, so
every tile is changed by the same one. Sites follow each other (a level is encoded from what the level above
has been mapped to), so the exact statistics take one pass over the tiles for every round of sites that do not
depend on each other, and one more applies the maps. A tile is computed with a halo of all that its result
depends on, aligned to the poolings; so tiles give what the whole gives.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from itertools import groupby
from math import log2

import torch
from torch import Tensor

from haarmony.methods.sites import Maps, Seen, change, visit_sites
from haarmony.methods.wct2 import WCT2
from haarmony.moments import Moments
from haarmony.networks.autoencoder import LEVELS
from haarmony.pages import give_back_free_pages
from haarmony.pipelines.rows import Rows, cuts
from haarmony.regions import Part, Regions, weights_at
from haarmony.style import Style


@dataclass(frozen=True)
class Span:
    """One axis of a tile: from `start` to `stop`, computed from `first` to `last`."""

    start: int
    stop: int
    first: int
    last: int


@dataclass(frozen=True)
class Tile:
    """A tile of a picture.

    Attributes:
        picture: (1, 3, h, w), with its halo.
        row: of the tile, in the picture.
        column: of the tile.
        size: the picture's height and width.
    """

    picture: Tensor
    row: Span
    column: Span
    size: tuple[int, int]

    def part(self, feature: Tensor) -> Part:
        """Where a feature of the tile and its halo lies in that of the whole picture."""
        scale = self._scale(feature)
        height, width = (-(-side // scale) for side in self.size)
        return Part(self.row.first // scale, self.column.first // scale, height, width)

    def core(self, feature: Tensor) -> tuple[Tensor, Part]:
        """A feature without the halo, and where it lies in that of the whole picture."""
        scale, part = self._scale(feature), self.part(feature)
        top, left = self.row.start // scale, self.column.start // scale
        bottom, right = -(-self.row.stop // scale), -(-self.column.stop // scale)
        inner = feature[..., top - part.top : bottom - part.top, left - part.left : right - part.left]
        return inner, Part(top, left, part.height, part.width)

    def _scale(self, feature: Tensor) -> int:
        """By how much, a power of two, the feature is smaller than the picture, read off the longer side."""
        axis = -2 if self.picture.shape[-2] > self.picture.shape[-1] else -1
        return 1 << round(log2(self.picture.shape[axis] / feature.shape[axis]))


def spans(length: int, side: int, halo: int, stride: int) -> list[Span]:
    """Divide a line into tiles of about equal length.

    Args:
        length: of the line.
        side: the longest tile, without halo; a multiple of `stride`.
        halo: on either side, where the line goes on; a multiple of `stride`.
        stride: tiles begin at its multiples.
    """
    count = -(-length // side)
    step = -(-length // (count * stride)) * stride
    return [
        Span(start, min(start + step, length), max(start - halo, 0), min(start + step + halo, length))
        for start in range(0, length, step)
    ]


def tiles(model: WCT2, source: Rows, side: int, halo: int) -> Iterator[Iterator[Tile]]:
    """The tiles of a picture, row by row; every band of rows is read once, and dropped behind its tiles."""
    network = model.network
    size = max(source.height, network.smallest), max(source.width, network.smallest)
    columns = spans(size[1], side, halo, network.stride)
    for row in spans(size[0], side, halo, network.stride):
        give_back_free_pages()
        yield _row_of_tiles(model, source, row, columns, size)


def _row_of_tiles(
    model: WCT2, source: Rows, row: Span, columns: list[Span], size: tuple[int, int]
) -> Iterator[Tile]:
    band = source.rows(row.first, min(row.last, source.height))
    for column in columns:
        part = band[..., column.first : column.last].clone()  # who keeps it keeps no more than it
        yield Tile(model.enlarged(part), row, column, size)


@torch.no_grad()
def tiled_style(model: WCT2, source: Rows, regions: Regions | None, *, side: int) -> Style:
    """What `WCT2.style` gives for a network at full size, tile by tile."""
    sites: dict[str, dict[str, Moments]] = {}
    padded = model.padded(regions, (source.height, source.width))

    def record(site: str, feature: Tensor) -> Tensor:
        inner, part = tile.core(feature)
        found = {
            label: Moments.of(inner[0], weight).cpu()
            for label, weight in weights_at(padded, _size(inner), part).items()
        }
        known = sites.get(site)
        sites[site] = found if known is None else {label: known[label] + found[label] for label in found}
        return feature

    for row in tiles(model, source, side, model.network.reach):
        for tile in row:
            visit_sites(model.network, tile.picture, model.recipe.stages, record)
    return Style(model.identity, sites, None if regions is None else regions.areas())


@torch.no_grad()
def tiled_plan(
    model: WCT2, source: Rows, style: Style, strength: float, regions: Regions | None, *, side: int
) -> Maps:
    """What `WCT2.plan` gives, tile by tile: as many passes over the picture as there are rounds of sites."""
    return joint_plan(model, [(source, regions)], style, strength, side=side)


@torch.no_grad()
def joint_plan(
    model: WCT2,
    sources: Sequence[tuple[Rows, Regions | None]],
    style: Style,
    strength: float,
    *,
    side: int,
) -> Maps:
    """The maps that fit several pictures as if they were one: their moments are merged site by site.

    Args:
        model: whose features are matched.
        sources: the pictures, each with its regions, which have the same labels in all.
        style: of this model.
        strength: what features are blended by.
        side: the longest tile, without halo.

    Raises:
        InputError: for a style of another model or of other stages.
    """
    model.check_style(style)
    maps: Maps = {}
    padded = [(source, model.padded(regions, (source.height, source.width))) for source, regions in sources]
    for depth, sites in _rounds(model.sites):
        network = model.network
        halo = network.encoder_reach[depth - 1] if depth <= LEVELS[-1] else network.reach
        seen: dict[str, dict[str, Seen]] = {}
        for source, regions in padded:
            for row in tiles(model, source, side, halo):
                for tile in row:
                    for site, found in _observe(model, tile, maps, sites, strength, regions).items():
                        known = seen.get(site)
                        seen[site] = (
                            found if known is None else {one: known[one] + found[one] for one in found}
                        )
        maps |= {site: model.solve(site, seen[site], style) for site in sites}
    return maps


@torch.no_grad()
def rendered(
    model: WCT2, source: Rows, maps: Maps, strength: float, regions: Regions | None, *, side: int
) -> Iterator[Tensor]:
    """The bands of rows, from the top, of what `WCT2.render` gives: (1, 3, h, width), not clipped."""
    padded = model.padded(regions, (source.height, source.width))
    for row in tiles(model, source, side, model.network.reach):
        parts = _rendered(model, source, row, maps, strength, padded)
        for top, bottom in cuts(parts[0].shape[-2], source.width):
            yield torch.cat([part[..., top:bottom, :] for part in parts], -1)
        del parts


def _rendered(
    model: WCT2, source: Rows, row: Iterator[Tile], maps: Maps, strength: float, regions: Regions | None
) -> list[Tensor]:
    """A row of tiles, rendered, from the left."""
    parts = []
    for tile in row:
        inner, part = tile.core(model.render(tile.picture, maps, strength, regions, tile.part))
        parts.append(inner[..., : source.height - part.top, : source.width - part.left].contiguous())
    return parts


class _Enough(Exception):  # noqa: N818
    """All sites of a round have been seen: the rest of the network need not be computed."""


def _observe(
    model: WCT2, tile: Tile, maps: Maps, sites: list[str], strength: float, regions: Regions | None
) -> dict[str, dict[str, Seen]]:
    """What is to be known of a tile at the sites of one round; those of earlier rounds have their maps."""
    found: dict[str, dict[str, Seen]] = {}

    def visit(site: str, feature: Tensor) -> Tensor:
        if site in maps:
            weights = weights_at(regions, _size(feature), tile.part(feature))
            return change(feature, maps[site], weights, strength)
        inner, part = tile.core(feature)
        found[site] = model.observe(inner, weights_at(regions, _size(inner), part))
        if len(found) == len(sites):
            raise _Enough
        return feature

    with suppress(_Enough):
        visit_sites(model.network, tile.picture, model.recipe.stages, visit)
    return found


def _rounds(sites: Sequence[str]) -> list[tuple[int, list[str]]]:
    """Sites in the order of the walk, those together that do not depend on each other, by their depth."""
    return [(depth, list(group)) for depth, group in groupby(sorted(sites, key=_depth), key=_depth)]


def _depth(site: str) -> int:
    """Encoder levels one by one; the skips beside the last; then the decoder from the deepest level up."""
    deepest = LEVELS[-1]
    if site.startswith("skip"):
        return deepest
    if site.startswith("encoder"):
        return int(site.removeprefix("encoder"))
    return 2 * deepest - int(site.removeprefix("decoder"))


def _size(x: Tensor) -> tuple[int, int]:
    return x.shape[-2], x.shape[-1]
