"""Losses on pictures and features, differentiable: style, structure, smoothness, false gradient.

A loss of style compares distributions of features, and each here is the squared distance between two mean
embeddings: E of phi over the positions of one picture and of the other (Li et al., IJCAI 2017, section 3).
With the kernel k(x, y) = phi(x) . phi(y) that is the squared maximum mean discrepancy; Gatys' Gram matrix is
the mean embedding of k(x, y) = (x . y)^2.
"""

from collections.abc import Callable
from typing import Literal, TypeAlias, get_args

import torch
import torch.nn.functional as F
from torch import Tensor

_LUMA_601 = (0.299, 0.587, 0.114)


def gram(feature: Tensor) -> Tensor:
    """F F^T / (C H W) of features (B, C, H, W), as (B, C, C) (Gatys et al., CVPR 2016, eq. 3)."""
    flat = feature.flatten(2)
    return flat @ flat.transpose(1, 2) / (feature.shape[1] * flat.shape[2])


StyleLoss: TypeAlias = Literal["gram", "mmd-linear", "mmd-poly", "mmd-rbf", "bn"]
STYLE_LOSSES: tuple[StyleLoss, ...] = get_args(StyleLoss)

Embedding: TypeAlias = Callable[[Tensor, Tensor | None], Tensor]
"""Features (1, C, H, W) and weights (H, W) >= 0, or None, to the mean embedding, a vector."""

_WAVES = 256
_TINY = 1e-12


def embedding(loss: StyleLoss, style: Tensor, *, offset: float = 1.0, seed: int = 0) -> Embedding:
    """The mean embedding whose squared distance is a loss of style.

    - `gram`: Gram matrices (Gatys et al. 2016), the MMD with k(x, y) = (x . y)^2;
    - `mmd-linear`: k(x, y) = x . y, thus the means;
    - `mmd-poly`: k(x, y) = (x . y + c)^2 in units of the style's mean square, thus Gram matrices and means;
    - `mmd-rbf`: k(x, y) = exp(-|x - y|^2 / (2 s^2)) with s^2 the mean squared distance of two features of the
      style, by random Fourier features (Rahimi and Recht 2007): linear in the number of positions;
    - `bn`: mean and standard deviation of each channel (Li et al. 2017, eq. 13).

    Args:
        loss: which.
        style: (1, C, H, W), features that give a kernel its scale.
        offset: c of `mmd-poly`.
        seed: of the waves of `mmd-rbf`.
    """
    flat = style.detach().flatten(2)[0]
    if loss == "gram":
        return _second
    if loss == "mmd-linear":
        return _first
    if loss == "mmd-poly":
        share = (2 * offset * flat.square().sum(0).mean()).sqrt()
        return lambda x, w: torch.cat((_second(x, w), share * _first(x, w)))
    if loss == "bn":
        return lambda x, w: torch.cat(_mean_and_deviation(x, w))
    generator = torch.Generator().manual_seed(seed)
    scale = (2 * flat.var(1, correction=0).sum()).sqrt().clamp_min(_TINY)
    directions = torch.randn(_WAVES, flat.shape[0], generator=generator).to(flat) / scale
    centre = flat.mean(1)

    def waves(x: Tensor, w: Tensor | None) -> Tensor:
        phase = directions @ (x.flatten(2)[0] - centre[:, None])
        both = torch.cat((phase.cos(), phase.sin())) / _WAVES**0.5
        return _mean(both, w)

    return waves


def mmd_squared(
    x: Tensor, y: Tensor, kernel: Callable[[Tensor], Tensor], *, unbiased: bool = False
) -> Tensor:
    """The squared maximum mean discrepancy of two samples by its double sums (Gretton et al. 2012, lemma 6).

    Quadratic in the sample sizes; `embedding` gives the same in linear time.

    Args:
        x: (N, C).
        y: (M, C).
        kernel: from the stacked pairs, (..., 2, C), to (...).
        unbiased: leave a feature's pairs with itself out.
    """

    def mean(a: Tensor, b: Tensor, *, same: bool) -> Tensor:
        shape = len(a), len(b), a.shape[1]
        pairs = torch.stack((a[:, None].expand(shape), b[None].expand(shape)), 2)
        values = kernel(pairs)
        if not (same and unbiased):
            return values.mean()
        count = len(a)
        return (values.sum() - values.diagonal().sum()) / (count * (count - 1))

    return mean(x, x, same=True) + mean(y, y, same=True) - 2 * mean(x, y, same=False)


def total_variation(picture: Tensor) -> Tensor:
    """The mean squared difference of neighbours of (B, C, H, W)."""
    down, across = picture.diff(dim=-2), picture.diff(dim=-1)
    return down.square().sum() / picture.numel() + across.square().sum() / picture.numel()


