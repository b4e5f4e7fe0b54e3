import platform
import subprocess
import sys

import pytest
import torch

from haarmony import pages
from haarmony.matching import Affine
from haarmony.pages import empty_channels_last, in_strips, strips
from haarmony.wavelets import haar_merge, haar_split


@pytest.fixture
def small_is_large(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pages, "_LARGE", 1)
    monkeypatch.setattr(pages, "_STRIP", 300)


@pytest.mark.parametrize("large", [1, 1 << 40])
def test_memory_is_channels_last_and_lives_as_long_as_its_tensor(monkeypatch, large: int) -> None:
    monkeypatch.setattr(pages, "_LARGE", large)
    like = torch.zeros(2, 3, 4, 5, dtype=torch.float64)
    made = empty_channels_last(like, 7, 8, 9)
    assert made.shape == (2, 7, 8, 9)
    assert made.dtype == like.dtype
    assert made.is_contiguous(memory_format=torch.channels_last)
    part = made.fill_(1)[:1]
    del made
    assert part.sum() == 7 * 8 * 9


def test_strips_cover_every_row_once(small_is_large) -> None:
    for height in (1, 2, 7, 64):
        rows = [row for one in strips(torch.empty(1, 5, height, 11)) for row in range(height)[one]]
        assert rows == list(range(height))
        assert all(one.start % 2 == 0 for one in strips(torch.empty(1, 5, height, 11)))


def test_what_needs_a_gradient_is_not_cut(small_is_large) -> None:
    x = torch.zeros(1, 1, 2, 2)
    assert in_strips(x)
    assert not in_strips(x.requires_grad_())


@pytest.mark.parametrize("size", [(40, 31), (1, 9), (33, 32)])
def test_work_in_strips_is_the_same(monkeypatch: pytest.MonkeyPatch, size: tuple[int, int]) -> None:
    torch.manual_seed(0)
    x = torch.randn(2, 5, *size)
    affine = Affine(torch.randn(4, 5).double(), torch.randn(4).double())
    bands, mapped = haar_split(x), affine(x)
    monkeypatch.setattr(pages, "_LARGE", 1)
    monkeypatch.setattr(pages, "_STRIP", 300)
    torch.testing.assert_close(haar_split(x), bands)
    torch.testing.assert_close(affine(x), mapped)
    torch.testing.assert_close(haar_merge(haar_split(x), size), x)


HOLES = """
import psutil
from haarmony.pages import give_back_large_blocks
give_back_large_blocks()
kept = []
for _ in range(8):
    b"x" * (20 << 20)
blocks = []
for _ in range(8):
    blocks.append(b"x" * (12 << 20))
    kept.append(b"x" * (96 << 10))
before = psutil.Process().memory_info().rss
del blocks[:]
print((before - psutil.Process().memory_info().rss) >> 20)
"""


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="a setting of glibc")
def test_holes_left_by_large_blocks_go_back_to_the_system() -> None:
    done = subprocess.run([sys.executable, "-c", HOLES], capture_output=True, text=True, check=True)
    assert int(done.stdout) >= 90
