import gc
import pickle
from copy import deepcopy

import pytest
import torch
import torch.nn.functional as F
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor, nn

from haarmony import remembered
from haarmony.networks import strips, winograd
from haarmony.networks.autoencoder import Skip
from haarmony.networks.vgg19 import (
    VGG19,
    ReflectedConvolution,
    convolve_reflected,
    unpool_concatenated,
    unpool_convolve,
)

pytestmark = pytest.mark.skipif(
    not torch.backends.mkldnn.is_available() or strips.platform.machine() not in ("x86_64", "AMD64"),
    reason="the fast convolutions are not for this machine",
)

CHANNELS = st.sampled_from([(3, 16), (17, 5), (64, 64), (256, 257), (256, 1025)])
SIDES = st.integers(2, 45)


def assert_close(fast: Tensor, plain: Tensor) -> None:
    assert fast.shape == plain.shape
    assert (fast - plain).abs().max() <= 1e-4 * plain.abs().max()


def convolve(pictures: Tensor, weight: Tensor, bias: Tensor | None, *, beyond: strips.Beyond) -> Tensor:
    """All outputs of a padded convolution, gathered from the strips."""
    pad = 2 if beyond == "zero" else 1
    height, width = (side + 2 * pad - weight.shape[-1] + 1 for side in pictures.shape[-2:])
    plan = winograd.Plan.of(weight.shape[1], weight.shape[0], weight.shape[-1], (height, width))
    kernel = winograd.evaluate(plan, weight, bias)
    out = torch.full((height, width, weight.shape[0]), torch.nan)

    def take(top: int, strip: Tensor) -> None:
        out[top : top + len(strip)] = strip

    strips.convolve_strips(list(pictures), kernel, take, beyond=beyond)
    return out.permute(2, 0, 1)[None]


@given(channels=CHANNELS, height=SIDES, width=SIDES, seed=st.integers(0, 99))
def test_three_taps_are_the_plain_convolution(
    channels: tuple[int, int], height: int, width: int, seed: int
) -> None:
    inputs, outputs = channels
    torch.manual_seed(seed)
    x, bias = torch.randn(1, inputs, height, width), torch.randn(outputs)
    weight = torch.randn(outputs, inputs, 3, 3)
    plain = F.conv2d(F.pad(x, (1, 1, 1, 1), mode="reflect"), weight, bias)
    assert_close(convolve(x, weight, bias, beyond="reflected"), plain)


@given(channels=CHANNELS, height=st.integers(1, 45), width=st.integers(1, 45), seed=st.integers(0, 99))
def test_three_taps_over_a_border_of_zeros_are_the_plain_convolution(
    channels: tuple[int, int], height: int, width: int, seed: int
) -> None:
    inputs, outputs = channels
    torch.manual_seed(seed)
    x, weight = torch.randn(1, inputs, height, width), torch.randn(outputs, inputs, 3, 3)
    assert_close(convolve(x, weight, None, beyond="zero"), F.conv2d(x, weight, padding=2))


@given(channels=CHANNELS, height=SIDES, width=SIDES, seed=st.integers(0, 99))
def test_two_taps_are_the_plain_convolution(
    channels: tuple[int, int], height: int, width: int, seed: int
) -> None:
    inputs, outputs = channels
    torch.manual_seed(seed)
    x, weight = torch.randn(2, inputs, height, width), torch.randn(outputs, 2 * inputs, 2, 2)
    plain = F.conv2d(F.pad(x.flatten(0, 1)[None], (1, 1, 1, 1), mode="replicate"), weight)
    assert_close(convolve(x, weight, None, beyond="repeated"), plain)


