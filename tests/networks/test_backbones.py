import pytest
import torch
from safetensors.torch import save_file

from haarmony.errors import InputError, WeightsError
from haarmony.networks.backbones import VGG, load_backbone

VGG16 = {1: (64, 64), 2: (128, 128), 3: (256, 256, 256), 4: (512, 512, 512), 5: (512, 512, 512)}


def of_torchvision(widths, step=2):
    """A state dict with torchvision's names: a convolution and a ReLU, then a pooling behind each block."""
    state, place, channels = {}, 0, 3
    for block in widths.values():
        for width in block:
            state[f"features.{place}.weight"] = torch.randn(width, channels, 3, 3) / (3 * channels**0.5)
            state[f"features.{place}.bias"] = torch.zeros(width)
            channels, place = width, place + step
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
    mean, deviation = (
        torch.tensor(v).view(1, 3, 1, 1) for v in ((0.485, 0.456, 0.406), (0.229, 0.224, 0.225))
    )
    x = (picture - mean) / deviation
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


@pytest.mark.data
def test_the_layers_of_the_papers_are_there():
    backbone = load_backbone("vgg19")
    assert isinstance(backbone, VGG)
    assert {"conv4_2", "relu4_2", "relu5_1"} <= set(backbone.layers)
    assert backbone.content_layers == ("relu4_2",)


def test_what_is_no_backbone_is_refused_in_a_line(tmp_path, narrow):
    with pytest.raises(InputError, match="unknown backbone 'vgg': choose vgg19, compact, or the file"):
        load_backbone("vgg")
    (tmp_path / "x.pth").write_bytes(b"nothing")
    with pytest.raises(WeightsError, match="not a checkpoint of plain tensors"):
        load_backbone(str(tmp_path / "x.pth"))
    torch.save({"conv1.weight": torch.zeros(64, 3, 7, 7)}, tmp_path / "resnet.pth")
    with pytest.raises(WeightsError, match="no state dict of a VGG without batch norm"):
        load_backbone(str(tmp_path / "resnet.pth"))
    torch.save(of_torchvision(narrow, step=3), tmp_path / "vgg_bn.pth")
    with pytest.raises(WeightsError, match="no state dict of a VGG without batch norm"):
        load_backbone(str(tmp_path / "vgg_bn.pth"))
    with pytest.raises(InputError, match="no layer 'relu1_1': choose any of level1"):
        load_backbone("compact").features(torch.rand(1, 3, 8, 8), ["relu1_1"])
