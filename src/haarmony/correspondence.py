"""Correspondence: soft regions of two pictures that belong together, without a mask or a model of objects.

Every place of both pictures is described by where it lies, its colour, its texture and a network's feature;
the places of both are clustered together, and what one cluster holds of each picture is a pair of regions.
Two photographs differ in light, which is the reason for a transfer; so each picture is described relative to
itself: bright for this picture, rough for this picture. What is not known are things: a white wall and a
white cloud at the same height are alike.

The clusters are a mixture of Gaussians with one spherical covariance, fitted by expectation and maximisation
(Dempster, Laird and Rubin 1977) from the best of some starts by k-means++ (Arthur and Vassilvitskii 2007).
"""

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

from haarmony.errors import InputError
from haarmony.texture import texture

MOST = 8
SMALLEST_SHARE = 0.02
"""Of a picture: a cluster that fills less of one side has no counterpart there."""

_HEIGHT, _WIDTH, _LIGHT, _COLOUR, _ROUGH, _DEEP = 1.5, 0.3, 1.0, 0.6, 1.0, 1.0
_COMPONENTS = 6
_STARTS = 8
_ROUNDS = 40
_LUMA_601 = (0.299, 0.587, 0.114)


@dataclass(frozen=True)
class View:
    """One of the two pictures.

    Attributes:
        picture: (1, 3, H, W) in [0, 1].
        deep: (1, C, h, w), a feature of it.
    """

    picture: Tensor
    deep: Tensor


def corresponding(content: View, style: View, count: int, *, seed: int = 0) -> tuple[Tensor, Tensor]:
    """Divide two pictures into soft regions, of which those with the same index belong together.

    Args:
        content: one picture.
        style: the other, of any size.
        count: of clusters, 2 to 8.
        seed: of the starts. The same seed and pictures give the same regions.

    Returns:
        For each picture the weights (count, h, w) of the regions at the size of its feature, float32; at
        every place they sum to 1. A region can be empty on either side.

    Raises:
        InputError: for another count.
    """
    check_count(count)
    sizes = [(view.deep.shape[-2], view.deep.shape[-1]) for view in (content, style)]
    points = torch.cat([torch.cat((_seen(content), _seen(style))), _deep(content.deep, style.deep)], 1)
    belongs = _clusters(points, count, torch.Generator().manual_seed(seed))
    weights, places = belongs.T.float(), sizes[0][0] * sizes[0][1]
    return weights[:, :places].reshape(count, *sizes[0]), weights[:, places:].reshape(count, *sizes[1])


def check_count(count: int) -> None:
    """Find out before any work whether there can be so many regions.

    Raises:
        InputError: for less than 2 or more than 8.
    """
    if not 2 <= count <= MOST:
        raise InputError(f"regions are found in 2 to {MOST} kinds, got {count}")


def _seen(view: View) -> Tensor:
    """(places, features): position, light, colour and roughness, relative to the picture itself; float64."""
    size = view.deep.shape[-2], view.deep.shape[-1]
    luma = torch.tensor(_LUMA_601, dtype=torch.float64).view(1, 3, 1, 1)
    picture = view.picture.detach().cpu().double()
    small = F.adaptive_avg_pool2d(picture, size)
    light = (small * luma).sum(1)
    fine = (texture(picture) * luma).sum(1, keepdim=True)
    rough = F.adaptive_avg_pool2d(fine.square(), size)[:, 0]
    rough = F.avg_pool2d(rough[None], 3, 1, 1, count_include_pad=False)[0].add(1e-5).log()
    red_green, blue_yellow = small[:, 0] - small[:, 1], small[:, 2] - (small[:, 0] + small[:, 1]) / 2
    spread = torch.stack((red_green, blue_yellow)).std((1, 2, 3), unbiased=False).norm().clamp_min(0.02)
    down = torch.linspace(-1, 1, size[0], dtype=torch.float64).view(-1, 1).expand(size)
    across = torch.linspace(-1, 1, size[1], dtype=torch.float64).abs().expand(size)
    features = [
        _HEIGHT * down,
        _WIDTH * across,
        _LIGHT * _relative(light),
        _COLOUR * (red_green - red_green.mean()) / spread,
        _COLOUR * (blue_yellow - blue_yellow.mean()) / spread,
        _ROUGH * _relative(rough),
    ]
    return torch.stack([feature.reshape(-1) for feature in features], 1)


def _relative(x: Tensor) -> Tensor:
    return (x - x.mean()) / x.std(unbiased=False).clamp_min(0.02)


def _deep(content: Tensor, style: Tensor) -> Tensor:
    """(places of both, components): features without each picture's mean, on their joint main axes."""
    parts = [one[0].detach().cpu().double().flatten(1).T for one in (content, style)]
    points = torch.cat([part - part.mean(0) for part in parts])
    main: Tensor = torch.linalg.eigh(points.T @ points).eigenvectors[:, -_COMPONENTS:]
    projected = points @ main
    size = projected.square().sum(1).mean().sqrt().clamp_min(1e-6)
    return projected * (_DEEP / size)


def _clusters(points: Tensor, count: int, generator: torch.Generator) -> Tensor:
    """(places, count): how much each place belongs to each cluster."""
    fits = [_fitted(points, _start(points, count, generator)) for _ in range(_STARTS)]
    return max(fits, key=lambda fit: fit[1])[0]


def _start(points: Tensor, count: int, generator: torch.Generator) -> Tensor:
    """(count, features): centres that k-means++ draws."""
    first = torch.randint(len(points), (1,), generator=generator)
    centres = points[first]
    while len(centres) < count:
        distance = torch.cdist(points, centres).min(1).values.square() + 1e-12
        centres = torch.cat((centres, points[torch.multinomial(distance, 1, generator=generator)]))
    return centres


def _fitted(points: Tensor, centres: Tensor) -> tuple[Tensor, float]:
    """What each place belongs to after some rounds, and the likelihood."""
    shares = torch.full((len(centres),), 1 / len(centres), dtype=points.dtype)
    variance = torch.cdist(points, centres).min(1).values.square().mean() / points.shape[1]
    likelihood = torch.zeros((), dtype=points.dtype)
    for _ in range(_ROUNDS):
        scores = shares.log() - torch.cdist(points, centres).square() / (2 * variance.clamp_min(1e-6))
        likelihood = scores.logsumexp(1).mean() - points.shape[1] / 2 * variance.clamp_min(1e-6).log()
        belongs = scores.softmax(1)
        mass = belongs.sum(0).clamp_min(1e-9)
        shares = mass / mass.sum()
        centres = belongs.T @ points / mass[:, None]
        variance = (belongs * torch.cdist(points, centres).square()).sum() / points.numel()
    return belongs, float(likelihood)
