from functools import partial
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor
from torch.nn import functional as F

from haarmony import texture
from haarmony.errors import HaarmonyWarning, InputError, WeightsError
from haarmony.matching import cholesky, gaussian_ot, mean_std, zca
from haarmony.media.mask import Mask
from haarmony.methods.recipe import RECIPES, STAGES, Recipe
from haarmony.methods.sites import traverse, visit_sites
from haarmony.methods.wct2 import WCT2
from haarmony.networks.compact import Compact
from haarmony.networks.vgg19 import VGG19
from haarmony.style import Style

RECIPE_VARIANTS = {
    "as shipped": RECIPES["compact"],
    "full size": Recipe(("encoder",), partial(gaussian_ot, ridge=1e-3)),
    "all stages, zca": Recipe(STAGES, partial(zca, ridge=1.0), clamp=True),
    "skip alone, cholesky": Recipe(("skip",), cholesky),
    "decoder alone, mean_std": Recipe(("decoder",), mean_std),
    "small work side": Recipe(("encoder",), partial(gaussian_ot, ridge=1e-3), work_side=16),
}
recipes = pytest.mark.parametrize("recipe", RECIPE_VARIANTS.values(), ids=RECIPE_VARIANTS.keys())


def picture(seed: int, height: int = 34, width: int = 45, *, batch: int = 1) -> Tensor:
    generator = torch.Generator().manual_seed(seed)
    tint = 0.3 + 0.4 * torch.rand(1, 3, 1, 1, generator=generator)
    smooth = F.interpolate(torch.rand(batch, 3, 4, 5, generator=generator), (height, width), mode="bicubic")
    return (tint + 0.4 * (smooth - 0.5)).clamp(0, 1)


def network() -> Compact:
    torch.manual_seed(0)
    return Compact().eval().requires_grad_(False)


def model(recipe: Recipe = RECIPES["compact"], *, identity: str = "test 1") -> WCT2:
    return WCT2(network(), recipe, identity=identity)


def psnr(a: Tensor, b: Tensor) -> float:
    return float(-10 * (a - b).square().mean().log10())


@recipes
@pytest.mark.parametrize("size", [(34, 45), (1, 1), (1, 40), (7, 9)])
def test_a_picture_in_its_own_style_stays(recipe: Recipe, size: tuple[int, int]) -> None:
    content = picture(0, *size)
    known = model(recipe)
    result = known(content, known.style(content))
    assert result.shape == content.shape
    assert psnr(result, content) > 55


@recipes
def test_the_style_s_colours_arrive(recipe: Recipe) -> None:
    content, style = picture(0), picture(1, 50, 30)
    known = model(recipe)
    result = known(content, known.style(style))
    if "skip" in recipe.stages and len(recipe.stages) == 1:
        assert (result - content).abs().max() > 1e-3
        return
    before = (content.mean((2, 3)) - style.mean((2, 3))).abs().max()
    assert (result.mean((2, 3)) - style.mean((2, 3))).abs().max() < 0.25 * before


@recipes
def test_every_stage_that_is_chosen_is_matched_and_no_other(recipe: Recipe) -> None:
    visited: list[str] = []

    def note(site: str, feature: Tensor) -> Tensor:
        visited.append(site)
        return feature

    traverse(network(), picture(0), recipe.stages, note)
    assert {site.rstrip("0123456789.LH") for site in visited} == set(recipe.stages)
    assert len(visited) == len(set(visited))
    known = set(model(recipe).style(picture(1)).sites)
    assert known == set(visited) | ({texture.SITE} if recipe.work_side else set())


def test_a_model_knows_its_sites() -> None:
    encoder = [f"encoder{level}" for level in (1, 2, 3, 4)]
    assert list(model().sites) == encoder
    assert model(Recipe(())).sites == ()
    skips = [f"skip{pool}.{band}" for pool in (2, 3) for band in ("LH", "HL", "HH")]
    assert list(model(Recipe(("encoder", "skip"))).sites) == encoder + skips
    maxima = WCT2(VGG19("sum", "max").eval(), Recipe(("skip", "decoder")))
    assert list(maxima.sites) == ["decoder4", "decoder3", "decoder2", "decoder1"]


