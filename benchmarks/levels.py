"""How much each encoder level of a model shows: the change of the picture when that level alone is matched.

Usage: python benchmarks/levels.py CONTENT STYLE [MODEL ...]
"""

import sys

import torch
from torch import Tensor

from haarmony.matching import zca
from haarmony.media.kinds import to_tensor
from haarmony.methods.sites import Visit, traverse
from haarmony.moments import Moments
from haarmony.networks.autoencoder import LEVELS
from haarmony.networks.weights import load_network

SIDE = 384


def reduced(path: str) -> Tensor:
    picture, _ = to_tensor(path)
    scale = min(1.0, SIDE / max(picture.shape[2:]))
    return torch.nn.functional.interpolate(picture, scale_factor=scale, mode="bilinear", antialias=True)


def match_at(levels: tuple[int, ...], style: dict[int, Tensor]) -> Visit:
    def visit(site: str, feature: Tensor) -> Tensor:
        level = int(site.removeprefix("encoder"))
        if level not in levels:
            return feature
        return zca(Moments.of(feature[0]), Moments.of(style[level][0]), ridge=1.0)(feature)

    return visit


@torch.no_grad()
def main(content_path: str, style_path: str, *names: str) -> None:
    content, style = reduced(content_path), reduced(style_path)
    for name in names or ("vgg19",):
        network, _ = load_network(name)
        wanted, _ = network.encode_all(style)
        untouched = network(content)
        for levels in (*((level,) for level in LEVELS), LEVELS[1:], LEVELS):
            changed = traverse(network, content, ("encoder",), match_at(levels, wanted))
            print(
                f"{name} {levels}: root mean square change {(changed - untouched).square().mean().sqrt():.4f}"
            )


if __name__ == "__main__":
    main(*sys.argv[1:])
