import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor

from haarmony.networks.compact import WIDTHS, Compact

SCALES = (2, 2, 4, 8)


@pytest.fixture(scope="module")
def network() -> Compact:
    torch.manual_seed(0)
    return Compact().eval().requires_grad_(False)


def picture(height: int, width: int, *, batch: int = 1) -> Tensor:
    return torch.rand(batch, 3, height, width, generator=torch.Generator().manual_seed(height * width))


def bent(network: Compact) -> Compact:
    """A network whose residual blocks do something."""
    other = Compact().eval().requires_grad_(False)
    other.load_state_dict(network.state_dict())
    generator = torch.Generator().manual_seed(0)
    for name, parameter in other.named_parameters():
        if "gather" in name:
            parameter.add_(0.1 * torch.randn(parameter.shape, generator=generator))
    return other


@given(st.integers(1, 40), st.integers(1, 40))
def test_it_starts_as_an_exact_inverse(network: Compact, height: int, width: int) -> None:
    x = picture(height, width)
    torch.testing.assert_close(network(x), x, rtol=0, atol=1e-5)


@pytest.mark.parametrize("size", [(1, 1), (1, 40), (17, 2), (33, 31)])
def test_any_size_comes_back_when_trained(network: Compact, size: tuple[int, int]) -> None:
    result = bent(network)(picture(*size))
    assert result.shape == (1, 3, *size)
    assert result.isfinite().all()


def test_it_is_small() -> None:
    assert sum(parameter.numel() for parameter in Compact().parameters()) <= 500_000


@pytest.mark.parametrize("size", [(64, 48), (33, 50)])
def test_shapes_of_features_and_skips(network: Compact, size: tuple[int, int]) -> None:
    features, skips = network.encode_all(picture(*size, batch=2))
    for level, (width, scale) in enumerate(zip(WIDTHS, SCALES, strict=True), start=1):
        expected = tuple(-(-side // scale) for side in size)
        assert features[level].shape == (2, width, *expected)
    assert skips[0].size == size
    assert {pool: len(skip.high) for pool, skip in skips.items()} == {0: 0, 2: 3, 3: 3}


def test_pictures_of_a_batch_do_not_mix(network: Compact) -> None:
    trained = bent(network)
    pictures = picture(20, 24, batch=3)
    torch.testing.assert_close(trained(pictures)[1:2], trained(pictures[1:2]), rtol=0, atol=1e-5)


def test_energy_of_the_main_path_is_kept(network: Compact) -> None:
    """Haar bands and tall orthonormal mixings are tight frames: features and skips hold all energy."""
    x = picture(32, 48)
    features, skips = network.encode_all(x)
    kept = features[4].square().sum() + sum(b.square().sum() for skip in skips.values() for b in skip.high)
    torch.testing.assert_close(kept, (x - 0.5).square().sum())


def test_every_parameter_learns(network: Compact) -> None:
    trained = bent(network).requires_grad_()
    trained(picture(16, 16)).square().mean().backward()
    assert all(p.grad is not None and p.grad.abs().max() > 0 for p in trained.parameters())
