"""Texture synthesis: a new picture of a texture, of any size (Gatys, Ecker and Bethge, NIPS 2015).

The beginning of the line: a texture is what the Gram matrices of a network's features say of it, and a
picture of noise is changed until its own are the same. What is where is forgotten, as Gram matrices are sums
over places; so there is no content, and the result can have any size. For a large one the descent goes from
coarse to fine, so that structures larger than the reach of the network come out too.
"""

from __future__ import annotations

import os
import warnings
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, ClassVar

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from haarmony.descent import Objective, Optimiser, minimise
from haarmony.devices import full_precision
from haarmony.errors import HaarmonyWarning, InputError
from haarmony.losses import StyleLoss
from haarmony.media.image import Picture, to_pil
from haarmony.media.kinds import MaskLike, PictureLike, to_picture, to_tensor
from haarmony.methods.method import Example, Masks, Method, Step, Styles, Watch, unwatched
from haarmony.methods.optimised import enlarged, fitted, resized, scales, style_terms
from haarmony.methods.settings import option, seed_option
from haarmony.moments import Moments
from haarmony.networks.backbone import Backbone
from haarmony.networks.backbones import load_backbone


@dataclass(frozen=True, kw_only=True)
class TextureSynthesis(Method):
    """A texture of any size from an example."""

    paper: ClassVar[str] = "Gatys, Ecker, Bethge: Texture Synthesis Using Convolutional Neural Networks, NIPS"
    year: ClassVar[int] = 2015
    needs: ClassVar[str] = "VGG-19's weights (nothing with backbone=compact)"
    takes_style: ClassVar[bool] = False
    takes_masks: ClassVar[bool] = False

    size: tuple[int, int] | None = option(
        None, "of the result; none for the example's, reduced to side", least=8, most=4096
    )
    steps: int = option(200, "of descent, at most, at every scale", least=1)
    loss: StyleLoss = option("gram", "of style")
    layers: tuple[str, ...] | None = option(None, "of the backbone; none for its own choice")
    layer_weights: tuple[float, ...] | None = option(None, "of the layers; none for equal", least=0)
    side: int = option(384, "pixels of the example's long side, at most", least=16)
    scales: int = option(3, "from coarse to fine, each twice the size", least=1, most=5)
    optimiser: Optimiser = option("lbfgs", "L-BFGS, or Adam, which needs less memory and more steps")
    flat: float = option(1e-3, "stop when 20 steps gain less than this share of the loss", least=0)
    seed: int = seed_option("of noise, and of the waves of mmd-rbf")
    backbone: str = option("vgg19", "vgg19, compact, or a VGG's, ResNet's or EfficientNet-lite's state dict")

    def __call__(
        self,
        content: PictureLike | None,
        style: Styles | None = None,
        *,
        content_mask: MaskLike | None = None,
        style_mask: Masks = None,
        watch: Watch = unwatched,
    ) -> Any:
        """Make a texture.

        Args:
            content: the example, a picture of any kind that `to_tensor` takes but a batch.
            style: none.
            content_mask: none.
            style_mask: none.
            watch: called after every step.

        Returns:
            The same kind as the example, of `size`; without its alpha.

        Raises:
            ImageError: for a file that cannot be read.
            InputError: for a style, a mask, a batch, or layers that there are not.
            WeightsError: for weights that are missing or damaged.
        """
        if content is None:
            raise InputError("TextureSynthesis needs an example of the texture: give a picture")
        if style is not None or content_mask is not None or style_mask is not None:
            raise InputError("TextureSynthesis takes one example alone: leave style and masks out")
        if isinstance(content, (str, os.PathLike, Image.Image)):
            made: Picture = self(to_picture(content), watch=watch)
            return to_pil(made) if isinstance(content, Image.Image) else made
        if isinstance(content, Picture):
            made_of = self._made(to_tensor(content)[0], watch)
            return replace(content, pixels=to_picture(made_of).pixels, alpha=None)
        tensor, _ = to_tensor(content)
        if tensor.shape[0] != 1:
            raise InputError(f"expected one picture, got a batch of {tensor.shape[0]}: give them one by one")
        made_of = self._made(tensor, watch)
        if isinstance(content, Tensor):
            return made_of.to(content).view(*content.shape[:-2], *made_of.shape[-2:])
        like = np.zeros((*made_of.shape[-2:], 3), content.dtype)
        return to_tensor(like)[1](made_of)

    @full_precision()
    def _made(self, example: Tensor, watch: Watch) -> Tensor:
        example = self.placed(example)
        backbone = load_backbone(self.backbone, example.device)
        layers = self.layers or backbone.style_layers
        backbone.check(layers)
        whole = _size(example)
        example = resized(example, fitted(whole, self.side)).clamp(0, 1)
        if _size(example) != whole:
            warnings.warn(
                f"the example was reduced from {whole[1]} x {whole[0]} to {example.shape[-1]} x "
                f"{example.shape[-2]}, and its texture with it: give a larger side for more detail",
                HaarmonyWarning,
                stacklevel=2,
            )
        wanted = self.size or _size(example)
        sizes = list(scales(wanted, max(wanted), self.scales, 2 * backbone.smallest))
        made = self._noise(example, sizes[0])
        for number, size in enumerate(sizes):
            ratio = max(size) / max(wanted)
            here = max(1, round(example.shape[-2] * ratio)), max(1, round(example.shape[-1] * ratio))
            objective = self._objective(resized(example, here).clamp(0, 1), size, layers, backbone)
            done = number * self.steps

            def told(step: int, loss: float, x: Tensor, done: int = done) -> None:
                watch(Step(done + step, len(sizes) * self.steps, loss, x))

            start = enlarged(resized(made, size), backbone.smallest)
            made = minimise(
                objective, start, optimiser=self.optimiser, steps=self.steps, flat=self.flat, watch=told
            )[..., : size[0], : size[1]].clamp(0, 1)
        return made

    def _objective(
        self, example: Tensor, size: tuple[int, int], layers: tuple[str, ...], backbone: Backbone
    ) -> Objective:
        blank = Example(enlarged(example.new_zeros(1, 3, *size), backbone.smallest))
        terms = style_terms(
            backbone, blank, [Example(example)], loss=self.loss, layers=layers,
            weights=self.layer_weights, seed=self.seed,
        )  # fmt: skip

        def objective(x: Tensor) -> Tensor:
            features: Mapping[str, Tensor] = backbone.features(x, layers)
            return torch.stack([term(features) for term in terms]).sum()

        return objective

    def _noise(self, example: Tensor, size: tuple[int, int]) -> Tensor:
        """White noise with the mean and deviation of the example's colours."""
        generator = torch.Generator().manual_seed(self.seed)
        noise = torch.randn(1, 3, *size, generator=generator)
        moments = Moments.of(example[0]).cpu()
        mean, deviation = moments.mean, moments.covariance().diagonal().clamp_min(0).sqrt()
        return (mean.view(1, 3, 1, 1) + deviation.view(1, 3, 1, 1) * noise).to(example).clamp(0, 1)


def _size(x: Tensor) -> tuple[int, int]:
    return x.shape[-2], x.shape[-1]
