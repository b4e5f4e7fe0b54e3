from dataclasses import replace

import numpy as np
import pytest
import torch

from haarmony.errors import InputError
from haarmony.media import profile
from haarmony.media.image import Picture, read_image, to_profile, write_image
from haarmony.methods.recipe import RECIPES
from haarmony.methods.wct2 import WCT2
from haarmony.mixing import MIXES, mix
from haarmony.networks.compact import Compact
from haarmony.pipelines.photo import transfer, transfer_file
from haarmony.pipelines.styles import make_style
from haarmony.pipelines.ways import Ways
from haarmony.style import Style

pytestmark = pytest.mark.filterwarnings("error")

ADOBE = bytes(profile.imagecodecs.cms_profile("adobergb"))


@pytest.fixture(scope="module")
def model():
    torch.manual_seed(1)
    return WCT2(Compact().eval(), RECIPES["compact"], identity="compact untrained")


def scene(height=40, width=56, seed=3, tint=(1.0, 0.8, 0.6)):
    rows, columns = np.mgrid[:height, :width] / max(height, width)
    waves = np.stack([np.sin(5 * rows + 2), np.cos(4 * columns), np.sin(6 * (rows + columns))], -1)
    noise = np.random.default_rng(seed).normal(0, 0.02, waves.shape)
    return np.clip((0.5 + 0.3 * waves + noise) * tint, 0, 1).astype(np.float32)


CONTENT = scene()
A, B = scene(36, 48, seed=4, tint=(0.4, 0.5, 0.9)), scene(30, 50, seed=5, tint=(0.5, 1.0, 0.3))
HALVES = (np.arange(40 * 56).reshape(40, 56) % 56 >= 28).astype(np.uint8)
A_HALVES, B_HALVES = (
    np.broadcast_to(np.arange(one.shape[1]) > 20, one.shape[:2]).astype(np.uint8) for one in (A, B)
)


def far(a, b):
    return float(np.abs(np.asarray(a) - np.asarray(b)).max())


class TestMakingStyles:
    def test_one_picture_gives_what_the_model_gives(self, model):
        made, wanted = make_style([A], model=model), model.style(A)
        assert far(transfer(CONTENT, made, model=model), transfer(CONTENT, wanted, model=model)) < 1e-4

    def test_several_are_the_moments_of_all(self, model):
        both = make_style([A, B], model=model)
        for site, labels in both.moments().items():
            a, b = (model.style(one).moments()[site]["whole"] for one in (A, B))
            assert float(labels["whole"].count) == float(a.count + b.count)
            torch.testing.assert_close(
                labels["whole"].mean, (a.count * a.mean + b.count * b.mean) / (a.count + b.count)
            )
        lone = transfer(CONTENT, A, model=model), transfer(CONTENT, B, model=model)
        result = transfer(CONTENT, both, model=model)
        assert min(far(result, one) for one in lone) > 0.05

    def test_masks_are_merged_by_label(self, model):
        both = make_style([A, B], model=model, masks=[A_HALVES, 2 * B_HALVES])
        assert set(both.areas) == {"0", "1", "2"}
        assert both.areas["0"] == (A_HALVES == 0).sum() + (B_HALVES == 0).sum()
        with pytest.raises(InputError, match="1 style masks for 2 style pictures"):
            make_style([A, B], model=model, masks=[A_HALVES])

    @pytest.mark.parametrize(
        "ways", [Ways(), Ways(detail="network"), Ways(detail="network", statistics="proxy")]
    )
    def test_a_saved_style_does_what_its_picture_does(self, model, tmp_path, ways):
        write_image(tmp_path / "a.png", Picture(A))
        make_style([tmp_path / "a.png"], model=model, ways=ways).save(tmp_path / "a.safetensors")
        saved = transfer(CONTENT, Style.load(tmp_path / "a.safetensors"), model=model, ways=ways)
        assert np.array_equal(saved, transfer(CONTENT, tmp_path / "a.png", model=model, ways=ways))


