import warnings

import numpy as np
import pytest
import torch
from PIL import Image, ImageCms

import haarmony
from haarmony.errors import HaarmonyWarning, ImageError, InputError
from haarmony.media import profile
from haarmony.media import source as source_module
from haarmony.media.image import Picture, read_image, to_profile, write_image
from haarmony.methods.recipe import RECIPES
from haarmony.methods.wct2 import WCT2
from haarmony.networks.compact import Compact
from haarmony.pipelines import photo as photo_module
from haarmony.pipelines import rows as rows_module
from haarmony.pipelines import styles as styles_module
from haarmony.pipelines import ways as ways_module
from haarmony.pipelines.control import Control
from haarmony.pipelines.photo import transfer, transfer_file, transfer_files
from haarmony.pipelines.rows import TensorRows
from haarmony.pipelines.ways import Ways
from haarmony.regions import shared_labels
from haarmony.style import Style

pytestmark = pytest.mark.filterwarnings("error")


@pytest.fixture(scope="module")
def model():
    """The embedded network before any training: an exact inverse, and as quick as the trained one."""
    torch.manual_seed(1)
    return WCT2(Compact().eval(), RECIPES["compact"], identity="compact untrained")


def scene(height=40, width=56, seed=3, tint=(1.0, 0.8, 0.6)):
    """A smooth picture with a little noise, float32 in [0, 1]."""
    rows, columns = np.mgrid[:height, :width] / max(height, width)
    waves = np.stack([np.sin(5 * rows + 2), np.cos(4 * columns), np.sin(6 * (rows + columns))], -1)
    noise = np.random.default_rng(seed).normal(0, 0.02, waves.shape)
    return np.clip((0.5 + 0.3 * waves + noise) * tint, 0, 1).astype(np.float32)


CONTENT = scene()
STYLE = scene(36, 48, seed=4, tint=(0.4, 0.5, 0.9))


def eight(pixels):
    return np.rint(pixels * 255).astype(np.uint8)


