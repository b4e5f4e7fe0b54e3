from dataclasses import replace

import numpy as np
import pytest
import torch

from haarmony.matting import MattingLaplacian
from haarmony.methods import DeepPhoto
from haarmony.methods.deep_photo import regularised

QUICK = DeepPhoto(backbone="compact", steps=15, flat=0)


def tensor(array):
    return torch.from_numpy(np.ascontiguousarray(array, np.float32)).permute(2, 0, 1)[None]


def zero(x):
    return 0 * x.sum()


def test_the_regulariser_is_the_quadratic_form_with_its_gradient(picture):
    content = tensor(picture(12, 15))
    x = tensor(picture(12, 15, seed=2)).requires_grad_(True)
    energy = regularised(zero, content, 3.0)(x)
    energy.backward()
    laplacian = MattingLaplacian.of(content, ridge=1e-5)
    torch.testing.assert_close(energy.detach(), 3 * laplacian.energy(x[0].detach()) / 180)
    torch.testing.assert_close(x.grad[0], 6 * laplacian(x[0].detach()) / 180)


def test_an_affine_change_of_colours_costs_nothing(picture):
    content = tensor(picture(20, 24))
    matrix = torch.tensor([[0.6, 0.2, 0.0], [0.1, 0.5, 0.2], [0.0, 0.3, 0.7]])
    graded = torch.einsum("ij,bjhw->bihw", matrix, content) + 0.05
    painted = graded + 0.05 * torch.randn(graded.shape, generator=torch.Generator().manual_seed(0))
    cost = regularised(zero, content, 1.0)
    assert cost(graded) < 1e-4
    assert cost(painted) > 100 * cost(graded)


def test_the_second_stage_brings_the_result_back_to_a_photograph(picture):
    content, style = picture(), picture(seed=3, tint=(0.5, 0.6, 1))
    free = replace(QUICK, matting_weight=0.0, refine=False, content_weight=0.01)(content, style)
    kept = replace(QUICK, matting_weight=1e4, refine=False, content_weight=0.01)(content, style)
    laplacian = MattingLaplacian.of(tensor(content), ridge=1e-5)
    before, after = (laplacian.energy(tensor(x)[0]) for x in (free, kept))
    assert after < 0.2 * before
    assert np.abs(kept - content).mean() > 0.02


def test_there_are_two_stages_and_one_without_the_regulariser(picture):
    steps = []
    QUICK(picture(), picture(seed=3), watch=steps.append)
    assert [step.done for step in steps] == list(range(1, 31))
    assert {step.steps for step in steps} == {30}
    steps.clear()
    replace(QUICK, matting_weight=0.0)(picture(), picture(seed=3), watch=steps.append)
    assert len(steps) == 15


def test_regions_take_the_light_of_their_own(picture):
    style = np.concatenate([picture(48, 32, tint=(1, 0.3, 0.3)), picture(48, 32, tint=(0.3, 0.3, 1))], 1)
    labels = np.repeat([[0, 1]], 48, 0).repeat(32, 1)
    method = replace(QUICK, loss="bn", content_weight=0.01, steps=25)
    result = method(picture(48, 64, tint=(0.6, 0.6, 0.6)), style, content_mask=labels, style_mask=labels)
    left, right = result[:, :26].mean((0, 1)), result[:, 38:].mean((0, 1))
    assert (left - right)[0] > 0.1
    assert (right - left)[2] > 0.1


@pytest.mark.parametrize("size", [(1, 1), (2, 60), (90, 130)])
def test_any_size_keeps_its_size(picture, size):
    result = replace(QUICK, steps=2, side=40)(picture(*size), picture(seed=1))
    assert result.shape == (*size, 3)
    assert np.isfinite(result).all()
