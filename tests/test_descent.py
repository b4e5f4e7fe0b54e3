import math

import pytest
import torch

from haarmony.descent import minimise
from haarmony.errors import HaarmonyWarning, InputError
from haarmony.methods import DeepPhoto, NeuralStyle, TextureSynthesis
from haarmony.networks import backbones

TARGET = torch.linspace(0.1, 0.9, 24).view(1, 2, 3, 4)


def bowl(x):
    return ((x - TARGET).square() * torch.linspace(1, 50, 24).view_as(x)).sum()


@pytest.mark.parametrize(("optimiser", "steps", "near"), [("lbfgs", 40, 1e-3), ("adam", 400, 1e-2)])
def test_it_finds_the_least(optimiser, steps, near):
    x = minimise(bowl, torch.full_like(TARGET, 0.5), optimiser=optimiser, steps=steps, flat=0)
    torch.testing.assert_close(x, TARGET, atol=near, rtol=0)


@pytest.mark.parametrize("optimiser", ["lbfgs", "adam"])
def test_steps_are_watched_and_no_more_than_asked_for(optimiser):
    seen = []
    start = torch.zeros_like(TARGET)
    x = minimise(
        bowl, start, optimiser=optimiser, steps=7, watch=lambda step, loss, x: seen.append((step, loss))
    )
    assert [step for step, _ in seen] == list(range(1, 8))
    assert float(bowl(x)) == pytest.approx(min(loss for _, loss in seen))
    assert seen[-1][1] < seen[0][1]
    assert (start == 0).all()


def test_it_stops_when_flat():
    seen = []
    minimise(bowl, TARGET.clone(), optimiser="adam", steps=500, watch=lambda *step: seen.append(step))
    assert len(seen) < 100


def test_a_loss_that_is_not_finite_is_caught_and_gone_on_from_the_best():
    """A cliff that the first long step of L-BFGS falls over."""

    def cliff(x):
        return bowl(x) if len(calls) != 4 else bowl(x) * math.nan

    calls = []
    with pytest.warns(HaarmonyWarning, match="not finite after step 4"):
        x = minimise(
            cliff, torch.zeros_like(TARGET), steps=300, flat=0, watch=lambda step, loss, x: calls.append(step)
        )
    assert torch.isfinite(x).all()
    assert bowl(x) < 0.1 * bowl(torch.zeros_like(TARGET))


def test_a_loss_that_is_never_finite_is_an_input_error():
    with pytest.raises(InputError, match="not finite at the start"):
        minimise(lambda x: x.sum() * math.inf, torch.ones(2))


@pytest.mark.parametrize("optimiser", ["lbfgs", "adam"])
def test_in_inference_mode_it_finds_the_same(optimiser):
    def minimised():
        target, weight = TARGET + 0, torch.linspace(1, 50, 24).view_as(TARGET)
        return minimise(
            lambda x: (torch.stack([x - target]) / (1 / weight)).square().sum(),
            torch.full_like(TARGET, 0.5), optimiser=optimiser, steps=30, flat=0,
        )  # fmt: skip

    with torch.inference_mode():
        made = minimised()
        assert torch.is_inference_mode_enabled()
    assert torch.equal(made, minimised())


@pytest.fixture
def fresh_backbones():
    backbones._on_device.cache_clear()
    yield
    backbones._on_device.cache_clear()


@pytest.mark.parametrize(
    "method", [NeuralStyle, DeepPhoto, TextureSynthesis], ids=["neural style", "deep photo", "texture"]
)
def test_methods_of_descent_work_in_inference_mode_and_after(method, fresh_backbones):
    picture, style = torch.rand(2, 3, 24, 32, generator=torch.Generator().manual_seed(0))
    given = (picture, style) if method.takes_style else (picture,)
    quick = method(backbone="compact", steps=3)
    with torch.inference_mode():
        made = quick(*given)
    torch.testing.assert_close(made, quick(*given), rtol=0, atol=1e-5)
