import json
import os
from pathlib import Path

import pytest
import torch
from torch import nn

from haarmony.errors import InputError
from haarmony.networks.autoencoder import Skip
from haarmony.networks.vgg19 import VGG19, unpool_concatenated, unpool_convolve

VARIANTS = ("sum", "cat5")


@pytest.fixture(scope="module", params=VARIANTS)
def network(request) -> VGG19:
    torch.manual_seed(0)
    return VGG19(request.param).eval()


@pytest.mark.parametrize("size", [(16, 16), (9, 9), (21, 34), (32, 11)])
def test_any_size_comes_back(network: VGG19, size: tuple[int, int]) -> None:
    picture = torch.rand(2, 3, *size)
    with torch.no_grad():
        features, skips = network.encode_all(picture)
        assert network(picture).shape == picture.shape
    assert features[4].shape[1] == 512
    assert skips[1].size == size
    assert all(feature.min() >= 0 for feature in features.values())


def test_pictures_of_a_batch_do_not_mix(network: VGG19) -> None:
    pictures = torch.rand(2, 3, 17, 18)
    with torch.no_grad():
        together, alone = network(pictures), network(pictures[1:])
    torch.testing.assert_close(together[1:], alone, atol=1e-5, rtol=1e-4)


def test_only_cat5_keeps_the_original() -> None:
    for variant in VARIANTS:
        _, skips = VGG19(variant).encode_all(torch.rand(1, 3, 16, 16))
        assert all((skip.original is not None) == (variant == "cat5") for skip in skips.values())


@pytest.mark.parametrize("size", [(8, 8), (9, 12), (7, 5)])
def test_the_fast_unpooling_is_the_plain_one(size: tuple[int, int]) -> None:
    torch.manual_seed(0)
    small = ((size[0] + 1) // 2, (size[1] + 1) // 2)
    low, *high = (torch.randn(2, 6, *small, dtype=torch.float64) for _ in range(4))
    skip = Skip(tuple(high), size, torch.randn(2, 6, *size, dtype=torch.float64))
    convolution = nn.Conv2d(30, 7, 3, padding=1, padding_mode="reflect").double()
    plain = convolution(unpool_concatenated(low, skip))[..., : size[0], : size[1]]
    torch.testing.assert_close(unpool_convolve(low, skip, convolution), plain)


def test_the_fast_unpooling_teaches_every_input() -> None:
    low = torch.randn(1, 2, 4, 4, requires_grad=True)
    high = tuple(torch.randn(1, 2, 4, 4, requires_grad=True) for _ in range(3))
    original = torch.randn(1, 2, 8, 8, requires_grad=True)
    convolution = nn.Conv2d(10, 3, 3, padding=1, padding_mode="reflect")
    unpool_convolve(low, Skip(high, (8, 8), original), convolution).square().sum().backward()
    for tensor in (low, *high, original, convolution.weight, convolution.bias):
        assert tensor.grad is not None
        assert tensor.grad.abs().sum() > 0


def test_mistakes_are_told() -> None:
    with pytest.raises(InputError, match="sum or cat5"):
        VGG19("cat4")  # type: ignore[arg-type]
    with pytest.raises(InputError, match="sides >= 9"):
        VGG19("sum")(torch.rand(1, 3, 8, 40))
    with pytest.raises(InputError, match="batch, 3"):
        VGG19("sum")(torch.rand(1, 1, 32, 32))
    skips_of_sum = Skip((torch.zeros(1, 2, 4, 4),) * 3, (8, 8))
    with pytest.raises(InputError, match="cat5"):
        unpool_convolve(torch.zeros(1, 2, 4, 4), skips_of_sum, nn.Conv2d(10, 2, 3))


@pytest.mark.data
@pytest.mark.skipif("HAARMONY_DATA" not in os.environ, reason="set HAARMONY_DATA")
@pytest.mark.parametrize("variant", VARIANTS)
def test_the_tensors_are_those_of_the_published_checkpoints(variant: str) -> None:
    file = Path(os.environ["HAARMONY_DATA"]) / "reference" / "wct2_state_dict_keys.json"
    published = json.loads(file.read_text())[variant]
    network = VGG19(variant)
    for part in ("encoder", "decoder"):
        expected = {
            name: shape
            for name, shape in published[part].items()
            if not name.startswith(("pool", "recon_block"))
        }
        assert {name: [*t.shape] for name, t in getattr(network, part).state_dict().items()} == expected


@pytest.mark.parametrize("learning", ["low", "high", "bias"])
def test_the_fast_unpooling_of_a_large_picture_teaches_what_alone_learns(learning: str) -> None:
    low, *high = (torch.randn(1, 8, 32, 32) for _ in range(4))
    convolution = nn.Conv2d(40, 16, 3, padding=1, padding_mode="reflect").requires_grad_(False)
    learns = {"low": low, "high": high[1], "bias": convolution.bias}[learning]
    assert learns is not None
    learns.requires_grad_()
    skip = Skip(tuple(high), (64, 64), torch.randn(1, 8, 64, 64))
    unpool_convolve(low, skip, convolution).sum().backward()
    assert learns.grad is not None
    assert learns.grad.abs().max() > 0
