from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar, Literal

import numpy as np
import pytest
import torch
from PIL import Image

from haarmony import methods
from haarmony.errors import HaarmonyWarning, InputError
from haarmony.media.image import Picture, read_image, write_image
from haarmony.methods.method import Example, Transfer, Watch, paired_weights
from haarmony.methods.settings import check_settings, option, read_settings, seed_option, settings_of


@dataclass(frozen=True, kw_only=True)
class Means(Transfer):
    """The mean colour of the style in every region: a method that shows what it was given."""

    paper: ClassVar[str] = "none"
    year: ClassVar[int] = 2000
    takes_several: ClassVar[bool] = True

    def transferred(self, content: Example, styles: Sequence[Example], watch: Watch) -> torch.Tensor:
        result = torch.zeros_like(content.picture)
        for style in styles:
            for there, here in paired_weights(content, style):
                weight = torch.ones(style.size) if here is None else here
                mean = (style.picture * weight).sum((2, 3), keepdim=True) / weight.sum()
                result += style.share * mean * (torch.ones(content.size) if there is None else there)
        return result


@dataclass(frozen=True)
class Options:
    steps: int = option(3, "how many", least=1)
    loss: Literal["gram", "mmd"] = option("gram", "which")
    layers: tuple[str, ...] = option(("a", "b"), "where")
    weights: tuple[float, ...] = option((1.0,), "how much", least=0)
    size: tuple[int, int] | None = option(None, "how large", least=1)
    fast: bool = option(False, "or slow")
    scale: float = option(1.0, "of it", least=0, most=2)
    side: tuple[int, int] | None = option(None, "of a square", least=8, most=4096)
    seed: int = seed_option("of chance")

    def __post_init__(self) -> None:
        check_settings(self)


class TestSettings:
    def test_text_becomes_values_of_the_declared_kinds(self):
        text = {
            "steps": "5", "loss": "mmd", "layers": "x, y", "weights": "1,0.5", "size": "640x480",
            "fast": "yes", "scale": "1e-1",
        }  # fmt: skip
        assert Options(**read_settings(Options, text)) == Options(
            5, "mmd", ("x", "y"), (1.0, 0.5), (480, 640), True, 0.1
        )
        assert Options(**read_settings(Options, {"size": "none"})).size is None

    @pytest.mark.parametrize(
        ("name", "text", "told"),
        [
            ("steps", "0", "steps is a whole number, 1 or more, got 0"),
            ("steps", "1.5", "steps is a whole number, 1 or more, got '1.5'"),
            ("loss", "mnd", "loss is gram or mmd, got 'mnd'"),
            ("layers", "", r"layers is a list with commas, each text, got \(\)"),
            ("weights", "1,-1", "weights is a list with commas, each a number, 0 or more"),
            ("size", "640", r"size is a size such as 640x480 or none, got \(640,\)"),
            ("size", "axb", "size is a size such as 640x480 or none, got 'axb'"),
            ("fast", "maybe", "fast is true or false, got 'maybe'"),
            ("side", "4x9", "side is a size such as 640x480, sides from 8 to 4096 or none, got '4x9'"),
            ("seed", "4294967296", "seed is a whole number from 0 to 4294967295, got 4294967296"),
            ("scale", "3", "scale is a number from 0 to 2, got 3"),
            ("scale", "nan", "scale is a number from 0 to 2, got nan"),
            ("speed", "3", "Options has no option 'speed': choose steps, loss, layers"),
        ],
    )
    def test_a_wrong_one_is_told_in_a_line_that_lists_the_choices(self, name, text, told):
        with pytest.raises(InputError, match=told) as error:
            Options(**read_settings(Options, {name: text}))
        assert "\n" not in str(error.value)

    def test_defaults_are_shown_as_they_are_typed(self):
        shown = {one.name: one.default for one in settings_of(Options)}
        assert shown["layers"] == "a,b"
        assert shown["size"] == "none"
        assert Options(**read_settings(Options, shown)) == Options()


class TestEveryKind:
    def test_the_same_kind_comes_back(self, picture, tmp_path):
        content, style = picture(), picture(seed=1)
        grey = (content[..., 0] * 255).astype(np.uint8)
        alpha = np.concatenate([content, content[..., :1]], 2)
        for given in (content, (content * 65535).astype(np.uint16), grey, alpha):
            result = Means()(given, style)
            assert (result.dtype, result.shape[:2]) == (given.dtype, given.shape[:2])
        np.testing.assert_array_equal(Means()(alpha, style)[..., 3], alpha[..., 3])
        assert isinstance(Means()(Image.fromarray(grey), style), Image.Image)
        write_image(tmp_path / "a.png", Picture(content, depth=16))
        write_image(tmp_path / "b.png", Picture(style))
        result = Means()(tmp_path / "a.png", tmp_path / "b.png")
        assert isinstance(result, Picture)
        assert result.depth == 16

    def test_each_of_a_batch_is_worked_on_by_itself(self, picture):
        batch = torch.stack([torch.from_numpy(picture(seed=s)).permute(2, 0, 1) for s in (1, 2)])
        method = methods.Reinhard()
        torch.testing.assert_close(method(batch, picture(seed=3))[1:], method(batch[1:], picture(seed=3)))

    def test_strength_blends_and_zero_is_exact(self, picture):
        content, style = picture(), picture(seed=1)
        np.testing.assert_array_equal(Means(strength=0)(content, style), content)
        full, half = Means()(content, style), Means(strength=0.5)(content, style)
        np.testing.assert_allclose(half, (content + full) / 2, atol=1e-6)

    def test_several_styles_count_by_their_weights(self, picture):
        content = picture()
        dark, light = np.full((4, 4, 3), 0.2, np.float32), np.full((6, 3, 3), 0.8, np.float32)
        np.testing.assert_allclose(Means()(content, [(dark, 3), (light, 1)]), 0.35, atol=1e-6)

    def test_regions_meet_by_name_and_the_others_take_the_whole(self, picture):
        content = picture(8, 9)
        style = np.zeros((8, 8, 3), np.float32)
        style[:, 4:] = 1
        labels = np.zeros((8, 9), int)
        labels[:, 3:], labels[:, 6:] = 1, 7
        there = (style[..., 0] > 0.5).astype(int)
        with pytest.warns(HaarmonyWarning, match="says 7"):
            result = Means()(content, style, content_mask=labels, style_mask=there)
        np.testing.assert_allclose(result[:, :3], 0)
        np.testing.assert_allclose(result[:, 3:6], 1)
        np.testing.assert_allclose(result[:, 6:], 0.5)


