"""Three ways to bring a change of colour from a reduced copy to the full picture, on test pairs.

    python benchmarks/carries.py "$HAARMONY_DATA/pairs" -o report [--model compact] [--only p0,p1]

- *field*: `haarmony.carry`, affine maps in Gaussian windows of the picture's plane, with a prior.
- *guided filter*: affine maps in boxes, the copy as guide (He et al. 2013), its coefficients enlarged.
- *bilateral grid*: affine maps in cells of place and luma (Chen et al. 2007, 2016), sliced at full size.

*fit* is the PSNR between the result, reduced, and the stylized copy; the other figures are those of
`benchmarks/quality.py`; the time is that of finding and applying the maps, a megapixel of the full picture.
"""

import argparse
from collections.abc import Callable
from pathlib import Path
from statistics import median
from time import perf_counter

import torch
import torch.nn.functional as F
from torch import Tensor

from haarmony.carry import affine_field, apply_field
from haarmony.media.image import Picture, read_image, to_profile, write_image
from haarmony.media.kinds import to_tensor
from haarmony.methods.wct2 import WCT2
from haarmony.networks.oxford import oxford_vgg19
from haarmony.networks.vgg_features import VGGFeatures
from quality import find, measure

LUMA = torch.tensor([0.299, 0.587, 0.114])


def regression(sums: Tensor, ridge: float) -> Tensor:
    """Affine maps (..., 3, 4) by ridge regression from sums (..., 4, 7) of (x, 1) (x, 1, y)."""
    count = sums[..., 3:4, 3:4].clamp_min(1e-6)
    sums = sums / count
    penalty = ridge * torch.diag(torch.tensor([1.0, 1, 1, 1e-3]))
    eye = torch.cat([torch.eye(3), torch.zeros(1, 3)])
    return torch.linalg.solve(sums[..., :4] + penalty, sums[..., 4:] + ridge * eye * (eye > 0)).mT


def products(copy: Tensor, stylized: Tensor) -> Tensor:
    """(H, W, 4, 7): the outer products of (x, 1) and (x, 1, y)."""
    x = F.pad(copy[0].permute(1, 2, 0), (0, 1), value=1.0)
    return x[..., :, None] * torch.cat([x, stylized[0].permute(1, 2, 0)], -1)[..., None, :]


def applied(maps: Tensor, content: Tensor) -> Tensor:
    """(H, W, 3, 4) maps of every pixel of (1, 3, H, W)."""
    x = F.pad(content[0].permute(1, 2, 0), (0, 1), value=1.0)
    return (maps @ x[..., None])[..., 0].permute(2, 0, 1)[None]


def field(content: Tensor, copy: Tensor, stylized: Tensor) -> Tensor:
    return apply_field(content, affine_field(copy, stylized))


def guided(content: Tensor, copy: Tensor, stylized: Tensor, radius: int = 12, eps: float = 1e-3) -> Tensor:
    def mean(x: Tensor) -> Tensor:
        return F.avg_pool2d(x, 2 * radius + 1, 1, radius, count_include_pad=False)

    flat = products(copy, stylized).flatten(2).permute(2, 0, 1)[None]
    sums = mean(flat)[0].permute(1, 2, 0).unflatten(2, (4, 7))
    x, y = sums[..., 3, :3], sums[..., 3, 4:]
    xx = sums[..., :3, :3] - x[..., :, None] * x[..., None, :]
    xy = sums[..., :3, 4:] - x[..., :, None] * y[..., None, :]
    matrix = torch.linalg.solve(xx + eps * torch.eye(3), xy).mT
    maps = torch.cat([matrix.flatten(2), y - (matrix @ x[..., None])[..., 0]], -1)
    return apply_field(content, mean(maps.permute(2, 0, 1)[None]))


