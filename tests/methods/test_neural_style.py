from dataclasses import replace

import numpy as np
import pytest
import torch

from haarmony.errors import HaarmonyWarning, InputError
from haarmony.losses import STYLE_LOSSES, luma
from haarmony.methods import NeuralStyle
from haarmony.methods.method import Example
from haarmony.methods.optimised import style_terms
from haarmony.networks.backbones import load_backbone
from haarmony.regions import Regions

QUICK = NeuralStyle(backbone="compact", steps=12, scales=1, flat=0)
LAYERS = ("level1", "level2")


def tensor(array):
    return torch.from_numpy(np.ascontiguousarray(array, np.float32)).permute(2, 0, 1)[None]


def style_distance(picture, style):
    """From the Gram matrices of the style, relative to their size."""
    backbone = load_backbone("compact")
    terms = style_terms(
        backbone, Example(tensor(picture)), [Example(tensor(style))], loss="gram",
        layers=backbone.style_layers, weights=None, seed=0,
    )  # fmt: skip
    features = backbone.features(tensor(picture), backbone.style_layers)
    return float(sum(term(features) for term in terms))


@pytest.mark.parametrize("loss", STYLE_LOSSES)
@pytest.mark.parametrize("optimiser", ["lbfgs", "adam"])
def test_the_loss_falls(picture, loss, optimiser):
    seen = []
    method = replace(QUICK, loss=loss, optimiser=optimiser)
    method(picture(), picture(seed=3, tint=(0.5, 0.6, 1)), watch=lambda step: seen.append(step.loss))
    assert len(seen) == 12
    assert min(seen) < 0.8 * seen[0]


@pytest.mark.parametrize("start", ["content", "noise", "style"])
def test_it_comes_nearer_to_the_style_from_every_start(picture, start):
    content, style = picture(), picture(seed=3, tint=(0.5, 0.6, 1))
    result = replace(QUICK, start=start, steps=25)(content, style)
    assert style_distance(result, style) < 0.5 * style_distance(content, style)


def test_weights_of_content_and_style_do_what_they_say(picture):
    content, style = picture(), picture(seed=3, tint=(0.5, 0.6, 1))
    kept = replace(QUICK, content_weight=100.0)(content, style)
    painted = replace(QUICK, content_weight=0.01)(content, style)
    assert np.abs(kept - content).mean() < 0.5 * np.abs(painted - content).mean()
    assert style_distance(painted, style) < style_distance(kept, style)
    np.testing.assert_allclose(replace(QUICK, style_weight=0.0)(content, style), content, atol=1e-6)


def test_luminance_alone_keeps_the_chroma(picture):
    content, style = tensor(picture() * 0.5 + 0.2), tensor(picture(seed=3))
    result = replace(QUICK, preserve="luminance")(content, style)
    changed = (result - content).abs().mean()
    assert changed > 0.003
    inside = ((result > 0) & (result < 1)).all(1, keepdim=True)
    chroma = (result - luma(result)) - (content - luma(content))
    assert (chroma.abs() * inside).max() < 1e-3


def test_matched_colours_stay_near_the_content(picture):
    content, style = picture(), picture(seed=3, tint=(0.3, 0.5, 1))
    free = replace(QUICK, content_weight=0.03, steps=25)
    plain, matched = (replace(free, preserve=how)(content, style) for how in ("none", "matching"))
    mean = content.mean((0, 1))
    assert np.abs(matched.mean((0, 1)) - mean).max() < 0.3 * np.abs(plain.mean((0, 1)) - mean).max()


def test_several_styles_count_by_weight(picture):
    content = picture()
    red, blue = picture(seed=3, tint=(1, 0.3, 0.3)), picture(seed=4, tint=(0.3, 0.3, 1))
    free = replace(QUICK, loss="bn", content_weight=0.0, steps=60, style_layers=LAYERS[:1])
    mostly = [free(content, [(red, share), (blue, 1 - share)]) for share in (0.9, 0.1)]
    assert mostly[0][..., 0].mean() > mostly[1][..., 0].mean() + 0.05
    assert mostly[1][..., 2].mean() > mostly[0][..., 2].mean() + 0.05