class TestKinds:
    @pytest.mark.parametrize("dtype", [np.uint8, np.uint16, np.float32, np.float64])
    def test_an_array_comes_back_as_an_array_of_its_dtype(self, model, dtype):
        full = np.iinfo(dtype).max if np.issubdtype(dtype, np.integer) else 1
        content = (CONTENT * full).astype(dtype)
        result = transfer(content, STYLE, model=model)
        assert type(result) is np.ndarray
        assert result.dtype == dtype
        assert result.shape == content.shape
        assert np.abs(result / full - CONTENT).mean() > 0.05

    @pytest.mark.parametrize("shape", [(3, 40, 56), (1, 3, 40, 56), (2, 3, 40, 56)])
    def test_a_tensor_comes_back_as_a_tensor_of_its_shape(self, model, shape):
        content = torch.from_numpy(CONTENT).permute(2, 0, 1).expand(shape).contiguous()
        result = transfer(content, STYLE, model=model)
        assert isinstance(result, torch.Tensor)
        assert result.shape == shape
        assert result.dtype == content.dtype

    @pytest.mark.parametrize(
        "control",
        [Control(grain="keep"), Control("luminance"), Control("color", np.eye(40, 56)), Control()],
        ids=["grain", "luminance", "protect", "plain"],
    )
    @pytest.mark.parametrize("strength", [0, 0.5])
    def test_a_tensor_that_learns_is_changed_as_any_other(self, model, control, strength):
        content = torch.from_numpy(CONTENT).permute(2, 0, 1)
        options = {"model": model, "control": control, "strength": strength}
        result = transfer(content.clone().requires_grad_(), STYLE, **options)
        assert torch.equal(result, transfer(content, STYLE, **options))
        assert not result.requires_grad

    def test_a_pillow_image_comes_back_as_a_pillow_image(self, model):
        result = transfer(Image.fromarray(eight(CONTENT)), Image.fromarray(eight(STYLE)), model=model)
        assert isinstance(result, Image.Image)
        assert (result.mode, result.size) == ("RGB", (56, 40))

    def test_a_path_and_a_picture_come_back_as_a_picture(self, model, tmp_path):
        write_image(tmp_path / "day.png", Picture(CONTENT))
        write_image(tmp_path / "dusk.png", Picture(STYLE))
        from_path = transfer(tmp_path / "day.png", str(tmp_path / "dusk.png"), model=model)
        from_picture = transfer(
            read_image(tmp_path / "day.png"), read_image(tmp_path / "dusk.png"), model=model
        )
        assert isinstance(from_path, Picture)
        assert np.array_equal(from_path.pixels, from_picture.pixels)

    def test_every_kind_of_the_same_pixels_gets_the_same_light(self, model):
        content, style = eight(CONTENT), eight(STYLE)
        wanted = transfer(content, style, model=model).astype(int)
        pillow = np.asarray(transfer(Image.fromarray(content), Image.fromarray(style), model=model))
        tensor = transfer(torch.from_numpy(content).permute(2, 0, 1) / 255, style, model=model)
        assert np.abs(pillow - wanted).max() <= 1
        assert np.abs(eight(tensor.permute(1, 2, 0).numpy()) - wanted).max() <= 1

    def test_the_style_may_be_one_made_before(self, model, tmp_path):
        made = model.style(STYLE)
        made.save(tmp_path / "dusk.safetensors")
        wanted = transfer(CONTENT, STYLE, model=model)
        assert np.array_equal(transfer(CONTENT, made, model=model), wanted)
        assert np.array_equal(
            transfer(CONTENT, Style.load(tmp_path / "dusk.safetensors"), model=model), wanted
        )

    def test_what_is_no_picture_is_refused(self, model):
        with pytest.raises(InputError, match="list"):
            transfer([1, 2], STYLE, model=model)
        with pytest.raises(InputError, match="batch of 2"):
            transfer(CONTENT, torch.zeros(2, 3, 8, 8), model=model)
        with pytest.raises(ImageError, match="does not exist"):
            transfer("nowhere.png", STYLE, model=model)


