"""Pictures that are found by descent on losses of features: what Gatys' methods share."""

from __future__ import annotations

import warnings
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

from haarmony.errors import HaarmonyWarning, InputError
from haarmony.losses import Embedding, StyleLoss, embedding
from haarmony.methods.method import Example, paired_weights
from haarmony.networks.backbone import Backbone
from haarmony.windows import antialiased

_TINY = 1e-12


@dataclass(frozen=True)
class StyleTerm:
    """What the features of one layer shall have in one region.

    Attributes:
        layer: its name.
        share: of the loss.
        embed: of the features.
        wanted: the embedding of the style.
        size: its squared norm, by which the loss is divided, so that weights mean the same for every loss,
            layer and backbone.
        weight: (h, w) of the region at the layer; None for all alike.
    """

    layer: str
    share: float
    embed: Embedding
    wanted: Tensor
    size: Tensor
    weight: Tensor | None

    def __call__(self, features: Mapping[str, Tensor]) -> Tensor:
        """The loss, ()."""
        distance = (self.embed(features[self.layer], self.weight) - self.wanted).square().sum()
        return self.share * distance / self.size


@torch.no_grad()
def style_terms(
    backbone: Backbone,
    content: Example,
    styles: Sequence[Example],
    *,
    loss: StyleLoss,
    layers: Sequence[str],
    weights: Sequence[float] | None,
    seed: int,
) -> list[StyleTerm]:
    """The terms of all layers, regions and styles; their shares sum to 1.

    Args:
        backbone: whose features count.
        content: of the size of the result; its regions say where which style belongs.
        styles: with their shares.
        loss: of style.
        layers: of the backbone.
        weights: of each layer; None for all alike.
        seed: of a loss that is random.

    Raises:
        InputError: for unknown layers, weights that do not fit them, or pictures too small for the backbone.
    """
    shares = layer_shares(layers, weights)
    there = backbone.features(content.picture, layers)
    terms = []
    for style in (padded_regions(one, backbone.smallest) for one in styles):
        features = backbone.features(style.picture, layers)
        for layer, feature in features.items():
            embed = embedding(loss, feature, seed=seed)
            sizes = {"content_size": _size(there[layer]), "style_size": _size(feature)}
            for weight, own in paired_weights(content, style, **sizes):
                area = 1.0 if weight is None else float(weight.mean())
                if area <= 0 or (own is not None and float(own.sum()) <= 0):
                    continue
                wanted = embed(feature, own)
                share = shares[layer] * style.share * area
                size = wanted.square().sum().clamp_min(_TINY)
                terms.append(StyleTerm(layer, share, embed, wanted, size, weight))
    return terms


def layer_shares(layers: Sequence[str], weights: Sequence[float] | None) -> dict[str, float]:
    """How much each layer counts; together 1.

    Raises:
        InputError: for a layer that is named twice, or weights that do not fit the layers.
    """
    if len(set(layers)) < len(layers):
        raise InputError(f"each layer is named once, got {', '.join(layers)}")
    if weights is not None and (len(weights) != len(layers) or not sum(weights) > 0):
        raise InputError(f"each layer has a weight: got {len(weights)} weights for {', '.join(layers)}")
    given = weights or [1.0] * len(layers)
    return {layer: weight / sum(given) for layer, weight in zip(layers, given, strict=True)}


def scales(size: tuple[int, int], side: int, count: int, least: int) -> Iterator[tuple[int, int]]:
    """Sizes from coarse to fine, each twice the one before; the last has at most `side` on its long side."""
    height, width = fitted(size, side)
    for step in reversed(range(count)):
        here = max(1, round(height / 2**step)), max(1, round(width / 2**step))
        if step == 0 or min(here) >= least:
            yield here


def fitted(size: tuple[int, int], side: int) -> tuple[int, int]:
    """The size with a long side of at most so many pixels."""
    scale = min(1.0, side / max(size))
    return max(1, round(size[0] * scale)), max(1, round(size[1] * scale))


def resized(picture: Tensor, size: tuple[int, int]) -> Tensor:
    """A picture at another size, antialiased."""
    return antialiased(picture, size, "bicubic")


def enlarged(picture: Tensor, smallest: int) -> Tensor:
    """Borders repeated on the right and below a picture that is too small for a backbone."""
    height, width = _size(picture)
    missing = max(0, smallest - width), max(0, smallest - height)
    return F.pad(picture, (0, missing[0], 0, missing[1]), mode="replicate") if any(missing) else picture


def example_at(example: Example, size: tuple[int, int]) -> Example:
    """An example at another size; its regions find their own."""
    return Example(resized(example.picture, size).clamp(0, 1), example.regions, example.share)


def padded_regions(example: Example, smallest: int) -> Example:
    """An example that is large enough for a backbone, with regions that go on beyond its borders."""
    if min(example.size) >= smallest:
        return example
    regions = example.regions and example.regions.padded(example.size, smallest)
    return Example(enlarged(example.picture, smallest), regions, example.share)


def tell_reduced(size: tuple[int, int], worked: tuple[int, int]) -> None:
    """Say that the result comes from a reduced copy."""
    if worked != size:
        warnings.warn(
            f"worked on a copy of {worked[1]} x {worked[0]} and brought to {size[1]} x {size[0]}: "
            "give a larger side for more detail, which takes time and memory in proportion",
            HaarmonyWarning,
            stacklevel=3,
        )


def _size(x: Tensor) -> tuple[int, int]:
    return x.shape[-2], x.shape[-1]
