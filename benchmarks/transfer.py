"""How long a transfer takes and how much memory, next to a plain VGG-19 on the same machine.

    python benchmarks/transfer.py --models compact,vgg19 --sizes 1024x1024,3840x2160 --json results.json

- *seconds*: content and style both of the size, in memory as float tensors; the style's moments, the transfer
  and nothing else. Reading, decoding, encoding and writing of files, and loading of the model, are left out.
  Batch 1, after one run to warm up; the median.
- *ratio*: seconds over T, one forward pass of a plain float32 VGG-19 (max-pooling, zero padding, random
  weights) to relu4_1 at 512 x 512 with the same threads. T is measured in the same process before and after
  every transfer.
- *peak MB*: the largest resident set of a fresh process that loads the model and transfers once, in 2^20
  bytes.

A model is a name, in its own way, or `NAME:network`: the network at full size, as published. `NAME:bfloat16`
and `NAME:network:bfloat16` round what is convolved.

The threads are torch's default; OMP_NUM_THREADS changes them for both sides of the ratio.
"""

import argparse
import json
import resource
import sys
import time
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from multiprocessing import get_context
from pathlib import Path
from statistics import median
from typing import TYPE_CHECKING, Any

from haarmony.errors import HaarmonyError

# This process starts the others, which would inherit its peak memory: it imports torch only where they run.
if TYPE_CHECKING:
    from torch import Tensor

SIZES = ((512, 512), (1024, 1024), (1920, 1080), (3840, 2160))
LONG = 60.0
"""Seconds of transfers after which no further one is started."""


def picture(seed: int, width: int, height: int) -> "Tensor":
    """Smooth colours and some texture, as a photograph has."""
    import torch

    generator = torch.Generator().manual_seed(seed)
    smooth = torch.rand(1, 3, 12, 16, generator=generator)
    smooth = torch.nn.functional.interpolate(smooth, (height, width), mode="bilinear")
    return 0.9 * smooth + 0.1 * torch.rand(1, 3, height, width, generator=generator)


def transfer(model_name: str, width: int, height: int, style_known: bool) -> Callable[[], object]:
    """What is measured: from two pictures in memory, or one and a style, to the result."""
    from haarmony import InputError, Ways

    name, *ways = model_name.split(":")
    if not {"network", "bfloat16"}.issuperset(ways):
        raise InputError(f"expected a model, with :network or :bfloat16 behind it, got {model_name!r}")
    detail = "network" if "network" in ways else None
    model = Ways(detail, precision="bfloat16" if "bfloat16" in ways else "float32").model(name, None)
    content, style = picture(0, width, height), picture(1, width, height)
    if style_known:
        known = model.style(style)
        return lambda: model(content, known)
    return lambda: model(content, model.style(style))


def calibrator() -> Callable[[], object]:
    """One forward pass of VGG-19 to relu4_1 at 512 x 512."""
    import torch
    from torch import nn

    torch.manual_seed(0)
    layers: list[nn.Module] = []
    channels = 3
    for width in (64, 64, 0, 128, 128, 0, 256, 256, 256, 256, 0, 512):
        if width == 0:
            layers.append(nn.MaxPool2d(2))
            continue
        convolution = nn.Conv2d(channels, width, 3, padding=1)
        nn.init.kaiming_normal_(
            convolution.weight, nonlinearity="relu"
        )  # features keep their size: no denormals
        layers += [convolution, nn.ReLU(inplace=True)]
        channels = width
    network = nn.Sequential(*layers).eval().requires_grad_(False)
    x = picture(2, 512, 512) - 0.5
    return lambda: network(x)


def seconds(action: Callable[[], object]) -> float:
    start = time.perf_counter()
    action()
    return time.perf_counter() - start


def measure_time(
    model_name: str, width: int, height: int, style_known: bool, repeats: int
) -> tuple[float, float, int]:
    """Median seconds of the transfer and of T, taken in turns, and the number of threads."""
    import torch

    with torch.inference_mode():
        ours, theirs = transfer(model_name, width, height, style_known), calibrator()
        theirs()
        warm_up = seconds(ours)
        of_theirs, of_ours = [seconds(theirs), seconds(theirs)], []
        while len(of_ours) < repeats and (not of_ours or sum(of_ours) + warm_up < LONG):
            of_ours.append(seconds(ours))
            of_theirs += [seconds(theirs), seconds(theirs)]
    return median(of_ours), median(of_theirs), torch.get_num_threads()


def measure_peak(model_name: str, width: int, height: int, style_known: bool) -> float:
    """The peak resident set of this process in 2^20 bytes, after one transfer."""
    transfer(model_name, width, height, style_known)()
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak / (1 << 20 if sys.platform == "darwin" else 1 << 10)


def in_fresh_process(measure: Callable[..., Any], *arguments: object) -> Any:
    with ProcessPoolExecutor(1, mp_context=get_context("spawn")) as process:
        return process.submit(measure, *arguments).result()


def sizes(text: str) -> list[tuple[int, int]]:
    """Parse WIDTHxHEIGHT,..."""
    found = []
    for one in text.lower().split(","):
        width, height = (int(side) for side in one.split("x"))
        if min(width, height) < 1:
            raise ValueError
        found.append((width, height))
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument(
        "--models", default="compact,vgg19,vgg19:network", help="by commas (default: %(default)s)"
    )
    parser.add_argument("--sizes", type=sizes, default=SIZES, metavar="WxH,...", help="(default: four)")
    parser.add_argument("--repeats", type=int, default=7, help="timed transfers (default: %(default)s)")
    parser.add_argument(
        "--style-known", action="store_true", help="leave the style out of the time: a second picture of it"
    )
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the records here")
    options = parser.parse_args()

    records = []
    for model in options.models.split(","):
        for width, height in options.sizes:
            try:
                what = model, width, height, options.style_known
                ours, theirs, threads = in_fresh_process(measure_time, *what, options.repeats)
                peak = in_fresh_process(measure_peak, *what)
            except HaarmonyError as error:
                sys.exit(f"{model}: {error}")
            except BrokenProcessPool:
                sys.exit(
                    f"{model} at {width}x{height}: the process was ended, most likely for want of memory"
                )
            if not records:
                print("Content and style of the size, moments included, batch 1, warm; no input or output.")
                print("| model | size | threads | T (s) | seconds | ratio to T | peak MB |")
                print("|---|---|---|---|---|---|---|")
            records.append(
                {
                    "model": model,
                    "width": width,
                    "height": height,
                    "seconds": ours,
                    "ratio": ours / theirs,
                    "peak_mb": peak,
                }
            )
            print(
                f"| {model} | {width}x{height} | {threads} | {theirs:.3f} | {ours:.3f} "
                f"| {ours / theirs:.2f} | {peak:.0f} |",
                flush=True,
            )
            if options.json:
                options.json.write_text(json.dumps(records, indent=2) + "\n")


if __name__ == "__main__":
    main()
