import pytest
import torch
import torch.nn.functional as F

from haarmony.networks import frozen, strips, winograd
from haarmony.networks.frozen import convolve_frozen


@pytest.mark.parametrize("size", [(40, 33), (32, 64), (300, 5)])
@pytest.mark.parametrize("channels", [(128, 256), (256, 128), (256, 256)])
def test_it_is_the_plain_convolution_and_has_its_gradient(monkeypatch, channels, size):
    used = []
    monkeypatch.setattr(winograd, "prepared", lambda name, *rest: used.append(name) or prepared(name, *rest))
    inputs, outputs = channels
    torch.manual_seed(0)
    x, weight, bias = torch.randn(2, inputs, *size), torch.randn(outputs, inputs, 3, 3), torch.randn(outputs)
    wanted, made = x.clone().requires_grad_(), x.clone().requires_grad_()
    plain = F.conv2d(F.pad(wanted, (1, 1, 1, 1), mode="reflect"), weight, bias)
    fast = convolve_frozen(made, weight, bias)
    direction = torch.randn_like(plain)
    plain.backward(direction)
    fast.backward(direction)
    for one, other in ((fast, plain), (made.grad, wanted.grad)):
        assert (one - other).abs().max() < 1e-4 * other.abs().max()
    assert used == (["all", "turned"] if strips.serves(x, weight) else [])


prepared = winograd.prepared


@pytest.mark.parametrize(
    ("channels", "size"), [((3, 64), (40, 40)), ((256, 256), (2, 2)), ((128, 128), (9, 9))]
)
def test_small_ones_take_the_plain_way(monkeypatch, channels, size):
    monkeypatch.setattr(frozen._Frozen, "apply", None)
    inputs, outputs = channels
    x = torch.randn(1, inputs, *size, requires_grad=True)
    weight, bias = torch.randn(outputs, inputs, 3, 3), torch.randn(outputs)
    made = convolve_frozen(x, weight, bias)
    assert torch.equal(made, F.conv2d(F.pad(x, (1, 1, 1, 1), mode="reflect"), weight, bias))
    assert made.requires_grad


def test_a_second_gradient_is_refused_in_clear_words():
    x = torch.randn(1, 128, 40, 40, requires_grad=True)
    out = frozen._Frozen.apply(x, torch.randn(128, 128, 3, 3), torch.randn(128))
    (first,) = torch.autograd.grad(out.square().sum(), x, create_graph=True)
    with pytest.raises(RuntimeError, match="twice"):
        first.sum().backward()
