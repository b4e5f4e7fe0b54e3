"""Why VGG-19? The same pairs by neural style with several backbones: one labelled sheet and one table.

    python benchmarks/backbones.py "$HAARMONY_DATA/pairs" -o report
    python benchmarks/backbones.py "$HAARMONY_DATA/pairs" -o report resnet50=resnet50.pth vgg16_bn=other.pth

Beside the files that are given: VGG-19 with its weights, VGG-19, ResNet-50 and EfficientNet-lite0 with random
ones, and the embedded network. Steps, weights of the losses and sizes are the same for all; each looks at its
own layers.

SSIM is to the content. The Gram ratio is that of `haarmony.evaluation.gram`, on VGG-19's features, so `vgg19`
is judged by the measure that it minimises; `gram_compact`, on those of the embedded network, does the same
for `compact`, and the sliced Wasserstein distance of colours looks at no network.
"""

import argparse
import csv
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory
from time import perf_counter

import torch
from PIL import Image
from safetensors.torch import save_file
from torch import Tensor

from haarmony.errors import WeightsError
from haarmony.evaluation.report.figures import Measuring
from haarmony.media.image import Picture, from_pil, read_image, to_pil, to_profile
from haarmony.media.sheet import Cell, draw_sheet
from haarmony.methods import NeuralStyle
from haarmony.networks.oxford import oxford_vgg19

FIGURES = ("ssim", "gram", "gram_compact", "sliced_wasserstein")
VGG19 = (2, 2, 4, 4, 4)
RESNET50 = (3, 4, 6, 3)
EFFICIENTNET_LITE0 = ((16, 1, 3), (24, 2, 3), (40, 2, 5), (80, 3, 3), (112, 3, 5), (192, 4, 5), (320, 1, 3))
"""Of each stage: channels, blocks and the side of the kernel."""


class Drawn(dict[str, Tensor]):
    """A state dict with weights drawn at random, as networks have them before they are trained."""

    def __init__(self) -> None:
        super().__init__()
        self._generator = torch.Generator().manual_seed(0)

    def convolution(self, name: str, channels: int, out: int, kernel: int) -> None:
        """Of a spread that keeps the size of rectified features (He et al. 2015)."""
        spread = (2 / (channels * kernel**2)) ** 0.5
        shape = (out, channels, kernel, kernel)
        self[f"{name}.weight"] = spread * torch.randn(shape, generator=self._generator)

    def norm(self, name: str, channels: int, scale: float = 1) -> None:
        """Of a network that has seen nothing: it scales and no more."""
        self[f"{name}.weight"] = torch.full((channels,), scale)
        self[f"{name}.running_var"] = torch.ones(channels)
        self[f"{name}.bias"], self[f"{name}.running_mean"] = torch.zeros(2, channels).unbind()


def random_vgg19() -> Drawn:
    drawn, place, channels = Drawn(), 0, 3
    for block, count in enumerate(VGG19):
        for _ in range(count):
            out = min(64 * 2**block, 512)
            drawn.convolution(f"features.{place}", channels, out, 3)
            drawn[f"features.{place}.bias"] = torch.zeros(out)
            place, channels = place + 2, out
        place += 1
    return drawn


def random_resnet50() -> Drawn:
    """Each block is scaled by a half, so that sums with the shortcut do not double from block to block."""
    drawn = Drawn()
    drawn.convolution("conv1", 3, 64, 7)
    drawn.norm("bn1", 64)
    channels = 64
    for stage, count in enumerate(RESNET50):
        inner = 64 * 2**stage
        for number in range(count):
            name = f"layer{stage + 1}.{number}"
            sides = (channels, inner, inner, 4 * inner)
            for place, kernel in enumerate((1, 3, 1)):
                drawn.convolution(f"{name}.conv{place + 1}", sides[place], sides[place + 1], kernel)
                drawn.norm(f"{name}.bn{place + 1}", sides[place + 1], 0.5 if place == 2 else 1)
            if number == 0:
                drawn.convolution(f"{name}.downsample.0", channels, 4 * inner, 1)
                drawn.norm(f"{name}.downsample.1", 4 * inner)
            channels = 4 * inner
    return drawn


