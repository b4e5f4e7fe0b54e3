"""Correspondence: soft regions of two pictures that belong together, without a mask or a model of objects.

Every place of both pictures is described by where it lies, its colour, its texture and a network's feature;
the places of both are clustered together, and what one cluster holds of each picture is a pair of regions.
Two photographs differ in light, which is the reason for a transfer; so each picture is described relative to
itself: bright for this picture, rough for this picture. What is not known are things: a white wall and a
white cloud at the same height are alike.

The clusters are a mixture of Gaussians with one spherical covariance, fitted by expectation and maximisation
(Dempster, Laird and Rubin 1977) from the best of some starts by k-means++ (Arthur and Vassilvitskii 2007).
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from operator import index

import torch
import torch.nn.functional as F
from torch import Tensor

from haarmony.errors import InputError
from haarmony.texture import texture

MOST = 8
SMALLEST_SHARE = 0.02
"""Of a picture: a cluster that fills less of one side has no counterpart there."""

_HEIGHT, _WIDTH, _LIGHT, _COLOUR, _ROUGH, _DEEP = 1.5, 0.3, 1.0, 0.6, 1.0, 1.0
_POSITION, _SEEN = 2, 6
"""Of what a place is described by: its position comes first, the deep feature last."""

_COARSE = 1 / 88
"""Of the long side: roughness that noise does not change."""

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


@dataclass(frozen=True)
class Usual:
    """What is usual in some pictures, which their places are described relative to.

    Attributes:
        mean: (6 + C,), of position, light, two colours, roughness and the deep feature.
        factor: (6 + C,), what the difference from it counts.
    """

    mean: Tensor
    factor: Tensor

    def towards(self, other: "Usual", share: float) -> "Usual":
        """What is usual between here and there."""
        return Usual(self.mean.lerp(other.mean, share), self.factor.lerp(other.factor, share))


@dataclass(frozen=True)
class Kinds:
    """Kinds of places: a mixture of Gaussians.

    Attributes:
        axes: (C, components), what of the deep feature counts.
        centres: (count, 6 + components).
        shares: (count,), of all places.
        variance: of every kind, in every direction.
    """

    axes: Tensor
    centres: Tensor
    shares: Tensor
    variance: Tensor

    def weights(self, view: View, usual: Usual) -> Tensor:
        """How much each place of a picture belongs to each kind: (count, h, w) float32, together 1."""
        scores = self.scores(_on_axes(_described(view), usual, self.axes))
        return scores.softmax(1).T.float().reshape(-1, view.deep.shape[-2], view.deep.shape[-1])

    def scores(self, points: Tensor) -> Tensor:
        """(places, count): the logarithms of share and density, but for a constant."""
        return self.shares.log() - self._squares(points) / (2 * self.variance.clamp_min(1e-6))

    def likelihood(self, points: Tensor, masses: Tensor) -> float:
        """The mean logarithm of the density."""
        each = self.scores(points).logsumexp(1) - points.shape[1] / 2 * self.variance.clamp_min(1e-6).log()
        return float((masses * each).sum() / masses.sum())

    def refined(self, points: Tensor, masses: Tensor) -> "Kinds":
        """After one more round of expectation and maximisation."""
        belongs = masses[:, None] * self.scores(points).softmax(1)
        mass = belongs.sum(0).clamp_min(1e-9)
        moved = replace(self, centres=belongs.T @ points / mass[:, None], shares=mass / mass.sum())
        variance = (belongs * moved._squares(points)).sum() / (masses.sum() * points.shape[1])
        return replace(moved, variance=variance)

    def _squares(self, points: Tensor) -> Tensor:
        return torch.cdist(points, self.centres).square()


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
    common = kinds([content], [style], count, seed=seed)
    return common.weights(content, usual([content])), common.weights(style, usual([style]))


def kinds(contents: Sequence[View], styles: Sequence[View], count: int, *, seed: int = 0) -> Kinds:
    """The kinds of places that some contents and some styles have in common.

    Both sides count alike, whatever their sizes, and so does each of the styles.

    Args:
        contents: pictures that are described relative to what is usual in all of them, such as frames.
        styles: pictures that are each described relative to themselves.
        count: of kinds, 2 to 8.
        seed: of the starts.

    Raises:
        InputError: for another count.
    """
    check_count(count)
    theirs = [[_described(style)] for style in styles]
    sides = [([_described(content) for content in contents], 1 / 2)]
    sides += [(one, 1 / (2 * len(styles))) for one in theirs]
    described = [(_relative(places, _usual(places)), share) for places, share in sides]
    relative = torch.cat([places for places, _ in described])
    masses = torch.cat([_masses(len(places), share * len(relative)) for places, share in described])
    axes = _main_axes(relative[:, _SEEN:], masses)
    points = torch.cat((relative[:, :_SEEN], relative[:, _SEEN:] @ axes), 1)
    generator = torch.Generator().manual_seed(seed)
    fits = [_fitted(points, masses, axes, _start(points, masses, count, generator)) for _ in range(_STARTS)]
    return max(fits, key=lambda fit: fit.likelihood(points, masses))


def usual(views: Sequence[View]) -> Usual:
    """What is usual in pictures that belong together."""
    return _usual([_described(view) for view in views])


def check_count(count: int) -> None:
    """Find out before any work whether there can be so many regions.

    Raises:
        InputError: for less than 2 or more than 8, and for what is no whole number.
    """
    try:
        possible = 2 <= index(count) <= MOST
    except TypeError:
        possible = False
    if not possible:
        raise InputError(f"regions are found in 2 to {MOST} kinds, got {count!r}")


def _described(view: View) -> Tensor:
    """(places, 6 + C): position, light, colours, roughness and the deep feature; float64."""
    size = view.deep.shape[-2], view.deep.shape[-1]
    luma = torch.tensor(_LUMA_601, dtype=torch.float64).view(1, 3, 1, 1)
    picture = view.picture.detach().cpu().double()
    small = F.adaptive_avg_pool2d(picture, size)
    light = (small * luma).sum(1)
    fine = (texture(picture, scale=_COARSE) * luma).sum(1, keepdim=True)
    rough = F.adaptive_avg_pool2d(fine.square(), size)[:, 0]
    rough = F.avg_pool2d(rough[None], 3, 1, 1, count_include_pad=False)[0].add(1e-5).log()
    red_green, blue_yellow = small[:, 0] - small[:, 1], small[:, 2] - (small[:, 0] + small[:, 1]) / 2
    down = torch.linspace(-1, 1, size[0], dtype=torch.float64).view(-1, 1).expand(size)
    across = torch.linspace(-1, 1, size[1], dtype=torch.float64).abs().expand(size)
    seen = [down, across, light, red_green, blue_yellow, rough]
    deep = view.deep[0].detach().cpu().double().flatten(1).T
    return torch.cat([torch.stack([one.reshape(-1) for one in seen], 1), deep], 1)


def _usual(places: Sequence[Tensor]) -> Usual:
    together = torch.cat(list(places))
    mean, spread = together.mean(0), together.std(0, unbiased=False)
    mean[:_POSITION] = 0
    colours = spread[3:5].norm().clamp_min(0.02)
    factor = torch.ones_like(mean)
    factor[:_POSITION] = torch.tensor([_HEIGHT, _WIDTH])
    factor[2] = _LIGHT / spread[2].clamp_min(0.02)
    factor[3:5] = _COLOUR / colours
    factor[5] = _ROUGH / spread[5].clamp_min(0.02)
    return Usual(mean, factor)


def _relative(places: Sequence[Tensor], usual: Usual) -> Tensor:
    return (torch.cat(list(places)) - usual.mean) * usual.factor


def _on_axes(places: Tensor, usual: Usual, axes: Tensor) -> Tensor:
    relative = _relative([places], usual)
    return torch.cat((relative[:, :_SEEN], relative[:, _SEEN:] @ axes), 1)


def _main_axes(deep: Tensor, masses: Tensor) -> Tensor:
    """(C, components): the main axes of the features of both sides, scaled to what they are to count."""
    main: Tensor = torch.linalg.eigh((masses[:, None] * deep).T @ deep).eigenvectors[:, -_COMPONENTS:]
    size = ((masses * (deep @ main).square().sum(1)).sum() / masses.sum()).sqrt().clamp_min(1e-6)
    return main * (_DEEP / size)


def _masses(count: int, together: float) -> Tensor:
    """(count,): of places that all count alike."""
    return torch.full((count,), together / count, dtype=torch.float64)


def _start(points: Tensor, masses: Tensor, count: int, generator: torch.Generator) -> Tensor:
    """(count, features): centres that k-means++ draws."""
    first = torch.randint(len(points), (1,), generator=generator)
    centres = points[first]
    while len(centres) < count:
        distance = masses * (torch.cdist(points, centres).min(1).values.square() + 1e-12)
        centres = torch.cat((centres, points[torch.multinomial(distance, 1, generator=generator)]))
    return centres


def _fitted(points: Tensor, masses: Tensor, axes: Tensor, centres: Tensor) -> Kinds:
    """The mixture after some rounds."""
    nearest = torch.cdist(points, centres).min(1).values.square()
    variance = (masses * nearest).sum() / (masses.sum() * points.shape[1])
    found = Kinds(axes, centres, torch.full((len(centres),), 1 / len(centres)).to(points), variance)
    for _ in range(_ROUNDS - 1):
        found = found.refined(points, masses)
    return found
