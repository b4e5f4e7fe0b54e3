"""WCT2: photorealistic style transfer by wavelet-corrected whitening and colouring (Yoo et al., ICCV 2019).

Adds to PhotoWCT: Haar pooling and unpooling, a tight frame, so that nothing is lost on the way; and
progressive stylization, one pass in which every level is matched before the next is encoded, instead of four
networks in a row. Where features are matched is chosen by stages: `encoder` (LL at each level), `skip` (LH,
HL, HH of each pooling) and `decoder` (between decoder levels).
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import cached_property, reduce
from math import inf, prod, sqrt
from operator import add
from statistics import fmean
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from haarmony import texture
from haarmony.barycentre import barycentre
from haarmony.carry import (
    Evidence,
    RegionFields,
    apply_field,
    evidence,
    guided_fields,
    identity_field,
    region_fields,
)
from haarmony.errors import InputError
from haarmony.matching import Target, solve
from haarmony.media.image import to_profile
from haarmony.media.kinds import MaskLike, PictureLike, to_mask, to_picture, to_tensor
from haarmony.methods.recipe import RECIPES, Recipe
from haarmony.methods.sites import (
    Maps,
    Seen,
    SiteMap,
    Visit,
    Where,
    applying,
    blend,
    change,
    sites_of,
    traverse,
    visit_sites,
)
from haarmony.moments import Moments
from haarmony.networks.autoencoder import LEVELS, Skips, WaveletAutoencoder
from haarmony.networks.weights import load_network
from haarmony.regions import WHOLE, Regions, Weights, match_regions, weights_at
from haarmony.style import Style
from haarmony.windows import antialiased


def check_request(strength: float, *, has_content_mask: bool, has_style_mask: bool) -> None:
    """Find out before any work whether a transfer makes sense.

    Raises:
        InputError: for a strength outside [0, 1], or a mask on one side alone.
    """
    try:
        possible = 0 <= strength <= 1
    except (TypeError, ValueError, RuntimeError):
        possible = False
    if not possible:
        raise InputError(f"strength is a number between 0 and 1, got {strength!r:.80}")
    if has_content_mask != has_style_mask:
        given, missing = ("content", "style") if has_content_mask else ("style", "content")
        raise InputError(f"the {given} has a mask but the {missing} has none: give both or neither")


class WCT2(nn.Module):
    """A loaded WCT2 model: a wavelet autoencoder and how its features are matched."""

    def __init__(self, network: WaveletAutoencoder, recipe: Recipe, *, identity: str = "unnamed") -> None:
        """Put a model together; `WCT2.load` does it for the models that haarmony knows.

        Args:
            network: the autoencoder.
            recipe: how it is used.
            identity: name and checksum of its weights; a style of another identity is refused.
        """
        super().__init__()
        self.network = network
        self.recipe = recipe
        self.identity = identity

    @classmethod
    def load(cls, name: str = "compact", *, recipe: Recipe | None = None) -> WCT2:
        """A model that ships with haarmony, ready for use.

        Args:
            name: of `RECIPES`.
            recipe: in place of the model's own.

        Raises:
            WeightsError: for an unknown name, or weights that are missing or damaged.
        """
        network, identity = load_network(name)
        return cls(network, recipe or RECIPES[name], identity=identity)

    @property
    def device(self) -> torch.device:
        """Where its weights are."""
        return next(self.network.parameters()).device

    @cached_property
    def sites(self) -> tuple[str, ...]:
        """Where features are matched, in the order of the walk."""
        return sites_of(self.network, self.recipe.stages)

    def check_style(self, style: Style) -> None:
        """Find out whether features can be matched to a style.

        Raises:
            InputError: when another model made it, or it was made without one of the sites.
        """
        style.check_model(self.identity)
        for site in (*self.sites, *([texture.SITE] if self.recipe.carries else [])):
            _targets(style, site)

    @torch.no_grad()
    def style(self, picture: PictureLike, mask: MaskLike | None = None) -> Style:
        """The Moments of a style picture at every site of this model's stages.

        Args:
            picture: one picture of any kind that `to_picture` takes; where it carries a profile, it is
                converted to sRGB. Styles of several pictures add up: `model.style(a) + model.style(b)`.
            mask: its labels, of any kind that `to_mask` takes.

        Raises:
            InputError: for a batch, or a mask that does not fit.
        """
        tensor = to_tensor(to_profile(to_picture(picture), None))[0].to(self.device)
        regions = None if mask is None else Regions.of(to_mask(mask, size=_size(tensor)), self.device)
        return self.measure(self._reduced(tensor), regions)

    def measure(self, picture: Tensor, regions: Regions | None) -> Style:
        """The style of a picture (1, 3, H, W), as large as the network is to see it."""
        sites: dict[str, dict[str, Moments]] = {}
        padded = self.padded(regions, _size(picture))

        def record(site: str, feature: Tensor) -> Tensor:
            weights = weights_at(padded, _size(feature))
            sites[site] = {label: Moments.of(feature[0], weight).cpu() for label, weight in weights.items()}
            return feature

        visit_sites(self.network, self.enlarged(picture), self.recipe.stages, record)
        if self.recipe.carries:
            sites[texture.SITE] = {
                label: texture.texture_moments(picture, weight)
                for label, weight in weights_at(regions, _size(picture)).items()
            }
        return Style(self.identity, sites, None if regions is None else regions.areas())

    @torch.no_grad()
    def forward(
        self,
        content: PictureLike,
        style: Style,
        *,
        strength: float = 1.0,
        content_mask: MaskLike | None = None,
    ) -> Any:
        """Give the content the light of the style.

        Args:
            content: a picture of any kind that `to_tensor` takes; of a batch, each is matched by its own
                statistics. Its pixels are used in their own encoding, whatever profile they carry.
            style: of this model.
            strength: 0 returns the content itself, 1 the full transfer. In between, features are blended and
                what the network itself loses is given back in proportion; with a `work_side`, pictures are
                blended.
            content_mask: labels that the style shares; needs a style made with a mask, and a single content.
                What becomes of labels that the two cannot share is the recipe's `unmatched`, and a
                `HaarmonyWarning` names them.

        Returns:
            The same kind as the content, values in [0, 1] or the kind's full range.

        Raises:
            ImageError: for a file that cannot be read.
            InputError: for anything that does not fit together.
        """
        if not isinstance(style, Style):
            raise InputError(
                f"a model is given a haarmony.Style, got {type(style).__name__}: make it with "
                "model.style(picture)"
            )
        tensor, back = to_tensor(content)
        check_request(
            strength, has_content_mask=content_mask is not None, has_style_mask=style.areas is not None
        )
        regions = self.regions(_size(tensor), style, content_mask, batch=tensor.shape[0])
        if strength == 0:
            return back(tensor.clone())
        tensor = tensor.to(self.device)
        return back(
            torch.cat([self.transferred(one[None], style, strength, regions) for one in tensor]).clamp_(0, 1)
        )

    def transferred(self, content: Tensor, style: Style, strength: float, regions: Regions | None) -> Tensor:
        """The result (1, 3, H, W) for a content of this shape, not clipped."""
        if self.recipe.work_side is None:
            padded = self.padded(regions, _size(content))
            return self._decoded(content, self._planning({}, style, strength, padded), strength)
        field = self.field(self._reduced(content), style, regions)
        return blend(content, apply_field(content, field), strength)

    def field(self, reduced: Tensor, style: Style, regions: Regions | None) -> Tensor | RegionFields:
        """The change of colour that the full transfer makes, for `carry.apply_field`, from a reduced copy."""
        if not self.recipe.carries:
            return identity_field(reduced)
        weights = {
            label: weight
            for label, weight in carried_weights(regions, reduced).items()
            if weight is None or float(weight.max()) > 1e-3
        }
        padded = self.padded(regions, _size(reduced))
        seen = self._evidence(reduced, weights, self._planning({}, style, 1.0, padded))
        return guided_fields(self.fields(seen, style, regions), reduced, list(weights.values()))

    def evidence(self, reduced: Tensor, maps: Maps, regions: Regions | None) -> dict[str, Evidence]:
        """What the field of a full transfer with known maps is fitted to, by label; see `field`."""
        padded = self.padded(regions, _size(reduced))
        return self._evidence(reduced, carried_weights(regions, reduced), applying(maps, 1.0, padded))

    def _evidence(self, reduced: Tensor, weights: Weights, visit: Visit) -> dict[str, Evidence]:
        height, width = _size(reduced)
        whole = self.enlarged(reduced)
        begun = self.network.begin(whole)
        lost = whole - self.network(whole, begun)
        stylized = traverse(self.network, whole, self.recipe.stages, visit, begun) + lost
        stylized = stylized[..., :height, :width]
        return {label: evidence(reduced, stylized, weight=weight) for label, weight in weights.items()}

    def fields(
        self, seen: Mapping[str, Evidence], style: Style, regions: Regions | None, *, raised: float = 1.0
    ) -> Tensor:
        """The field of every region, (K, 14, rows, columns), from the evidence by label.

        `raised` is of the way to a style's stronger contrast.
        """
        if not self.recipe.carries:
            return region_fields(list(seen.values()), [None] * len(seen))
        targets = _with_whole(_targets(style, texture.SITE))
        share = fmean([self.recipe.share(site) for site in self.sites] or [0.0])
        changed = {WHOLE} if regions is None or regions.rest else set()
        changed |= set(regions.labels) if regions else set()
        textures = [_one(targets[label]) if label in changed else None for label in seen]
        return region_fields(list(seen.values()), textures, texture_share=share, raised=raised)

    def stylize(self, picture: Tensor, style: Style, strength: float, regions: Regions | None) -> Tensor:
        """The bare pass through the network: (1, 3, H, W) to what it decodes, unclipped and not carried."""
        visit = self._planning({}, style, strength, regions)
        return traverse(self.network, picture, self.recipe.stages, visit)

    def plan(self, picture: Tensor, style: Style, strength: float, regions: Regions | None) -> Maps:
        """The maps of all sites for a content (1, 3, H, W), each found behind those before it."""
        maps: Maps = {}
        visit = self._planning(maps, style, strength, self.padded(regions, _size(picture)))
        visit_sites(self.network, self.enlarged(picture), self.recipe.stages, visit)
        return maps

    def render(
        self,
        picture: Tensor,
        maps: Maps,
        strength: float,
        regions: Regions | None,
        where: Where | None = None,
    ) -> Tensor:
        """The content through the network with known maps, and with what the network loses in proportion.

        Args:
            picture: (1, 3, H, W), the content or a tile of it.
            maps: from `plan`.
            strength: of the maps' own plan.
            regions: of the whole content.
            where: where a feature of this tile lies in that of the whole; None for the whole.

        Returns:
            (1, 3, H, W), not clipped.
        """
        padded = self.padded(regions, _size(picture))
        return self._decoded(picture, applying(maps, strength, padded, where), strength)

    def _decoded(self, picture: Tensor, visit: Visit, strength: float) -> Tensor:
        height, width = _size(picture)
        whole = self.enlarged(picture)
        decoded = traverse(self.network, whole, self.recipe.stages, visit)
        if strength < 1:
            decoded += (1 - strength) * (whole - self.network(whole))
        return decoded[..., :height, :width]

    def _planning(self, maps: Maps, style: Style, strength: float, regions: Regions | None) -> Visit:
        """A visit that finds the map of every site, notes it in `maps` and applies it."""

        def visit(site: str, feature: Tensor) -> Tensor:
            weights = weights_at(regions, _size(feature))
            maps[site] = self.solve(site, self.observe(feature, weights), style)
            return change(feature, maps[site], weights, strength)

        return visit

    def observe(self, feature: Tensor, weights: Weights) -> dict[str, Seen]:
        """What has to be known of a content feature (1, C, H, W) at a site, by label."""
        seen = {}
        for label, weight in weights.items():
            low, high = -inf, inf
            if self.recipe.clamp:
                known = feature.movedim(1, -1) if weight is None else feature[..., weight > 0]
                low, high = (float(x) for x in known.aminmax()) if known.numel() else (inf, -inf)
            seen[label] = Seen(Moments.of(feature[0], weight).for_factoring(), low, high)
        return seen

    def solve(self, site: str, seen: dict[str, Seen], style: Style) -> dict[str, SiteMap]:
        """The maps of a site that give each region the statistics of the style's.

        Raises:
            InputError: when the style was made without this site.
        """
        targets = _targets(style, site)
        if WHOLE in seen:
            targets = _with_whole(targets)
            everything = reduce(add, seen.values())
            seen = {**seen, WHOLE: everything}
        share = self.recipe.share(site)
        maps = {
            label: solve(self.recipe.matching, one.moments, targets[label]) for label, one in seen.items()
        }
        return {
            label: SiteMap(maps[label].blend(share) if share < 1 else maps[label], one.low, one.high)
            for label, one in seen.items()
        }

    def feature(self, picture: Tensor, level: int) -> Tensor:
        """The feature (1, C, h, w) of an encoder level, of a picture that nothing is transferred to."""
        skips: Skips = {}
        for deeper in LEVELS[:level]:
            picture = self.network.encode(deeper, picture, skips)
        return picture

    def work_size(self, size: tuple[int, int]) -> tuple[int, int]:
        """The (height, width) at which the network sees a picture of this size."""
        side = self.recipe.work_side
        if side is None:
            return size
        scale = min(1.0, side / sqrt(prod(size)), 2 * side / max(size))
        return max(1, round(size[0] * scale)), max(1, round(size[1] * scale))

    def _reduced(self, picture: Tensor) -> Tensor:
        return antialiased(picture, self.work_size(_size(picture)))

    def enlarged(self, picture: Tensor) -> Tensor:
        """Borders repeated on the right and below a picture that is too small for the network."""
        height, width = _size(picture)
        missing = max(0, self.network.smallest - width), max(0, self.network.smallest - height)
        return F.pad(picture, (0, missing[0], 0, missing[1]), mode="replicate") if any(missing) else picture

    def padded(self, regions: Regions | None, size: tuple[int, int]) -> Regions | None:
        """The regions of a picture of this (height, width), where it is `enlarged`."""
        return regions and regions.padded(size, self.network.smallest)

    def regions(
        self, size: tuple[int, int], style: Style, mask: MaskLike | None, *, batch: int = 1
    ) -> Regions | None:
        """The regions in which a content of this (height, width) is given the style's light; None for one.

        Raises:
            InputError: for a style of another model or of other stages, a mask of another size, or a mask
                with a batch.
        """
        self.check_style(style)
        if mask is None or style.areas is None:
            return None
        if batch != 1:
            raise InputError(f"a mask goes with one picture, got a batch of {batch}")
        regions = Regions.of(to_mask(mask, size=size), self.device)
        return match_regions(regions, style.areas, whole=self.recipe.unmatched == "whole")


def carried_weights(regions: Regions | None, reduced: Tensor) -> Weights:
    """The weights of all regions at a reduced copy, with what belongs to none as one more."""
    return weights_at(regions and regions.only(regions.labels, rest=True), _size(reduced))


def _targets(style: Style, site: str) -> Mapping[str, Target]:
    if site not in style.sites:
        raise InputError(f"the style has no statistics of {site}: make it anew with the same stages")
    return style.sites[site]


def _with_whole(targets: Mapping[str, Target]) -> Mapping[str, Target]:
    """With the statistics of the whole style, which are those of its regions together."""
    if WHOLE in targets:
        return targets
    return {**targets, WHOLE: reduce(add, map(_one, targets.values()))}


def _one(target: Target) -> Moments:
    """The statistics of one style, or those between several."""
    return target if isinstance(target, Moments) else barycentre(target.parts)


def _size(x: Tensor) -> tuple[int, int]:
    return x.shape[-2], x.shape[-1]