@pytest.mark.parametrize("threads", [1, 2, 3])
@pytest.mark.parametrize("sides", [(37, 21), (5, 60)])
def test_each_core_has_strips_of_its_own(
    monkeypatch: pytest.MonkeyPatch, threads: int, sides: tuple[int, int]
) -> None:
    monkeypatch.setattr(strips, "_SHARED_OUT", 1)
    before = torch.get_num_threads()
    torch.manual_seed(0)
    x, weight, bias = torch.randn(2, 256, *sides), torch.randn(256, 256, 3, 3), torch.randn(256)
    try:
        torch.set_num_threads(threads)
        kernel = winograd.prepared("all", weight, bias, sides, lambda whole: whole)
        assert kernel.plan.shared_out
        assert len(kernel.plan.strips) >= min(threads, sides[0] // kernel.plan.rows)
        made = strips.convolve(x, kernel, beyond="reflected", rectify=True)
        assert torch.get_num_threads() == threads
        with torch.inference_mode():
            again = strips.convolve(x, kernel, beyond="reflected", rectify=True)
    finally:
        torch.set_num_threads(before)
    assert_close(made, F.relu(F.conv2d(F.pad(x, (1, 1, 1, 1), mode="reflect"), weight, bias)))
    assert torch.equal(again, made)


@pytest.mark.parametrize("step", [1, 2, 3])
def test_strips_of_any_height_meet(monkeypatch: pytest.MonkeyPatch, step: int) -> None:
    torch.manual_seed(0)
    x, weight = torch.randn(1, 8, 37, 21), torch.randn(16, 8, 3, 3)
    plain = F.conv2d(F.pad(x, (1, 1, 1, 1), mode="reflect"), weight)
    monkeypatch.setattr(strips, "_STRIP", step * 6 * 23 * 24)
    assert winograd.Plan.of(8, 16, 3, (37, 21)).step <= step
    assert_close(convolve(x, weight, None, beyond="reflected"), plain)


@pytest.mark.parametrize("rectify", [False, True])
@pytest.mark.parametrize("size", [(32, 32), (37, 41)])
def test_the_module_takes_the_fast_way_in_inference_alone(size: tuple[int, int], rectify: bool) -> None:
    torch.manual_seed(0)
    convolution, x = ReflectedConvolution(5, 20), torch.randn(2, 5, *size)
    slow = convolution(x, rectify=rectify)
    slow.sum().backward()
    assert convolution.weight.grad is not None
    for mode in (torch.no_grad, torch.inference_mode):
        with mode():
            assert strips.serves(x, convolution.weight)
            fast = convolution(x, rectify=rectify)
        assert not torch.equal(fast, slow)
        assert_close(fast, slow.detach())


@pytest.mark.parametrize("size", [(40, 64), (45, 39)])
@pytest.mark.parametrize("channels", [(6, 20), (64, 64)])
def test_the_fast_unpooling_is_the_plain_one(size: tuple[int, int], channels: tuple[int, int]) -> None:
    torch.manual_seed(0)
    inputs, outputs = channels
    small = ((size[0] + 1) // 2, (size[1] + 1) // 2)
    low, *high = (torch.randn(2, inputs, *small) for _ in range(4))
    skip = Skip(tuple(high), size, torch.randn(2, inputs, *size))
    convolution = nn.Conv2d(5 * inputs, outputs, 3, padding=1, padding_mode="reflect")
    with torch.no_grad():
        plain = convolution(unpool_concatenated(low, skip))[..., : size[0], : size[1]]
        assert_close(unpool_convolve(low, skip, convolution), plain)
        assert_close(unpool_convolve(low, skip, convolution, rectify=True), plain.clamp_min(0))


@torch.no_grad()
def test_changed_weights_are_prepared_anew() -> None:
    torch.manual_seed(0)
    convolution, x = ReflectedConvolution(4, 16), torch.randn(1, 4, 32, 40)

    def check(module: ReflectedConvolution) -> None:
        assert_close(module(x), convolve_reflected(x, module.weight, module.bias))

    check(convolution)
    other = ReflectedConvolution(4, 16)
    convolution.load_state_dict(other.state_dict())
    check(convolution)
    convolution.load_state_dict(ReflectedConvolution(4, 16).state_dict(), assign=True)
    check(convolution)
    convolution.get_parameter("bias").add_(1)
    check(convolution)
    convolution.weight.data = torch.randn(16, 4, 3, 3)
    check(convolution)
    check(convolution.double().float())
    check(deepcopy(convolution))
    check(pickle.loads(pickle.dumps(convolution)))  # ours, not a user's file
    x = x[..., :33]
    check(convolution)
    assert set(convolution.state_dict()) == {"weight", "bias"}


def test_prepared_kernels_go_with_their_weights() -> None:
    convolution, x = ReflectedConvolution(4, 16), torch.randn(1, 4, 32, 40)
    gc.collect()
    before = len(remembered._KNOWN)
    with torch.no_grad():
        convolution(x)
    assert len(remembered._KNOWN) == before + 1
    del convolution
    gc.collect()
    assert len(remembered._KNOWN) == before


def test_other_types_take_the_plain_way() -> None:
    weight, x = torch.randn(16, 4, 3, 3), torch.randn(1, 4, 40, 40)
    assert strips.serves(x, weight)
    assert not strips.serves(x.double(), weight.double())
    assert not strips.serves(x, weight.requires_grad_())
    assert not strips.serves(x[..., :4], weight.detach())
    with torch.autocast("cpu", torch.bfloat16):
        assert not strips.serves(x, weight.detach())


@pytest.mark.parametrize("variant", ["sum", "cat5"])
def test_the_network_is_the_same_with_and_without(variant: str) -> None:
    torch.manual_seed(0)
    network, x = VGG19(variant).eval(), torch.rand(1, 3, 70, 66)
    with torch.no_grad():
        fast = network(x)
    assert_close(fast, network(x).detach())


def test_a_torch_without_the_packed_convolutions_takes_the_plain_way(monkeypatch: pytest.MonkeyPatch) -> None:
    def missing(*_: object) -> Tensor:
        raise AttributeError("'_OpNamespace' 'mkldnn' object has no attribute '_convolution_pointwise'")

    x, module = torch.rand(1, 64, 40, 40), ReflectedConvolution(64, 64)
    with torch.no_grad():
        fast = module(x)
        strips.library_works.cache_clear()
        monkeypatch.setattr(strips, "multiply", missing)
        assert not strips.library_works(torch.float32)
        assert not strips.serves(x, module.weight)
        plain = module(x)
    strips.library_works.cache_clear()
    assert_close(fast, plain)
