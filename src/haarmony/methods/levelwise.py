"""Matching at the features of a network, from one level to the next: what AdaIN, WCT and PhotoWCT share.

At each level the picture is encoded, its feature gets the statistics of the style's there, and the decoder of
that level makes it a picture again, for the next level to begin with.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from typing import Literal

import torch
from torch import Tensor

from haarmony.errors import InputError
from haarmony.matching import Affine, Matching, Mixture, Target, solve, zca
from haarmony.methods.method import Example, Step, Transfer, Watch
from haarmony.methods.optimised import example_at, fitted, padded_regions, resized, tell_reduced
from haarmony.methods.settings import option
from haarmony.methods.sites import change
from haarmony.moments import Moments
from haarmony.networks.levels import LevelAutoencoder, WaveletLevels
from haarmony.networks.weights import MODELS, load_levels, load_network

Targets = dict[int, dict[str, Target]]
"""What features shall have, by level and region."""

BACKBONES = {"vgg19": "vgg19_plain", "compact": "compact_plain"}
"""The networks of WCT, by what they are asked for."""


@dataclass(frozen=True, kw_only=True)
class Levelwise(Transfer):
    """What the methods that whiten and colour level by level are asked for.

    Attributes:
        levels: of the features, in the order in which they are matched.
        ridge: added to both covariances, as a share of the content's mean variance: what is fainter than that
            is not amplified.
        side: see `cascade`.
    """

    backbone: Literal["vgg19", "compact"] = option("vgg19", "the network of the features")
    levels: tuple[int, ...] = option(
        (4, 3, 2, 1), "features that are matched, in this order", least=1, most=4
    )
    ridge: float = option(1e-3, "share of the mean variance; what is fainter is not amplified", least=0)
    side: int = option(1024, "pixels of the long side that is worked on, at most", least=16)

    def __post_init__(self) -> None:
        super().__post_init__()
        if len(set(self.levels)) < len(self.levels):
            raise InputError(f"every level is matched once, got {','.join(map(str, self.levels))}")


def known_levels(name: str, device: torch.device | str = "cpu") -> LevelAutoencoder:
    """A network by its name in `networks.weights`, on a device; read once a process for each."""
    return _known_levels(name, str(device))


@cache
def _known_levels(name: str, device: str) -> LevelAutoencoder:
    network = WaveletLevels(load_network(name)[0]) if name in MODELS else load_levels(name)[0]
    return network.to(device)


@torch.no_grad()
def cascade(
    network: LevelAutoencoder,
    content: Example,
    styles: Sequence[Example],
    *,
    levels: Sequence[int],
    matching: Matching,
    strength: float,
    side: int,
    watch: Watch,
) -> Tensor:
    """A picture with the style's statistics at these levels, the first of them first.

    Args:
        network: that decodes from each of the levels.
        content: the picture.
        styles: one or several, whose maps are averaged by their shares.
        levels: of 1 to 4.
        matching: of the features' moments.
        strength: of every level: from the feature as it is to the matched one.
        side: the long side of the copies that are worked on, at most.
        watch: called after every level.

    Returns:
        (1, 3, h, w) in [0, 1], of the size of the copy.
    """
    height, width = size = fitted(content.size, side)
    tell_reduced(content.size, size)
    picture = resized(content.picture, size).clamp(0, 1)
    labels = list(content.weights((1, 1)))
    targets = measured(network, styles, labels, levels, side)
    for done, level in enumerate(levels, start=1):
        here = padded_regions(Example(picture, content.regions), network.smallest)
        features, aside = network.encode(here.picture, level)
        feature = features[level]
        weights = here.weights((feature.shape[-2], feature.shape[-1]))
        moments = {label: Moments.of(feature[0], weight).for_factoring() for label, weight in weights.items()}
        maps = {label: solve(matching, one, targets[level][label]) for label, one in moments.items()}
        feature = change(feature, maps, weights, strength)
        picture = network.decode(feature, level, aside)[..., :height, :width].clamp(0, 1)
        watch(Step(done, len(levels), picture=picture))
    return picture


def measured(
    network: LevelAutoencoder,
    styles: Sequence[Example],
    labels: Sequence[str],
    levels: Sequence[int],
    side: int,
) -> Targets:
    """The moments of the styles at these levels, by region; a region that a style lacks has all of it."""
    found: dict[int, dict[str, list[tuple[Moments, float]]]]
    found = {level: {label: [] for label in labels} for level in levels}
    for style in styles:
        here = padded_regions(example_at(style, fitted(style.size, side)), network.smallest)
        features, _ = network.encode(here.picture, max(levels))
        for level in levels:
            feature = features[level]
            weights = here.weights((feature.shape[-2], feature.shape[-1]))
            for label, parts in found[level].items():
                parts.append((Moments.of(feature[0], weights.get(label)).cpu(), style.share))
    return {
        level: {
            label: parts[0][0] if len(parts) == 1 else Mixture(tuple(parts)) for label, parts in at.items()
        }
        for level, at in found.items()
    }


def whitening_colouring(content: Moments, style: Moments, *, ridge: float) -> Affine:
    """`zca` with a ridge that is a share of the content's mean variance."""
    return zca(content, style, ridge=ridge * float(content.covariance().diagonal().mean()))