def bilateral(content: Tensor, copy: Tensor, stylized: Tensor, cells: int = 16, levels: int = 8) -> Tensor:
    height, width = copy.shape[-2:]
    rows = max(2, round(cells * height / max(height, width)))
    columns = max(2, round(cells * width / max(height, width)))

    def coordinates(picture: Tensor) -> Tensor:
        """(H, W, 3) places in the grid, in [-1, 1]: column, row, luma."""
        down, across = (torch.linspace(-1, 1, side) for side in picture.shape[-2:])
        down, across = torch.meshgrid(down, across, indexing="ij")
        return torch.stack([across, down, 2 * (picture[0].permute(1, 2, 0) @ LUMA) - 1], -1)

    where = coordinates(copy)
    flat = products(copy, stylized).flatten(2)
    nearest = ((where + 1) / 2 * torch.tensor([columns - 1, rows - 1, levels - 1])).round().long()
    index = (nearest[..., 2] * rows + nearest[..., 1]) * columns + nearest[..., 0]
    grid = torch.zeros(levels * rows * columns, 28).index_add_(0, index.flatten(), flat.flatten(0, 1))
    grid = grid.view(1, levels, rows, columns, 28).permute(0, 4, 1, 2, 3)
    total = grid.sum((2, 3, 4), keepdim=True)
    everywhere = total / total[:, 24:25]  # where (x, 1) (x, 1, y) holds 1
    for _ in range(2):
        grid = F.avg_pool3d(grid, 3, 1, 1)
    grid = grid + 1e-2 * everywhere
    maps = regression(grid[0].permute(1, 2, 3, 0).unflatten(3, (4, 7)), 1e-3)
    maps = maps.flatten(3).permute(3, 0, 1, 2)[None]
    sliced = F.grid_sample(maps, coordinates(content)[None, None], align_corners=True, padding_mode="border")
    return applied(sliced[0, :, 0].permute(1, 2, 0).unflatten(2, (3, 4)), content)


WAYS: dict[str, Callable[[Tensor, Tensor, Tensor], Tensor]] = {
    "field": field,
    "guided filter": guided,
    "bilateral grid": bilateral,
}
FIGURES = ("fit", "ssim", "edge_ssim", "gram_ratio", "false_gradient", "ms_per_mp")


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("pairs", type=Path)
    parser.add_argument("-o", "--out", type=Path, required=True)
    parser.add_argument("--model", default="compact")
    parser.add_argument("--only", help="names of pairs, separated by commas")
    options = parser.parse_args()
    options.out.mkdir(parents=True, exist_ok=True)
    vgg, model = VGGFeatures(oxford_vgg19()).eval(), WCT2.load(options.model)
    table: dict[str, list[dict[str, float]]] = {way: [] for way in WAYS}
    for pair in sorted(path for path in options.pairs.iterdir() if path.is_dir()):
        if options.only and pair.name not in options.only.split(","):
            continue
        content, style = (to_profile(read_image(find(pair, one)), None) for one in ("content", "style"))
        full = to_tensor(content)[0]
        size = model.work_size((full.shape[-2], full.shape[-1]))
        copy = F.interpolate(full, size, mode="bilinear", antialias=True)
        stylized = model.stylize(copy, model.style(style), 1.0, None) + copy - model.network(copy)
        for way, carry in WAYS.items():
            carry(full, copy, stylized)
            start = perf_counter()
            result = carry(full, copy, stylized).clamp(0, 1)
            took = perf_counter() - start
            output = Picture(result[0].permute(1, 2, 0).contiguous().numpy())
            write_image(options.out / f"{pair.name}_{way.replace(' ', '_')}.png", output)
            reduced = F.interpolate(result, size, mode="bilinear", antialias=True)
            error = (reduced - stylized.clamp(0, 1)).square().mean()
            figures = {
                "fit": float(-10 * error.log10()),
                **measure(vgg, content.pixels, style.pixels, output.pixels),
                "ms_per_mp": 1e9 * took / full[0, 0].numel(),
            }
            table[way].append(figures)
            print(pair.name, way, *(f"{name} {figures[name]:.3f}" for name in FIGURES), flush=True)
    for way, rows in table.items():
        print("median", way, *(f"{name} {median(row[name] for row in rows):.3f}" for name in FIGURES))


if __name__ == "__main__":
    torch.set_grad_enabled(False)
    main()