class TestTransfer:
    def test_the_result_has_the_styles_colours(self, model):
        result = transfer(CONTENT, STYLE, model=model)
        before = np.abs(CONTENT.mean((0, 1)) - STYLE.mean((0, 1))).max()
        after = np.abs(result.mean((0, 1)) - STYLE.mean((0, 1))).max()
        assert after < before / 5

    @pytest.mark.parametrize("kind", [np.uint8, np.uint16, np.float32])
    def test_strength_0_gives_the_content_back_to_the_last_bit(self, model, kind):
        content = (CONTENT * (np.iinfo(kind).max if kind is not np.float32 else 1)).astype(kind)
        assert np.array_equal(transfer(content, STYLE, model=model, strength=0), content)

    def test_a_share_of_the_strength_is_that_share_of_the_change(self, model):
        touch, some, full = (
            np.abs(transfer(CONTENT, STYLE, model=model, strength=strength) - CONTENT).mean()
            for strength in (0.01, 0.2, 1.0)
        )
        assert touch == pytest.approx(0.01 * full, rel=0.2)
        assert some == pytest.approx(0.2 * full, rel=0.2)

    @pytest.mark.parametrize("size", [(1, 1), (1, 40), (40, 1), (7, 9), (2, 3), (600, 5)])
    def test_any_size_comes_back_at_its_size(self, model, size):
        result = transfer(scene(*size), STYLE, model=model)
        assert result.shape == (*size, 3)
        assert np.isfinite(result).all()
        assert transfer(CONTENT, scene(*size), model=model).shape == CONTENT.shape

    def test_stages_replace_the_models_own(self, model):
        nothing = transfer(CONTENT, STYLE, model=model, stages=())
        assert np.abs(nothing - CONTENT).max() < 0.02
        decoder = transfer(CONTENT, STYLE, model=model, stages=("decoder",))
        assert np.abs(decoder - transfer(CONTENT, STYLE, model=model)).max() > 0.02
        assert model.recipe.stages == ("encoder",)

    def test_a_style_of_other_stages_is_refused(self, model):
        with pytest.raises(InputError, match="stages"):
            transfer(CONTENT, model.style(STYLE), model=model, stages=("encoder", "decoder"))

    def test_a_style_of_other_stages_is_refused_before_any_work(self, model, monkeypatch):
        monkeypatch.setattr(photo_module, "_maps", lambda *_: pytest.fail("work was begun"))
        monkeypatch.setattr(photo_module, "fits", lambda *_: False)
        with pytest.raises(InputError, match=r"no statistics of decoder3: make it anew with the same stages"):
            transfer(
                CONTENT,
                model.style(STYLE),
                model=model,
                stages=("encoder", "decoder"),
                ways=Ways(detail="network"),
            )

    @pytest.mark.parametrize("strength", [-0.1, 1.1, float("nan")])
    def test_a_strength_outside_0_to_1_is_refused_before_a_file_is_opened(self, model, strength):
        with pytest.raises(InputError, match="strength"):
            transfer("nowhere.png", STYLE, model=model, strength=strength)

    @pytest.mark.parametrize(
        "options", [{"ways": None}, {"control": "keep"}, {"strength": "1"}, {"model": None}]
    )
    def test_options_of_another_kind_are_refused(self, model, options):
        for attempt in (
            lambda given: transfer(CONTENT, STYLE, **given),
            lambda given: transfer_file("day.png", STYLE, "out.png", **given),
            lambda given: list(transfer_files(["day.png"], STYLE, ["out.png"], **given)),
        ):
            with pytest.raises(InputError, match="got"):
                attempt({"model": model, **options})

    @pytest.mark.parametrize("count", ["2", 2.0, [2]])
    def test_a_count_of_regions_is_a_whole_number(self, model, count):
        with pytest.raises(InputError, match="in 2 to 8 kinds, got"):
            transfer(CONTENT, STYLE, model=model, auto_masks=count)

    def test_an_unknown_model_is_refused(self):
        with pytest.raises(haarmony.WeightsError, match="vgg20"):
            transfer(CONTENT, STYLE, model="vgg20")

    def test_a_model_is_loaded_once(self, model, monkeypatch):
        loads = []
        monkeypatch.setattr(WCT2, "load", lambda name: loads.append(name) or model)
        for _ in range(2):
            transfer(CONTENT, STYLE, model="only in this test")
        assert loads == ["only in this test"]


class TestWhatAPictureCarries:
    def test_depth_alpha_profile_exif_and_xmp_stay(self, model):
        alpha = np.linspace(0, 1, 40 * 56, dtype=np.float32).reshape(40, 56)
        wide = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
        content = Picture(CONTENT, alpha=alpha, depth=16, profile=wide, exif=b"II*\0\x08\0\0\0", xmp=b"<x/>")
        result = transfer(content, Picture(STYLE), model=model)
        assert result.depth == 16
        assert np.array_equal(result.alpha, alpha)
        assert (result.profile, result.exif, result.xmp) == (content.profile, content.exif, content.xmp)

    def test_sixteen_bits_come_back_in_more_than_256_levels(self, model, tmp_path):
        write_image(tmp_path / "deep.tif", Picture(CONTENT, depth=16))
        transfer(tmp_path / "deep.tif", STYLE, model=model).save(tmp_path / "out.tif")
        result = read_image(tmp_path / "out.tif")
        assert result.depth == 16
        assert len(np.unique(result.pixels[..., 0])) > 256

    def test_alpha_of_an_array_and_of_a_pillow_image_stays(self, model):
        alpha = np.arange(40 * 56, dtype=np.uint8).reshape(40, 56, 1)
        content = np.concatenate([eight(CONTENT), alpha], 2)
        assert np.array_equal(transfer(content, STYLE, model=model)[..., 3:], alpha)
        result = transfer(Image.fromarray(content), STYLE, model=model)
        assert np.array_equal(np.asarray(result)[..., 3:], alpha)

    def test_the_style_is_brought_into_the_contents_profile(self, model):
        wide = bytes(profile.imagecodecs.cms_profile("adobergb"))
        content = to_profile(Picture(CONTENT), wide)
        same = transfer(content, to_profile(Picture(STYLE), wide), model=model)
        from_srgb = transfer(content, Picture(STYLE), model=model)
        from_array = transfer(content, STYLE, model=model)
        blind = transfer(content, Picture(STYLE, profile=wide), model=model)
        assert np.abs(from_srgb.pixels - same.pixels).max() < 1e-3
        assert np.array_equal(from_array.pixels, from_srgb.pixels)
        assert np.abs(blind.pixels - same.pixels).max() > 0.01


