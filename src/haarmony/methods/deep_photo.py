"""Deep Photo: neural style that stays a photograph (Luan, Paris, Shechtman and Bala, CVPR 2017).

Adds to neural style two things. The loss of style is taken in regions, sky to sky and house to house (their
eqs. 5 and 6). And the result may be no more than a locally affine map of the content's colours: the matting
Laplacian of the content, a quadratic form that is zero for such maps, is laid on the result (eqs. 2 to 4), so
that strokes and bent edges cost more than they gain. As in their code there are two stages: the style alone,
then the same with the regulariser. What is left of strokes a third step takes away, which replaces the result
by the affine map of the content that fits it best about each pixel; it also brings the result to full size.

Of all in this line it follows the style's textures closest, and takes minutes for every picture.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

from torch import Tensor

from haarmony.descent import Objective, Optimiser, minimise
from haarmony.guided import guide, guided_planes
from haarmony.losses import StyleLoss
from haarmony.matting import MattingLaplacian
from haarmony.methods.method import Example, Step, Transfer, Watch
from haarmony.methods.neural_style import NeuralStyle
from haarmony.methods.optimised import example_at, fitted, padded_regions
from haarmony.methods.settings import option, seed_option
from haarmony.networks.backbones import load_backbone

_MATTING_RIDGE = 1e-5
_RADIUS, _RIDGE = 4.0, 1e-4
"""Of the windows in which the result is explained by the content."""


@dataclass(frozen=True, kw_only=True)
class DeepPhoto(Transfer):
    """Photorealistic style transfer by optimisation with the matting Laplacian."""

    paper: ClassVar[str] = "Luan, Paris, Shechtman, Bala: Deep Photo Style Transfer, CVPR"
    year: ClassVar[int] = 2017
    needs: ClassVar[str] = "VGG-19's weights (nothing with backbone=compact)"
    takes_several: ClassVar[bool] = True

    steps: int = option(150, "of descent, at most, in each of two stages", least=1)
    matting_weight: float = option(1000.0, "of the matting Laplacian; 0 leaves the second stage out", least=0)
    refine: bool = option(True, "replace the result by local affine maps of the content")
    loss: StyleLoss = option("gram", "of style")
    style_weight: float = option(50.0, "of the loss of style", least=0)
    content_weight: float = option(1.0, "of the loss of content", least=0)
    style_layers: tuple[str, ...] | None = option(None, "of the backbone; none for its own choice")
    content_layers: tuple[str, ...] | None = option(None, "of the backbone; none for its own choice")
    side: int = option(384, "pixels of the long side that is worked on, at most", least=16)
    optimiser: Optimiser = option("lbfgs", "L-BFGS, or Adam, which needs less memory and more steps")
    flat: float = option(1e-3, "stop when 20 steps gain less than this share of the loss", least=0)
    seed: int = seed_option("of the waves of mmd-rbf")
    backbone: str = option("vgg19", "vgg19, compact, or a VGG's, ResNet's or EfficientNet-lite's state dict")

    def transferred(self, content: Example, styles: Sequence[Example], watch: Watch) -> Tensor:
        """See `Transfer.transferred`."""
        backbone = load_backbone(self.backbone, content.picture.device)
        height, width = fitted(content.size, self.side)
        copy = example_at(content, (height, width))
        padded = padded_regions(copy, backbone.smallest)
        there = [example_at(style, fitted(style.size, self.side)) for style in styles]
        painting = self._painter().objective(padded, there, backbone)
        stages = [painting]
        if self.matting_weight:
            stages.append(regularised(painting, padded.picture, self.matting_weight))
        made = padded.picture
        for number, objective in enumerate(stages):
            done = number * self.steps

            def told(step: int, loss: float, x: Tensor, done: int = done) -> None:
                watch(Step(done + step, len(stages) * self.steps, loss, x[..., :height, :width]))

            made = minimise(
                objective, made, optimiser=self.optimiser, steps=self.steps, flat=self.flat, watch=told
            )
        made = made[..., :height, :width].clamp(0, 1)
        if not self.refine and copy.size == content.size:
            return made
        guides = guide(copy.picture, made[0], radius=_RADIUS, ridge=_RIDGE)
        return guided_planes(content.picture, guides)[None]

    def _painter(self) -> NeuralStyle:
        return NeuralStyle(
            loss=self.loss,
            style_weight=self.style_weight,
            content_weight=self.content_weight,
            style_layers=self.style_layers,
            content_layers=self.content_layers,
            seed=self.seed,
            backbone=self.backbone,
        )


def regularised(objective: Objective, content: Tensor, weight: float) -> Objective:
    """An objective with the matting Laplacian of the content laid on the result, by the pixel.

    Args:
        objective: of a picture.
        content: (1, 3, H, W).
        weight: lambda.
    """
    laplacian = MattingLaplacian.of(content, ridge=_MATTING_RIDGE)
    share = weight / (content.shape[-2] * content.shape[-1])

    def both(x: Tensor) -> Tensor:
        planes = x[0]
        pull = laplacian(planes.detach())
        # L is symmetric, so that x^T L x has the gradient 2 L x; this has its value and its gradient.
        energy = 2 * (planes * pull).sum() - (planes.detach() * pull).sum()
        return objective(x) + share * energy

    return both
