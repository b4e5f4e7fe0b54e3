import pytest
import torch

from haarmony.networks.enlarging import enlarged

BORDERS = pytest.mark.parametrize("border", ["reflect", "circular"])


@BORDERS
@pytest.mark.parametrize("size", [(3, 3), (4, 7), (16, 5)])
def test_it_is_twice_as_large_and_what_is_flat_stays_so(border, size):
    x = torch.full((2, 3, *size), 0.3)
    torch.testing.assert_close(enlarged(x, border), torch.full((2, 3, 2 * size[0], 2 * size[1]), 0.3))


@BORDERS
def test_a_chequerboard_of_cells_is_gone(border):
    board = torch.tensor([[1.0, -1.0], [-1.0, 1.0]]).repeat(1, 2, 4, 4)
    torch.testing.assert_close(enlarged(board, border), torch.zeros(1, 2, 16, 16))


def test_what_goes_round_goes_round_at_twice_the_size():
    x = torch.rand(1, 2, 6, 8)
    torch.testing.assert_close(
        enlarged(x.roll((1, 2), (2, 3)), "circular"), enlarged(x, "circular").roll((2, 4), (2, 3))
    )


def test_a_picture_turned_by_180_degrees_is_turned():
    x = torch.rand(1, 1, 5, 6)
    torch.testing.assert_close(enlarged(x.flip(2, 3), "reflect"), enlarged(x, "reflect").flip(2, 3))
