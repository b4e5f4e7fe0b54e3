import pytest
import torch
import torch.nn.functional as F
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor, nn

from haarmony.errors import InputError
from haarmony.networks import rounded, strips
from haarmony.networks.autoencoder import Skip
from haarmony.networks.compact import Compact
from haarmony.networks.vgg19 import VGG19, ReflectedConvolution, unpool_convolve

quick = pytest.mark.skipif(not rounded.is_quick(), reason="needs a processor with AMX")

CHANNELS = st.sampled_from([(16, 16), (17, 5), (64, 64), (256, 257)])
SIDES = st.integers(2, 45)


def assert_rounded(found: Tensor, exact: Tensor, *, terms: int) -> None:
    """Equal to within what rounding of independent terms, and of their sum, can do."""
    assert found.shape == exact.shape
    eps = torch.finfo(torch.bfloat16).eps
    spread = exact.std()
    assert (found - exact).abs().max() <= eps * (2 * exact.abs().max() + 4 * spread)
    assert (found - exact).square().mean().sqrt() <= eps * spread
    assert terms < 16 or not torch.equal(found, exact)


@quick
@given(channels=CHANNELS, height=SIDES, width=SIDES, seed=st.integers(0, 99))
def test_three_taps_are_the_plain_convolution_rounded(
    channels: tuple[int, int], height: int, width: int, seed: int
) -> None:
    inputs, outputs = channels
    torch.manual_seed(seed)
    x, bias = torch.randn(1, inputs, height, width), torch.randn(outputs)
    weight = torch.randn(outputs, inputs, 3, 3)
    plain = F.conv2d(F.pad(x, (1, 1, 1, 1), mode="reflect"), weight, bias)
    kernel = rounded.evaluate(weight, bias, (height, width))
    assert_rounded(strips.convolve(x, kernel, beyond="reflected"), plain, terms=9 * inputs)


@quick
@given(channels=CHANNELS, height=SIDES, width=SIDES, seed=st.integers(0, 99))
def test_two_taps_are_the_plain_convolution_rounded(
    channels: tuple[int, int], height: int, width: int, seed: int
) -> None:
    inputs, outputs = channels
    torch.manual_seed(seed)
    x, weight = torch.randn(1, inputs, height, width), torch.randn(outputs, inputs, 2, 2)
    plain = F.conv2d(F.pad(x, (1, 1, 1, 1), mode="replicate"), weight)
    kernel = rounded.evaluate(weight, None, (height + 1, width + 1))
    assert_rounded(strips.convolve(x, kernel, beyond="repeated"), plain, terms=4 * inputs)


@quick
@pytest.mark.parametrize("threads", [1, 2, 3])
def test_strips_meet_whatever_core_has_them(monkeypatch: pytest.MonkeyPatch, threads: int) -> None:
    before = torch.get_num_threads()
    torch.manual_seed(0)
    x, weight, bias = torch.randn(2, 64, 53, 41), torch.randn(64, 64, 3, 3), torch.randn(64)
    whole = rounded.evaluate(weight, bias, (53, 41))
    assert len(whole.plan.strips) == 1
    monkeypatch.setattr(strips, "_SHARED_OUT", 1)
    monkeypatch.setattr(strips, "_STRIP", 7 * 43 * 128)
    try:
        torch.set_num_threads(threads)
        kernel = rounded.evaluate(weight, bias, (53, 41))
        assert len(kernel.plan.strips) > 7
        made = strips.convolve(x, kernel, beyond="reflected", rectify=True)
        assert torch.equal(made, strips.convolve(x, whole, beyond="reflected", rectify=True))
    finally:
        torch.set_num_threads(before)
    exact = F.conv2d(F.pad(x, (1, 1, 1, 1), mode="reflect"), weight, bias)
    assert_rounded(made, F.relu(exact), terms=576)


@quick
@pytest.mark.parametrize("size", [(40, 64), (45, 39)])
def test_the_unpooling_is_the_exact_one_rounded(size: tuple[int, int]) -> None:
    torch.manual_seed(0)
    small = ((size[0] + 1) // 2, (size[1] + 1) // 2)
    low, *high = (torch.randn(2, 32, *small) for _ in range(4))
    skip = Skip(tuple(high), size, torch.randn(2, 32, *size))
    convolution = nn.Conv2d(160, 32, 3, padding=1, padding_mode="reflect")
    with torch.no_grad():
        exact = unpool_convolve(low, skip, convolution, rectify=True)
        made = unpool_convolve(low, skip, convolution, rectify=True, may_round=True)
    assert_rounded(made, exact, terms=1440)


@quick
def test_the_network_rounds_where_it_may_and_descents_stay_exact() -> None:
    torch.manual_seed(0)
    network, x = VGG19("cat5").eval(), torch.rand(1, 3, 70, 66)
    with torch.no_grad():
        exact = network(x)
        network.allow_bfloat16()
        made = network(x)
    assert 0 < (made - exact).abs().max() <= 0.02 * exact.abs().max()
    with torch.enable_grad():
        assert (network(x).detach() - exact).abs().max() <= 1e-4 * exact.abs().max()


def test_what_gains_nothing_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(InputError, match="as quick without"):
        Compact().allow_bfloat16()
    monkeypatch.setattr(rounded, "is_quick", lambda: False)
    with pytest.raises(InputError, match="no products of matrices of bfloat16"):
        VGG19("sum").allow_bfloat16()
    monkeypatch.setattr(rounded, "is_quick", lambda: True)
    with pytest.raises(InputError, match="leave the precision out"):
        VGG19("sum").to("meta").allow_bfloat16()


def test_a_torch_that_does_not_know_the_processor_is_not_quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delattr(torch.cpu, "get_capabilities", raising=False)
    rounded.is_quick.cache_clear()
    assert not rounded.is_quick()
    rounded.is_quick.cache_clear()


def test_colours_are_never_rounded() -> None:
    assert not rounded.serves(ReflectedConvolution(3, 64).weight)
    assert rounded.serves(ReflectedConvolution(64, 64).weight) == rounded.is_quick()
