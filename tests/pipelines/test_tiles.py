import weakref
from copy import deepcopy
from functools import partial

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor
from torch.nn import functional as F

from haarmony.errors import InputError
from haarmony.matching import gaussian_ot, zca
from haarmony.media.kinds import to_mask
from haarmony.methods.recipe import STAGES, Recipe
from haarmony.methods.wct2 import WCT2
from haarmony.networks.autoencoder import WaveletAutoencoder
from haarmony.networks.compact import Compact
from haarmony.networks.vgg19 import VGG19
from haarmony.pipelines.rows import TensorRows
from haarmony.pipelines.tiles import joint_plan, rendered, spans, tiled_plan, tiled_style, tiles
from haarmony.regions import Regions

COMBINATIONS = [
    ("encoder",),
    ("skip",),
    ("decoder",),
    ("encoder", "skip"),
    ("encoder", "decoder"),
    ("skip", "decoder"),
    STAGES,
]
NETWORKS = ("compact", "sum", "cat5")


def picture(seed: int, height: int, width: int) -> Tensor:
    generator = torch.Generator().manual_seed(seed)
    smooth = F.interpolate(torch.rand(1, 3, 6, 7, generator=generator), (height, width), mode="bicubic")
    return (0.15 + 0.6 * smooth + 0.1 * torch.rand(1, 3, height, width, generator=generator)).clamp(0, 1)


def labels(height: int, width: int, *, soft: bool) -> Tensor:
    """Three regions with crooked borders."""
    down, across = torch.meshgrid(torch.linspace(0, 1, height), torch.linspace(0, 1, width), indexing="ij")
    wave = 3 * (down + 0.15 * torch.sin(9 * across))
    if soft:
        return torch.stack([-((wave - centre) ** 2) for centre in (0.5, 1.5, 2.5)]).mul(3).softmax(0)
    return wave.long().clamp(0, 2)


def network(name: str) -> WaveletAutoencoder:
    torch.manual_seed(0)
    made = Compact() if name == "compact" else VGG19(name)  # type: ignore[arg-type]
    return made.eval().requires_grad_(False)


def model(name: str, stages: tuple[str, ...]) -> WCT2:
    matching = partial(gaussian_ot, ridge=1e-3) if name == "compact" else partial(zca, ridge=1.0)
    return WCT2(network(name), Recipe(stages, matching, clamp=name != "compact"), identity="test 1")


def tiled(known: WCT2, content: Tensor, style: Tensor, side: int, strength: float, masks: str) -> Tensor:
    regions = [
        Regions.of(to_mask(labels(*one.shape[-2:], soft=masks == "soft"), size=tuple(one.shape[-2:])))
        if masks
        else None
        for one in (content, style)
    ]
    light = tiled_style(known, TensorRows(style), regions[1], side=side)
    maps = tiled_plan(known, TensorRows(content), light, strength, regions[0], side=side)
    bands = rendered(known, TensorRows(content), maps, strength, regions[0], side=side)
    return torch.cat(list(bands), -2).clamp(0, 1)


def untiled(known: WCT2, content: Tensor, style: Tensor, strength: float, masks: str) -> Tensor:
    if not masks:
        return known(content, known.style(style), strength=strength)
    given = [labels(*one.shape[-2:], soft=masks == "soft") for one in (content, style)]
    return known(content, known.style(style, given[1]), strength=strength, content_mask=given[0])


@pytest.mark.parametrize(
    ("name", "stages"),
    [("compact", stages) for stages in COMBINATIONS]
    + [("sum", STAGES), ("cat5", STAGES), ("cat5", ("skip",))],
)
def test_tiles_give_what_the_whole_gives(name: str, stages: tuple[str, ...]) -> None:
    size = (150, 267) if name == "compact" else (57, 230)
    content, style = picture(0, *size), picture(1, 61, 93)
    known = model(name, stages)
    result = tiled(known, content, style, 64, 1.0, "")
    expected = untiled(known, content, style, 1.0, "")
    assert (expected - content).abs().max() > 10 / 255
    assert (result - expected).abs().max() < 1 / 255


@pytest.mark.parametrize(("name", "masks"), [("compact", "hard"), ("compact", "soft"), ("cat5", "hard")])
def test_tiles_give_what_the_whole_gives_with_masks(name: str, masks: str) -> None:
    content, style = picture(0, 59, 210), picture(1, 67, 83)
    known = model(name, STAGES)
    result = tiled(known, content, style, 64, 0.7, masks)
    assert (result - untiled(known, content, style, 0.7, masks)).abs().max() < 1 / 255


@pytest.mark.parametrize("side", [64, 72, 128, 512])
@pytest.mark.parametrize("size", [(97, 301), (301, 97), (5, 400), (400, 1), (129, 128)])
def test_at_every_tile_size_and_shape(side: int, size: tuple[int, int]) -> None:
    content, style = picture(0, *size), picture(1, 90, 80)
    known = model("compact", ("encoder", "decoder"))
    result = tiled(known, content, style, side, 1.0, "")
    assert result.shape == content.shape
    assert (result - untiled(known, content, style, 1.0, "")).abs().max() < 1 / 255


