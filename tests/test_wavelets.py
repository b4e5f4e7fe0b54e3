import math

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor
from torch.autograd import gradcheck
from torch.nn import functional as F

from haarmony.errors import InputError
from haarmony.wavelets import (
    Bands,
    analyse,
    frame_error,
    haar_filters,
    haar_merge,
    haar_split,
    synthesise,
)

sides = st.integers(1, 21)


def random_picture(*shape: int, dtype: torch.dtype = torch.float32) -> Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(sum(shape)), dtype=dtype)


def daubechies_2() -> Tensor:
    root = math.sqrt(3)
    low = torch.tensor([1 + root, 3 + root, 3 - root, 1 - root], dtype=torch.float64) / (4 * math.sqrt(2))
    high = low.flip(0) * torch.tensor([1, -1, 1, -1])
    return torch.stack([torch.outer(a, b) for a in (low, high) for b in (low, high)])


@given(sides, sides)
def test_any_size_comes_back(height: int, width: int) -> None:
    x = random_picture(2, 3, height, width)
    bands = haar_split(x)
    assert all(band.shape == (2, 3, (height + 1) // 2, (width + 1) // 2) for band in bands)
    assert (haar_merge(bands, (height, width)) - x).abs().max() <= 1e-6


@given(sides, sides)
def test_energy_is_that_of_the_padded_picture(height: int, width: int) -> None:
    x = random_picture(1, 2, height, width)
    padded = F.pad(x, (0, width % 2, 0, height % 2), mode="replicate")
    energy = sum(float(band.double().square().sum()) for band in haar_split(x))
    assert energy == pytest.approx(float(padded.double().square().sum()), rel=1e-6)


def test_the_padding_of_an_odd_side_has_no_detail() -> None:
    bands = haar_split(random_picture(1, 1, 5, 7))
    assert not bands.HL[..., -1, :].any()
    assert not bands.LH[..., -1].any()
    assert not bands.HH[..., -1, :].any()
    assert not bands.HH[..., -1].any()


def test_each_band_sees_its_own_direction() -> None:
    columns = torch.tensor([0.0, 1.0]).repeat(4).expand(1, 1, 8, 8)
    across = haar_split(columns)
    assert across.LH.abs().min() > 0
    assert not across.HL.any()
    assert not across.HH.any()
    down = haar_split(columns.transpose(2, 3))
    torch.testing.assert_close(down.HL, across.LH)
    assert not down.LH.any()


@given(st.integers(1, 8), st.integers(1, 8))
def test_splitting_is_the_analysis_by_the_haar_filters(rows: int, columns: int) -> None:
    x = random_picture(2, 3, 2 * rows, 2 * columns)
    torch.testing.assert_close(torch.stack(haar_split(x), 2), analyse(x, haar_filters()))


def test_merging_is_the_transpose_of_splitting() -> None:
    x, y = random_picture(1, 2, 6, 8), [random_picture(1, 2, 3, 4) + k for k in range(4)]
    there = sum((a * b).sum() for a, b in zip(haar_split(x), y, strict=True))
    back = (x * haar_merge(Bands(*y))).sum()
    torch.testing.assert_close(there, back)


@pytest.mark.parametrize("bank", [haar_filters(), daubechies_2()], ids=["haar", "daubechies 2"])
def test_orthonormal_banks_are_tight_frames(bank: Tensor) -> None:
    assert frame_error(bank) < 1e-12
    x = random_picture(2, 2, 12, 16, dtype=torch.float64)
    coefficients = analyse(x, bank.double())
    torch.testing.assert_close(synthesise(coefficients, bank.double()), x)
    torch.testing.assert_close(coefficients.square().sum(), x.square().sum())


def test_a_redundant_tight_frame_passes() -> None:
    assert frame_error(torch.cat((haar_filters(), haar_filters())) / math.sqrt(2)) < 1e-6


@pytest.mark.parametrize(
    "bank",
    [
        torch.full((1, 2, 2), 0.25),
        haar_filters()[:1],
        haar_filters()[1:],
        torch.tensor([[[1.0, 0.0], [0.0, 0.0]]]),
        haar_filters() * 1.01,
    ],
    ids=["average", "LL alone", "no LL", "one pixel, as max pooling", "wrong scale"],
)
def test_pooling_that_loses_is_no_tight_frame(bank: Tensor) -> None:
    assert frame_error(bank) > 0.01


@pytest.mark.parametrize("size", [(4, 4), (3, 5), (1, 1)])
def test_gradients_flow(size: tuple[int, int]) -> None:
    x = random_picture(1, 2, *size, dtype=torch.float64).requires_grad_()
    assert gradcheck(haar_split, x)
    bands = [band.detach().requires_grad_() for band in haar_split(x)]
    assert gradcheck(lambda *given: haar_merge(Bands(*given), size), bands)


def test_gradients_flow_through_any_bank() -> None:
    bank = daubechies_2().requires_grad_()
    x = random_picture(1, 1, 4, 6, dtype=torch.float64).requires_grad_()
    assert gradcheck(lambda x, bank: synthesise(analyse(x, bank), bank), (x, bank))


def test_channels_last_stays_and_gives_the_same() -> None:
    x = random_picture(2, 3, 6, 7)
    last = x.contiguous(memory_format=torch.channels_last)
    for band, plain in zip(haar_split(last), haar_split(x), strict=True):
        assert band.is_contiguous(memory_format=torch.channels_last)
        torch.testing.assert_close(band, plain, rtol=0, atol=0)
    merged = haar_merge(haar_split(last))
    assert merged.is_contiguous(memory_format=torch.channels_last)
    torch.testing.assert_close(merged[..., :7], x)


@pytest.mark.parametrize("shape", [(3, 4, 4), (1, 1, 0, 4)])
def test_a_tensor_that_is_no_picture_is_refused(shape: tuple[int, ...]) -> None:
    with pytest.raises(InputError, match="batch, channels, height, width"):
        haar_split(torch.zeros(shape))


def test_a_bank_that_does_not_fit_is_refused() -> None:
    with pytest.raises(InputError, match="filters"):
        analyse(torch.zeros(1, 1, 4, 4), torch.zeros(2, 2))
    with pytest.raises(InputError, match="even sides"):
        analyse(torch.zeros(1, 1, 4, 5), haar_filters())
    with pytest.raises(InputError, match="at least"):
        analyse(torch.zeros(1, 1, 2, 4), daubechies_2())
