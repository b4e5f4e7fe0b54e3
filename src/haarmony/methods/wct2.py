"""WCT2: photorealistic style transfer by wavelet-corrected whitening and colouring (Yoo et al., ICCV 2019).

Adds to PhotoWCT: Haar pooling and unpooling, a tight frame, so that nothing is lost on the way; and progressive
stylization, one pass in which every level is matched before the next is encoded, instead of four networks in a row.
Where features are matched is chosen by stages: `encoder` (LL at each level), `skip` (LH, HL, HH of each pooling)
and `decoder` (between decoder levels).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import torch
from torch import Tensor, nn

from haarmony.errors import InputError
from haarmony.matching import Matching, zca
from haarmony.moments import Moments
from haarmony.networks.autoencoder import LEVELS, Skip, Skips, WaveletAutoencoder
from haarmony.regions import WHOLE, Regions, shared_labels
from haarmony.style import Style

STAGES = ("encoder", "skip", "decoder")
_HIGH = ("LH", "HL", "HH")

Visit = Callable[[str, Tensor], Tensor]


def visit_sites(
    network: WaveletAutoencoder, picture: Tensor, stages: Sequence[str], visit: Visit
) -> tuple[Tensor, Skips, int]:
    """Walk a picture through the network to the last transfer site, offering the feature at each to `visit`.

    The order is that of progressive stylization: each encoder level before the next is encoded, then the skips,
    then the feature before each decoder level. `visit(site, feature)` returns the feature to go on with.

    Returns:
        The feature behind the last site, the skips, and the decoder level to go on with.
    """
    skips: Skips = {}
    x = picture
    for level in LEVELS:
        x = network.encode(level, x, skips)
        if "encoder" in stages:
            x = visit(f"encoder{level}", x)
    if "skip" in stages:
        for pool, skip in skips.items():
            high = (visit(f"skip{pool}.{name}", band) for name, band in zip(_HIGH, skip.high, strict=False))
            skips[pool] = Skip(tuple(high), skip.size, skip.original)
    if "decoder" not in stages:
        return x, skips, LEVELS[-1]
    if "encoder" not in stages:
        x = visit(f"decoder{LEVELS[-1]}", x)
    for level in reversed(LEVELS[1:]):
        x = visit(f"decoder{level - 1}", network.decode(level, x, skips))
    return x, skips, LEVELS[0]


def traverse(network: WaveletAutoencoder, picture: Tensor, stages: Sequence[str], visit: Visit) -> Tensor:
    """Visit all sites and decode to the end: the picture, unclipped."""
    x, skips, last = visit_sites(network, picture, stages, visit)
    for level in range(last, 0, -1):
        x = network.decode(level, x, skips)
    return x


class WCT2(nn.Module):
    """A loaded WCT2 model: a wavelet autoencoder and how its features are matched."""

    def __init__(
        self,
        network: WaveletAutoencoder,
        *,
        identity: str = "unnamed",
        stages: Sequence[str] = STAGES,
        matching: Matching = zca,
        clamp: bool = False,
    ) -> None:
        """Put a model together; `WCT2.load` does it for the models that haarmony knows.

        Args:
            network: the autoencoder.
            identity: name and checksum of its weights; a style of another identity is refused.
            stages: any of encoder, skip, decoder.
            matching: (content Moments, style Moments) -> Affine, used at every site.
            clamp: keep each matched feature within the content feature's own minimum and maximum.

        Raises:
            InputError: for an unknown stage.
        """
        super().__init__()
        unknown = set(stages) - set(STAGES)
        if unknown:
            raise InputError(f"unknown stages {sorted(unknown)}: choose any of {', '.join(STAGES)}")
        self.network = network
        self.identity = identity
        self.stages = tuple(stages)
        self.matching = matching
        self.clamp = clamp

    @torch.no_grad()
    def style(self, picture: Tensor, mask: Tensor | None = None) -> Style:
        """The Moments of a style picture at every site of this model's stages.

        Args:
            picture: (1, 3, H, W), sRGB in [0, 1].
            mask: (H, W) integer labels or (L, H, W) float weights.
        """
        regions = None if mask is None else Regions.of(mask, _size(picture))
        sites: dict[str, dict[int, Moments]] = {}

        def record(site: str, feature: Tensor) -> Tensor:
            if regions is None:
                sites[site] = {WHOLE: Moments.of(feature[0])}
            else:
                weights = regions.at(_size(feature))
                sites[site] = {label: Moments.of(feature[0], weight) for label, weight in weights.items()}
            return feature

        visit_sites(self.network, picture, self.stages, record)
        return Style(self.identity, sites, None if regions is None else regions.areas())

    @torch.no_grad()
    def forward(
        self, content: Tensor, style: Style, *, strength: float = 1.0, content_mask: Tensor | None = None
    ) -> Tensor:
        """Give the content the light of the style.

        Args:
            content: (B, 3, H, W), sRGB in [0, 1]; each picture is matched by its own statistics.
            style: of this model.
            strength: 0 returns the content itself, 1 the full transfer. In between, features are blended and the
                network's own loss is given back in proportion.
            content_mask: labels that the style shares; needs a style made with a mask, and B = 1.

        Returns:
            (B, 3, H, W) in [0, 1].
        """
        regions = self._regions(content, style, content_mask)
        if strength == 0:
            return content.clone()
        out = torch.cat([self._transfer(picture[None], style, strength, regions) for picture in content])
        if strength < 1:
            out += (1 - strength) * (content - self.network(content))
        return out.clamp(0, 1)

    def _transfer(self, content: Tensor, style: Style, strength: float, regions: Regions | None) -> Tensor:
        def match(site: str, feature: Tensor) -> Tensor:
            labels = style.sites[site]
            if regions is None:
                mapped = self._map(feature, labels[WHOLE], None)
            else:
                mapped = feature
                for label, weight in regions.at(_size(feature)).items():
                    mapped = mapped + weight * (self._map(feature, labels[label], weight) - feature)
            return torch.lerp(feature, mapped, strength)

        return traverse(self.network, content, self.stages, match)

    def _map(self, feature: Tensor, style: Moments, weight: Tensor | None) -> Tensor:
        mapped = self.matching(Moments.of(feature[0], weight), style)(feature)
        if not self.clamp:
            return mapped
        known = feature if weight is None else feature[..., weight > 0]
        return mapped.clamp(known.min(), known.max()) if known.numel() else mapped

    def _regions(self, content: Tensor, style: Style, mask: Tensor | None) -> Regions | None:
        if content.ndim != 4 or content.shape[1] != 3 or not content.is_floating_point():
            raise InputError(
                f"expected content (B, 3, H, W) of floats, got {tuple(content.shape)} {content.dtype}"
            )
        if style.model != self.identity:
            raise InputError(
                f"the style was made by {style.model} but this model is {self.identity}: make it anew"
            )
        if (mask is None) != (style.areas is None):
            given, missing = ("style", "content") if mask is None else ("content", "style")
            raise InputError(f"the {given} has a mask but the {missing} has none: give both or neither")
        if mask is None or style.areas is None:
            return None
        if content.shape[0] != 1:
            raise InputError(f"a mask goes with one picture, got a batch of {content.shape[0]}")
        regions = Regions.of(mask, _size(content))
        return regions.only(shared_labels(regions.areas(), style.areas))


def _size(x: Tensor) -> tuple[int, int]:
    return x.shape[-2], x.shape[-1]