def _mean(flat: Tensor, weight: Tensor | None) -> Tensor:
    """The mean (C,) of (C, N), by weights."""
    if weight is None:
        return flat.mean(1)
    w = weight.flatten()
    return flat @ w / w.sum().clamp_min(_TINY)


def _first(x: Tensor, weight: Tensor | None) -> Tensor:
    return _mean(x.flatten(2)[0], weight)


def _second(x: Tensor, weight: Tensor | None) -> Tensor:
    flat = x.flatten(2)[0]
    if weight is None:
        return (flat @ flat.T / flat.shape[1]).flatten()
    w = weight.flatten()
    return ((flat * w) @ flat.T / w.sum().clamp_min(_TINY)).flatten()


def _mean_and_deviation(x: Tensor, weight: Tensor | None) -> tuple[Tensor, Tensor]:
    flat = x.flatten(2)[0]
    mean = _mean(flat, weight)
    variance = _mean((flat - mean[:, None]).square(), weight)
    return mean, (variance + _TINY).sqrt()


def gram_distances(a: list[Tensor], b: list[Tensor]) -> Tensor:
    """Sums of squared differences of Gram matrices, (layers, B)."""
    return torch.stack([(x - y).square().sum((1, 2)) for x, y in zip(a, b, strict=True)])


def luma(picture: Tensor) -> Tensor:
    """ITU-R BT.601 luma (B, 1, H, W) of pictures (B, 3, H, W)."""
    return (picture * picture.new_tensor(_LUMA_601).view(1, 3, 1, 1)).sum(1, keepdim=True)


def edges(gray: Tensor) -> Tensor:
    """Sobel gradient magnitude of (B, 1, H, W)."""
    smooth, step = gray.new_tensor([1.0, 2.0, 1.0]), gray.new_tensor([-1.0, 0.0, 1.0])
    kernels = torch.stack([torch.outer(step, smooth), torch.outer(smooth, step)])[:, None]
    return (
        F.conv2d(F.pad(gray, (1, 1, 1, 1), mode="replicate"), kernels)
        .square()
        .sum(1, keepdim=True)
        .add(1e-8)
        .sqrt()
    )


def ssim(a: Tensor, b: Tensor, *, window: int = 7) -> Tensor:
    """Mean structural similarity (B,) of (B, 1, H, W) in 0..1 (Wang et al. 2004), over a uniform window."""
    mean_a, mean_b = F.avg_pool2d(a, window, 1), F.avg_pool2d(b, window, 1)
    variance_a = F.avg_pool2d(a * a, window, 1) - mean_a**2
    variance_b = F.avg_pool2d(b * b, window, 1) - mean_b**2
    covariance = F.avg_pool2d(a * b, window, 1) - mean_a * mean_b
    c1, c2 = 0.01**2, 0.03**2
    similarity = (2 * mean_a * mean_b + c1) * (2 * covariance + c2)
    similarity = similarity / ((mean_a**2 + mean_b**2 + c1) * (variance_a + variance_b + c2))
    return similarity.mean((1, 2, 3))


def false_gradient(content: Tensor, output: Tensor, *, scale: float = 3.0, flat: float = 0.0035) -> Tensor:
    """1000 x the mean gradient (B,) that the output has beyond the content's where the content is flat.

    Args:
        content: (B, 3, H, W) in [0, 1].
        output: the same shape; its gradient is divided by its gain in contrast.
        scale: of the Gaussian derivative in pixels.
        flat: gradient magnitude below which the content counts as flat.
    """
    before, after = _gradient(content, scale), _gradient(output, scale)
    gain = (
        output.std((1, 2, 3), keepdim=True) / content.std((1, 2, 3), keepdim=True).clamp_min(1e-6)
    ).clamp_min(0.3)
    mask = (before < flat).to(output.dtype)
    excess = F.relu(after / gain - before) * mask
    return excess.sum((1, 2, 3)) / mask.sum((1, 2, 3)).clamp_min(1) * 1000


def _gradient(picture: Tensor, scale: float) -> Tensor:
    reach = round(3 * scale)
    taps = torch.arange(-reach, reach + 1, dtype=picture.dtype, device=picture.device)
    bell = torch.exp(-0.5 * (taps / scale) ** 2)
    bell = bell / bell.sum()
    slope = taps / scale**2 * bell
    flat = picture.reshape(-1, 1, *picture.shape[-2:])
    flat = F.pad(flat, (reach, reach, reach, reach), mode="replicate")
    horizontal = F.conv2d(F.conv2d(flat, slope.view(1, 1, 1, -1)), bell.view(1, 1, -1, 1))
    vertical = F.conv2d(F.conv2d(flat, bell.view(1, 1, 1, -1)), slope.view(1, 1, -1, 1))
    squares = (horizontal.square() + vertical.square()).view(*picture.shape)
    return squares.sum(1, keepdim=True).add(1e-10).sqrt()
