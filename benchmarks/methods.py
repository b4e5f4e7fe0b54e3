"""All methods side by side: one labelled sheet, and what each costs.

    python benchmarks/methods.py "$HAARMONY_DATA" -o report                  # the sheets
    python benchmarks/methods.py "$HAARMONY_DATA" -o report --cost 256,512   # time and memory of each

Photorealistic methods get pairs of photographs, with masks where there are some; artistic ones get
paintings. All run with their defaults, on pictures reduced to a long side of `--size`. The cost is that of
whole commands in fresh processes, reading and writing included.
"""

import argparse
import time
from collections.abc import Iterator
from pathlib import Path

from PIL import Image

from haarmony.evaluation.report.cost import measure_costs, write_costs
from haarmony.evaluation.report.results import Contender, at_size, runner
from haarmony.media.image import Picture, from_pil, read_image, to_pil
from haarmony.media.mask import read_mask
from haarmony.media.sheet import Cell, draw_sheet
from haarmony.methods import Conditional, TextureNet, TextureSynthesis

PHOTOREALISTIC = (
    "histogram_matching", "reinhard", "distribution_transfer", "monge_kantorovich", "deep_photo", "photowct",
    "wct2", "wct2:model=vgg19",
)  # fmt: skip
ARTISTIC = ("neural_style", "neural_style:loss=mmd-rbf", "adain", "wct")
PAINTINGS = {
    "matisse": "woman_with_hat_matisse.jpg",
    "mondrian": "mondrian_cropped.jpg",
    "kandinsky": "en_campo_gris.jpg",
}
WITHOUT_BACKBONE = (
    *PHOTOREALISTIC[:4],
    "wct2",
    "wct2:model=vgg19",
    "wct2:model=vgg19_sum",
    "conditional",
    "texture_net",
)
WITH_BACKBONE = ("texture_synthesis", "neural_style", "deep_photo", "adain", "wct", "photowct")


def reduced(path: Path, size: int) -> Picture:
    image = to_pil(read_image(path)).convert("RGB")
    image.thumbnail((size, size), Image.Resampling.LANCZOS)
    return from_pil(image)


def made(spec: str, *given: object) -> Cell:
    start = time.perf_counter()
    picture = runner(spec)(*given)
    print(f"{spec}: {time.perf_counter() - start:.1f} s", flush=True)
    return Cell(spec.replace(":", " "), picture)


def photorealistic(data: Path, names: list[str], size: int) -> Iterator[list[Cell]]:
    for name in names:
        folder = data / "pairs" / name
        content, style = (reduced(next(folder.glob(f"{kind}.*")), size) for kind in ("content", "style"))
        masks = [next(folder.glob(f"{kind}_mask.*"), None) for kind in ("content", "style")]
        labels = [
            None if path is None else at_size(read_mask(path), picture)
            for path, picture in zip(masks, (content, style), strict=True)
        ]
        yield [
            Cell(f"{name}: content", content),
            Cell("style", style),
            *(made(spec, content, style, *labels) for spec in PHOTOREALISTIC),
        ]


def artistic(data: Path, contents: list[str], size: int) -> Iterator[list[Cell]]:
    for name, (style_name, file) in zip(contents, PAINTINGS.items(), strict=False):
        content = reduced(next((data / "pairs" / name).glob("content.*")), size)
        style = reduced(data / "paintings" / file, size)
        yield [
            Cell(f"{name}: content", content),
            Cell(style_name, style),
            *(made(spec, content, style, None, None) for spec in ARTISTIC),
            Cell("conditional", Conditional(style_name=(style_name,))(content)),
            Cell("texture_synthesis", TextureSynthesis(side=size, size=(size, size))(style)),
        ]
    texture = TextureNet(style_name="gravel", size=(size, size))(None)
    yield [
        Cell("texture_net mondrian", TextureNet()(content)),
        Cell("texture_net gravel", texture),
        Cell("conditional, half and half", Conditional(style_name=("matisse=1", "mondrian=1"))(content)),
    ]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("data", type=Path)
    parser.add_argument("-o", "--output", type=Path, required=True)
    parser.add_argument("--size", type=int, default=384)
    parser.add_argument("--pairs", default="p2,p3,14")
    parser.add_argument("--contents", default="p0,p2,34")
    parser.add_argument("--cost", help="sides of squares; then no sheet is drawn")
    parser.add_argument("--methods", help="of --cost, by commas (default: all)")
    parser.add_argument("--limit", type=float, default=600, help="seconds for one command of --cost")
    options = parser.parse_args()
    options.output.mkdir(parents=True, exist_ok=True)
    if options.cost:
        every = [*WITHOUT_BACKBONE]
        every += [f"{name}:backbone={one}" for name in WITH_BACKBONE for one in ("vgg19", "compact")]
        specs = options.methods.split(",") if options.methods else every
        folder = options.data / "pairs" / "p2"
        content, style = (next(folder.glob(f"{kind}.*")) for kind in ("content", "style"))
        sizes = [int(text) for text in options.cost.split(",")]
        costs = []
        for cost in measure_costs(
            list(map(Contender.of_method, specs)), content, style, sizes, limit=options.limit
        ):
            print(cost.contender, cost.side, cost.said, flush=True)
            costs.append(cost)
            write_costs(options.output / "cost.csv", costs)
        return
    for name, rows in (
        ("photorealistic", photorealistic(options.data, options.pairs.split(","), options.size)),
        ("artistic", artistic(options.data, options.contents.split(","), options.size)),
    ):
        draw_sheet(list(rows), height=options.size).save(options.output / f"{name}.png")


if __name__ == "__main__":
    main()