class TestMasks:
    CONTENT_LABELS = (np.arange(40 * 56).reshape(40, 56) % 56 >= 28).astype(np.uint8)
    STYLE_LABELS = (np.arange(36 * 48).reshape(36, 48) % 48 >= 24).astype(np.uint8)

    def test_each_region_gets_the_light_of_its_own_region(self, model):
        style = np.where(self.STYLE_LABELS[..., None] == 1, [0.9, 0.3, 0.2], [0.1, 0.3, 0.8])
        style = np.clip(style + 0.1 * (STYLE - 0.5), 0, 1).astype(np.float32)
        options = {"model": model, "content_mask": self.CONTENT_LABELS}
        result = transfer(CONTENT, style, style_mask=self.STYLE_LABELS, **options)
        swapped = transfer(CONTENT, style, style_mask=1 - self.STYLE_LABELS, **options)
        assert result[:, 40:, 0].mean() > result[:, 40:, 2].mean()
        assert result[:, :16, 0].mean() < result[:, :16, 2].mean()
        assert swapped[:, 40:, 0].mean() < swapped[:, 40:, 2].mean()

    def test_a_label_that_the_style_lacks_is_named(self, model):
        labels = self.CONTENT_LABELS.copy()
        labels[:10] = 7
        with pytest.warns(HaarmonyWarning, match=r"gets the light of the whole style where its mask says 7:"):
            transfer(CONTENT, STYLE, model=model, content_mask=labels, style_mask=self.STYLE_LABELS)

    def test_labels_that_pair_are_not_worth_a_warning(self, model):
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            transfer(
                CONTENT,
                STYLE,
                model=model,
                content_mask=self.CONTENT_LABELS,
                style_mask=self.STYLE_LABELS,
            )

    def test_a_mask_on_one_side_is_refused_before_a_file_is_opened(self, model):
        with pytest.raises(InputError, match="content has a mask but the style has none"):
            transfer("nowhere.png", STYLE, model=model, content_mask=self.CONTENT_LABELS)
        with pytest.raises(InputError, match="style has a mask but the content has none"):
            transfer("nowhere.png", STYLE, model=model, style_mask=self.STYLE_LABELS)

    def test_a_mask_of_another_size_is_refused(self, model):
        with pytest.raises(InputError, match="48 x 36"):
            transfer(
                CONTENT,
                STYLE,
                model=model,
                content_mask=self.STYLE_LABELS,
                style_mask=self.STYLE_LABELS,
            )

    def test_a_mask_beside_a_made_style_is_refused(self, model):
        with pytest.raises(InputError, match=r"WCT2\.style"):
            transfer(CONTENT, model.style(STYLE), model=model, style_mask=self.STYLE_LABELS)

    def test_a_style_that_was_made_with_a_mask_brings_its_labels(self, model):
        wanted = transfer(
            CONTENT, STYLE, model=model, content_mask=self.CONTENT_LABELS, style_mask=self.STYLE_LABELS
        )
        made = model.style(STYLE, self.STYLE_LABELS)
        result = transfer(CONTENT, made, model=model, content_mask=self.CONTENT_LABELS)
        assert np.array_equal(result, wanted)

    def test_shared_labels_come_in_the_contents_order_whatever_the_hashes(self):
        names = [f"label {number}" for number in range(20)]
        areas = dict.fromkeys(names, 100.0)
        assert shared_labels(areas, dict(reversed(areas.items()))) == names