class TestProfiles:
    """A style that was made before is in sRGB; the content may be in any profile."""

    def test_a_style_is_srgb_whatever_its_picture_is(self, model):
        adobe = to_profile(Picture(0.8 * A + 0.1), ADOBE)
        for made in (make_style([adobe], model=model), model.style(adobe)):
            result = transfer(CONTENT, made, model=model)
            assert far(result, transfer(CONTENT, to_profile(adobe, None), model=model)) < 1e-3
            assert far(result, transfer(CONTENT, adobe.pixels, model=model)) > 0.01

    def test_a_content_that_names_srgb_gets_what_the_picture_would_give(self, model):
        content = Picture(CONTENT, profile=profile.srgb())
        saved = transfer(content, model.style(A), model=model)
        assert saved.profile == content.profile
        assert far(saved.pixels, transfer(content, A, model=model).pixels) < 1 / 255
        assert np.array_equal(saved.pixels, transfer(CONTENT, model.style(A), model=model))

    def test_a_wide_content_gets_the_light_in_its_own_profile(self, model):
        content = to_profile(Picture(CONTENT), ADOBE)
        saved = transfer(content, model.style(A), model=model)
        assert saved.profile == ADOBE
        assert far(to_profile(saved, None).pixels, transfer(CONTENT, A, model=model)) < 1 / 255

    def test_colours_beyond_srgb_are_not_clipped_to_it(self, model):
        vivid = CONTENT.copy()
        vivid[10:20, 10:20] = 0.05, 0.95, 0.05
        content = Picture(vivid, profile=ADOBE)
        clipped = to_profile(to_profile(content, None), ADOBE)
        assert far(clipped.pixels, vivid) > 0.1
        own = transfer(content, model.style(content), model=model)
        assert far(own.pixels, vivid) < 2 / 255
        assert np.array_equal(transfer(content, model.style(A), model=model, strength=0).pixels, vivid)

    def test_from_file_to_file_as_in_memory(self, model, tmp_path):
        content = replace(to_profile(Picture(CONTENT), ADOBE), depth=16)
        write_image(tmp_path / "in.tif", content)
        for strength in (1.0, 0.0):
            transfer_file(
                tmp_path / "in.tif", model.style(A), tmp_path / "out.tif", model=model, strength=strength
            )
            wanted = transfer(read_image(tmp_path / "in.tif"), model.style(A), model=model, strength=strength)
            assert far(read_image(tmp_path / "out.tif").pixels, wanted.pixels) < 1e-4

    def test_a_picture_beside_a_style_meets_it_in_srgb(self, model):
        content, parts = to_profile(Picture(CONTENT), ADOBE), [(model.style(A), 1), (Picture(B), 1)]
        result = transfer(content, parts, model=model)
        wanted = transfer(CONTENT, [(A, 1), (B, 1)], model=model)
        assert far(to_profile(result, None).pixels, wanted) < 1 / 255


class TestMixing:
    @pytest.mark.parametrize("by", MIXES)
    def test_pictures_and_styles_mix_alike(self, model, by):
        made = [(model.style(A), 0.7), (model.style(B), 0.3)]
        wanted = transfer(CONTENT, made, model=model, mix=by)
        assert far(transfer(CONTENT, [(A, 0.7), (B, 0.3)], model=model, mix=by), wanted) < 1e-4
        assert far(transfer(CONTENT, [(A, 7), (made[1][0], 3)], model=model, mix=by), wanted) < 1e-4
        assert far(model(CONTENT, mix(made, by=by)), wanted) < 1e-4

    @pytest.mark.parametrize("by", MIXES)
    def test_it_goes_from_one_style_to_the_other(self, model, by):
        ends = [transfer(CONTENT, one, model=model) for one in (A, B)]
        steps = [
            transfer(CONTENT, [(A, 1 - share), (B, share)], model=model, mix=by)
            for share in (0, 0.25, 0.5, 0.75, 1)
        ]
        assert np.array_equal(steps[0], ends[0])
        assert np.array_equal(steps[4], ends[1])
        distances = [np.abs(step - ends[1]).mean() for step in steps]
        assert distances == sorted(distances, reverse=True)
        assert distances[2] == pytest.approx(distances[0] / 2, rel=0.3)

    def test_masks_go_with_the_pictures_in_their_order(self, model):
        both = [(A, 1), (B, 1)]
        options = {"model": model, "content_mask": HALVES}
        wanted = transfer(CONTENT, [(model.style(A, A_HALVES), 1), (model.style(B, B_HALVES), 1)], **options)
        assert far(transfer(CONTENT, both, style_mask=[A_HALVES, B_HALVES], **options), wanted) < 1e-4
        beside = [(model.style(A, A_HALVES), 1), (B, 1)]
        assert far(transfer(CONTENT, beside, style_mask=B_HALVES, **options), wanted) < 1e-4

    def test_what_does_not_fit_is_refused_before_a_file_is_opened(self, model):
        masked = model.style(A, A_HALVES)
        for style, options, saying in (
            (["nowhere.png", "nowhere.png"], {}, "pairs"),
            ([("nowhere.png", "much")], {}, "pairs"),
            ([], {}, "weights"),
            ([("nowhere.png", -1)], {}, "got -1"),
            ([("nowhere.png", 1)], {"mix": "magic"}, "maps or barycentre"),
            ([("nowhere.png", 1), ("b.png", 1)], {"style_mask": [A_HALVES]}, "1 style masks for 2"),
            ([("nowhere.png", 1), (masked, 1)], {}, "mask to all or to none"),
        ):
            with pytest.raises(InputError, match=saying):
                transfer("nowhere.png", style, model=model, **options)


@pytest.mark.parametrize("pictures", [[], (), "sunset.jpg"])
def test_style_pictures_are_a_list_of_one_or_more(model, pictures):
    with pytest.raises(InputError, match="list of one or more"):
        make_style(pictures, model=model)
