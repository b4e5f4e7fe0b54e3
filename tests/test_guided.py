import itertools

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor
from torch.nn import functional as F

from haarmony.guided import guide, guided_weights


def photo(height: int, width: int, seed: int = 0) -> Tensor:
    generator = torch.Generator().manual_seed(seed)
    smooth = F.interpolate(torch.rand(1, 3, 4, 5, generator=generator), (height, width), mode="bicubic")
    return (smooth + 0.05 * torch.randn(1, 3, height, width, generator=generator)).clamp(0, 1)


def hard(height: int, width: int, regions: int, seed: int = 0) -> Tensor:
    generator = torch.Generator().manual_seed(seed)
    labels = torch.randint(regions, (1, 1, 4, 5), generator=generator).float()
    labels = F.interpolate(labels, (height, width), mode="nearest")[0, 0]
    return torch.stack([(labels == k).float() for k in range(regions)])


@given(
    height=st.integers(1, 40), width=st.integers(1, 40), regions=st.integers(1, 4), seed=st.integers(0, 99)
)
def test_weights_sum_to_one_and_stay_in_range(height: int, width: int, regions: int, seed: int) -> None:
    picture = photo(height, width, seed)
    guides = guide(picture, hard(height, width, regions, seed))
    weights = guided_weights(photo(3 * height, 2 * width, seed + 1), guides)
    assert weights.shape == (regions, 3 * height, 2 * width)
    assert weights.min() >= 0
    torch.testing.assert_close(weights.sum(0), torch.ones(3 * height, 2 * width))


def test_one_region_is_everywhere() -> None:
    picture = photo(30, 40)
    weights = guided_weights(picture, guide(picture, torch.ones(1, 30, 40)))
    torch.testing.assert_close(weights, torch.ones_like(weights))


@pytest.mark.parametrize("size", [(90, 120), (31, 200), (2, 2), (1, 50)])
def test_bands_of_rows_are_weighted_as_the_whole(size: tuple[int, int]) -> None:
    reduced, picture = photo(22, 31), photo(*size)
    guides = guide(reduced, hard(22, 31, 3))
    whole = guided_weights(picture, guides)
    cuts = sorted({0, size[0] // 3, size[0] // 2, size[0]})
    bands = [
        guided_weights(picture[..., top:bottom, :], guides, top=top, height=size[0])
        for top, bottom in itertools.pairwise(cuts)
    ]
    torch.testing.assert_close(torch.cat(bands, 1), whole, rtol=0, atol=1e-6)


def test_a_mask_that_is_off_snaps_to_the_edge_of_the_picture() -> None:
    picture = torch.full((1, 3, 88, 352), 0.2)
    picture[..., 176:] = 0.8
    off = torch.zeros(88, 352)
    off[:, 178:] = 1
    weight = guided_weights(picture, guide(picture, torch.stack((1 - off, off))))[1, 44]
    jumps = (weight[1:] - weight[:-1]).abs()
    assert int(jumps.argmax()) == 175
    assert jumps[175] > 0.5
    assert jumps[175] > 10 * torch.cat((jumps[:175], jumps[176:])).max()


def test_where_the_picture_is_flat_a_jagged_border_becomes_a_soft_one() -> None:
    picture = torch.full((1, 3, 88, 352), 0.5)
    teeth = 176 + 3 * (torch.arange(88)[:, None] // 4 % 2)
    mask = (torch.arange(352) >= teeth).float()
    weight = guided_weights(picture, guide(picture, torch.stack((1 - mask, mask))))[1]
    assert (weight[:, 1:] - weight[:, :-1]).abs().max() < 0.15
    assert (mask[:, 1:] - mask[:, :-1]).abs().max() == 1
    assert weight[:, :140].max() < 0.01
    assert weight[:, 212:].min() > 0.99