def random_efficientnet_lite0() -> Drawn:
    """Each block with a shortcut is scaled by a half, as those of `random_resnet50` are."""
    drawn = Drawn()
    drawn.convolution("_conv_stem", 3, 32, 3)
    drawn.norm("_bn0", 32)
    channels, block = 32, 0
    for out, count, kernel in EFFICIENTNET_LITE0:
        for number in range(count):
            name = f"_blocks.{block}"
            width = 6 * channels if block else channels
            if block:
                drawn.convolution(f"{name}._expand_conv", channels, width, 1)
                drawn.norm(f"{name}._bn0", width)
            drawn.convolution(f"{name}._depthwise_conv", 1, width, kernel)
            drawn.norm(f"{name}._bn1", width)
            drawn.convolution(f"{name}._project_conv", width, out, 1)
            drawn.norm(f"{name}._bn2", out, 0.5 if number else 1)
            channels, block = out, block + 1
    drawn.convolution("_conv_head", channels, 1280, 1)
    drawn.norm("_bn1", 1280)
    return drawn


def reduced(path: Path, side: int) -> Picture:
    image = to_pil(to_profile(read_image(path), None)).convert("RGB")
    image.thumbnail((side, side), Image.Resampling.LANCZOS)
    return from_pil(image)


RANDOM = {
    "vgg19 random": random_vgg19,
    "resnet50 random": random_resnet50,
    "efficientnet_lite0 random": random_efficientnet_lite0,
}


def named(text: str) -> tuple[str, str]:
    name, equals, file = text.partition("=")
    if not (name and equals and Path(file).is_file()):
        raise argparse.ArgumentTypeError(f"expected NAME=FILE with a file that is there, got {text!r}")
    return name, file


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("pairs", type=Path)
    parser.add_argument("files", nargs="*", type=named, metavar="NAME=FILE", help="of state dicts")
    parser.add_argument("-o", "--output", type=Path, required=True)
    parser.add_argument("--only", default="p2,34,14", help="names of pairs")
    parser.add_argument("--side", type=int, default=192)
    parser.add_argument("--steps", type=int, default=40)
    parser.add_argument("--style-weight", type=float, default=NeuralStyle.style_weight)
    options = parser.parse_intermixed_args()
    options.output.mkdir(parents=True, exist_ok=True)
    torch.set_num_threads(1)
    try:
        oxford_vgg19(download=False)
    except WeightsError:
        parser.error("the Gram ratio needs VGG-19's weights: name their folder in HAARMONY_WEIGHTS")
    measuring = Measuring()
    pairs = {
        name: tuple(
            reduced(next((options.pairs / name).glob(f"{kind}.*")), options.side)
            for kind in ("content", "style")
        )
        for name in options.only.split(",")
    }
    sheet = {
        name: [Cell(f"{name}: content", content), Cell("style", style)]
        for name, (content, style) in pairs.items()
    }
    table = []
    with TemporaryDirectory() as folder:
        backbones = {"vgg19": "vgg19", "compact": "compact"}
        for name, drawn in RANDOM.items():
            backbones[name] = str(Path(folder) / f"{name}.safetensors")
            save_file(drawn(), backbones[name])
        for name, backbone in (backbones | dict(options.files)).items():
            method = NeuralStyle(
                backbone=backbone,
                side=options.side,
                steps=options.steps,
                scales=1,
                style_weight=options.style_weight,
            )
            rows = []
            for pair, (content, style) in pairs.items():
                started = perf_counter()
                output = method(content, style)
                seconds = perf_counter() - started
                figures = measuring.figures(content.pixels, style.pixels, output.pixels)
                row = {one: figures[one] for one in FIGURES} | {"seconds": seconds}
                rows.append(row)
                table.append({"backbone": name, "pair": pair} | row)
                sheet[pair].append(Cell(name, output))
                print(name, pair, *(f"{one} {value:.3f}" for one, value in row.items()), flush=True)
            medians = (f"{one} {median(row[one] for row in rows):.3f}" for one in rows[0])
            print(name, "median", *medians, flush=True)
    draw_sheet(list(sheet.values()), height=options.side).save(options.output / "backbones.png")
    with (options.output / "backbones.csv").open("w", newline="") as file:
        writer = csv.DictWriter(file, table[0])
        writer.writeheader()
        writer.writerows(table)


if __name__ == "__main__":
    main()