class TestFromFileToFile:
    @pytest.mark.parametrize("name", ["day.tif", "day.png", "day.jpg", "day.webp"])
    @pytest.mark.parametrize("depth", [8, 16])
    def test_it_is_what_the_picture_in_memory_gives(self, model, tmp_path, monkeypatch, name, depth):
        for module in (source_module, rows_module):
            monkeypatch.setattr(module, "IN_MEMORY" if module is source_module else "BAND", 300)
        alpha = np.linspace(0, 1, 40 * 56, dtype=np.float32).reshape(40, 56)
        carried = {} if name == "day.jpg" else {"alpha": alpha}
        write_image(tmp_path / name, Picture(CONTENT, depth=depth, **carried))
        write_image(tmp_path / "dusk.png", Picture(STYLE))
        written = transfer_file(tmp_path / name, tmp_path / "dusk.png", tmp_path / "out.tif", model=model)
        wanted = transfer(tmp_path / name, tmp_path / "dusk.png", model=model)
        result = read_image(tmp_path / "out.tif")
        assert (written.height, written.width, written.depth) == (40, 56, result.depth)
        assert result.depth == wanted.depth
        np.testing.assert_allclose(result.pixels, wanted.pixels, atol=0.51 / (2**result.depth - 1))
        if carried:
            assert np.array_equal(result.alpha, wanted.alpha)

    def test_strength_0_writes_the_samples_that_were_read(self, model, tmp_path):
        write_image(tmp_path / "day.tif", Picture(CONTENT, depth=16))
        transfer_file(tmp_path / "day.tif", STYLE, tmp_path / "out.tif", model=model, strength=0)
        assert np.array_equal(
            read_image(tmp_path / "out.tif").pixels, read_image(tmp_path / "day.tif").pixels
        )

    def test_a_file_that_ends_early_leaves_no_output(self, model, tmp_path, monkeypatch):
        monkeypatch.setattr(source_module, "IN_MEMORY", 0)
        write_image(tmp_path / "day.tif", Picture(CONTENT, depth=16))
        with (tmp_path / "day.tif").open("r+b") as file:
            file.truncate(9000)
        with pytest.raises(ImageError, match=r"day\.tif.*cannot be read"):
            transfer_file(tmp_path / "day.tif", STYLE, tmp_path / "out.tif", model=model)
        assert [path.name for path in tmp_path.iterdir()] == ["day.tif"]


