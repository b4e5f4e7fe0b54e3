import platform
import subprocess
import sys

import pytest
import torch

from haarmony import pages
from haarmony.matching import Affine
from haarmony.methods.sites import change
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


def test_blocks_are_used_again_while_others_are_in_use() -> None:
    blocks = pages._Blocks()
    first, second = blocks.take(8192), blocks.take(4096)
    first[:] = 1
    del first
    again = blocks.take(8192)
    assert again.all()
    assert not second.any()
    second[:] = 2
    assert again.max() == 1


def test_blocks_are_never_more_than_were_in_use_at_once() -> None:
    def held() -> int:
        return blocks._used + sum(map(len, blocks._kept))

    blocks = pages._Blocks()
    taken = [blocks.take(size) for size in (4096, 8192, 4096)]
    del taken[1:]
    assert held() == 16384
    taken.append(blocks.take(12288))
    assert held() == 16384
    taken.append(blocks.take(8192))
    assert held() == 24576
    taken.clear()
    assert held() == 0


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


class TestSpentFeatures:
    @pytest.fixture
    def affine(self) -> Affine:
        return Affine(torch.randn(5, 5).double(), torch.randn(5).double())

    @pytest.fixture
    def features(self) -> torch.Tensor:
        return torch.randn(1, 5, 40, 31).contiguous(memory_format=torch.channels_last)

    def test_are_written_over(self, small_is_large, affine, features) -> None:
        expected = affine(features)
        mapped = affine(features, spend=True)
        assert mapped is features
        torch.testing.assert_close(mapped, expected)

    def test_others_stay(self, small_is_large, affine, features) -> None:
        before = features.clone()
        affine(features)
        assert features.equal(before)

    def test_of_another_order_stay_and_are_mapped(self, small_is_large, affine, features) -> None:
        plain = features.contiguous()
        torch.testing.assert_close(affine(plain, spend=True), affine(features))
        assert plain.equal(features)

    def test_of_other_channels_are_mapped(self, small_is_large, features) -> None:
        fewer = Affine(torch.randn(3, 5).double(), torch.zeros(3).double())
        torch.testing.assert_close(fewer(features, spend=True), fewer(features))

    @pytest.mark.parametrize("strength", [0.5, 1.0])
    def test_are_needed_where_they_are_blended(self, small_is_large, affine, features, strength) -> None:
        weight = torch.rand(40, 31)
        for weights in ({"": None}, {"a": weight, "b": 1 - weight}):
            maps = dict.fromkeys(weights, affine)
            expected = torch.lerp(features, affine(features), strength)
            torch.testing.assert_close(change(features.clone(), maps, weights, strength), expected)


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


SCATTERED = """
import psutil
from haarmony.pages import giving_back
large, small = [], []
for _ in range(1000):
    large.append(b"x" * (96 << 10))
    small.append(bytearray(1024))
del large[:]
before = psutil.Process().memory_info().rss
assert list(giving_back(iter([1, 2]))) == [1, 2]
print((before - psutil.Process().memory_info().rss) >> 20)
"""


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="glibc gives back what lies free")
def test_free_pages_between_small_blocks_go_back_to_the_system() -> None:
    done = subprocess.run([sys.executable, "-c", SCATTERED], capture_output=True, text=True, check=True)
    assert int(done.stdout) >= 60
