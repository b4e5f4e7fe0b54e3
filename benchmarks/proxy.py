"""How far the network's way by proxy statistics is from the exact one, on test pairs.

    python benchmarks/proxy.py "$HAARMONY_DATA/pairs" --model compact --times 1.4,2.4,5 [--only p0,p1]

Statistics of content and style are taken from copies so many times shorter than the pictures. Of a picture of
24 megapixels they are taken from one of 4, which is 2.4 times shorter; of 100 megapixels, 5 times. The
differences are of 8-bit levels, and CIEDE2000.
"""

import argparse
from pathlib import Path
from statistics import median

import numpy as np
from skimage.color import deltaE_ciede2000, rgb2lab

from haarmony.media.image import read_image, to_profile
from haarmony.pipelines import ways
from haarmony.pipelines.photo import transfer
from haarmony.pipelines.ways import Ways
from quality import find


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("pairs", type=Path)
    parser.add_argument("--model", default="compact")
    parser.add_argument("--times", default="1.4,2.4,5")
    parser.add_argument("--only", help="names of pairs, separated by commas")
    options = parser.parse_args()
    rows: dict[float, list[tuple[float, float, float]]] = {}
    for pair in sorted(path for path in options.pairs.iterdir() if path.is_dir()):
        if options.only and pair.name not in options.only.split(","):
            continue
        content, style = (
            to_profile(read_image(find(pair, one)), None).pixels for one in ("content", "style")
        )
        exact = transfer(content, style, model=options.model, ways=Ways("network", "exact"))
        for times in (float(text) for text in options.times.split(",")):
            ways.EXACT_UP_TO = int(content.shape[0] * content.shape[1] / times**2)
            proxy = transfer(content, style, model=options.model, ways=Ways("network", "proxy"))
            levels = np.abs(proxy - exact) * 255
            colours = deltaE_ciede2000(rgb2lab(exact), rgb2lab(proxy))
            figures = float(levels.mean()), float(np.quantile(levels, 0.99)), float(np.median(colours))
            rows.setdefault(times, []).append(figures)
            print(
                f"{pair.name}: {times:g} times shorter: mean {figures[0]:.2f}, "
                f"99 % below {figures[1]:.1f} levels, CIEDE2000 median {figures[2]:.2f}",
                flush=True,
            )
    for times, found in rows.items():
        mean, most, colour = (median(values) for values in zip(*found, strict=True))
        print(f"median at {times:g}: mean {mean:.2f}, 99 % below {most:.1f} levels, CIEDE2000 {colour:.2f}")


if __name__ == "__main__":
    main()
