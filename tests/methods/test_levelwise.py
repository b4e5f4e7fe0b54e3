import numpy as np
import pytest
import torch
from torch import Tensor

from haarmony.errors import HaarmonyWarning, InputError
from haarmony.matching import mean_std
from haarmony.matting import MattingLaplacian
from haarmony.methods import WCT, AdaIN, PhotoWCT
from haarmony.methods.levelwise import cascade, known_levels, whitening_colouring
from haarmony.methods.method import Example, Step
from haarmony.methods.photowct import smoothed
from haarmony.moments import Moments
from haarmony.networks.compact import Compact
from haarmony.networks.imagined import ImaginedCompact
from haarmony.networks.levels import LevelAutoencoder, PooledLevels, WaveletLevels
from haarmony.networks.pooled import PooledVGG19
from haarmony.regions import Regions


class Colours(LevelAutoencoder):
    """A network whose feature at every level is the picture itself."""

    levels, smallest = (1, 2, 3, 4), 1

    def encode(self, picture, level):
        return {k: picture.clone() for k in range(1, level + 1)}, None

    def decode(self, feature, level, aside):
        return feature


@pytest.fixture(params=["colours", "nearest", "places", "compact", "imagined"])
def network(request) -> LevelAutoencoder:
    torch.manual_seed(0)
    made: LevelAutoencoder
    if request.param == "colours":
        made = Colours()
    elif request.param == "compact":
        made = WaveletLevels(Compact())
    elif request.param == "imagined":
        made = ImaginedCompact(Compact())
    else:
        deep = PooledVGG19(4, request.param)
        made = PooledLevels(
            {k: PooledVGG19(k, request.param, encoder=deep.encoder) for k in (1, 2, 3)} | {4: deep}
        )
    return made.requires_grad_(False)


@pytest.fixture
def loaded(monkeypatch, network) -> list[str]:
    """The names of the networks that were asked for; each is `network`."""
    names: list[str] = []
    for module in ("adain", "wct", "photowct"):
        monkeypatch.setattr(
            f"haarmony.methods.{module}.known_levels", lambda name, device: names.append(name) or network
        )
    return names


METHODS = [
    AdaIN(),
    WCT(),
    WCT(levels=(3,)),
    PhotoWCT(),
    PhotoWCT(smoothing="guided"),
    PhotoWCT(smoothing="none"),
]


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("size", [(40, 56), (1, 1), (21, 2)])
def test_any_size_comes_back_finite(method, size, picture, loaded):
    content, style = picture(*size), picture(30, 20, seed=1)
    result = method(content, style)
    assert result.shape == content.shape
    assert np.isfinite(result).all()
    assert result.min() >= 0
    assert result.max() <= 1


@pytest.mark.parametrize("method", [AdaIN(side=24), WCT(side=24), PhotoWCT(side=24)])
def test_large_pictures_are_worked_on_as_copies(method, picture, loaded):
    seen: list[Step] = []
    with pytest.warns(HaarmonyWarning, match="a copy of 24 x 17"):
        result = method(picture(40, 56), picture(50, 60, seed=1), watch=seen.append)
    assert result.shape == (40, 56, 3)
    assert {step.picture.shape[-2:] for step in seen} == {(17, 24)}


@pytest.mark.parametrize(
    ("method", "name"),
    [
        (AdaIN(), "vgg19_adain"), (WCT(), "vgg19_plain"), (PhotoWCT(), "vgg19_places"),
        (AdaIN(backbone="compact"), "compact_plain"), (WCT(backbone="compact"), "compact_plain"),
        (PhotoWCT(backbone="compact"), "compact"),
    ],
)  # fmt: skip
@pytest.mark.parametrize("network", ["colours"], indirect=True)
def test_a_backbone_is_a_network(method, name, picture, loaded):
    method(picture(20, 20), picture(20, 20, seed=1))
    assert loaded == [name]


def test_a_network_on_another_device_is_another():
    one = known_levels("compact_plain")
    other = known_levels("compact_plain", "meta")
    assert known_levels("compact_plain", torch.device("cpu")) is one
    assert {weight.device.type for weight in other.parameters()} == {"meta"}
    assert {weight.device.type for weight in one.parameters()} == {"cpu"}


