"""Gram distance: how far a picture's VGG-19 feature correlations are from the style's (Gatys et al. 2016)."""

from collections.abc import Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image
from torch import Tensor

from haarmony.losses import gram
from haarmony.networks.vgg_features import VGGFeatures

LONG_SIDE = 512


@torch.no_grad()
def grams(network: VGGFeatures, picture: NDArray[np.floating]) -> list[Tensor]:
    """The Gram matrices of relu1_1 to relu4_1 of a picture reduced (Lanczos) to a long side of at most 512.

    Args:
        network: VGG-19 with zero padding.
        picture: (H, W, 3), sRGB in [0, 1].
    """
    return [gram(feature)[0] for feature in network(reduced_for_grams(picture))]


def reduced_for_grams(picture: NDArray[np.floating]) -> Tensor:
    """(1, 3, h, w): a picture (H, W, 3) in [0, 1], reduced (Lanczos) to a long side of at most 512."""
    image = Image.fromarray(np.round(np.clip(picture, 0, 1) * 255).astype(np.uint8))
    scale = LONG_SIDE / max(image.size)
    if scale < 1:
        width, height = (max(1, round(side * scale)) for side in image.size)
        image = image.resize((width, height), Image.Resampling.LANCZOS)
    return torch.from_numpy(np.array(image)).permute(2, 0, 1)[None].float() / 255


def gram_distance(a: Sequence[Tensor], b: Sequence[Tensor]) -> float:
    """The mean over the layers of the sum of squared differences."""
    return float(
        np.mean([float((x.double() - y.double()).square().sum()) for x, y in zip(a, b, strict=True)])
    )


def gram_ratio(
    network: VGGFeatures,
    content: NDArray[np.floating],
    style: NDArray[np.floating],
    output: NDArray[np.floating],
) -> float:
    """Gram distance of the output to the style over that of the untouched content (1 = no style moved)."""
    wanted = grams(network, style)
    untouched = gram_distance(grams(network, content), wanted)
    return gram_distance(grams(network, output), wanted) / untouched if untouched > 0 else 0.0
