"""The two ways to mix styles, side by side: a sheet to judge by eye, how far they differ, and their time.

    python benchmarks/mixing.py CONTENT A B -o sheet.jpg --model compact

Without pictures it takes those of `haarmony demo`.
"""

import argparse
import time
from pathlib import Path

import numpy as np
import skimage

from haarmony import WCT2, mix, read_image
from haarmony.media.image import from_pil, to_pil, to_profile
from haarmony.media.sheet import Cell, draw_sheet
from haarmony.mixing import MIXES

DEMO = [
    Path(skimage.__file__).parent / "data" / name
    for name in ("motorcycle_left.png", "rocket.jpg", "coffee.png")
]
SHARES = (0, 0.25, 0.5, 0.75, 1)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("pictures", nargs="*", type=Path, default=DEMO, help="content, style a, style b")
    parser.add_argument("-o", "--output", type=Path, default=Path("mixing.jpg"))
    parser.add_argument("--model", default="compact")
    parser.add_argument("--side", type=int, default=900, help="of the pictures")
    parser.add_argument("--height", type=int, default=400, help="of each picture on the sheet")
    options = parser.parse_args()
    content, a, b = (small(path, options.side) for path in options.pictures)
    model = WCT2.load(options.model)
    ends = model.style(a), model.style(b)
    rows = [[Cell("style a", a), Cell("content", content), Cell("style b", b)]]
    results = {}
    for by in MIXES:
        began = time.perf_counter()
        styles = [mix(list(zip(ends, (1 - share, share), strict=True)), by=by) for share in SHARES]
        seconds = (time.perf_counter() - began) / (len(SHARES) - 2)
        results[by] = [model(content, style) for style in styles]
        rows.append(
            [Cell(f"{by}: {share:.0%} b", result) for share, result in zip(SHARES, results[by], strict=True)]
        )
        print(f"{by}: {seconds:.3f} s a mix")
    for share, *pair in zip(SHARES, *results.values(), strict=True):
        apart = 255 * np.abs(pair[0].pixels - pair[1].pixels)
        print(f"{share:.0%} b: the ways differ by {apart.mean():.2f} levels, at most {apart.max():.0f}")
    draw_sheet(rows, height=options.height).save(options.output, quality=88)


def small(path: Path, side: int):
    image = to_pil(to_profile(read_image(path), None)).convert("RGB")
    image.thumbnail((side, side))
    return from_pil(image)


if __name__ == "__main__":
    main()
