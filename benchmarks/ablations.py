"""The ablations of WCT2: by what it pools, how it unpools, and where it matches.

    python benchmarks/ablations.py "$HAARMONY_DATA/pairs" -o report --size 256

The paper's network at full size (no carry), with zca at every site of the stages. Maxima are put back where
they were, averages are repeated; Haar's bands are added (`sum`) or laid side by side (`cat5`). Pairs are
taken without masks. Two decoders lie beside this file, in `poolings`, so that the package stays small.

*There and back* is the PSNR of the content through the network with nothing matched.
"""

import argparse
import csv
from collections import defaultdict
from dataclasses import replace
from pathlib import Path
from statistics import median

import numpy as np
import torch

from haarmony import WCT2
from haarmony.evaluation.fidelity import psnr
from haarmony.evaluation.pairs import read_pairs
from haarmony.evaluation.report.figures import Measuring
from haarmony.media.image import Picture
from haarmony.media.sheet import Cell, draw_sheet
from haarmony.methods.recipe import RECIPES, STAGES
from haarmony.networks.vgg19_weights import read_vgg19
from methods import reduced

BESIDE = Path(__file__).parent / "poolings"
POOLINGS = {
    "maximum": "vgg19_max",
    "average": BESIDE / "average.safetensors",
    "phases": "vgg19_split",
    "learned": BESIDE / "learned.safetensors",
    "Haar, sum": "vgg19_sum",
    "Haar, cat5": "vgg19",
}
FEWER = (("encoder",), ("encoder", "skip"), ("encoder", "decoder"))
FIGURES = ("ssim", "edge_ssim", "gram", "false_gradient")


def loaded(model: str | Path) -> WCT2:
    if isinstance(model, str):
        return WCT2.load(model)
    return WCT2(read_vgg19(model, "sum", model.stem), RECIPES["vgg19_sum"])


@torch.no_grad()
def made(model: WCT2, content: Picture, style: Picture) -> Picture:
    pixels = np.clip(model(content, model.style(style)).pixels, 0, 1)
    return Picture(np.asarray(pixels, np.float32))


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("pairs", type=Path)
    parser.add_argument("-o", "--output", type=Path, required=True)
    parser.add_argument("--size", type=int, default=256, help="long side (default: %(default)s)")
    parser.add_argument("--only", help="names of pairs, by commas")
    parser.add_argument("--shown", default="p1,14", help="pairs on the sheet (default: %(default)s)")
    options = parser.parse_args()
    options.output.mkdir(parents=True, exist_ok=True)
    pairs = [
        pair for pair in read_pairs(options.pairs) if not options.only or pair.name in options.only.split(",")
    ]
    measuring = Measuring()
    cells: dict[str, list[Cell]] = {}
    pictures = {}
    for pair in pairs:
        pictures[pair.name] = reduced(pair.content, options.size), reduced(pair.style, options.size)
        cells[pair.name] = [
            Cell(f"{pair.name}: {what}", one)
            for what, one in zip(("content", "style"), pictures[pair.name], strict=True)
        ]
    rows = []
    for name, model_name in POOLINGS.items():
        model = loaded(model_name)
        base = replace(model.recipe, work_side=None)
        for stages in (STAGES, *FEWER) if model_name in ("vgg19", "vgg19_sum") else (STAGES,):
            used = WCT2(model.network, replace(base, stages=stages))
            plain = WCT2(model.network, replace(base, stages=()))
            found = defaultdict(list)
            for pair, (content, style) in pictures.items():
                output = made(used, content, style)
                figures = measuring.figures(content.pixels, style.pixels, output.pixels)
                figures["there and back"] = psnr(content.pixels, made(plain, content, style).pixels)
                for key in (*FIGURES, "there and back"):
                    found[key].append(figures[key])
                label = name if stages == STAGES else f"{name}: {' + '.join(stages)}"
                cells[pair].append(Cell(label, output))
            rows.append([name, " + ".join(stages), *(median(found[key]) for key in found)])
            print(" | ".join([*rows[-1][:2], *(f"{value:.3f}" for value in rows[-1][2:])]), flush=True)
    with (options.output / "ablations.csv").open("w", newline="") as file:
        csv.writer(file).writerows([["pooling", "stages", *FIGURES, "there and back"], *rows])
    shown = [
        cells[name][at : at + 7] for name in options.shown.split(",") for at in range(0, len(cells[name]), 7)
    ]
    draw_sheet(shown).save(options.output / "ablations.png")


if __name__ == "__main__":
    main()
