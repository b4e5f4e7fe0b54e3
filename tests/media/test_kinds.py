import numpy as np
import pytest
import torch
from PIL import Image

from haarmony.errors import InputError
from haarmony.media.image import Picture
from haarmony.media.kinds import to_mask, to_picture, to_tensor

pytestmark = pytest.mark.filterwarnings("error")

PIXELS = np.random.default_rng(0).random((6, 8, 3), dtype=np.float32)
TENSOR = torch.from_numpy(PIXELS).permute(2, 0, 1)
HALVES = np.arange(8)[None].repeat(6, 0) > 3


def holed(value):
    pixels = PIXELS.copy()
    pixels[2, 3, 1] = value
    return pixels


def refused(call, saying):
    with pytest.raises(InputError, match=saying) as caught:
        call()
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("pixels", "saying"),
    [
        (np.uint8(255 * PIXELS), "array of float32 in .0, 1., got uint8"),
        (PIXELS.astype(np.float64), "got float64"),
        (PIXELS.tolist(), "got list"),
        (TENSOR, "got Tensor"),
        (PIXELS[..., 0], r"\(height, width, 3\), got shape \(6, 8\)"),
        (np.concatenate([PIXELS, PIXELS], 2), r"got shape \(6, 8, 6\)"),
        (PIXELS[:0], r"got shape \(0, 8, 3\)"),
        (255 * PIXELS, "divide by the white level"),
        (holed(np.nan), "got NaN or infinity"),
    ],
)
def test_a_picture_of_other_pixels_is_refused(pixels, saying):
    refused(lambda: to_picture(Picture(pixels)), saying)
    refused(lambda: to_tensor(Picture(pixels)), saying)


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_what_is_no_number_is_told(value):
    refused(lambda: to_tensor(holed(value)), "got NaN or infinity: put numbers")
    refused(lambda: to_tensor(torch.from_numpy(holed(value)).permute(2, 0, 1)), "got NaN or infinity")


def test_pixels_in_any_order_in_memory_are_the_same_picture():
    turned = PIXELS[::-1, ::-1]
    kept = PIXELS[::-1, ::-1].copy()
    kept.flags.writeable = False
    for pixels in (turned, np.asfortranarray(turned), kept):
        assert np.array_equal(to_picture(Picture(pixels)).pixels, turned)
        for given in (pixels, Picture(pixels)):
            assert np.array_equal(to_tensor(given)[0][0].permute(1, 2, 0).numpy(), turned)


@pytest.mark.parametrize("tensor", [TENSOR.to_sparse(), TENSOR.to("meta")])
def test_a_tensor_without_values_in_memory_is_refused(tensor):
    refused(lambda: to_tensor(tensor), "expected a tensor of values in memory")
    refused(lambda: to_mask(tensor[0], size=(6, 8)), "expected a mask of values in memory")


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64, torch.float16, torch.bfloat16])
def test_a_mask_may_be_any_tensor_of_weights(dtype):
    weights = torch.from_numpy(HALVES).to(dtype)
    wanted = to_mask(HALVES.astype(np.float32), size=(6, 8)).values
    for mask in (weights, weights.clone().requires_grad_()):
        assert np.array_equal(to_mask(mask, size=(6, 8)).values, wanted)


def test_a_picture_may_need_a_gradient():
    tensor, back = to_tensor(TENSOR.clone().requires_grad_())
    assert back(tensor).shape == TENSOR.shape
    assert isinstance(to_picture(TENSOR.clone().requires_grad_()), Picture)
    assert isinstance(to_picture(Image.new("RGB", (3, 2))), Picture)
