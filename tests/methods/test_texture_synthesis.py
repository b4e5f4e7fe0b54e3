from dataclasses import replace

import numpy as np
import pytest
import torch
from PIL import Image

from haarmony.errors import HaarmonyWarning, InputError
from haarmony.media.image import Picture
from haarmony.methods import TextureSynthesis

QUICK = TextureSynthesis(backbone="compact", steps=8, scales=1, flat=0)


def test_the_statistics_become_those_of_the_example_and_the_places_do_not(picture):
    example = picture(64, 64)
    seen = []
    result = replace(QUICK, steps=80)(example, watch=lambda step: seen.append(step.loss))
    assert min(seen) < 0.1 * seen[0]
    np.testing.assert_allclose(result.mean((0, 1)), example.mean((0, 1)), atol=0.06)
    np.testing.assert_allclose(result.std((0, 1)), example.std((0, 1)), rtol=0.35)
    assert np.abs(result - example).mean() > 0.1


@pytest.mark.parametrize("size", [(24, 100), (8, 8), (90, 70)])
def test_any_size_of_any_kind(picture, size):
    example, method = picture(40, 56), replace(QUICK, size=size, steps=2, scales=3)
    for given in (example, (example * 255).astype(np.uint8), np.dstack([example, example[..., :1]])):
        made = method(given)
        assert (made.shape, made.dtype) == ((*size, 3), given.dtype)
    tensor = torch.from_numpy(example).permute(2, 0, 1)
    assert method(tensor).shape == (3, *size)
    assert method(tensor[None]).shape == (1, 3, *size)
    assert method(Image.fromarray((example * 255).astype(np.uint8))).size == size[::-1]
    made = method(Picture(example, alpha=example[..., 0], depth=16))
    assert (made.pixels.shape, made.alpha, made.depth) == ((*size, 3), None, 16)


def test_a_large_example_is_reduced_and_that_is_said(picture):
    method = replace(QUICK, side=28, steps=1)
    with pytest.warns(HaarmonyWarning, match="reduced from 56 x 40 to 28 x 20.*give a larger side"):
        assert method(picture(40, 56)).shape == (20, 28, 3)


def test_it_goes_from_coarse_to_fine(picture):
    steps = []
    replace(QUICK, steps=2, scales=3, size=(64, 96))(picture(), watch=steps.append)
    assert [tuple(step.picture.shape[-2:]) for step in steps[::2]] == [(16, 24), (32, 48), (64, 96)]
    assert [step.done for step in steps] == list(range(1, 7))


def test_the_seed_makes_it_the_same_again(picture):
    first, again, other = (replace(QUICK, seed=s)(picture()) for s in (0, 0, 1))
    np.testing.assert_array_equal(first, again)
    assert np.abs(other - first).mean() > 0.01


def test_it_takes_an_example_and_no_more(picture):
    with pytest.raises(InputError, match="takes one example alone"):
        QUICK(picture(), picture())
    with pytest.raises(InputError, match="a batch of 2"):
        QUICK(torch.zeros(2, 3, 8, 8))
    with pytest.raises(InputError, match="size is a size such as 640x480"):
        TextureSynthesis(size=(4, 4))
    with pytest.raises(InputError, match="no layer 'relu9_1'"):
        replace(QUICK, layers=("relu9_1",))(picture())
