"""Time and memory of whole commands, from file to file, at sizes up to 100 megapixels.

    python benchmarks/sizes.py CONTENT STYLE --sizes 2,8,24,50,100 --ways carry,proxy,exact --extension .tif

CONTENT is repeated and shifted, mirrored at every other repetition, to a 3:2 picture of so many megapixels:
16-bit TIFF, or JPEG. Each line is one `haarmony transfer` in a fresh process, from cold start to the written
file; seconds a megapixel should not grow, nor should memory.

- *ratio*: seconds over T, the calibrator of `benchmarks/transfer.py`, measured in this run with torch's
  default threads.
- *peak MB*: the largest resident set of that process, in 2^20 bytes.

`--ways`: carry; proxy and exact are the network's detail with either statistics. `--style-size MP` enlarges
the style as well.
"""

import argparse
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
from PIL import Image

WAYS = {
    "carry": ["--detail", "carry"],
    "proxy": ["--detail", "network", "--proxy"],
    "exact": ["--detail", "network", "--exact"],
}
PEAK = """
import resource, subprocess, sys
code = subprocess.call(sys.argv[1:])
print(resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss, file=sys.stderr)
sys.exit(code)
"""


def enlarged(picture: Path, target: Path, megapixels: float) -> tuple[int, int]:
    """Write the picture repeated, every other time mirrored and shifted by a few levels, at this size."""
    import tifffile

    tile = np.asarray(Image.open(picture).convert("RGB")).astype(np.uint16) * 257
    height = round((megapixels * 1e6 / 1.5) ** 0.5)
    width = round(height * 1.5)

    def row_of(index: int) -> np.ndarray:
        across = -(-width // tile.shape[1])
        parts = [np.roll(tile[:, :: 1 if i % 2 else -1], 37 * (i + index), 0) for i in range(across)]
        row = np.concatenate(parts, 1)[:, :width]
        return row[:: 1 if index % 2 else -1] // 64 * 60 + 257 * (index % 8)

    rows = [row_of(i) for i in range(-(-height // tile.shape[0]))]
    whole = np.concatenate(rows)[:height]
    if target.suffix == ".tif":
        tifffile.imwrite(target, whole, photometric="rgb", rowsperstrip=64)
    else:
        Image.fromarray((whole >> 8).astype(np.uint8)).save(target, quality=92)
    return height, width


def calibrated() -> float:
    """Seconds of T, the fastest of five."""
    code = (
        "import sys; sys.path.insert(0, sys.argv[1])\n"
        "import torch; from transfer import calibrator, seconds\n"
        "with torch.inference_mode():\n"
        "    t = calibrator(); t(); print(min(seconds(t) for _ in range(5)))"
    )
    here = str(Path(__file__).parent)
    return float(subprocess.run([sys.executable, "-c", code, here], capture_output=True, check=True).stdout)


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("content", type=Path)
    parser.add_argument("style", type=Path)
    parser.add_argument("--sizes", default="2,8,24,50,100", help="megapixels (default: %(default)s)")
    parser.add_argument("--ways", default="carry", help="of carry, proxy, exact (default: %(default)s)")
    parser.add_argument("--model", default="compact")
    parser.add_argument("--extension", default=".tif", choices=[".tif", ".jpg"])
    parser.add_argument("--style-size", type=float, metavar="MP")
    parser.add_argument("--max-memory", metavar="400M")
    options = parser.parse_args()
    chosen = ["--max-memory", options.max_memory] if options.max_memory else []

    print("| model | way | MP | size | seconds | s/MP | ratio to T | peak MB |")
    print("|---|---|---|---|---|---|---|---|")
    with tempfile.TemporaryDirectory() as folder:
        style = options.style
        if options.style_size:
            style = Path(folder) / f"style{options.extension}"
            enlarged(options.style, style, options.style_size)
        for megapixels in (float(text) for text in options.sizes.split(",")):
            content = Path(folder) / f"content{options.extension}"
            height, width = enlarged(options.content, content, megapixels)
            for way in options.ways.split(","):
                unit = calibrated()
                target = Path(folder) / f"out{options.extension}"
                command = [sys.executable, "-c", PEAK, sys.executable, "-m", "haarmony", "transfer"]
                command += [str(content), str(style), "-o", str(target), "--model", options.model, "-q"]
                command += [*WAYS[way], *chosen]
                start = time.perf_counter()
                run = subprocess.run(command, capture_output=True, text=True, env=os.environ)
                took = time.perf_counter() - start
                if run.returncode:
                    sys.exit(run.stderr.strip())
                peak = int(run.stderr.split()[-1]) / 1024
                print(
                    f"| {options.model} | {way} | {megapixels:g} | {width}x{height} | {took:.1f} "
                    f"| {took / megapixels:.3f} | {took / unit:.1f} | {peak:.0f} |",
                    flush=True,
                )


if __name__ == "__main__":
    main()
