"""On a GPU every method gives what it gives on the processor: to rounding, where no descent adds it up."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from haarmony.methods import (
    WCT,
    AdaIN,
    Conditional,
    DeepPhoto,
    DistributionTransfer,
    HistogramMatching,
    MongeKantorovich,
    NeuralStyle,
    PhotoWCT,
    Reinhard,
    TextureNet,
    TextureSynthesis,
)
from haarmony.methods.optimised import resized

pytestmark = [
    pytest.mark.gpu,
    pytest.mark.skipif(not torch.cuda.is_available(), reason="torch finds no CUDA GPU here"),
]

MATCHING = [
    Reinhard(),
    MongeKantorovich(),
    HistogramMatching(),
    DistributionTransfer(rotations=2),  # more of them amplify rounding, on one device too
    AdaIN(backbone="compact", preserve="luminance"),
    AdaIN(backbone="compact", preserve="matching"),
    WCT(backbone="compact"),
    PhotoWCT(backbone="compact"),
    PhotoWCT(backbone="compact", smoothing="guided", side=32),
]

DESCENT = [
    NeuralStyle(backbone="compact", steps=3, start="noise", loss="mmd-rbf", optimiser="adam"),
    NeuralStyle(backbone="compact", steps=3, preserve="luminance", smoothness=0.1),
    DeepPhoto(backbone="compact", steps=3),
]


def halves(pixels):
    labels = np.zeros(pixels.shape[:2], np.uint8)
    labels[: labels.shape[0] // 2] = 1
    return labels


def named(method):
    return type(method).__name__


@pytest.mark.filterwarnings("ignore:worked on a copy")
@pytest.mark.parametrize("masked", [False, True], ids=["whole", "regions"])
@pytest.mark.parametrize("method", MATCHING, ids=named)
def test_statistics_are_matched_alike(picture, method, masked):
    content, style = picture(), picture(48, 44, seed=1)
    masks = {"content_mask": halves(content), "style_mask": halves(style)} if masked else {}
    there, here = (replace(method, device=device)(content, style, **masks) for device in ("cuda", "cpu"))
    np.testing.assert_allclose(there, here, atol=2 / 255)


@pytest.mark.parametrize(
    "method", [Conditional(style_name=("matisse=0.7", "mondrian=0.3")), TextureNet()], ids=named
)
def test_networks_of_styles_paint_alike(picture, method):
    there, here = (replace(method, device=device)(picture()) for device in ("cuda", "cpu"))
    np.testing.assert_allclose(there, here, atol=2 / 255)


def test_a_texture_is_made_of_the_same_noise():
    method = TextureNet(style_name="gravel", size=(64, 64))
    there, here = (replace(method, device=device)(None) for device in ("cuda", "cpu"))
    np.testing.assert_allclose(there.pixels, here.pixels, atol=2 / 255)


@pytest.mark.parametrize("size", [(40, 56), (5, 6)])
@pytest.mark.parametrize("method", DESCENT, ids=named)
def test_descent_ends_there(picture, method, size):
    content, style = picture(*size), picture(48, 44, seed=1)
    made = replace(method, device="cuda")(
        content, style, content_mask=halves(content), style_mask=halves(style)
    )
    assert made.shape == content.shape
    assert np.isfinite(made).all()


def test_a_texture_is_found_there(picture):
    seen = []
    method = TextureSynthesis(backbone="compact", steps=20, scales=2, flat=0, device="cuda")
    made = method(picture(), watch=lambda step: seen.append(step.loss))
    assert np.isfinite(made).all()
    assert min(seen) < seen[0]


@pytest.mark.parametrize(
    "method", [Reinhard(), AdaIN(backbone="compact"), TextureSynthesis(backbone="compact", steps=2)]
)
def test_a_tensor_comes_back_where_it_was(picture, method):
    content = torch.from_numpy(picture()).permute(2, 0, 1)
    styles = [picture(seed=1)] if method.takes_style else []
    assert replace(method, device="cuda")(content, *styles).device.type == "cpu"
    assert method(content.cuda(), *styles).device.type == "cuda"
    assert torch.isfinite(method(content, *styles)).all()  # its network still lies in main memory


def test_pictures_are_reduced_by_any_factor():
    large = torch.rand(1, 3, 1600, 2400)
    for size in ((10, 15), (100, 150)):
        torch.testing.assert_close(resized(large.cuda(), size).cpu(), resized(large, size), atol=1e-4, rtol=0)
