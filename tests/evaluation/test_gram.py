import numpy as np
import pytest
import torch
import torch.nn.functional as F

from haarmony.evaluation.gram import gram_distance, gram_ratio, grams
from haarmony.networks.vgg_features import VGGFeatures


def picture(seed: int, size: tuple[int, int] = (40, 56)) -> np.ndarray:
    rng = np.random.default_rng(seed)
    return np.clip(rng.random(3) + 0.2 * rng.random((*size, 3)), 0, 1)


def test_the_content_is_one_and_the_style_zero(vgg: VGGFeatures) -> None:
    content, style = picture(0), picture(1, (48, 48))
    assert gram_ratio(vgg, content, style, content) == pytest.approx(1)
    assert gram_ratio(vgg, content, style, style) == 0


def test_halfway_lies_between(vgg: VGGFeatures) -> None:
    content, style = picture(0), picture(1)
    assert 0 < gram_ratio(vgg, content, style, (content + style) / 2) < 1


def test_a_content_that_is_the_style_moves_nothing(vgg: VGGFeatures) -> None:
    assert gram_ratio(vgg, picture(0), picture(0), picture(1)) == 0


def test_the_distance_is_symmetric_and_by_definition(vgg: VGGFeatures) -> None:
    a, b = grams(vgg, picture(0)), grams(vgg, picture(1))
    assert [len(g) for g in a] == [64, 128, 256, 512]
    assert gram_distance(a, b) == gram_distance(b, a)
    expected = np.mean([((x - y).double() ** 2).sum().item() for x, y in zip(a, b, strict=True)])
    assert gram_distance(a, b) == pytest.approx(expected)


def test_it_agrees_with_the_network_written_out_in_double(vgg: VGGFeatures) -> None:
    def written_out(pixels: np.ndarray) -> list[torch.Tensor]:
        levels = np.round(pixels[..., ::-1] * 255) - [103.939, 116.779, 123.68]
        x, found = torch.from_numpy(levels).permute(2, 0, 1)[None], []
        for name in ("1_1", "1_2", "2_1", "2_2", "3_1", "3_2", "3_3", "3_4", "4_1"):
            if name in ("2_1", "3_1", "4_1"):
                x = F.max_pool2d(x, 2)
            conv = vgg.get_submodule(f"conv{name}")
            x = F.conv2d(x, conv.weight.double(), conv.bias.double(), padding=1).relu()
            if name.endswith("_1"):
                found.append(torch.einsum("bchw,bdhw->cd", x, x) / x.numel())
        return found

    content, style, output = (picture(seed) for seed in range(3))
    layers = zip(*(written_out(one) for one in (content, style, output)), strict=True)
    sums = np.array([[float((x - s).square().sum()) for x in (o, c)] for c, s, o in layers]).sum(0)
    assert gram_ratio(vgg, content, style, output) == pytest.approx(sums[0] / sums[1], rel=1e-6)


def test_large_pictures_are_reduced_and_small_ones_are_not(vgg: VGGFeatures) -> None:
    seen: list[tuple[int, ...]] = []

    class Spy(VGGFeatures):
        def __init__(self) -> None:
            pass

        def __call__(self, x):
            seen.append(tuple(x.shape))
            return [x]

    grams(Spy(), picture(0, (300, 1024)))
    grams(Spy(), picture(0, (1, 600)))
    grams(Spy(), picture(0, (20, 30)))
    assert seen == [(1, 3, 150, 512), (1, 3, 1, 512), (1, 3, 20, 30)]
