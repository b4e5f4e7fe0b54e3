import pytest
import torch
from safetensors.torch import save_file

from haarmony.errors import InputError, WeightsError
from haarmony.methods import NeuralStyle
from haarmony.networks.backbones import load_backbone
from published import RESNETS, with_random_norms


@pytest.fixture
def published():
    torch.manual_seed(1)
    return lambda name, **sizes: with_random_norms(RESNETS[name](**sizes))


@pytest.mark.parametrize("name", RESNETS)
def test_features_are_those_of_the_published_network(name, published, tmp_path):
    reference = published(name)
    torch.save(reference.state_dict(), tmp_path / "net.pth")
    backbone = load_backbone(str(tmp_path / "net.pth"))
    for size in ((64, 64), (45, 71), (33, 32)):
        picture = torch.rand(2, 3, *size)
        wanted = reference.features(picture)
        got = backbone.features(picture, backbone.layers)
        assert list(got) == list(wanted)
        for layer, feature in wanted.items():
            size = feature.abs().max()
            torch.testing.assert_close(got[layer] / size, feature / size, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize(
    ("name", "depths", "convolutions", "groups", "inner"),
    [
        ("resnet18", [2, 2, 2, 2], 2, 1, 8),
        ("resnet50", [3, 4, 6, 3], 3, 1, 8),
        ("resnet152", [3, 8, 36, 3], 3, 1, 8),
        ("wide_resnet50_2", [3, 4, 6, 3], 3, 1, 16),
        ("resnext50_32x4d", [3, 4, 6, 3], 3, 4, 16),
    ],
)
def test_the_structure_is_read_off_the_weights(
    name, depths, convolutions, groups, inner, published, tmp_path
):
    save_file(published(name).state_dict(), tmp_path / "net.safetensors")
    stages = load_backbone(str(tmp_path / "net.safetensors")).stages
    assert [len(stage) for stage in stages] == depths
    first = stages[0][0].convolutions
    assert len(first) == convolutions
    assert first[1].groups == groups
    assert first[1].out_channels == inner


def test_the_widths_of_the_published_resnext_are_understood(published, tmp_path):
    reference = with_random_norms(RESNETS["resnext50_32x4d"](base=64))
    state = reference.state_dict()
    for key in [key for key in state if key.endswith("conv2.weight")]:
        state[key] = state[key][:, : state[key].shape[0] // 32].clone()
    torch.save(state, tmp_path / "resnext.pth")
    backbone = load_backbone(str(tmp_path / "resnext.pth"))
    assert {block.convolutions[1].groups for stage in backbone.stages for block in stage} == {32}
    assert backbone.features(torch.rand(1, 3, 32, 32), ["layer4"])["layer4"].shape == (1, 2048, 1, 1)


def test_only_what_is_wanted_is_given(published, tmp_path):
    torch.save(published("resnet18").state_dict(), tmp_path / "net.pth")
    backbone = load_backbone(str(tmp_path / "net.pth"))
    assert list(backbone.features(torch.rand(1, 3, 32, 32), ["layer2"])) == ["layer2"]
    with pytest.raises(InputError, match="no layer 'relu4_1': choose any of relu1, layer1"):
        backbone.features(torch.rand(1, 3, 32, 32), ["relu4_1"])


@pytest.mark.parametrize(
    ("name", "shape", "words"),
    [
        ("conv1.weight", None, "conv1.weight is missing"),
        ("bn1.running_var", None, "bn1.running_var is missing"),
        ("layer1.1.conv3.weight", None, "layer1.1.conv3.weight is missing"),
        ("layer2.0.downsample.0.weight", None, "layer2.0.downsample.0.weight is missing"),
        ("layer3.0.conv1.weight", (), r"layer3.0.conv1.weight is \(\), expected"),
        ("layer2.1.conv1.weight", (16, 8, 1, 1), r"is \(16, 8, 1, 1\), expected \(any, 64, 1, 1\)"),
        ("layer2.1.conv2.weight", (16, 7, 3, 3), r"is \(16, 7, 3, 3\), which are no groups of 16"),
        ("layer2.1.bn2.bias", (4,), r"layer2.1.bn2.bias is \(4,\), expected \(16\)"),
        ("layer2.1.se.fc1.weight", (4, 4), "there is no place for layer2.1.se.fc1.weight"),
    ],
)
def test_a_resnet_with_a_fault_is_refused_in_a_line(published, tmp_path, name, shape, words):
    state = published("resnet50").state_dict()
    if shape is None:
        del state[name]
    else:
        state[name] = torch.zeros(shape)
    torch.save(state, tmp_path / "net.pth")
    with pytest.raises(WeightsError, match="is no ResNet of torchvision's naming: .*" + words):
        load_backbone(str(tmp_path / "net.pth"))


def test_a_stage_that_is_not_there_is_told(published, tmp_path):
    state = published("resnet18").state_dict()
    short = {key: value for key, value in state.items() if not key.startswith("layer4")}
    torch.save(short, tmp_path / "net.pth")
    with pytest.raises(WeightsError, match=r"layer4\.0\.conv1\.weight is missing"):
        load_backbone(str(tmp_path / "net.pth"))


def test_neural_style_descends_on_it(published, tmp_path):
    torch.save(published("resnet18").state_dict(), tmp_path / "net.pth")
    method = NeuralStyle(backbone=str(tmp_path / "net.pth"), steps=8, scales=1, flat=0)
    content, style = torch.rand(3, 40, 51), torch.rand(3, 37, 44) ** 2
    losses = []
    result = method(content, style, watch=lambda step: losses.append(step.loss))
    assert result.shape == content.shape
    assert min(losses) < 0.8 * losses[0]
    chosen = NeuralStyle(backbone=method.backbone, style_layers=("relu1", "layer3"), steps=1, scales=1)
    assert chosen(content, style).shape == content.shape
    wrong = NeuralStyle(backbone=method.backbone, style_layers=("relu1_1",))
    with pytest.raises(InputError, match="no layer 'relu1_1': choose any of relu1, layer1"):
        wrong(content, style)
