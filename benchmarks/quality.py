"""Transfer test pairs and measure the results; write every picture, a sheet of each model and one table.

    python benchmarks/quality.py "$HAARMONY_DATA/pairs" -o report --models compact,vgg19 [--only p0,p1]
    python benchmarks/quality.py "$HAARMONY_DATA/pairs" -o report --models reinhard,neural_style:steps=50

A model is one of WCT2, or a method of `haarmony.methods` with options behind colons.

Everything is measured in sRGB: a content in another profile and its result, which comes back in that profile,
are converted first. A pair is a folder with `content` and `style` pictures and, for a transfer by regions,
`content_mask` and `style_mask`. The Gram distance needs VGG-19's weights; the definitions are in
`haarmony.evaluation`.
"""

import argparse
import csv
from pathlib import Path
from statistics import median
from time import perf_counter

import numpy as np

from haarmony.evaluation.false_gradient import false_gradient
from haarmony.evaluation.gram import gram_distance, grams
from haarmony.evaluation.structure import edge_ssim, ssim
from haarmony.media.image import Picture, read_image, to_profile, write_image
from haarmony.media.sheet import Cell, draw_sheet
from haarmony.methods import METHODS, make
from haarmony.networks.oxford import oxford_vgg19
from haarmony.networks.vgg_features import VGGFeatures
from haarmony.pipelines.photo import transfer

FIGURES = ("ssim", "edge_ssim", "gram_ratio", "false_gradient", "seconds")


def find(pair: Path, name: str) -> Path | None:
    return next((path for path in sorted(pair.iterdir()) if path.stem == name), None)


def file_name(model: str) -> str:
    return model.replace(":", "_").replace("=", "-")


def give(model: str, content: Picture, style: Picture, masks: tuple[Path | None, ...], **options) -> Picture:
    name, *settings = model.split(":")
    if name not in METHODS:
        return transfer(content, style, model=model, content_mask=masks[0], style_mask=masks[1], **options)
    method = make(name, dict(setting.split("=") for setting in settings))
    return method(content, style, content_mask=masks[0], style_mask=masks[1])


def measure(
    vgg: VGGFeatures, content: np.ndarray, untouched: float, wanted: list, output: np.ndarray
) -> dict[str, float]:
    return {
        "ssim": ssim(content, output),
        "edge_ssim": edge_ssim(content, output),
        "gram_ratio": gram_distance(grams(vgg, output), wanted) / untouched,
        "false_gradient": false_gradient(content, output),
    }


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("pairs", type=Path)
    parser.add_argument("-o", "--out", type=Path, required=True)
    parser.add_argument("--models", default="compact")
    parser.add_argument("--only", help="names of pairs, separated by commas")
    parser.add_argument("--no-masks", action="store_true")
    parser.add_argument("--auto-masks", type=int, metavar="K", help="in place of masks")
    options = parser.parse_args()
    options.out.mkdir(parents=True, exist_ok=True)
    vgg = VGGFeatures(oxford_vgg19()).eval()
    pairs = [pair for pair in sorted(options.pairs.iterdir()) if pair.is_dir()]
    if options.only:
        pairs = [pair for pair in pairs if pair.name in options.only.split(",")]
    table = []
    known: dict[Path, tuple[list, float]] = {}
    for model in options.models.split(","):
        sheet = []
        for pair in pairs:
            content_path, style_path = find(pair, "content"), find(pair, "style")
            masks = (
                (None, None)
                if options.no_masks or options.auto_masks
                else (find(pair, "content_mask"), find(pair, "style_mask"))
            )
            content, style = read_image(content_path), read_image(style_path)
            started = perf_counter()
            automatic = {"auto_masks": options.auto_masks} if options.auto_masks else {}
            output = give(model, content, style, masks, **automatic)
            seconds = perf_counter() - started
            target = options.out / f"{pair.name}_{file_name(model)}{'_masks' if masks[0] else ''}.png"
            write_image(target, output)
            before, there, after = (
                to_profile(picture, None).pixels for picture in (content, style, read_image(target))
            )
            if pair not in known:
                wanted = grams(vgg, there)
                known[pair] = wanted, gram_distance(grams(vgg, before), wanted)
            wanted, untouched = known[pair]
            figures = measure(vgg, before, untouched, wanted, after) | {"seconds": seconds}
            table.append({"model": model, "pair": pair.name, "masks": masks[0] is not None, **figures})
            print(model, pair.name, *(f"{name} {figures[name]:.3f}" for name in FIGURES), flush=True)
            sheet.append([Cell(pair.name, content), Cell("style", style), Cell(model, output)])
        draw_sheet(sheet).save(options.out / f"sheet_{file_name(model)}.png")
        rows = [row for row in table if row["model"] == model]
        print(
            model,
            "median",
            *(f"{name} {median(row[name] for row in rows):.3f}" for name in FIGURES),
            flush=True,
        )
    with (options.out / "table.csv").open("w", newline="") as file:
        writer = csv.DictWriter(file, table[0].keys())
        writer.writeheader()
        writer.writerows(table)


if __name__ == "__main__":
    main()
