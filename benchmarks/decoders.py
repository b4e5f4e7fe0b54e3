"""What comes back from each level of the networks of AdaIN, WCT and PhotoWCT, with nothing matched.

    python benchmarks/decoders.py photos/val vgg19_plain vgg19_places

The PSNR of the middle of each photo, a square of at most 192 pixels; medians and the tenth percentile.
"""

import argparse
from pathlib import Path
from statistics import median, quantiles

import torch
from torch import Tensor

from haarmony.networks.weights import load_levels
from haarmony.training.photos import load_photos
from haarmony.training.validation import psnr

SIDE = 192


def middle(photo: Tensor) -> Tensor:
    """(1, 3, side, side) in [0, 1] of a uint8 photo."""
    height, width = photo.shape[1:]
    side = min(SIDE, height, width)
    top, left = (height - side) // 2, (width - side) // 2
    return photo[None, :, top : top + side, left : left + side].float() / 255


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("photos", type=Path)
    parser.add_argument("networks", nargs="+")
    options = parser.parse_args()
    pictures = [middle(photo) for photo in load_photos(options.photos)]
    for name in options.networks:
        network, _ = load_levels(name)
        for level in network.levels:
            scores = [psnr(network(picture, level), picture) for picture in pictures]
            print(
                f"{name} level {level}: median {median(scores):.2f} dB, "
                f"tenth percentile {quantiles(scores, n=10)[0]:.2f} dB ({len(scores)} photos)",
                flush=True,
            )


if __name__ == "__main__":
    torch.set_grad_enabled(False)
    main()