def test_sites_that_a_style_has_beside_the_model_s_change_nothing() -> None:
    recipe = Recipe(("encoder",), gaussian_ot, work_side=40, shares={"encoder": 0.2})
    wide = model(Recipe(STAGES, gaussian_ot, work_side=40)).style(picture(1))
    known, content = model(recipe), picture(0)
    assert torch.equal(known(content, wide), known(content, known.style(picture(1))))


@pytest.mark.parametrize(
    ("stages", "count"), [(("encoder",), 4), (("skip",), 6), (("decoder",), 4), (("encoder", "decoder"), 7)]
)
def test_sites_of_the_stages(stages: tuple[str, ...], count: int) -> None:
    sites: list[str] = []
    visit_sites(network(), picture(0), stages, lambda site, x: sites.append(site) or x)
    assert len(sites) == count


def test_features_are_matched_before_the_next_level_is_encoded() -> None:
    """Progressive: what level 2 sees has already been matched at level 1."""
    seen: dict[str, Tensor] = {}

    def darken(site: str, feature: Tensor) -> Tensor:
        seen[site] = feature
        return torch.zeros_like(feature) if site == "encoder1" else feature

    traverse(network(), picture(0), ("encoder",), darken)
    assert seen["encoder1"].abs().max() > 0
    assert not seen["encoder2"].any()


@recipes
@pytest.mark.parametrize("dtype", [np.uint8, np.uint16, np.float32])
def test_strength_0_gives_the_content_back_exactly(recipe: Recipe, dtype) -> None:
    full = {np.uint8: 255, np.uint16: 65535, np.float32: 1}[dtype]
    content = np.random.default_rng(0).random((9, 14, 3)) * full
    content = content.astype(dtype)
    known = model(recipe)
    result = known(content, known.style(picture(1)), strength=0)
    assert result.dtype == dtype
    np.testing.assert_array_equal(result, content)
    assert result is not content


@recipes
def test_strength_grows_from_the_content_to_the_full_transfer(recipe: Recipe) -> None:
    content = picture(0)
    known = model(recipe)
    style = known.style(picture(1))
    moved = [float((known(content, style, strength=s) - content).abs().mean()) for s in (0, 0.01, 0.5, 1)]
    assert moved[0] == 0
    assert moved[1] < 0.15 * moved[3]
    assert moved[1] < moved[2] < moved[3]


def test_a_weak_strength_gives_back_what_the_network_loses() -> None:
    lossy = network()
    lossy.unmix[0].weight.mul_(0.8)
    content = picture(0)
    assert psnr(lossy(content), content) < 35
    known = WCT2(lossy, Recipe(("encoder",), gaussian_ot))
    assert psnr(known(content, known.style(content), strength=0.01), content) > 55


