"""Neural style: a photo painted as a painting, by optimisation (Gatys, Ecker and Bethge, CVPR 2016).

Adds to texture synthesis a loss of content: the picture keeps the deep features of one picture while its Gram
matrices become those of another. Li et al. (IJCAI 2017) showed that the loss of style is a distance between
distributions, the squared MMD with a polynomial kernel; `loss` takes their others. Control over colours,
several styles and regions follows Gatys et al. 2016 (arXiv:1606.05897) and CVPR 2017. Every picture takes
minutes, which the feed-forward methods do away with; and edges bend as brush strokes do, which is no fault in
a painting and the reason for the photorealistic methods.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar, Literal

import torch
from torch import Tensor

from haarmony.descent import Objective, Optimiser, minimise
from haarmony.losses import StyleLoss, total_variation
from haarmony.methods.colours import PRESERVE, offered, prepared, restored
from haarmony.methods.method import Example, Step, Transfer, Watch
from haarmony.methods.optimised import (
    enlarged,
    example_at,
    fitted,
    layer_shares,
    padded_regions,
    resized,
    scales,
    style_terms,
    tell_reduced,
)
from haarmony.methods.settings import option, seed_option
from haarmony.networks.backbone import Backbone
from haarmony.networks.backbones import load_backbone

_TINY = 1e-12
_NOISE = 0.1


@dataclass(frozen=True, kw_only=True)
class NeuralStyle(Transfer):
    """Style transfer by optimisation of the picture.

    Each loss is divided by its size: that of content by the spread of the content's own features, that of
    style by the squared norm of the style's statistics. So weights mean the same for every loss and backbone.
    """

    paper: ClassVar[str] = "Gatys, Ecker, Bethge: Image Style Transfer Using Convolutional Networks, CVPR"
    year: ClassVar[int] = 2016
    needs: ClassVar[str] = "VGG-19's weights (nothing with backbone=compact)"
    takes_several: ClassVar[bool] = True

    steps: int = option(200, "of descent, at most, at every scale", least=1)
    loss: StyleLoss = option("gram", "of style")
    style_weight: float = option(20.0, "of the loss of style", least=0)
    content_weight: float = option(1.0, "of the loss of content", least=0)
    smoothness: float = option(0.0, "weight of the total variation", least=0)
    style_layers: tuple[str, ...] | None = option(None, "of the backbone; none for its own choice")
    style_layer_weights: tuple[float, ...] | None = option(
        None, "of the style layers; none for equal", least=0
    )
    content_layers: tuple[str, ...] | None = option(None, "of the backbone; none for its own choice")
    start: Literal["content", "noise", "style"] = option("content", "what the descent begins with")
    preserve: Literal["none", "luminance", "matching"] = option("none", PRESERVE)
    side: int = option(384, "pixels of the long side that is worked on, at most", least=16)
    scales: int = option(2, "from coarse to fine, each twice the size", least=1, most=5)
    optimiser: Optimiser = option("lbfgs", "L-BFGS, or Adam, which needs less memory and more steps")
    flat: float = option(1e-3, "stop when 20 steps gain less than this share of the loss", least=0)
    seed: int = seed_option("of noise, and of the waves of mmd-rbf")
    backbone: str = option("vgg19", "vgg19, compact, or a VGG's, ResNet's or EfficientNet-lite's state dict")

    def transferred(self, content: Example, styles: Sequence[Example], watch: Watch) -> Tensor:
        """See `Transfer.transferred`."""
        backbone = load_backbone(self.backbone, content.picture.device)
        backbone.check((*self._style_layers(backbone), *self._content_layers(backbone)))
        styles = [prepared(content, style, self.preserve) for style in styles]
        seen = offered(content, self.preserve)
        made: Tensor | None = None
        sizes = list(scales(content.size, self.side, self.scales, 2 * backbone.smallest))
        for number, size in enumerate(sizes):
            made = self._at(size, number, len(sizes), seen, styles, made, backbone, watch)
        assert made is not None
        tell_reduced(content.size, sizes[-1])
        return restored(content.picture, resized(made, content.size), self.preserve)

    def _at(
        self,
        size: tuple[int, int],
        number: int,
        count: int,
        content: Example,
        styles: Sequence[Example],
        coarser: Tensor | None,
        backbone: Backbone,
        watch: Watch,
    ) -> Tensor:
        """The picture at one scale."""
        here = example_at(content, size)
        largest = max(size)
        there = [example_at(style, fitted(style.size, largest)) for style in styles]
        start = self._start(here, there, size) if coarser is None else resized(coarser, size)
        padded = padded_regions(here, backbone.smallest)
        objective = self.objective(padded, there, backbone)

        def told(step: int, loss: float, x: Tensor) -> None:
            picture = x[..., : size[0], : size[1]]
            watch(Step(number * self.steps + step, count * self.steps, loss, picture))

        made = minimise(
            objective,
            enlarged(start, backbone.smallest),
            optimiser=self.optimiser,
            steps=self.steps,
            flat=self.flat,
            watch=told,
        )
        return made[..., : size[0], : size[1]].clamp(0, 1)

    def objective(self, content: Example, styles: Sequence[Example], backbone: Backbone) -> Objective:
        """The loss of a picture of the content's size, which is large enough for the backbone."""
        style_layers, content_layers = self._style_layers(backbone), self._content_layers(backbone)
        terms = style_terms(
            backbone, content, styles, loss=self.loss, layers=style_layers,
            weights=self.style_layer_weights, seed=self.seed,
        )  # fmt: skip
        with torch.no_grad():
            kept = backbone.features(content.picture, content_layers) if self.content_weight else {}
        spreads = {name: _spread(feature) for name, feature in kept.items()}
        shares = layer_shares(content_layers, None)
        wanted = {*style_layers, *kept}

        def objective(x: Tensor) -> Tensor:
            features = backbone.features(x, wanted)
            loss = self.style_weight * torch.stack([term(features) for term in terms]).sum()
            for name, feature in kept.items():
                distance = (features[name] - feature).square().mean() / spreads[name]
                loss = loss + self.content_weight * shares[name] * distance
            return loss + self.smoothness * total_variation(x) if self.smoothness else loss

        return objective

    def _style_layers(self, backbone: Backbone) -> tuple[str, ...]:
        return self.style_layers or backbone.style_layers

    def _content_layers(self, backbone: Backbone) -> tuple[str, ...]:
        return self.content_layers or backbone.content_layers

    def _start(self, content: Example, styles: Sequence[Example], size: tuple[int, int]) -> Tensor:
        if self.start == "content":
            return content.picture.clone()
        if self.start == "style":
            return resized(styles[0].picture, size).clamp(0, 1)
        generator = torch.Generator().manual_seed(self.seed)
        noise = torch.randn(1, 3, *size, generator=generator).to(content.picture.device)
        return (0.5 + _NOISE * noise).clamp(0, 1)


def _spread(feature: Tensor) -> Tensor:
    return (feature - feature.mean((2, 3), keepdim=True)).square().mean().clamp_min(_TINY)
