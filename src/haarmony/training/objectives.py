"""What a decoder of VGG-19 learns from: a picture that comes back, or one that gets another's statistics.

Errors count by their logarithm, so that no unit has to be balanced against another: the loss of a picture is
a PSNR.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor

from haarmony.matching import mean_std
from haarmony.moments import Moments
from haarmony.networks.pooled import PooledVGG19
from haarmony.training.inversion import Mirrored, trace

_SUPERVISED = ("conv3_2", "conv2_2", "conv1_2")
"""Convolutions that make, undone, the features between the levels."""


def log_error(made: Tensor, wanted: Tensor) -> Tensor:
    """The mean over a batch of the logarithm of the mean square error; ()."""
    return (made.float() - wanted.float()).square().mean((1, 2, 3)).add(1e-5).log().mean()


def decibels(error: Tensor) -> Tensor:
    """The PSNR that goes with a log error."""
    return error.detach() * (-10 / math.log(10))


def reconstruction(
    network: Mirrored, picture: Tensor, *, feature_weight: float, seen_weight: float = 0.0
) -> tuple[Tensor, Tensor]:
    """The loss of a batch that is encoded and decoded.

    Args:
        network: whose decoder learns, and its poolings where they do.
        picture: (B, 3, H, W).
        feature_weight: of the features between the decoder's levels beside the picture.
        seen_weight: of the features relu1_1 to relu3_1 of the decoded picture (Johnson et al., ECCV 2016).

    Returns:
        The loss and, for the log, the PSNR in dB.
    """
    given, made, skips = trace(network, picture)
    x = made[network.convolutions[-1]]
    loss = x.new_zeros((), dtype=torch.float32)
    for name in reversed(network.convolutions):
        x = network.undo(name, x, skips)
        if name in _SUPERVISED:
            loss = loss + feature_weight * log_error(x, given[name].detach())
    error = log_error(x, picture)
    loss = loss + error
    if seen_weight and isinstance(network, PooledVGG19):
        seen, _ = network.encode_all(x, level=min(3, network.level))
        loss = loss + seen_weight * sum(log_error(f, made[f"conv{level}_1"]) for level, f in seen.items())
    return loss, decibels(error)


def stylisation(network: PooledVGG19, picture: Tensor, *, style_weight: float) -> tuple[Tensor, Tensor]:
    """The loss of AdaIN's decoder (Huang and Belongie, ICCV 2017, eqs. 11 to 13).

    Each picture gets the channel statistics of the one before it in the batch.

    Args:
        network: to relu4_1.
        picture: (B, 3, H, W).
        style_weight: of the style beside the content.

    Returns:
        The loss and, for the log, the relative error of the content in dB.
    """
    with torch.no_grad():
        own, poolings = network.encode_all(picture)
        deepest = own[network.level]
        moments = [Moments.of(feature) for feature in deepest]
        pairs = zip(deepest, moments, [moments[-1], *moments[:-1]], strict=True)
        wanted = torch.cat([mean_std(content, style)(feature[None]) for feature, content, style in pairs])
    seen, _ = network.encode_all(network.decode(wanted, poolings))
    content = (seen[network.level].float() - wanted.float()).square().mean((1, 2, 3))
    style = sum(
        (statistics(seen[level]) - statistics(own[level]).roll(1, 0)).square().mean((1, 2)) for level in seen
    )
    return (content + style_weight * style).add(1e-5).log().mean(), decibels(content.log().mean())


def statistics(feature: Tensor) -> Tensor:
    """Mean and standard deviation of each channel, in float32: (B, 2, C)."""
    feature = feature.float()
    return torch.stack([feature.mean((2, 3)), feature.var((2, 3)).add(1e-5).sqrt()], 1)