class TestDevices:
    @pytest.mark.parametrize("name", sorted(methods.METHODS))
    def test_one_that_there_is_not_is_refused_before_any_work(self, picture, name):
        options = {"device": "nowhere"} | ({"backbone": "nothing"} if name == "neural_style" else {})
        method = methods.make(name, options)
        steps = []
        with pytest.raises(InputError, match="cannot compute on 'nowhere'") as error:
            method(picture(), *(["nothing.png"] if method.takes_style else []), watch=steps.append)
        assert "\n" not in str(error.value)
        assert not steps

    def test_a_texture_of_noise_is_refused_one_too(self):
        method = methods.make("texture_net", {"style_name": "gravel", "size": "16x16", "device": "nowhere"})
        with pytest.raises(InputError, match="cannot compute on 'nowhere'"):
            method(None)


class TestMistakes:
    @pytest.mark.parametrize(
        ("style", "masks", "told"),
        [
            (None, {}, "Reinhard needs a style picture"),
            ([], {}, "a list of pairs"),
            (["a", "b"], {}, "a list of pairs"),
            ([(np.zeros((4, 4, 3)), 1), (np.zeros((4, 4, 3)), 1)], {}, "takes one style, got 2"),
            ([(np.zeros((4, 4, 3)), 0)], {}, "one of them is above 0"),
            ([(np.zeros((4, 4, 3)), np.inf)], {}, "0 or more, finite"),
            ([(np.zeros((4, 4, 3)), np.nan)], {}, "0 or more, finite"),
            (np.zeros((4, 4, 3)), {"content_mask": np.zeros((40, 56), int)}, "the style has none"),
            (np.zeros((4, 4, 3)), {"style_mask": np.zeros((4, 4), int)}, "the content has none"),
        ],
    )
    def test_are_told_before_any_work(self, picture, style, masks, told):
        with pytest.raises(InputError, match=told):
            methods.Reinhard()(picture(), style, **masks)

    def test_names_of_methods_are_listed(self):
        with pytest.raises(InputError, match=r"unknown .* choose wct2, histogram_matching, reinhard"):
            methods.make("rein")


@pytest.mark.parametrize("name", sorted(methods.METHODS))
def test_every_method_is_in_the_table_and_made_from_its_own_defaults(name):
    chosen = methods.method_class(name)
    assert getattr(methods, methods.METHODS[name]) is chosen
    assert methods.METHODS[name] in methods.__all__
    assert chosen.__doc__
    assert chosen.paper
    assert chosen.year > 1970
    shown = {one.name: one.default for one in settings_of(chosen)}
    assert methods.make(name, shown) == chosen()
    assert all(one.text for one in settings_of(chosen))


def test_a_file_read_again_holds_what_the_method_made(picture, tmp_path):
    from haarmony.pipelines.by_method import method_file

    write_image(tmp_path / "a.png", Picture(picture(), depth=16))
    write_image(tmp_path / "b.png", Picture(picture(seed=1)))
    method_file(methods.Reinhard(), tmp_path / "a.png", tmp_path / "b.png", tmp_path / "out.png")
    expected = methods.Reinhard()(tmp_path / "a.png", tmp_path / "b.png")
    np.testing.assert_allclose(read_image(tmp_path / "out.png").pixels, expected.pixels, atol=1 / 65535)


def test_places_that_an_array_protects_stay(picture, tmp_path):
    from haarmony.pipelines.by_method import method_file
    from haarmony.pipelines.control import Control

    write_image(tmp_path / "a.png", Picture(picture()))
    write_image(tmp_path / "b.png", Picture(picture(seed=1, tint=(0.3, 0.5, 1))))
    left = np.zeros((40, 56), bool)
    left[:, :20] = True
    files = tmp_path / "a.png", tmp_path / "b.png", tmp_path / "out.png"
    result = method_file(methods.Reinhard(), *files, control=Control(protect=left)).pixels
    before = read_image(tmp_path / "a.png").pixels
    np.testing.assert_allclose(result[:, :20], before[:, :20], atol=1e-6)
    assert np.abs(result[:, 20:] - before[:, 20:]).mean() > 0.02
    with pytest.raises(InputError, match="nothing of a content is kept where there is none"):
        method_file(methods.TextureSynthesis(), None, *files[1:], control=Control(protect=left))
