"""Where the time of a transfer goes: seconds and T of each kind of work, in one process.

    python benchmarks/pieces.py vgg19:network 1024x1024

Timers around the functions that do the work; a function's time is its own and not that of others listed. T is
the calibrator of `benchmarks/transfer.py`, measured in turns with the transfers; the fastest of each counts.
"""

import argparse
import time
from collections import defaultdict
from collections.abc import Callable
from typing import Any

import torch

from haarmony import carry, matching, moments
from haarmony.methods import wct2
from haarmony.networks import compact, pooling, vgg19
from transfer import calibrator, seconds, sizes, transfer

KINDS = {
    "convolutions": [(vgg19.ReflectedConvolution, "forward"), (compact.Residual, "forward")],
    "unpooling and its convolutions": [
        (vgg19, "unpool_convolve"),
        (pooling, "haar_merge"),
        (compact, "haar_merge"),
    ],
    "Haar pooling": [(pooling, "haar_split"), (compact, "haar_split")],
    "moments": [(moments.Moments, "of")],
    "affine maps": [(matching.Affine, "__call__")],
    "factorisations": [(wct2, "solve")],
    "the carry": [(wct2, "evidence"), (wct2, "region_fields"), (wct2, "apply_field"), (carry, "apply_field")],
}
spent: dict[str, float] = defaultdict(float)
inner = [0.0]


def timed(kind: str, function: Callable[..., Any]) -> Callable[..., Any]:
    def measured(*arguments: Any, **options: Any) -> Any:
        inner.append(0.0)
        start = time.perf_counter()
        result = function(*arguments, **options)
        took = time.perf_counter() - start
        spent[kind] += took - inner.pop()
        inner[-1] += took
        return result

    return measured


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("model", help="as in benchmarks/transfer.py")
    parser.add_argument("size", type=sizes, metavar="WxH")
    parser.add_argument("--repeats", type=int, default=3)
    options = parser.parse_args()
    for kind, places in KINDS.items():
        for owner, name in places:
            if isinstance(owner.__dict__[name], classmethod):
                setattr(owner, name, staticmethod(timed(kind, getattr(owner, name))))
            else:
                setattr(owner, name, timed(kind, getattr(owner, name)))
    ours, theirs = transfer(options.model, *options.size[0], False), calibrator()
    ours(), theirs()
    runs: list[tuple[float, dict[str, float]]] = []
    unit = float("inf")
    for _ in range(options.repeats):
        spent.clear()
        unit = min(unit, seconds(theirs))
        runs.append((seconds(ours), dict(spent)))
    whole, best = min(runs, key=lambda run: run[0])
    print(f"{options.model}, {options.size[0]}, {torch.get_num_threads()} threads, T {unit:.3f} s")
    for kind, took in sorted(best.items(), key=lambda item: -item[1]):
        print(f"| {kind} | {took:.3f} s | {took / unit:.2f} T |")
    rest = whole - sum(best.values())
    print(f"| all else | {rest:.3f} s | {rest / unit:.2f} T |")
    print(f"| whole | {whole:.3f} s | {whole / unit:.2f} T |")


if __name__ == "__main__":
    with torch.inference_mode():
        main()
