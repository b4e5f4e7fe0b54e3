import psutil
import pytest

from haarmony.errors import InputError
from haarmony.networks.compact import Compact
from haarmony.pipelines.memory import GPU_TILE_BYTES, TILE_BYTES, budget, fits, tile_side, together
from haarmony.pipelines.rows import CPU


def test_less_memory_makes_smaller_tiles_that_fit() -> None:
    network = Compact()
    sides = [tile_side(network, 4000, megabytes << 20) for megabytes in (200, 260, 400, 900)]
    assert sides == sorted(set(sides))
    assert sides[-1] > 1000
    assert tile_side(network, 4000, 1 << 40) == tile_side(network, 4000, TILE_BYTES + network.bytes_aside)
    for side, megabytes in zip(sides, (200, 260, 400, 900), strict=True):
        outer = side + 2 * network.reach
        assert side % network.stride == 0
        assert outer**2 * network.bytes_per_pixel + network.bytes_aside < megabytes << 20


def test_too_little_memory_is_one_line_that_says_how_much_is_missing() -> None:
    with pytest.raises(InputError, match=r"about \d+ MB too little"):
        tile_side(Compact(), 4000, 1 << 20)
    with pytest.raises(InputError, match="too little"):
        tile_side(Compact(), 4000, -1)


def test_the_budget_is_what_is_left() -> None:
    free = psutil.virtual_memory().available
    assert 0.3 * free < budget(None, CPU) < 0.7 * free
    assert 0 < budget(1 << 40, CPU) < 1 << 40
    assert budget(1, CPU) < 0


def test_a_picture_in_one_piece() -> None:
    network = Compact()
    memory = 1000 * network.bytes_per_pixel + network.bytes_aside
    assert fits(network, 1000, memory)
    assert not fits(network, 1001, memory)


def test_as_many_pictures_together_as_fit_in_one_piece_each() -> None:
    network, pixels = Compact(), 1280 * 720
    counts = [together(network, pixels, megabytes << 20) for megabytes in (-1, 0, 1000, 4000, 1 << 20)]
    assert counts == sorted(counts)
    assert counts[:2] == [1, 1]
    assert counts[-1] > counts[2]
    assert counts[-1] * pixels * network.bytes_per_pixel <= GPU_TILE_BYTES
    for count, megabytes in zip(counts[2:4], (1000, 4000), strict=True):
        assert count == 1 or fits(network, count * pixels, megabytes << 20)
