"""Carry: bring a change of colour found on a reduced copy to the full picture as a smooth field of maps.

At each place of a coarse grid the stylized copy is regressed on the content's colours, y ~ A x + b, over a
Gaussian window; the field (A, b) is smooth, and is applied to the full picture. So the result is locally an
affine function of the content: every edge is the content's own, and flat sky stays flat (the photorealism
condition of Levin et al. 2008 and Luan et al. 2017; the guided filter of He et al. 2013 with a colour guide,
whose ridge here leads to the map of the whole picture instead of to zero, so that texture keeps its contrast
where colours hardly vary).
"""

import torch
import torch.nn.functional as F
from torch import Tensor

CELLS = 32
SIGMA = 4.0
RIDGE = 1e-3
KEEP = 0.3
LARGEST_GAIN = 4.0
_BAND = 1 << 16
"""Pixels that are mapped at once: few enough for their maps to stay in the cache."""
_LUMA_601 = (0.299, 0.587, 0.114)


def affine_field(
    reduced: Tensor, stylized: Tensor, *, sigma: float = SIGMA, ridge: float = RIDGE, keep: float = KEEP
) -> Tensor:
    """The field of affine maps from a picture to its stylized version.

    Args:
        reduced: (B, 3, h, w), the content at the size of `stylized`, in [0, 1].
        stylized: (B, 3, h, w).
        sigma: of the Gaussian window, in cells of a grid with 32 cells along the long side.
        ridge: variance of colour, in squared units of [0, 1], below which the map of the whole picture takes
            over.
        keep: how much of the content's own local contrast is kept: where the fitted map changes the contrast
            of the luma by a factor g, the field changes it by g^(1 - keep). The mean colour stays the fit's.

    Returns:
        (B, 12, rows, columns): the nine entries of A by rows, then b.
    """
    height, width = reduced.shape[-2:]
    scale = min(1.0, CELLS / max(height, width))
    cells = max(1, round(height * scale)), max(1, round(width * scale))
    maps = [reduced, stylized]
    for i in range(3):
        maps += [reduced[:, i : i + 1] * reduced, reduced[:, i : i + 1] * stylized]
    sums = torch.cat([F.adaptive_avg_pool2d(one, cells) for one in maps], 1)
    _, _, xx, xy = _covariances(sums.mean((2, 3), keepdim=True))
    everywhere = _regression(xx, xy, torch.eye(3, dtype=sums.dtype, device=sums.device), 1e-6)
    x, y, xx, xy = _covariances(_blur(sums, sigma))
    matrix = _regression(xx, xy, everywhere, ridge)
    matrix = _bounded(matrix) * _luma_gain(matrix, xx, ridge) ** -keep
    offset = y - (matrix @ x[..., None])[..., 0]
    field = torch.cat((matrix.flatten(3), offset), -1).permute(0, 3, 1, 2)
    return _blur(field, sigma / 2)


def apply_field(content: Tensor, field: Tensor, *, top: int = 0, height: int | None = None) -> Tensor:
    """Map every pixel by the field's affine map at its place; the result is not clipped.

    Args:
        content: (B, 3, H, W), the picture, or a band of its rows.
        field: (B, 12, rows, columns), from `affine_field`.
        top: the picture's row that the band begins with.
        height: of the whole picture; H if None.

    Returns:
        (B, 3, H, W). Bands of a picture are mapped as the whole is.
    """
    rows, width = content.shape[-2:]
    cells = field.shape[-2]
    across = F.interpolate(field, (cells, width), mode="bilinear", align_corners=False)
    down = _interpolation(cells, height or rows, field)[top : top + rows]
    mapped = torch.empty_like(content)
    step = max(1, _BAND // width)
    for start in range(0, rows, step):
        band = slice(start, start + step)
        maps = torch.einsum("yr,bcrx->bcyx", down[band], across)
        colours = maps[:, 9:]
        for channel in range(3):
            colours = torch.addcmul(colours, maps[:, channel:9:3], content[:, channel, None, band])
        mapped[:, :, band] = colours
    return mapped


def _interpolation(cells: int, pixels: int, like: Tensor) -> Tensor:
    """(pixels, cells): the weights of linear interpolation between cell centres, constant beyond them."""
    eye = torch.eye(cells, dtype=like.dtype, device=like.device)
    return F.interpolate(eye[None], pixels, mode="linear", align_corners=False)[0].T


def _covariances(sums: Tensor) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """Means of x and y, then cov(x, x) and cov(x, y), from maps of the means of x, y, x_i x, x_i y."""
    means = sums.permute(0, 2, 3, 1)
    x, y = means[..., :3], means[..., 3:6]
    products = means[..., 6:].reshape(*means.shape[:-1], 3, 6)
    xx = products[..., :3] - x[..., :, None] * x[..., None, :]
    xy = products[..., 3:] - x[..., :, None] * y[..., None, :]
    return x, y, xx, xy


def _regression(xx: Tensor, xy: Tensor, prior: Tensor, ridge: float) -> Tensor:
    """The matrix A of y ~ A x, by ridge regression towards `prior`."""
    eye = ridge * torch.eye(3, dtype=xx.dtype, device=xx.device)
    transposed: Tensor = torch.linalg.solve(xx + eye, xy + ridge * prior.transpose(-1, -2))
    return transposed.transpose(-1, -2)


def _bounded(matrix: Tensor) -> Tensor:
    """The matrix with no direction of colour amplified more than `LARGEST_GAIN`: beyond it, noise shows.

    Where a picture hardly varies in a direction of colour, what it has there is noise, and a style that is
    colourful in that direction would amplify it. The bound is a constant to the gradient.
    """
    suspects = matrix.square().sum((-2, -1)) > LARGEST_GAIN**2
    if not bool(suspects.any()):
        return matrix
    left, gains, right = torch.linalg.svd(matrix[suspects].detach())
    excess = torch.zeros_like(matrix)
    excess[suspects] = (left * (gains - LARGEST_GAIN).clamp_min(0)[..., None, :]) @ right
    return matrix - excess


def _luma_gain(matrix: Tensor, xx: Tensor, ridge: float) -> Tensor:
    """By how much a map changes the standard deviation of luma in each window, (B, rows, columns, 1, 1)."""
    luma = torch.tensor(_LUMA_601, dtype=xx.dtype, device=xx.device)
    spread = xx + ridge * torch.eye(3, dtype=xx.dtype, device=xx.device)
    mapped = luma @ matrix
    after = (mapped[..., None, :] @ spread @ mapped[..., :, None]).clamp_min(1e-8)
    return (after / (luma @ spread @ luma)[..., None, None]).sqrt().clamp(0.1, 10)


def _blur(x: Tensor, sigma: float) -> Tensor:
    reach = max(1, round(3 * sigma))
    taps = torch.arange(-reach, reach + 1, dtype=x.dtype, device=x.device)
    kernel = torch.exp(-0.5 * (taps / sigma) ** 2)
    kernel = (kernel / kernel.sum()).view(1, 1, -1, 1)
    channels = x.shape[1]
    flat = x.reshape(-1, 1, *x.shape[-2:])
    flat = F.conv2d(F.pad(flat, (0, 0, reach, reach), mode="replicate"), kernel)
    flat = F.conv2d(F.pad(flat, (reach, reach, 0, 0), mode="replicate"), kernel.transpose(2, 3))
    return flat.view(-1, channels, *x.shape[-2:])
