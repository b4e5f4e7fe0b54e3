"""A GPU beside the processor of its machine: how far apart their results are, and how fast each is.

    python benchmarks/gpu.py CONTENT STYLE [--models compact,vgg19,vgg19:network] [--sizes 512x512,...]

- *apart*: the largest and the mean difference, in levels of 255, between a transfer of the two pictures on
  the GPU and on the CPU; in float32 throughout, and with TF32 in convolutions (torch's default).
- *seconds*: content and style of the size, in main memory before and after; the style's moments are in, but
  for `style known`. The median, after two runs to warm up.
- *maps known*: the network's pass alone with maps that are known, as for the frames of a film, launched
  kernel by kernel and as a CUDA graph.
- *root*: of a covariance, by eigenvectors, in float64.
- *films*: frames a second of a film in memory, 1280 x 720 and 1920 x 1080; decoding and encoding are not in.

A model is a name, or `NAME:network` for the network at full size.
"""

import argparse
import time
from collections.abc import Callable, Iterator
from fractions import Fraction
from itertools import islice
from pathlib import Path
from statistics import median

import numpy as np
import torch
from torch import Tensor

from factorisation import by_eigenvectors
from haarmony import WCT2, Ways
from haarmony.media.film import FilmHeader, Frame
from haarmony.media.kinds import to_picture, to_tensor
from haarmony.pipelines.lit import settled
from transfer import SIZES, sizes

CPU_UP_TO = 1920 * 1080
LONG = 3.0
"""Seconds after which no further run is timed."""


def loaded(name: str, device: str) -> WCT2:
    model, _, detail = name.partition(":")
    return Ways(detail=detail or None).model(WCT2.load(model).to(device), None)


def picture(path: Path, size: tuple[int, int] | None = None) -> Tensor:
    tensor, _ = to_tensor(to_picture(path))
    if size is None:
        return tensor
    return torch.nn.functional.interpolate(tensor, size[::-1], mode="bicubic", antialias=True).clamp(0, 1)


def timed(action: Callable[[], object], most: int = 9) -> float:
    def once() -> float:
        torch.cuda.synchronize()
        start = time.perf_counter()
        action()
        torch.cuda.synchronize()
        return time.perf_counter() - start

    times = [once()]
    if times[0] < LONG:
        once()
        times = [once()]
    while len(times) < most and sum(times) < LONG:
        times.append(once())
    return median(times)


def agreement(models: list[str], content: Tensor, style: Tensor) -> None:
    print("| model | convolutions | largest | mean, levels of 255 |\n|---|---|---|---|")
    for name in models:
        model = loaded(name, "cpu")
        here = model(content, model.style(style))
        model.to("cuda")
        for tf32 in (False, True):
            torch.backends.cudnn.allow_tf32 = tf32
            apart = (model(content, model.style(style)) - here).abs() * 255
            what = "TF32" if tf32 else "float32"
            print(f"| {name} | {what} | {float(apart.max()):.3f} | {float(apart.mean()):.4f} |", flush=True)


def speeds(models: list[str], several: list[tuple[int, int]], content: Path, style: Path, cpu: bool) -> None:
    print("| model | size | GPU | style known | peak GPU MB | CPU |\n|---|---|---|---|---|---|")
    for name in models:
        for size in several:
            model, (a, b) = loaded(name, "cuda"), (picture(one, size) for one in (content, style))
            known = model.style(b)
            torch.cuda.reset_peak_memory_stats()
            both = timed(lambda: model(a, model.style(b)))  # noqa: B023
            one = timed(lambda: model(a, known))  # noqa: B023
            peak = torch.cuda.max_memory_allocated() / (1 << 20)
            line = f"| {name} | {size[0]}x{size[1]} | {both:.4f} | {one:.4f} | {peak:.0f} | "
            if cpu and size[0] * size[1] <= CPU_UP_TO:
                model = loaded(name, "cpu")
                line += f"{timed(lambda: model(a, model.style(b)), 3):.3f} |"  # noqa: B023
            print(line, flush=True)


@torch.no_grad()
def graphs(models: list[str], content: Path, style: Path) -> None:
    print("| model | size | known maps: launched | as a graph |\n|---|---|---|---|")
    for name in models:
        for size in ((512, 512), (1280, 720)):
            model = loaded(name, "cuda")
            x = picture(content, size).cuda()
            maps = model.plan(x, model.style(picture(style, size)), 1.0, None)
            on_gpu = {
                site: {label: _there(one) for label, one in labels.items()} for site, labels in maps.items()
            }
            launched = timed(lambda: model.render(x, maps, 1.0, None))  # noqa: B023
            stream = torch.cuda.Stream()
            with torch.cuda.stream(stream):
                model.render(x, on_gpu, 1.0, None)
            torch.cuda.synchronize()
            graph = torch.cuda.CUDAGraph()
            with torch.cuda.graph(graph):
                model.render(x, on_gpu, 1.0, None)
            print(
                f"| {name} | {size[0]}x{size[1]} | {launched:.4f} | {timed(graph.replay):.4f} |", flush=True
            )


