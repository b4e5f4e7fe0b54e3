from typing import Any

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor

from haarmony.windows import antialiased, blur, box

SIZES = [(40, 61), (7, 30), (1, 9), (1, 1)]


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("sigma", [0.3, 2.0, 5.0])
def test_a_blur_is_the_convolution_with_a_gaussian(size: tuple[int, int], sigma: float) -> None:
    x = torch.rand(2, 3, *size, generator=torch.Generator().manual_seed(0))
    reach = max(1, round(3 * sigma))
    kernel = torch.exp(-0.5 * (torch.arange(-reach, reach + 1.0) / sigma) ** 2)
    kernel = torch.outer(kernel, kernel) / kernel.sum() ** 2
    padded = F.pad(x, (reach, reach, reach, reach), mode="replicate").flatten(0, 1)[:, None]
    wanted = F.conv2d(padded, kernel[None, None]).view_as(x)
    torch.testing.assert_close(blur(x, sigma), wanted, rtol=0, atol=1e-5)


@pytest.mark.parametrize("size", SIZES)
def test_what_is_even_stays(size: tuple[int, int]) -> None:
    even = torch.full((1, 2, *size), 0.7)
    torch.testing.assert_close(blur(even, 3.0), even)
    torch.testing.assert_close(box(even, 4), even)


def test_a_box_is_the_mean_of_what_lies_inside() -> None:
    x = torch.arange(20.0).view(1, 1, 4, 5)
    means = box(x, 1)[0, 0]
    assert means[0, 0] == x[0, 0, :2, :2].mean()
    assert means[2, 3] == x[0, 0, 1:4, 2:5].mean()


def test_a_reduced_copy_is_a_mean_however_steep() -> None:
    x = torch.rand(1, 3, 5, 4000)
    assert antialiased(x, (5, 4000)) is x
    for mode in ("bilinear", "bicubic"):
        small = antialiased(x, (5, 20), mode)
        assert small.shape == (1, 3, 5, 20)
        torch.testing.assert_close(small.mean(), x.mean(), atol=0.02, rtol=0)
        assert small.std() < 0.1


def test_weights_are_added_up_in_main_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    plain, added = torch.Tensor.scatter_add_, []

    def seen(self: Tensor, *args: Any) -> Tensor:
        added.append(self.device.type)
        return plain(self, *args)

    monkeypatch.setattr(torch.Tensor, "scatter_add_", seen)
    made = blur(torch.empty(1, 1, 9, 12, dtype=torch.float64, device="meta"), 2.0)  # stands for a GPU
    assert added == ["cpu", "cpu"]
    assert (made.device.type, made.dtype, made.shape) == ("meta", torch.float64, (1, 1, 9, 12))


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="torch finds no CUDA GPU here")
def test_a_blur_on_a_gpu_is_the_same_again() -> None:
    x = torch.rand(1, 3, 300, 400, device="cuda")
    first = blur(x, 20.0)
    assert all(torch.equal(blur(x, 20.0), first) for _ in range(20))
