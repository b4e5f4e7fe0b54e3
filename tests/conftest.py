"""What all tests share: few threads, and a line for every group of tests that was left out."""

import os

# Before torch starts its threads: the pictures are small, and more threads only wait for each other.
os.environ.setdefault("OMP_NUM_THREADS", "1")

import signal
from collections import Counter

import pytest
import torch
from hypothesis import settings
from torch import Tensor

from haarmony.networks.vgg_features import VGGFeatures

MATERIAL = {
    "HAARMONY_DATA": "photographs, pairs and reference outputs",
    "HAARMONY_WEIGHTS": "VGG-19's weights",
}

torch.set_num_threads(int(os.environ["OMP_NUM_THREADS"]))
settings.register_profile("haarmony", deadline=None, max_examples=30, derandomize=True)
settings.load_profile("haarmony")

if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:  # as a shell starts what runs in the background
    signal.signal(signal.SIGINT, signal.default_int_handler)


def pytest_report_header() -> list[str]:
    return [
        f"{variable}: {os.environ.get(variable) or f'not set, so tests that need {what} are left out'}"
        for variable, what in MATERIAL.items()
    ]


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    reasons: Counter[str] = Counter()
    for report in terminalreporter.stats.get("skipped", []):
        if isinstance(report.longrepr, tuple):
            reasons[report.longrepr[2].removeprefix("Skipped: ")] += 1
    terminalreporter.write_sep("=", "tests left out")
    if not reasons:
        terminalreporter.write_line("none: every test ran")
    for reason, count in reasons.most_common():
        terminalreporter.write_line(f"{count} left out: {reason}")


def random_vgg() -> VGGFeatures:
    """VGG-19 with random weights of the scale that keeps the size of features."""
    generator = torch.Generator().manual_seed(0)
    weights: dict[str, Tensor] = {}
    channels = 3
    for block, widths in {1: (64, 64), 2: (128, 128), 3: (256, 256, 256, 256), 4: (512,)}.items():
        for number, width in enumerate(widths, start=1):
            scale = (2 / (9 * channels)) ** 0.5
            weights[f"conv{block}_{number}.weight"] = scale * torch.randn(
                width, channels, 3, 3, generator=generator
            )
            weights[f"conv{block}_{number}.bias"] = torch.zeros(width)
            channels = width
    return VGGFeatures(weights)


@pytest.fixture(scope="session")
def vgg() -> VGGFeatures:
    return random_vgg()