def test_regions_take_the_style_of_their_own(picture):
    content = picture(48, 64)
    style = np.concatenate([picture(48, 32, tint=(1, 0.3, 0.3)), picture(48, 32, tint=(0.3, 0.3, 1))], 1)
    labels = np.repeat([[0, 1]], 48, 0).repeat(32, 1)
    method = replace(QUICK, steps=25, style_layers=LAYERS, content_layers=LAYERS)
    result = method(content, style, content_mask=labels, style_mask=labels)
    left, right = result[:, :28], result[:, 36:]
    assert left[..., 0].mean() - left[..., 2].mean() > 0.2
    assert right[..., 2].mean() - right[..., 0].mean() > 0.05


def test_the_shares_of_all_terms_sum_to_one(picture):
    labels = torch.from_numpy(np.repeat([[0, 1]], 40, 0).repeat(28, 1))
    regions = Regions({"a": 0, "b": 1}, labels)
    content = Example(tensor(picture()), regions)
    styles = [Example(tensor(picture(seed=s)), regions, share) for s, share in ((1, 0.3), (2, 0.7))]
    terms = style_terms(
        load_backbone("compact"), content, styles, loss="bn", layers=LAYERS, weights=(1.0, 3.0), seed=0
    )
    assert len(terms) == 8
    assert sum(term.share for term in terms) == pytest.approx(1)
    assert sum(term.share for term in terms if term.layer == "level2") == pytest.approx(0.75)


def test_masks_of_small_styles_go_on_where_the_picture_does(picture):
    rows = np.arange(8).clip(max=3)
    labels = torch.tensor([0, 0, 1, 1])[:, None].expand(4, 56)
    small, large = (
        Example(tensor(one), Regions({"a": 0, "b": 1}, values))
        for one, values in ((picture(4, 56), labels), (picture(4, 56)[rows], labels[rows]))
    )
    found, wanted = (
        style_terms(load_backbone("compact"), large, [one], loss="bn", layers=LAYERS, weights=None, seed=0)
        for one in (small, large)
    )
    assert len(found) == len(wanted) == 4
    for one, other in zip(found, wanted, strict=True):
        assert torch.equal(one.wanted, other.wanted)


def test_a_large_picture_is_worked_on_small_from_coarse_to_fine_and_says_so(picture):
    steps = []
    method = replace(QUICK, side=48, scales=2, steps=3)
    with pytest.warns(HaarmonyWarning, match="worked on a copy of 48 x 32 and brought to 120 x 80"):
        result = method(picture(80, 120), picture(seed=3), watch=steps.append)
    assert result.shape == (80, 120, 3)
    assert [tuple(step.picture.shape[-2:]) for step in steps] == [(16, 24)] * 3 + [(32, 48)] * 3
    assert [(step.done, step.steps) for step in steps] == [(n, 6) for n in range(1, 7)]


@pytest.mark.parametrize("size", [(1, 1), (3, 90), (17, 2)])
def test_any_size_works(picture, size):
    method = replace(QUICK, steps=2, side=90)
    result = method(picture(*size), picture(seed=1))
    assert result.shape == (*size, 3)
    assert np.isfinite(result).all()
    assert method(picture(), picture(*size)).shape == (40, 56, 3)


def test_the_seed_makes_it_the_same_again(picture):
    noisy = replace(QUICK, start="noise", steps=4, loss="mmd-rbf")
    first, again, other = (replace(noisy, seed=s)(picture(), picture(seed=1)) for s in (0, 0, 1))
    np.testing.assert_array_equal(first, again)
    assert np.abs(other - first).max() > 0.01


@pytest.mark.parametrize(
    ("options", "told"),
    [
        ({"style_layers": ("relu1_1",)}, "no layer 'relu1_1': choose any of level1"),
        ({"content_layers": ("level9",)}, "no layer 'level9'"),
        ({"style_layer_weights": (1.0,)}, "each layer has a weight: got 1 weights for level1, level2"),
        ({"style_layer_weights": (0.0,) * 4}, "each layer has a weight"),
        ({"style_layers": ("level1", "level1")}, "each layer is named once, got level1, level1"),
        ({"content_layers": ("level2", "level2")}, "each layer is named once, got level2, level2"),
        ({"backbone": "vgg"}, "unknown backbone 'vgg'"),
    ],
)
def test_what_does_not_fit_the_backbone_is_told(picture, options, told):
    with pytest.raises(InputError, match=told):
        replace(QUICK, **options)(picture(), picture(seed=1))


def test_other_losses_are_listed():
    with pytest.raises(InputError, match="loss is gram, mmd-linear, mmd-poly, mmd-rbf or bn, got 'mmd'"):
        NeuralStyle(loss="mmd")
