"""How fast and how exact other ways to run a network are, next to plain float32 torch.

    python benchmarks/runtimes.py --networks compact,vgg19 --side 352

One pass there and back of the bare network on a picture in memory. The ways take turns, and the fastest of
each counts; ratios are to torch as it is used. The error is the largest difference from its picture, in
levels of 255. ONNX Runtime (with onnx and onnxscript) and OpenVINO are measured where they are installed.
"""

import argparse
import time
import warnings
from collections.abc import Callable
from copy import deepcopy
from pathlib import Path
from tempfile import TemporaryDirectory

import torch
from torch import Tensor, nn

from haarmony.networks.weights import load_network
from transfer import picture

Way = Callable[[Tensor], Tensor]


def channels_last(network: nn.Module, _: Tensor) -> Way:
    moved = deepcopy(network).to(memory_format=torch.channels_last)
    return lambda x: moved(x.contiguous(memory_format=torch.channels_last))


def bfloat16(network: nn.Module, _: Tensor) -> Way:
    def run(x: Tensor) -> Tensor:
        with torch.autocast("cpu", dtype=torch.bfloat16):
            return network(x).float()

    return run


def compiled(network: nn.Module, _: Tensor) -> Way:
    return torch.compile(network)


def onnx_runtime(network: nn.Module, x: Tensor) -> Way:
    import onnxruntime

    with TemporaryDirectory() as folder:
        path = Path(folder, "network.onnx")
        torch.onnx.export(network, (x,), path, dynamo=True, input_names=["picture"])
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = torch.get_num_threads()
        session = onnxruntime.InferenceSession(path, options, providers=["CPUExecutionProvider"])
    return lambda x: torch.from_numpy(session.run(None, {"picture": x.numpy()})[0])


def openvino(network: nn.Module, x: Tensor) -> Way:
    import openvino

    options = {"INFERENCE_NUM_THREADS": torch.get_num_threads(), "INFERENCE_PRECISION_HINT": "f32"}
    made = openvino.compile_model(openvino.convert_model(network, example_input=x), "CPU", options)
    return lambda x: torch.from_numpy(made(x.numpy())[0])


WAYS: dict[str, Callable[[nn.Module, Tensor], Way]] = {
    "torch": lambda network, _: network,
    "channels_last": channels_last,
    "bfloat16": bfloat16,
    "torch.compile": compiled,
    "ONNX Runtime": onnx_runtime,
    "OpenVINO": openvino,
}


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--networks", default="compact")
    parser.add_argument("--side", type=int, default=352)
    parser.add_argument("--rounds", type=int, default=15)
    options = parser.parse_args()
    warnings.simplefilter("ignore")
    x = picture(0, options.side, options.side)
    for name in options.networks.split(","):
        network = load_network(name)[0].eval()
        with torch.inference_mode():
            wanted = network(x)
            ready: dict[str, Way] = {}
            for way, prepare in WAYS.items():
                started = time.perf_counter()
                try:
                    ready[way] = prepare(network, x)
                    ready[way](x)
                except Exception as error:
                    ready.pop(way, None)
                    print(f"{name} {way}: {type(error).__name__}: {str(error).strip().splitlines()[:1]}")
                    continue
                print(f"{name} {way}: ready in {time.perf_counter() - started:.1f} s", flush=True)
            fastest = dict.fromkeys(ready, float("inf"))
            for _ in range(options.rounds):
                for way, run in ready.items():
                    started = time.perf_counter()
                    run(x)
                    fastest[way] = min(fastest[way], time.perf_counter() - started)
            for way, run in ready.items():
                error = float((run(x) - wanted).abs().max()) * 255
                ratio = fastest[way] / fastest["torch"]
                milliseconds = fastest[way] * 1e3
                print(f"{name} {options.side} {way}: {milliseconds:.1f} ms, {ratio:.2f}, error {error:.3f}")


if __name__ == "__main__":
    main()
