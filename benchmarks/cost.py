"""What a transfer costs: CPU time of style and content in units of one plain VGG-19, and the peak memory.

The unit is one forward pass of plain VGG-19 (zero padding, max-pooling) to relu4_1 of a 512x512 picture, so
that figures of different machines can be compared. Weights are random: they do not change the cost.

Usage: python benchmarks/cost.py [SIDE]
"""

import resource
import sys
import time

import torch
from torch import Tensor, nn

from haarmony.methods.wct2 import RECIPES, WCT2
from haarmony.networks.vgg19 import ENCODER, POOLED, VGG19


def plain_vgg19() -> nn.Sequential:
    layers: list[nn.Module] = []
    for name, (before, after) in ENCODER.items():
        layers += [nn.Conv2d(before, after, 3, padding=1), nn.ReLU()]
        layers += [nn.MaxPool2d(2)] if name in POOLED else []
    return nn.Sequential(*layers).eval().requires_grad_(False)


def unit(repeats: int = 3) -> float:
    network, picture, times = plain_vgg19(), torch.rand(1, 3, 512, 512), []
    for _ in range(repeats + 1):
        start = time.process_time()
        network(picture)
        times.append(time.process_time() - start)
    return min(times)


def main(side: int = 1024) -> None:
    content, style = (
        torch.rand(1, 3, side, side, generator=torch.Generator().manual_seed(k)) for k in (0, 1)
    )
    seconds = unit()
    for variant, name in (("cat5", "vgg19"), ("sum", "vgg19_sum")):
        model = WCT2(VGG19(variant).eval().requires_grad_(False), RECIPES[name])
        start = time.process_time()
        result: Tensor = model(content, model.style(style))
        spent = time.process_time() - start
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e6
        size = "x".join(map(str, result.shape[:1:-1]))
        print(f"{name} at {size}: {spent / seconds:.1f} units of {seconds:.2f} s, {peak:.2f} GB so far")


if __name__ == "__main__":
    main(*map(int, sys.argv[1:]))
