"""What a network loses: the PSNR of photos after a way through it and back, with no transfer.

Usage: python benchmarks/reconstruction.py FOLDER vgg19 vgg19_sum
"""

import sys
from statistics import median

from haarmony.networks.weights import load_network
from haarmony.training.decoder import validate
from haarmony.training.photos import load_photos


def main(folder: str, *names: str) -> None:
    photos = load_photos(folder)
    for name in names:
        scores = validate(load_network(name)[0], photos)
        print(f"{name}: {len(scores)} photos, median {median(scores):.2f} dB, worst {min(scores):.2f} dB")


if __name__ == "__main__":
    main(*sys.argv[1:])