def halves(height: int, width: int, names: tuple[str, str] = ("left", "right")) -> Mask:
    labels = np.zeros((height, width), np.int64)
    labels[:, width // 2 :] = 1
    return Mask(names, labels)


def two_lights(height: int, width: int, left: float, right: float) -> Tensor:
    content = picture(3, height, width) * 0.2
    content[..., : width // 2] += left
    content[..., width // 2 :] += right
    return content.clamp(0, 1)


@pytest.mark.parametrize("soft", [False, True])
def test_two_labels_get_two_maps(soft: bool) -> None:
    content, style = two_lights(32, 48, 0.4, 0.4), two_lights(40, 64, 0.1, 0.7)
    masks = halves(32, 48), halves(40, 64)
    if soft:
        masks = tuple(
            Mask(m.names, np.stack([m.values == 0, m.values == 1]).astype(np.float32)) for m in masks
        )
    known = model(RECIPE_VARIANTS["full size"])
    result = known(content, known.style(style, masks[1]), content_mask=masks[0])
    for part, wanted in ((slice(4, 20), style[..., 4:28]), (slice(28, 44), style[..., 36:60])):
        assert float(result[..., part].mean()) == pytest.approx(float(wanted.mean()), abs=0.04)
    unmasked = known(content, known.style(style))
    assert float((unmasked[..., 28:44].mean() - unmasked[..., 4:20].mean()).abs()) < 0.1


def test_labels_pair_by_name_and_not_by_order() -> None:
    content, style = two_lights(32, 48, 0.4, 0.4), two_lights(32, 48, 0.1, 0.7)
    known = model(RECIPE_VARIANTS["full size"])
    straight = known(content, known.style(style, halves(32, 48)), content_mask=halves(32, 48))
    turned = halves(32, 48)
    turned = Mask(("right", "left"), 1 - turned.values)
    again = known(content, known.style(style, turned), content_mask=halves(32, 48))
    torch.testing.assert_close(straight, again, rtol=0, atol=1e-5)


def test_a_label_that_cannot_be_shared_keeps_its_look() -> None:
    content, style = two_lights(32, 48, 0.2, 0.6), two_lights(32, 48, 0.7, 0.7)
    known = model(RECIPE_VARIANTS["full size"])
    with pytest.warns(HaarmonyWarning, match=r"right.*; nothing takes its light.* elsewhere"):
        result = known(
            content,
            known.style(style, halves(32, 48, ("left", "elsewhere"))),
            content_mask=halves(32, 48),
        )
    torch.testing.assert_close(result[..., 30:], content[..., 30:], rtol=0, atol=0.02)
    assert (result[..., :16] - content[..., :16]).mean() > 0.2


def test_regions_of_ten_pixels_are_too_small() -> None:
    labels = np.zeros((32, 48), np.int64)
    labels[0, :10] = 1
    mask = Mask(("ground", "speck"), labels)
    content = picture(0, 32, 48)
    known = model(RECIPE_VARIANTS["full size"])
    with pytest.warns(HaarmonyWarning, match="speck"):
        known(content, known.style(picture(1, 32, 48), mask), content_mask=mask)


def test_masks_and_strength_and_work_side_go_together() -> None:
    content, style = two_lights(64, 96, 0.4, 0.4), two_lights(64, 96, 0.1, 0.7)
    known = model(Recipe(("encoder",), partial(gaussian_ot, ridge=1e-3), work_side=48))
    remembered = known.style(style, halves(64, 96))
    full, half = (
        known(content, remembered, content_mask=halves(64, 96), strength=s)[..., 60:92].mean()
        for s in (1, 0.2)
    )
    assert content[..., 60:92].mean() + 0.05 < half < full - 0.05


@recipes
def test_a_batch_is_its_pictures_one_by_one(recipe: Recipe) -> None:
    contents = picture(0, batch=3) * torch.tensor([1.0, 0.7, 0.4]).view(3, 1, 1, 1)
    known = model(recipe)
    style = known.style(picture(1))
    together = known(contents, style)
    for i in range(3):
        torch.testing.assert_close(together[i : i + 1], known(contents[i : i + 1], style), rtol=0, atol=1e-5)


def test_the_work_side_changes_speed_and_hardly_the_picture() -> None:
    content, style = picture(0, 120, 160), picture(1, 100, 100)
    full = model(Recipe(("encoder",), partial(gaussian_ot, ridge=1e-3)))
    small = model(Recipe(("encoder",), partial(gaussian_ot, ridge=1e-3), work_side=40))
    sides: list[tuple[int, ...]] = []
    encode = small.network.encode
    small.network.encode = lambda level, x, skips: (
        sides.append(tuple(x.shape[-2:])) or encode(level, x, skips)
    )
    result = small(content, small.style(style))
    assert sides[0] == (40, 40)
    assert result.shape == content.shape
    assert (result - full(content, full.style(style))).abs().mean() < 0.03


_SMALL = model(Recipe(("encoder",), gaussian_ot, work_side=40))


@given(st.integers(1, 5000), st.integers(1, 5000))
def test_copies_of_every_shape_have_as_many_pixels(height: int, width: int) -> None:
    rows, columns = _SMALL.work_size((height, width))
    if height * width <= 40**2 and max(height, width) <= 80:
        assert (rows, columns) == (height, width)
        return
    assert max(rows, columns) <= 80
    assert rows * columns <= (40 + 2) ** 2
    if max(height, width) <= 4 * min(height, width):
        assert rows * columns >= (40 - 2) ** 2


def test_the_same_bytes_every_time() -> None:
    content, known = picture(0), model()
    style = known.style(picture(1))
    assert torch.equal(known(content, style), known(content, style))


def test_a_style_survives_its_file(tmp_path: Path) -> None:
    content, known = picture(0), model()
    style = known.style(picture(1))
    style.save(tmp_path / "style.safetensors")
    assert torch.equal(known(content, Style.load(tmp_path / "style.safetensors")), known(content, style))


def test_values_outside_the_range_are_clipped() -> None:
    known = model(Recipe(("encoder",), gaussian_ot))
    glaring = Style("test 1", known.style((picture(1) > 0.5).float()).sites)
    result = known(picture(0), glaring)
    assert result.min() >= 0
    assert result.max() <= 1


def test_the_clamp_keeps_each_feature_in_its_own_range() -> None:
    content = 0.4 + 0.1 * picture(0)
    style = Recipe(("encoder",), gaussian_ot)
    bright, held = model(style), model(Recipe(("encoder",), gaussian_ot, clamp=True))
    white = torch.ones(1, 3, 20, 20)
    assert bright(content, bright.style(white)).mean() > 0.99
    assert held(content, held.style(white)).mean() < 0.97


def test_the_reference_network_takes_the_same_road() -> None:
    torch.manual_seed(0)
    vgg = WCT2(VGG19("sum").eval(), RECIPES["vgg19_sum"])
    content = picture(0, 17, 24)
    style = vgg.style(picture(1, 20, 20))
    assert len(set(style.sites) - {texture.SITE}) == 4 + 9 + 3
    assert vgg(content, style).isfinite().all()
    assert torch.equal(vgg(content, style, strength=0), content)


def say(action) -> str:
    with pytest.raises(InputError) as caught:
        action()
    assert "\n" not in str(caught.value)
    return str(caught.value)


def test_mistakes_are_one_line() -> None:
    known, other = model(), model(identity="other 2")
    content, style = picture(0, 32, 48), known.style(picture(1))
    masked = known.style(picture(1, 32, 48), halves(32, 48))
    assert "made by other 2" in say(lambda: known(content, other.style(content)))
    assert "batch of 2" in say(lambda: known.style(picture(0, batch=2)))
    assert "batch of 2" in say(
        lambda: known(picture(0, 32, 48, batch=2), masked, content_mask=halves(32, 48))
    )
    for strength in (-0.1, 1.5, float("nan"), "full", torch.ones(2), [0.5, 1]):
        assert "strength" in say(lambda strength=strength: known(content, style, strength=strength))
    assert "both or neither" in say(lambda: known(content, masked))
    assert "both or neither" in say(lambda: known(content, style, content_mask=halves(32, 48)))
    assert "48 x 32" in say(lambda: known(content, masked, content_mask=halves(10, 12)))
    assert "[0, 1]" in say(lambda: known(content * 255, style))
    assert "stages" in say(lambda: model(Recipe(("skip",), zca))(content, style))
    assert "unknown stages" in say(lambda: Recipe(("encoders",)))
    for side in (0, "352", 3.5):
        assert "work_side" in say(lambda side=side: Recipe(work_side=side))
    for no_style in (3, content, "sunset.jpg"):
        assert "make it with model.style" in say(lambda no_style=no_style: known(content, no_style))


def test_an_unknown_model_is_one_line() -> None:
    with pytest.raises(WeightsError, match="unknown model 'vgg16'"):
        WCT2.load("vgg16")


def test_a_flat_style_and_a_flat_content_stay_finite() -> None:
    for recipe in RECIPE_VARIANTS.values():
        known = model(recipe)
        flat = torch.full((1, 3, 20, 20), 0.5)
        for content, style in ((flat, picture(1)), (picture(0), flat), (flat, flat)):
            result = known(content, known.style(style))
            assert result.isfinite().all()


@pytest.mark.parametrize("size", [(1, 1), (1, 40), (9, 3), (17, 19)])
@pytest.mark.parametrize("strength", [0.5, 1.0])
def test_a_picture_too_small_for_the_network_comes_back_at_its_size(
    size: tuple[int, int], strength: float
) -> None:
    torch.manual_seed(0)
    model = WCT2(VGG19("sum").eval(), RECIPES["vgg19_sum"])
    content = torch.rand(1, 3, *size)
    result = model(content, model.style(torch.rand(1, 3, 5, 4)), strength=strength)
    assert result.shape == content.shape
    assert bool(result.isfinite().all())


def test_shares_of_the_strength() -> None:
    content, style = picture(0), picture(1)
    stages = ("encoder", "skip")

    def result(**shares: float) -> Tensor:
        known = model(Recipe(stages, partial(gaussian_ot, ridge=1e-3), shares=shares))
        return known(content, known.style(style))

    whole = result()
    assert torch.equal(result(fine=1.0, coarse=1.0), whole)
    nothing = result(encoder=0, skip=0)
    torch.testing.assert_close(nothing, network()(content).clamp(0, 1))
    assert (result(coarse=0) - whole).abs().max() > 1e-3
    torch.testing.assert_close(result(fine=0, coarse=0), nothing)
    torch.testing.assert_close(result(encoder=0, encoder1=1, encoder2=1, encoder3=1, encoder4=1), result())
    faint = result(encoder=0.1, skip=0.1)  # of what is left, at every level
    assert (faint - nothing).abs().mean() < 0.6 * (whole - nothing).abs().mean()


@pytest.mark.parametrize(
    ("shares", "saying"), [({"encoder9": 1}, "no strength"), ({"fine": 1.5}, "between 0 and 1")]
)
def test_shares_that_make_no_sense_are_refused(shares: dict[str, float], saying: str) -> None:
    with pytest.raises(InputError, match=saying):
        Recipe(shares=shares)


def beyond(picture: Tensor, mask: Mask, side: int) -> tuple[Tensor, Mask]:
    """A picture and its mask with the last row repeated until there are so many."""
    rows = np.arange(side).clip(max=picture.shape[-2] - 1)
    return picture[..., rows, :], Mask(mask.names, mask.values[..., rows, :])


def layers(height: int, width: int) -> tuple[Tensor, Mask]:
    """Two halves above each other, the lower one the brighter."""
    content = 0.2 + 0.1 * picture(4, height, width)
    content[..., height // 2 :, :] += 0.4
    return content, Mask(("top", "bottom"), np.repeat([0, 1], height // 2)[:, None].repeat(width, 1))


@pytest.fixture
def demanding() -> WCT2:
    """A model whose network wants pictures of 9 pixels."""
    known = model(RECIPE_VARIANTS["full size"])
    known.network.smallest = 9
    return known


@pytest.mark.parametrize("soft", [False, True])
def test_masks_of_small_pictures_go_on_where_the_picture_does(demanding: WCT2, soft: bool) -> None:
    content, mask = layers(4, 64)
    style, theirs = 1 - content, mask
    if soft:
        weights = np.stack([mask.values == 0, mask.values == 1]).astype(np.float32)
        mask = theirs = Mask(mask.names, weights)
    large, its = beyond(content, mask, 9)
    known = model(RECIPE_VARIANTS["full size"])
    wanted = known(large, known.style(*beyond(style, theirs, 9)), content_mask=its)[..., :4, :]
    made = demanding.style(style, theirs)
    assert torch.equal(demanding(content, made, content_mask=mask), wanted)
    regions = demanding.regions((4, 64), made, mask)
    maps = demanding.plan(content, made, 1.0, regions)
    assert torch.equal(demanding.render(content, maps, 1.0, regions).clamp(0, 1), wanted)


def test_the_field_of_a_small_picture_lies_over_what_there_is_of_it() -> None:
    content, mask = layers(4, 64)
    style = torch.cat([0.9 - content[..., :2, :], content[..., 2:, :] - 0.4], -2)
    small, plain = (model(Recipe(("encoder",), gaussian_ot, work_side=64)) for _ in range(2))
    small.network.smallest = 9
    fields = {}
    for known in (small, plain):
        made = known.style(style, mask)
        fields[known] = known.field(content, made, known.regions((4, 64), made, mask))
    assert fields[small].maps.shape == fields[plain].maps.shape
    assert fields[small].guides.shape == fields[plain].guides.shape
    torch.testing.assert_close(fields[small].guides, fields[plain].guides)
    result = small(content, small.style(style, mask), content_mask=mask)
    for rows in (slice(0, 2), slice(2, 4)):
        assert float(result[..., rows, :].mean()) == pytest.approx(
            float(style[..., rows, :].mean()), abs=0.05
        )


def test_the_texture_of_a_small_style_is_that_of_what_there_is_of_it() -> None:
    small, plain = model(), model()
    small.network.smallest = 9
    found, wanted = (known.style(picture(1, 4, 64)).sites[texture.SITE]["whole"] for known in (small, plain))
    assert torch.equal(found.scatter, wanted.scatter)
    assert float(found.count) == float(wanted.count) == 4 * 64
