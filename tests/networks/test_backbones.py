import os

import pytest
import torch
from safetensors.torch import save_file
from torch import nn

from haarmony.errors import InputError, WeightsError
from haarmony.networks import backbones
from haarmony.networks.backbones import load_backbone
from haarmony.networks.vgg import VGG
from published import normalised, with_random_norms

VGG16 = {1: (64, 64), 2: (128, 128), 3: (256, 256, 256), 4: (512, 512, 512), 5: (512, 512, 512)}


def of_torchvision(widths):
    """A state dict with torchvision's names: a convolution and a ReLU, then a pooling behind each block."""
    state, place, channels = {}, 0, 3
    for block in widths.values():
        for width in block:
            state[f"features.{place}.weight"] = torch.randn(width, channels, 3, 3) / (3 * channels**0.5)
            state[f"features.{place}.bias"] = torch.zeros(width)
            channels, place = width, place + 2
        place += 1
    return state | {"classifier.0.weight": torch.zeros(2, 2)}


@pytest.fixture(scope="module")
def narrow():
    return {block: tuple(4 for _ in widths) for block, widths in VGG16.items()}


def test_a_vgg16_of_torchvision_comes_from_a_file(narrow, tmp_path):
    save_file(of_torchvision(narrow), tmp_path / "vgg16.safetensors")
    torch.save(of_torchvision(narrow), tmp_path / "vgg16.pth")
    for name in ("vgg16.safetensors", "vgg16.pth"):
        backbone = load_backbone(str(tmp_path / name))
        assert "relu3_3" in backbone.layers
        assert "relu3_4" not in backbone.layers
        assert backbone.style_layers == ("relu1_1", "relu2_1", "relu3_1", "relu4_1", "relu5_1")
        features = backbone.features(torch.rand(1, 3, 40, 33), ["relu1_1", "conv3_3"])
        assert [tuple(x.shape[1:]) for x in features.values()] == [(4, 40, 33), (4, 10, 9)]
        assert features["relu1_1"].min() == 0


def test_features_are_those_of_the_plain_convolutions(narrow, tmp_path):
    state = of_torchvision(narrow)
    torch.save(state, tmp_path / "vgg.pth")
    picture = torch.rand(1, 3, 16, 16)
    x = normalised(picture)
    for place in (0, 2):
        padded = torch.nn.functional.pad(x, (1, 1, 1, 1), mode="reflect")
        x = torch.nn.functional.conv2d(padded, state[f"features.{place}.weight"]).relu()
    got = load_backbone(str(tmp_path / "vgg.pth")).features(picture, ["relu1_2"])["relu1_2"]
    torch.testing.assert_close(got, x)


def test_the_embedded_one_has_four_levels():
    backbone = load_backbone("compact")
    features = backbone.features(torch.rand(1, 3, 32, 32), ["level1", "level4"])
    assert [tuple(x.shape[1:]) for x in features.values()] == [(32, 16, 16), (192, 4, 4)]
    assert load_backbone("compact") is backbone


def test_one_on_another_device_is_another():
    one, other = load_backbone("compact"), load_backbone("compact", torch.device("meta"))
    assert load_backbone("compact", "cpu") is one
    assert {weight.device.type for weight in other.parameters()} == {"meta"}
    assert {weight.device.type for weight in one.parameters()} == {"cpu"}


@pytest.mark.data
@pytest.mark.skipif("HAARMONY_WEIGHTS" not in os.environ, reason="set HAARMONY_WEIGHTS")
def test_the_layers_of_the_papers_are_there():
    backbone = load_backbone("vgg19")
    assert isinstance(backbone, VGG)
    assert {"conv4_2", "relu4_2", "relu5_1"} <= set(backbone.layers)
    assert backbone.content_layers == ("relu4_2",)


def test_what_is_no_backbone_is_refused_in_a_line(tmp_path, narrow):
    with pytest.raises(
        InputError,
        match="unknown backbone 'vgg', and no file has that name: choose vgg19, compact, or the file",
    ):
        load_backbone("vgg")
    with pytest.raises(InputError, match="no layer 'relu1_1': choose any of level1"):
        load_backbone("compact").features(torch.rand(1, 3, 8, 8), ["relu1_1"])
    torch.save({"conv1.weight": torch.zeros(64, 3, 7, 7)}, tmp_path / "x.pth")
    with pytest.raises(WeightsError, match=r"holds no VGG or ResNet .* and no EfficientNet-lite"):
        load_backbone(str(tmp_path / "x.pth"))