def test_narrow_pictures_of_the_reference_network() -> None:
    content, style = picture(0, 5, 150), picture(1, 150, 9)
    known = model("cat5", ("skip", "decoder"))
    result = tiled(known, content, style, 64, 1.0, "")
    assert (result - untiled(known, content, style, 1.0, "")).abs().max() < 1 / 255


@given(
    length=st.integers(1, 5000), side=st.integers(1, 100).map(lambda n: 8 * n), halo=st.sampled_from([0, 56])
)
@settings(deadline=None)
def test_spans_cover_the_line_once_and_begin_at_the_stride(length: int, side: int, halo: int) -> None:
    found = spans(length, side, halo, 8)
    assert [span.start for span in found] == [0] + [span.stop for span in found[:-1]]
    assert found[-1].stop == length
    for span in found:
        assert span.start % 8 == 0
        assert span.first % 8 == 0
        assert 0 < span.stop - span.start <= side
        assert span.first == max(0, span.start - halo)
        assert span.last == min(length, span.stop + halo)


@pytest.mark.parametrize("name", NETWORKS)
def test_nothing_beyond_the_reach_bears_on_a_pixel(name: str) -> None:
    whole = deepcopy(network(name)).double()  # where no fast convolution rounds a tile together
    content = picture(0, 16, 300).double()
    changed = content.clone()
    changed[..., : 200 - whole.reach] = 1 - content[..., : 200 - whole.reach]
    difference = (whole(content) - whole(changed)).abs()
    assert difference[..., 200:].max() == 0
    assert difference[..., : 200 - whole.reach].max() > 0
    assert whole.reach % whole.stride == 0


@pytest.mark.parametrize("level", [1, 2, 3, 4])
@pytest.mark.parametrize("name", NETWORKS)
def test_nothing_beyond_the_encoders_reach_bears_on_a_feature(name: str, level: int) -> None:
    whole = deepcopy(network(name)).double()
    for parameter in whole.parameters():
        if not parameter.any():
            torch.nn.init.normal_(parameter, std=0.1)
    content = picture(0, 16, 304).double()
    reach = whole.encoder_reach[level - 1]
    assert reach % whole.stride == 0
    changed = content.clone()
    changed[..., : 200 - reach] = 1 - content[..., : 200 - reach]
    plain, other = (whole.encode_all(one)[0][level] for one in (content, changed))
    start = 200 * plain.shape[-1] // content.shape[-1]
    assert torch.equal(plain[..., start:], other[..., start:])
    assert not torch.equal(plain, other)


def test_every_band_of_rows_is_read_once() -> None:
    class Counting(TensorRows):
        def rows(self, top: int, bottom: int) -> Tensor:
            read.append((top, bottom))
            return super().rows(top, bottom)

    read: list[tuple[int, int]] = []
    for row in tiles(model("compact", ("encoder",)), Counting(picture(0, 300, 300)), 64, 56):
        list(row)
    assert read == [(0, 120), (8, 184), (72, 248), (136, 300), (200, 300)]


def test_no_band_is_kept_beside_the_next() -> None:
    class Watched(TensorRows):
        def rows(self, top: int, bottom: int) -> Tensor:
            assert not [band for band in read if band() is not None]
            band = super().rows(top, bottom).numpy().copy()
            read.append(weakref.ref(band))
            return torch.from_numpy(band)

    read: list[weakref.ref[object]] = []
    wct2 = model("compact", ("encoder",))
    source = Watched(picture(0, 300, 300))
    style = tiled_style(wct2, source, None, side=64)
    maps = tiled_plan(wct2, source, style, 1.0, None, side=64)
    for _ in rendered(wct2, source, maps, 1.0, None, side=64):
        pass
    assert len(read) == 5 * (1 + 4 + 1)


def test_a_style_of_more_stages_is_one_of_these_and_one_of_fewer_is_refused() -> None:
    wide, narrow = model("compact", ("encoder", "skip")), model("compact", ("encoder",))
    content, light = TensorRows(picture(0, 40, 90)), TensorRows(picture(1, 60, 60))
    styles = [tiled_style(known, light, None, side=64) for known in (wide, narrow)]
    found, wanted = (joint_plan(narrow, [(content, None)], style, 1.0, side=64) for style in styles)
    assert list(found) == list(wanted) == list(narrow.sites)
    for site in wanted:
        assert torch.equal(found[site]["whole"].affine.matrix, wanted[site]["whole"].affine.matrix)
    with pytest.raises(InputError, match=r"the style has no statistics of skip2\.LH: make it anew"):
        joint_plan(wide, [(content, None)], styles[1], 1.0, side=64)


@pytest.mark.parametrize("masks", ["hard", "soft"])
def test_masks_of_pictures_too_small_for_the_network(masks: str) -> None:
    content, style = picture(0, 5, 150), picture(1, 150, 6)
    known = model("cat5", ("skip", "decoder"))
    result = tiled(known, content, style, 64, 1.0, masks)
    assert (result - untiled(known, content, style, 1.0, masks)).abs().max() < 1 / 255
