"""Losses on pictures and features, differentiable: Gram matrices, structure, false gradient."""

import torch
import torch.nn.functional as F
from torch import Tensor

_LUMA_601 = (0.299, 0.587, 0.114)


def gram(feature: Tensor) -> Tensor:
    """F F^T / (C H W) of features (B, C, H, W), as (B, C, C) (Gatys et al., CVPR 2016, eq. 3)."""
    flat = feature.flatten(2)
    return flat @ flat.transpose(1, 2) / (feature.shape[1] * flat.shape[2])


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