@pytest.mark.parametrize("content", [b"", b"nothing", b"\xff\xd8\xff\xe0 a picture", b"\x80\x02}q\x00(X\x01"])
@pytest.mark.parametrize("name", ["x.pth", "x.safetensors"])
def test_files_that_hold_no_weights_are_refused_in_a_line(tmp_path, content, name):
    (tmp_path / name).write_bytes(content)
    with pytest.raises(WeightsError, match="not a checkpoint of plain tensors") as error:
        load_backbone(str(tmp_path / name))
    assert "\n" not in str(error.value)


def test_a_file_that_was_cut_off_is_refused(tmp_path, narrow):
    torch.save(of_torchvision(narrow), tmp_path / "whole.pth")
    whole = (tmp_path / "whole.pth").read_bytes()
    (tmp_path / "cut.pth").write_bytes(whole[: len(whole) // 2])
    with pytest.raises(WeightsError, match="not a checkpoint of plain tensors"):
        load_backbone(str(tmp_path / "cut.pth"))


def without(state, name):
    return {key: value for key, value in state.items() if key != name}


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda state: without(state, "features.7.weight"), "features.7.weight is missing"),
        (lambda state: without(state, "features.7.bias"), "features.7.bias is missing"),
        (
            lambda state: state | {"features.2.weight": torch.zeros(4, 5, 3, 3)},
            r"is \(4, 5, 3, 3\), expected",
        ),
        (
            lambda state: state | {"features.0.weight": torch.zeros(4)},
            r"is \(4,\), expected \(any, 3, 3, 3\)",
        ),
        (lambda state: state | {"features.0.bias": torch.full((4,), torch.nan)}, "features.0 is not finite"),
        (lambda state: without(state, "features.28.weight"), "features.28.weight is missing"),
        (
            lambda state: state | {"features.99.bias": torch.zeros(4)},
            "no place for features.99.bias",
        ),
        (lambda state: state | {"extra": torch.zeros(4)}, "there is no place for extra"),
    ],
)
def test_a_vgg_with_a_fault_is_refused_in_a_line(tmp_path, narrow, change, words):
    torch.save(change(of_torchvision(narrow)), tmp_path / "vgg.pth")
    with pytest.raises(WeightsError, match="is no VGG of torchvision's naming.*" + words):
        load_backbone(str(tmp_path / "vgg.pth"))


@pytest.mark.parametrize("wrapper", ["state_dict", "model"])
def test_what_training_scripts_wrap_is_unwrapped(tmp_path, narrow, wrapper):
    state = of_torchvision(narrow)
    torch.save(state, tmp_path / "plain.pth")
    named = {f"module.{key}": value for key, value in state.items()}
    torch.save({"epoch": 3, wrapper: named}, tmp_path / "wrapped.pth")
    picture = torch.rand(1, 3, 32, 32)
    plain, wrapped = (
        load_backbone(str(tmp_path / f"{name}.pth")).features(picture, ["relu5_1"])["relu5_1"]
        for name in ("plain", "wrapped")
    )
    torch.testing.assert_close(wrapped, plain, rtol=0, atol=0)


class VGGWithNorms(nn.Module):
    """As torchvision lays it out, but for the padding and the pooling of `VGG`."""

    def __init__(self, widths):
        super().__init__()
        parts, channels = [], 3
        for block in widths.values():
            for width in block:
                parts += [
                    nn.Conv2d(channels, width, 3, padding=1, padding_mode="reflect"),
                    nn.BatchNorm2d(width),
                    nn.ReLU(),
                ]
                channels = width
            parts.append(nn.AvgPool2d(2, ceil_mode=True))
        self.features = nn.Sequential(*parts)


def test_batch_norms_of_a_vgg_are_folded_in(narrow, tmp_path):
    reference = with_random_norms(VGGWithNorms(narrow))
    torch.save(reference.state_dict(), tmp_path / "vgg16_bn.pth")
    backbone = load_backbone(str(tmp_path / "vgg16_bn.pth"))
    picture = torch.rand(1, 3, 45, 38)
    for layer, place in {"conv1_1": 2, "relu2_2": 13, "relu3_3": 23, "relu5_3": 43}.items():
        wanted = reference.features[:place](normalised(picture))
        got = backbone.features(picture, [layer])[layer]
        torch.testing.assert_close(got, wanted, rtol=1e-4, atol=1e-4)


def test_one_that_was_first_asked_for_in_inference_mode_serves_gradients_too():
    backbones._on_device.cache_clear()
    with torch.inference_mode():
        backbone = load_backbone("compact")
    picture = torch.rand(1, 3, 32, 32, requires_grad=True)
    backbone.features(picture, ["level2"])["level2"].sum().backward()
    assert picture.grad is not None