def _there(one):  # type: ignore[no-untyped-def]
    from dataclasses import replace

    affine = replace(
        one.affine, matrix=one.affine.matrix.float().cuda(), offset=one.affine.offset.float().cuda()
    )
    return replace(one, affine=affine)


def roots() -> None:
    print("| channels | GPU, s | CPU, s |\n|---|---|---|")
    for channels in (64, 96, 128, 256, 512):
        samples = torch.randn(channels, 8 * channels, dtype=torch.float64)
        covariance = torch.cov(torch.logspace(0, -3, channels, dtype=torch.float64)[:, None] * samples)
        there = covariance.cuda()
        print(
            f"| {channels} | {timed(lambda: by_eigenvectors(there)):.4f} "  # noqa: B023
            f"| {timed(lambda: by_eigenvectors(covariance)):.4f} |",  # noqa: B023
            flush=True,
        )


class Wandering:
    """A film in memory: a window that wanders over a picture."""

    path, is_container, is_cut_short = Path("memory"), False, False

    def __init__(self, picture: np.ndarray, size: tuple[int, int], count: int) -> None:
        width, height = size
        self.header = FilmHeader(width, height, Fraction(25), Fraction(1, 25), frames=count)
        self._frames = [
            np.ascontiguousarray(picture[2 * i : 2 * i + height, 3 * i : 3 * i + width]) for i in range(count)
        ]

    def frames(self, start: int = 0, stop: int | None = None) -> Iterator[Frame]:
        """See `Film`."""
        for index in range(start, len(self._frames) if stop is None else stop):
            yield Frame(index, Fraction(index, 25), self._frames[index])


def films(content: Path, style: Path, models: list[str], paths: list[str], count: int, cpu: bool) -> None:
    from haarmony.pipelines.lit_frames import transferred_frames

    print("| model | path | size | GPU, frames a second | CPU |\n|---|---|---|---|---|")
    for size in ((1280, 720), (1920, 1080)):
        whole = picture(content, (size[0] + 3 * count, size[1] + 2 * count))
        film = Wandering((whole[0].permute(1, 2, 0) * 255).byte().numpy(), size, count)
        for name in models:
            for path in paths:
                line = f"| {name} | {path} | {size[0]}x{size[1]} |"
                for device in ("cuda", "cpu") if cpu else ("cuda",):
                    some = max(5, count // 12) if device == "cpu" and path == "network" else count
                    lit = settled(film, str(style), model=name, path=path, ways=Ways(device=device))
                    frames = transferred_frames(film, lit)
                    next(frames)
                    start = time.perf_counter()
                    done = sum(1 for _ in islice(frames, some))
                    line += f" {done / (time.perf_counter() - start):.1f} |"
                print(line, flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("content", type=Path)
    parser.add_argument("style", type=Path)
    parser.add_argument("--models", default="compact,vgg19,vgg19:network", help="(default: %(default)s)")
    parser.add_argument("--parts", default="agreement,roots,speeds,films,graphs", help="(default: all)")
    parser.add_argument("--sizes", type=sizes, default=SIZES, metavar="WxH,...", help="(default: four)")
    parser.add_argument("--films", default="carry,network,lut", help="paths of films (default: %(default)s)")
    parser.add_argument("--no-cpu", dest="cpu", action="store_false", help="leave out the CPU's times")
    options = parser.parse_args()
    models, parts = options.models.split(","), options.parts.split(",")
    print(f"{torch.cuda.get_device_name()}, torch {torch.__version__}, {torch.get_num_threads()} threads")
    if "agreement" in parts:
        agreement(models, picture(options.content), picture(options.style))
    if "roots" in parts:
        roots()
    if "speeds" in parts:
        speeds(models, list(options.sizes), options.content, options.style, options.cpu)
    if "films" in parts:
        films(
            options.content,
            options.style,
            [one for one in models if ":" not in one],
            options.films.split(","),
            60,
            options.cpu,
        )
    if "graphs" in parts:
        graphs(models, options.content, options.style)


if __name__ == "__main__":
    main()
