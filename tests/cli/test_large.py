"""Large files, run as a user runs them: memory does not grow, kills and full disks break nothing."""

import os
import resource
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
import tifffile
from numpy.typing import NDArray

from haarmony.media.source import open_source

PEAK = (
    "import resource, subprocess, sys\n"
    "code = subprocess.call(sys.argv[1:])\n"
    "print(resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss)\n"
    "sys.exit(code)"
)
TRANSFER = [sys.executable, "-m", "haarmony", "transfer"]

pytestmark = pytest.mark.slow


def pixels(height: int, width: int) -> NDArray[np.uint16]:
    """A picture of waves, 16 bits."""
    down, across = np.linspace(0, 40, height)[:, None], np.linspace(0, 60, width)[None]
    waves = np.stack([np.sin(down + across), np.cos(down) * np.sin(across), np.cos(across + 0 * down)], -1)
    return np.rint(65535 * (0.5 + 0.4 * waves)).astype(np.uint16)


@pytest.fixture
def style(tmp_path: Path) -> Path:
    tifffile.imwrite(tmp_path / "dusk.tif", pixels(60, 90)[..., ::-1] // 2, photometric="rgb")
    return tmp_path / "dusk.tif"


def peak_of(tmp_path: Path, style: Path, size: tuple[int, int], *way: str) -> float:
    """MB that a transfer of a 16-bit TIFF of this size takes."""
    content, out = tmp_path / "day.tif", tmp_path / "out.tif"
    tifffile.imwrite(content, pixels(*size), photometric="rgb", rowsperstrip=64)
    command = [sys.executable, "-c", PEAK, *TRANSFER, content, style, "-o", out, "-q", *way]
    run = subprocess.run(command, capture_output=True, text=True, check=True)
    with open_source(out) as written:
        assert (written.header.height, written.header.width) == size
        assert written.header.depth == 16
        assert len(np.unique(written.read(0, 64))) > 1000
    return int(run.stdout) / 1024


def test_memory_does_not_grow_with_the_picture(tmp_path: Path, style: Path) -> None:
    small, large = (peak_of(tmp_path, style, size) for size in ((3400, 5000), (6800, 5000)))
    assert large - small < 50  # the larger file has 100 MB more


def test_the_network_s_tiles_stay_within_the_memory_allowed(tmp_path: Path, style: Path) -> None:
    way = ("--detail", "network")
    allowed = round(peak_of(tmp_path, style, (64, 90), *way)) + 300
    assert peak_of(tmp_path, style, (3000, 4000), *way, "--max-memory", f"{allowed}M") < allowed + 100


def test_a_kill_leaves_no_broken_output(tmp_path: Path, style: Path) -> None:
    content, out = tmp_path / "day.tif", tmp_path / "out.tif"
    tifffile.imwrite(content, pixels(3000, 4000), photometric="rgb", rowsperstrip=64)
    out.write_bytes(b"old")
    for grown in (0, 1 << 20, 30 << 20):
        process = subprocess.Popen([*TRANSFER, content, style, "-o", out, "-q"])
        while process.poll() is None:
            parts = list(tmp_path.glob(".haarmony-*.tmp"))
            if any(part.exists() and part.stat().st_size > grown for part in parts):
                process.send_signal(signal.SIGKILL)
                break
            time.sleep(0.002)
        process.wait()
        for part in tmp_path.glob(".haarmony-*.tmp"):
            part.unlink()
        if process.returncode == -signal.SIGKILL:
            assert out.read_bytes() == b"old"
        else:
            pytest.fail("it was too quick to be killed")


def test_an_interrupt_leaves_nothing_behind(tmp_path: Path, style: Path) -> None:
    content, out = tmp_path / "day.tif", tmp_path / "out.tif"
    tifffile.imwrite(content, pixels(3000, 4000), photometric="rgb", rowsperstrip=64)
    process = subprocess.Popen(
        [*TRANSFER, content, style, "-o", out, "-q"], stderr=subprocess.PIPE, text=True
    )
    while process.poll() is None and not list(tmp_path.glob(".haarmony-*.tmp")):
        time.sleep(0.002)
    process.send_signal(signal.SIGINT)
    _, said = process.communicate()
    assert process.returncode == 130
    assert said == "haarmony: interrupted\n"
    assert sorted(path.name for path in tmp_path.iterdir()) == ["day.tif", "dusk.tif"]


@pytest.mark.parametrize("name", ["out.tif", "out.jpg", "out.png"])
def test_a_full_disk_is_one_line(tmp_path: Path, style: Path, name: str) -> None:
    content = tmp_path / "day.tif"
    tifffile.imwrite(content, pixels(300, 400), photometric="rgb")
    run = subprocess.run(
        [*TRANSFER, content, style, "-o", tmp_path / name, "-q"],
        capture_output=True,
        text=True,
        preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (5000, 5000)),
        env={**os.environ, "PYTHONDONTWRITEBYTECODE": "1"},
    )
    assert run.returncode == 2
    assert run.stderr.count("\n") == 1
    assert name in run.stderr
    assert sorted(path.name for path in tmp_path.iterdir()) == ["day.tif", "dusk.tif"]