@pytest.mark.parametrize("network", ["colours"], indirect=True)
class TestStatistics:
    def test_adain_gives_mean_and_deviation(self, picture, loaded):
        content, style = picture(), picture(30, 20, seed=1)
        result = AdaIN()(content, style)
        np.testing.assert_allclose(result.mean((0, 1)), style.mean((0, 1)), atol=0.02)
        np.testing.assert_allclose(result.std((0, 1)), style.std((0, 1)), atol=0.02)

    def test_wct_gives_the_covariance(self, picture, loaded):
        content, style = picture(contrast=0.1), 0.3 + 0.4 * picture(30, 20, seed=1)
        result = WCT(strength=1.0, ridge=0.0, levels=(2,))(content, style)
        wanted, got = (np.cov(x.reshape(-1, 3).T) for x in (style, result))
        np.testing.assert_allclose(got, wanted, atol=2e-3)

    def test_a_level_adds_its_step(self, picture, loaded):
        steps = []
        WCT(levels=(4, 2))(picture(), picture(seed=1), watch=steps.append)
        assert [(step.done, step.steps) for step in steps] == [(1, 2), (2, 2)]

    def test_strength_lies_between(self, picture, loaded):
        content, style = 0.3 + 0.3 * picture(), 0.4 + 0.3 * picture(30, 20, seed=1)
        none, half, full = (AdaIN(strength=s)(content, style) for s in (0.0, 0.5, 1.0))
        np.testing.assert_array_equal(none, content)
        np.testing.assert_allclose(half, (content + full) / 2, atol=1e-4)

    def test_several_styles_are_averaged_by_weight(self, picture, loaded):
        content, one, two = picture(), 0.5 * picture(seed=1), 0.5 + 0.5 * picture(seed=2)
        result = AdaIN()(content, [(one, 3.0), (two, 1.0)])
        wanted = 0.75 * one.mean((0, 1)) + 0.25 * two.mean((0, 1))
        np.testing.assert_allclose(result.mean((0, 1)), wanted, atol=0.02)

    @pytest.mark.parametrize("method", [AdaIN(), WCT(strength=1.0, levels=(1,))])
    def test_regions_are_matched_by_themselves(self, method, picture, loaded):
        content, style = picture(), picture(seed=1)
        style[:, 28:] *= 0.3
        mask = np.zeros(content.shape[:2], np.uint8)
        mask[:20] = 1
        there = np.zeros(style.shape[:2], np.uint8)
        there[:, 28:] = 1
        result = method(content, style, content_mask=mask, style_mask=there)
        np.testing.assert_allclose(result[:20].mean((0, 1)), style[:, 28:].mean((0, 1)), atol=0.02)
        np.testing.assert_allclose(result[20:].mean((0, 1)), style[:, :28].mean((0, 1)), atol=0.02)

    @pytest.mark.parametrize("preserve", ["luminance", "matching"])
    def test_colours_can_be_kept(self, preserve, picture, loaded):
        content, style = 0.2 + 0.6 * picture(), picture(30, 20, seed=1, tint=(0.2, 0.5, 1.0))
        kept = AdaIN(preserve=preserve)(content, style)
        np.testing.assert_allclose(kept.mean((0, 1)), content.mean((0, 1)), atol=0.03)
        if preserve == "luminance":
            np.testing.assert_allclose(kept - content, (kept - content)[..., :1].repeat(3, 2), atol=0.02)
        assert np.abs(AdaIN()(content, style).mean((0, 1)) - content.mean((0, 1))).max() > 0.1


def test_matched_features_reach_the_decoder(network):
    seen: dict[str, Tensor] = {}
    decode = network.decode
    network.decode = lambda feature, level, aside: (
        seen.setdefault("x", feature) is None or decode(feature, level, aside)
    )
    content, style = Example(torch.rand(1, 3, 64, 48)), Example(torch.rand(1, 3, 40, 72) ** 2)
    cascade(
        network, content, [style], levels=(2,), matching=mean_std, strength=1.0, side=99,
        watch=lambda step: None,
    )  # fmt: skip
    wanted = network.encode(style.picture, 2)[0][2]
    varies = network.encode(content.picture, 2)[0][2].var((2, 3)) > 1e-4
    torch.testing.assert_close(
        seen["x"].mean((2, 3))[varies], wanted.mean((2, 3))[varies], atol=1e-3, rtol=1e-2
    )


