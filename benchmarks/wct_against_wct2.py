"""What WCT2 says against the cascade of WCT and PhotoWCT: it is slow, it amplifies errors, it is large.

    python benchmarks/wct_against_wct2.py photos/val content.jpg style.jpg

- *parameters*: of the networks that a transfer needs, the shared encoder once.
- *products*: multiplications of the convolutions that a content goes through, thousands a pixel; the style
  takes its encoders besides.
- *there and back*: PSNR after each network of the cascade with nothing matched, medians over the
  middles of the photos; the one network of WCT2 beside it.
- *twice*: the PSNR after the whole system has been gone through once more.
- *seconds*: a transfer between two pictures with the long side asked for, everything loaded; the median of
  three runs.
- *peak MB*: the largest resident set of a fresh process that loads the system and transfers once.
"""

import argparse
import resource
import time
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path
from statistics import median
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from torch import Tensor

RUNS = 3
SYSTEMS = ("wct", "photowct", "vgg19", "vgg19_sum")
"""The last two are WCT2, with its decoder `cat5` and `sum`."""


class System:
    """One of these, as what is done to a picture."""

    def __init__(self, name: str) -> None:
        from haarmony.methods import WCT, WCT2, PhotoWCT
        from haarmony.methods.levelwise import known_levels
        from haarmony.pipelines.ways import Ways

        self.steps: list[Any]
        if name.startswith("vgg19"):
            model = Ways(detail="network").model(WCT2.load(name), None)
            self.networks, self.steps = model.network, [model.network]
            self.transfer = lambda content, style: model(content, model.style(style))
            return
        levels = known_levels({"wct": "vgg19_plain", "photowct": "vgg19_places"}[name])
        self.networks = levels
        self.steps = [lambda x, level=level: levels(x, level).clamp(0, 1) for level in (4, 3, 2, 1)]
        self.transfer = WCT(side=4096) if name == "wct" else PhotoWCT(side=4096)

    def parameters(self) -> int:
        """Of all networks together."""
        return sum(parameter.numel() for parameter in self.networks.parameters())

    def products(self) -> float:
        """Thousands a pixel, of all networks one after another."""
        import torch
        from torch.utils.flop_counter import FlopCounterMode

        side = 64
        with FlopCounterMode(display=False) as counter, torch.enable_grad():
            x = torch.rand(1, 3, side, side, requires_grad=True)  # plain convolutions, which can be counted
            for step in self.steps:
                x = step(x)
        return counter.get_total_flops() / 2 / side**2 / 1000


def fidelity(name: str, folder: Path, count: int) -> tuple[int, float, list[float]]:
    import torch

    from decoders import middle
    from haarmony.training.photos import load_photos
    from haarmony.training.validation import psnr

    torch.set_grad_enabled(False)
    system = System(name)
    photos = load_photos(folder)
    scores: list[list[float]] = []
    for photo in photos[:: max(1, len(photos) // count)]:
        picture = middle(photo)
        x, own = picture, []
        for step in system.steps * 2:
            x = step(x)
            own.append(psnr(x, picture))
        scores.append(own)
    return system.parameters(), system.products(), [median(column) for column in zip(*scores, strict=True)]


def cost(name: str, content: Path, style: Path, side: int) -> tuple[float, float]:
    import torch
    import torch.nn.functional as F

    from haarmony.media.kinds import to_tensor

    def seen(path: Path) -> "Tensor":
        picture, _ = to_tensor(path)
        height, width = (round(length * side / max(picture.shape[-2:])) for length in picture.shape[-2:])
        return F.interpolate(picture, (height, width), mode="bilinear", antialias=True).clamp(0, 1)

    torch.set_grad_enabled(False)
    system, pair = System(name), (seen(content), seen(style))
    system.transfer(*pair)
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    times = []
    for _ in range(RUNS):
        begun = time.perf_counter()
        system.transfer(*pair)
        times.append(time.perf_counter() - begun)
    return median(times), peak


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("photos", type=Path)
    parser.add_argument("content", type=Path)
    parser.add_argument("style", type=Path)
    parser.add_argument("--side", type=int, default=512)
    parser.add_argument("--count", type=int, default=12, help="photos for the PSNR")
    options = parser.parse_args()
    print("system | parameters | products | there and back, dB | twice, dB | seconds | peak MB")
    for name in SYSTEMS:
        # A process each: the peak is that of one system.
        with ProcessPoolExecutor(1, mp_context=get_context("spawn")) as fresh:
            seconds, peak = fresh.submit(cost, name, options.content, options.style, options.side).result()
        with ProcessPoolExecutor(1, mp_context=get_context("spawn")) as fresh:
            counted = fresh.submit(fidelity, name, options.photos, options.count).result()
        parameters, products, scores = counted
        once = ", ".join(f"{score:.1f}" for score in scores[: len(scores) // 2])
        figures = f"{parameters:,} | {products:.0f} | {once} | {scores[-1]:.1f} | {seconds:.1f} | {peak:.0f}"
        print(f"{name} | {figures}", flush=True)


if __name__ == "__main__":
    main()
