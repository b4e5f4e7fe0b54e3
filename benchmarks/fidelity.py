"""What is kept when nothing should change, on a folder of photos, for each model.

    python benchmarks/fidelity.py photos/val compact vgg19

- *there and back*: PSNR of the bare network with nothing matched.
- *itself as style*: PSNR of the transfer of a photo to its own light.
- *itself as style, network*: the same with the network at full size and no carry.
- *strength 0*: the largest difference at any pixel, in steps of 1/255.
"""

import argparse
from pathlib import Path
from statistics import median, quantiles

import torch

from haarmony.methods.wct2 import WCT2
from haarmony.pipelines.ways import Ways
from haarmony.training.photos import load_photos
from haarmony.training.validation import psnr, validate


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("photos", type=Path)
    parser.add_argument("models", nargs="+")
    options = parser.parse_args()
    photos = load_photos(options.photos)
    for name in options.models:
        model = WCT2.load(name)
        there_and_back = validate(model.network, photos)
        network = Ways(detail="network").model(model, None)
        own_style, of_network, untouched = [], [], 0.0
        for photo in photos:
            picture = photo[None].float() / 255
            style = model.style(picture)
            own_style.append(psnr(model(picture, style), picture))
            of_network.append(psnr(network(picture, network.style(picture)), picture))
            untouched = max(untouched, float((model(picture, style, strength=0) - picture).abs().max()) * 255)
        figures = {
            "there and back": there_and_back,
            "itself as style": own_style,
            "itself as style, network": of_network,
        }
        for what, scores in figures.items():
            print(
                f"{name}: {what}: median {median(scores):.2f} dB, "
                f"tenth percentile {quantiles(scores, n=10)[0]:.2f} dB ({len(scores)} photos)",
                flush=True,
            )
        print(f"{name}: strength 0: largest difference {untouched:.3f} / 255", flush=True)


if __name__ == "__main__":
    torch.set_grad_enabled(False)
    main()