def test_masks_of_small_pictures_go_on_where_the_picture_does():
    network = Colours()
    network.smallest = 9
    labels = torch.tensor([0, 0, 1, 1])[:, None].expand(4, 64)
    regions = Regions({"top": 0, "bottom": 1}, labels)
    columns = torch.rand(1, 3, 1, 64)
    content = Example(torch.where(labels == 0, 0.2 * columns, 0.5 + 0.3 * columns), regions)
    style = Example(torch.where(labels == 0, 0.6 + 0.2 * columns, 0.4 * columns), regions)
    result = cascade(
        network, content, [style], levels=(1,), matching=mean_std, strength=1.0, side=99,
        watch=lambda step: None,
    )  # fmt: skip
    torch.testing.assert_close(result, style.picture, atol=0.01, rtol=0)


class TestSmoothing:
    def test_it_solves_the_system_of_the_paper(self):
        content, stylized = torch.rand(1, 3, 9, 8), torch.rand(1, 3, 9, 8)
        result = smoothed(stylized, content, fidelity=0.1)
        laplacian = MattingLaplacian.of(content, ridge=1e-6)
        D = laplacian.windows.flatten().double()
        W = torch.diag(D) - laplacian(torch.eye(72).view(72, 9, 8)).flatten(1).double()
        share = 1 / (1 + 0.1)
        planes = stylized[0].flatten(1).T.double()
        wanted = (1 - share) * torch.linalg.solve(torch.eye(72) - share * W / D[:, None], planes)
        torch.testing.assert_close(result[0], wanted.T.view(3, 9, 8).float(), atol=5e-3, rtol=0)

    def test_a_picture_that_follows_the_content_has_no_dark_frame(self):
        content = torch.full((1, 3, 12, 12), 0.6)
        torch.testing.assert_close(smoothed(content, content), content, atol=2e-3, rtol=0)

    def test_noise_along_flat_colours_goes_and_edges_stay(self):
        content = torch.full((1, 3, 24, 24), 0.2)
        content[..., 12:] = 0.8
        noisy = 1 - content + 0.1 * torch.randn(1, 3, 24, 24)
        result = smoothed(noisy, content)
        sides = result[..., 2:10], result[..., 14:22]
        assert all(side[..., 4:20, :].std() < 0.03 for side in sides)
        assert sides[0].mean() - sides[1].mean() > 0.5

    def test_its_steps_are_watched(self):
        steps: list[Step] = []
        smoothed(torch.rand(1, 3, 12, 12), torch.rand(1, 3, 12, 12), watch=steps.append)
        assert [step.done for step in steps] == list(range(1, len(steps) + 1))


@pytest.mark.parametrize("method", [WCT, PhotoWCT])
@pytest.mark.parametrize("levels", [(), (5,), (0,), (3, 3)])
def test_levels_that_there_are_not_are_refused(method, levels):
    with pytest.raises(InputError, match="level"):
        method(levels=levels)


@pytest.mark.parametrize("smoothing", ["none", "guided"])
def test_fidelity_belongs_to_the_closed_form(smoothing):
    with pytest.raises(InputError, match=f"fidelity counts for nothing with smoothing={smoothing}"):
        PhotoWCT(smoothing=smoothing, fidelity=0.1)
    assert PhotoWCT(fidelity=0.1).fidelity == 0.1


def test_a_share_of_the_variance_bounds_the_gain():
    features = torch.randn(4, 50, 50) * torch.tensor([1.0, 1.0, 1.0, 1e-2])[:, None, None]
    own, other = Moments.of(features), Moments.of(torch.randn(4, 50, 50))
    gains = [float(whitening_colouring(own, other, ridge=r).matrix.abs().max()) for r in (0.0, 1e-3)]
    assert gains[0] > 80
    assert gains[1] < 50
