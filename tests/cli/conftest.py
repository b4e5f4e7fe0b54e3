import warnings
from typing import NamedTuple

import numpy as np
import pytest
from PIL import Image

from haarmony.cli.main import main


class Run(NamedTuple):
    """What a command gave back."""

    code: int
    out: str
    err: str


@pytest.fixture
def haarmony(capsys):
    """Run a command line in this process."""

    def run(*arguments):
        before = warnings.filters[:]
        code = main([str(argument) for argument in arguments])
        assert warnings.filters == before
        return Run(code, *capsys.readouterr())

    return run


@pytest.fixture
def photo():
    """Make a smooth picture: (height, width, 3) uint8."""

    def make(height=24, width=32, tint=(1.0, 0.9, 0.7)):
        rows, columns = np.mgrid[:height, :width] / max(height, width)
        waves = np.stack([np.sin(5 * rows + 2), np.cos(4 * columns), np.sin(6 * (rows + columns))], -1)
        return np.rint(255 * np.clip((0.5 + 0.3 * waves) * tint, 0, 1)).astype(np.uint8)

    return make


@pytest.fixture
def here(tmp_path, monkeypatch, photo):
    """Enter a new folder that holds the photos day.png and dusk.png."""
    monkeypatch.chdir(tmp_path)
    Image.fromarray(photo()).save("day.png")
    Image.fromarray(photo(20, 28, tint=(0.4, 0.5, 0.9))).save("dusk.png")
    return tmp_path