class TestWays:
    @pytest.mark.parametrize("strength", [0.4, 1.0])
    @pytest.mark.parametrize("masked", [False, True])
    def test_exact_tiles_give_what_the_whole_gives(self, model, monkeypatch, strength, masked):
        content, style = scene(90, 210), scene(80, 150, seed=4, tint=(0.4, 0.5, 0.9))
        masks = {}
        if masked:
            masks["content_mask"] = (np.indices((90, 210))[1] > 100).astype(np.uint8)
            masks["style_mask"] = (np.indices((80, 150))[1] > 70).astype(np.uint8)
        chosen = {"model": model, "strength": strength, **masks}
        whole = transfer(content, style, ways=Ways(detail="network", statistics="exact"), **chosen)
        monkeypatch.setattr(photo_module, "fits", lambda *_: False)
        for module in (photo_module, styles_module):
            monkeypatch.setattr(module, "tile_side", lambda *_: 64)
        tiled = transfer(content, style, ways=Ways(detail="network", statistics="exact"), **chosen)
        assert np.abs(whole - content).max() > 0.1
        assert np.abs(tiled - whole).max() < 1 / 255

    def test_statistics_of_large_pictures_are_of_a_copy(self, monkeypatch):
        monkeypatch.setattr(ways_module, "EXACT_UP_TO", 40 * 50)
        small, large = (TensorRows(torch.rand(1, 3, height, 100)) for height in (20, 80))
        for statistics in (None, "exact", "proxy"):
            assert Ways(statistics=statistics).seen(small) is small
        assert Ways(statistics="exact").seen(large) is large
        for statistics in (None, "proxy"):
            copy = Ways(statistics=statistics).seen(large)
            assert (copy.height, copy.width) == (40, 50)

    @pytest.mark.parametrize("one_piece", [True, False])
    def test_a_proxy_is_near_the_exact(self, model, monkeypatch, one_piece):
        monkeypatch.setattr(ways_module, "EXACT_UP_TO", 90 * 210 // 4)
        monkeypatch.setattr(photo_module, "fits", lambda *_: one_piece)
        monkeypatch.setattr(photo_module, "tile_side", lambda *_: 64)
        content, style = scene(90, 210), scene(80, 150, seed=4, tint=(0.4, 0.5, 0.9))
        exact = transfer(content, style, model=model, ways=Ways("network", "exact"))
        proxy = transfer(content, style, model=model, ways=Ways("network", "proxy"))
        difference = np.abs(exact - proxy)
        assert difference.max() > 1 / 255
        assert difference.mean() < 0.1 * np.abs(exact - content).mean()

    def test_the_carry_can_be_asked_of_a_network_made_for_full_size(self, model):
        recipe = Ways(detail="network").model(model, None).recipe
        assert recipe.work_side is None
        full = WCT2(model.network, recipe, identity=model.identity)
        assert Ways(detail="carry").model(full, None).recipe.work_side > 1
        assert Ways().model(model, None) is model

    @pytest.mark.parametrize("wrong", [{"detail": "lut"}, {"statistics": "fast"}, {"precision": "float16"}])
    def test_an_unknown_way_is_refused(self, wrong):
        with pytest.raises(InputError, match="unknown way"):
            Ways(**wrong)

    def test_too_little_memory_is_refused(self, model):
        with pytest.raises(InputError, match="MB too little"):
            transfer(CONTENT, STYLE, model=model, ways=Ways(detail="network", max_memory=1 << 20))


class TestFiles:
    @pytest.fixture
    def day(self, tmp_path):
        write_image(tmp_path / "day.png", Picture(CONTENT))
        write_image(tmp_path / "dusk.png", Picture(STYLE))
        return tmp_path / "day.png"

    def test_no_input_is_replaced(self, model, day):
        before = {path: path.read_bytes() for path in day.parent.iterdir()}
        for output in before:
            with pytest.raises(InputError, match="would be lost"):
                transfer_file(day, day.with_name("dusk.png"), output, model=model)
        with pytest.raises(InputError, match="is also an input"):
            list(transfer_files([day], STYLE, [day], model=model))
        assert {path: path.read_bytes() for path in day.parent.iterdir()} == before

    def test_every_content_has_an_output_of_its_own(self, model, day):
        one, two = day.with_name("1.png"), day.with_name("2.png")
        for contents, outputs, saying in (
            ([day, day], [one], "got 1 outputs for 2 contents"),
            ([day, day], [one, one], "another output"),
            ([day, day], [day.with_name("a.png"), day.with_name("A.png")], "another output"),
            ([day, one], [one, two], "is also an input"),
            (day, one, "lists of files"),
        ):
            with pytest.raises(InputError, match=saying):
                list(transfer_files(contents, STYLE, outputs, model=model))
        assert not one.exists()
