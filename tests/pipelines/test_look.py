import os
import tracemalloc
from pathlib import Path

import imagecodecs
import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

import haarmony
from haarmony.errors import InputError
from haarmony.media import profile
from haarmony.media.image import Picture, read_image
from haarmony.media.lut import Lut, identity
from haarmony.pipelines.look import fit_lut, residual
from haarmony.pipelines.photo import transfer

LUMA = np.array([0.2126, 0.7152, 0.0722])
ADOBE = bytes(imagecodecs.cms_profile("adobergb"))


def every_colour(side=160, seed=1):
    return np.random.default_rng(seed).random((side, side, 3)).astype(np.float32)


def photo(side=160, seed=2):
    """A picture of a sky over land, with noise: few colours, as photos have."""
    rng = np.random.default_rng(seed)
    height = np.linspace(0, 1, side)[:, None, None]
    sky, land = (
        (0.55 + 0.3 * height) * np.array([0.7, 0.85, 1]),
        (0.2 + 0.3 * height) * np.array([1, 0.9, 0.5]),
    )
    colours = np.where(height < 0.6, sky, land) + 0.03 * rng.standard_normal((side, side, 3))
    return np.clip(colours, 0, 1).astype(np.float32)


def sunset(colours):
    """A smooth look: a curve, warm lights, cool shadows."""
    curved = colours**1.2 * (3 - 2 * colours) / (3 - 2 * 0.7)
    luma = (curved @ LUMA)[..., None]
    toned = curved + 0.12 * luma * np.array([1, 0.2, -0.8]) + 0.06 * (1 - luma) * np.array([-0.5, 0, 1])
    return (0.05 + 0.75 * toned).clip(0, 1).astype(np.float32)


def ramp(steps=256):
    return np.broadcast_to(np.linspace(0, 1, steps, dtype=np.float32)[None, :, None], (1, steps, 3))


def gradients():
    """Grey from black to white, a sky, and a turn through saturated hues."""
    grey = np.ascontiguousarray(ramp())
    sky = (grey * (0.6, 0.45, 0.12) + (0.25, 0.45, 0.85)).astype(np.float32)
    turn = np.linspace(0, 2 * np.pi, 256)
    hues = 0.5 + 0.4 * np.stack([np.cos(turn), np.cos(turn - 2.1), np.cos(turn + 2.1)], -1)
    return grey, sky, hues[None].astype(np.float32)


def luma_of_ramp(lut):
    return lut.apply(np.ascontiguousarray(ramp()))[0].astype(np.float64) @ LUMA


def second_difference(values):
    """The largest between values (n, 3) that are not clipped, in steps of eight bits."""
    free = (values > 0) & (values < 1)
    bends = np.abs(np.diff(values.astype(np.float64), 2, axis=0))
    return 255 * bends[free[2:] & free[1:-1] & free[:-2]].max()


class TestFit:
    @pytest.mark.parametrize("before", [every_colour(), photo(), np.full((9, 9, 3), 0.4, np.float32)])
    def test_nothing_done_is_the_identity(self, before):
        lut = fit_lut(before, before, size=17)
        assert np.abs(lut.table - identity(17)).max() < 1e-3

    @given(st.lists(st.floats(-0.25, 0.25), min_size=12, max_size=12))
    @settings(max_examples=20)
    def test_an_affine_map_is_found_where_the_photo_has_colours_and_where_it_has_none(self, numbers):
        matrix = 0.6 * np.eye(3) + np.reshape(numbers[:9], (3, 3)) / 2
        offset = 0.2 + np.array(numbers[9:]) / 4
        before = (0.3 + 0.5 * every_colour(64)).astype(np.float32)
        after = before @ matrix + offset
        assume(after.min() > 0 and after.max() < 1 and (matrix @ LUMA).sum() > 0.1)
        lut = fit_lut(before, after.astype(np.float32), size=9)
        expected = np.clip(identity(9) @ matrix + offset, 0, 1)
        assert np.abs(lut.table - expected).max() < 0.03

    def test_a_smooth_look_is_found_from_every_colour(self):
        before = every_colour(400)
        lut = fit_lut(before, sunset(before))
        error = 255 * np.abs(lut.table - sunset(identity(33)))
        assert np.median(error) < 0.7
        assert np.percentile(error[2:-2, 2:-2, 2:-2], 99) < 2.5
        assert error.max() < 15
        assert residual(lut, before, sunset(before)).median < 0.4

    def test_a_smooth_look_is_found_from_a_photo(self):
        before = photo()
        lut = fit_lut(before, sunset(before))
        fresh = photo(seed=9)
        assert np.abs(lut.apply(fresh) - sunset(fresh)).mean() < 0.5 / 255
        far = np.abs(lut.table - sunset(identity(33)))
        assert far.mean() < 0.1

    def test_all_sizes_sample_one_function(self):
        before = photo()
        tables = {size: fit_lut(before, sunset(before), size=size).table for size in (17, 33, 65)}
        assert np.abs(tables[33][::2, ::2, ::2] - tables[17]).max() < 1e-6
        assert np.abs(tables[65][::2, ::2, ::2] - tables[33]).max() < 1e-6

    def test_the_same_input_gives_the_same_table(self):
        before = photo()
        first, second = (fit_lut(before, sunset(before), size=17).table for _ in range(2))
        assert np.array_equal(first, second)

    def test_the_largest_size_needs_little_memory(self):
        before = photo()
        tracemalloc.start()
        fit_lut(before, sunset(before), size=65)
        peak = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        assert peak < 800e6

    def test_transparent_pixels_do_not_count(self):
        before = photo()
        after = sunset(before)
        alpha = np.ones(before.shape[:2], np.float32)
        alpha[:80] = 0
        spoiled = np.where(alpha[..., None] > 0, after, 0.5).astype(np.float32)
        found = fit_lut(Picture(before, alpha=alpha), Picture(spoiled, alpha=alpha), size=9)
        assert np.abs(found.table - fit_lut(before[80:], after[80:], size=9).table).max() < 1e-6
        unseen = Picture(before, alpha=np.zeros_like(alpha))
        assert np.abs(fit_lut(unseen, unseen, size=9).table - identity(9)).max() < 1e-3

    @pytest.mark.parametrize(
        ("shape", "change"), [((1, 1), lambda x: 1 - x), ((1, 7), sunset), ((2, 3), sunset)]
    )
    def test_a_few_pixels_give_a_finite_table(self, shape, change):
        before = every_colour(8)[: shape[0], : shape[1]]
        lut = fit_lut(before, change(before), size=5)
        assert np.isfinite(lut.table).all()
        assert lut.table.min() >= 0
        assert lut.table.max() <= 1

    def test_pictures_of_two_sizes_and_tables_of_no_size_are_refused(self):
        with pytest.raises(InputError, match=r"\(160, 160\), \(159, 160\)"):
            fit_lut(photo(), photo()[1:])
        for size in (1, 257, 33.0, "33", None):
            with pytest.raises(InputError, match=f"got {size}"):
                fit_lut(photo(), photo(), size=size)

    def test_it_works_in_the_space_of_the_photo(self):
        before = Picture(photo(), profile=ADOBE)
        lut = fit_lut(before, Picture(sunset(photo()), profile=ADOBE), size=9, title="dusk")
        assert (lut.space, lut.profile) == (profile.name(ADOBE), ADOBE)
        assert lut.title == f"dusk ({lut.space})"
        plain = fit_lut(photo(), sunset(photo()), size=9, title="dusk")
        assert (plain.space, plain.profile, plain.title) == ("sRGB", None, "dusk (sRGB)")
        assert np.array_equal(plain.table, lut.table)


class TestSmoothness:
    def torn(self):
        """What no table can follow: the same colours become darker here and brighter there, with noise."""
        before = photo()
        after = sunset(before)
        after[:, :80] *= 0.5
        after += 0.05 * np.random.default_rng(0).standard_normal(after.shape)
        return before, np.clip(after, 0, 1).astype(np.float32)

    def inverted(self):
        """Lights become dark, so that a fit alone would fold."""
        before = np.clip(photo().mean(-1, keepdims=True) + 0.1 * (photo(seed=5) - 0.5), 0, 1)
        luma = (before @ LUMA)[..., None]
        return before, np.where(luma > 0.55, 1.15 - luma, before).astype(np.float32)

    @pytest.mark.parametrize("pair", ["torn", "inverted"])
    def test_brighter_grey_stays_brighter(self, pair):
        before, after = getattr(self, pair)()
        luma = luma_of_ramp(fit_lut(before, after))
        assert np.diff(luma).min() > -1e-6
        assert luma[-1] - luma[0] > 0.1

    def test_without_the_penalty_the_inverted_would_fold(self, monkeypatch):
        monkeypatch.setattr("haarmony.pipelines.look._ROUNDS", 0)
        assert np.diff(luma_of_ramp(fit_lut(*self.inverted()))).min() < -1e-3

    @pytest.mark.parametrize("pair", ["torn", "inverted"])
    def test_brighter_stays_brighter_beside_the_greys(self, pair):
        before, after = getattr(self, pair)()
        luma = fit_lut(before, after).table.astype(np.float64) @ LUMA
        rise = luma[1:, 1:, 1:] - luma[:-1, :-1, :-1]
        assert rise.min() > -2e-4

    def test_ramps_and_gradients_stay_smooth(self):
        before, after = self.torn()
        lut = fit_lut(before, after)
        for gradient in gradients():
            assert second_difference(lut.apply(gradient)[0]) < 1


@pytest.mark.data
@pytest.mark.skipif("HAARMONY_DATA" not in os.environ, reason="HAARMONY_DATA names no folder of material")
@pytest.mark.parametrize("pair", ["p0", "p2", "p4"])
def test_looks_of_real_pairs_are_near_the_transfer_and_smooth(pair):
    folder = Path(os.environ["HAARMONY_DATA"]) / "pairs" / pair
    content = read_image(folder / "content.jpg")
    result = transfer(content, folder / "style.jpg")
    lut = fit_lut(content, result)
    left, change = (residual(table, content, result) for table in (lut, Lut(identity(33))))
    assert left.median < 0.18 * change.median
    assert left.percentile_95 < 0.3 * change.percentile_95
    assert np.diff(luma_of_ramp(lut)).min() > -1e-6
    *gentle, hues = gradients()
    assert all(second_difference(lut.apply(gradient)[0]) < 1 for gradient in gentle)
    steps, taken = (np.abs(np.diff(turn[0], axis=0)).max() for turn in (lut.apply(hues), hues))
    assert steps < 3 * taken


class TestResidual:
    def test_it_is_nothing_for_a_look_and_something_for_a_vignette(self):
        before = photo()
        look = Lut(sunset(identity(33)))
        assert max(residual(look, before, look.apply(before))) < 1e-3
        shade = np.linspace(0.6, 1, 160, dtype=np.float32)[None, :, None]
        local = residual(fit_lut(before, before * shade), before, before * shade)
        assert 2 < local.median < local.percentile_95

    def test_it_is_ciede2000(self):
        grey, lighter = (np.full((4, 4, 3), value, np.float32) for value in (0.5, 0.6))
        found = residual(Lut(identity(2)), grey, lighter)
        assert found.median == pytest.approx(found.percentile_95)
        darker, higher = (116 * ((v + 0.055) / 1.055) ** (2.4 / 3) - 16 for v in (0.5, 0.6))
        middle = ((darker + higher) / 2 - 50) ** 2
        expected = (higher - darker) / (1 + 0.015 * middle / (20 + middle) ** 0.5)
        assert found.median == pytest.approx(expected, abs=1e-3)


class TestLut:
    def test_it_is_the_fit_of_the_transfer(self):
        content, style = photo(96), sunset(photo(80, seed=4))
        result = transfer(content, style, strength=0.5)
        found = haarmony.lut(content, style, strength=0.5, size=17)
        assert np.array_equal(found.table, fit_lut(content, result, size=17).table)
        assert found.title == "a picture in the light of a picture (sRGB)"

    def test_strength_0_changes_nothing(self):
        assert np.abs(haarmony.lut(photo(64), photo(64), strength=0, size=9).table - identity(9)).max() < 1e-3

    def test_masks_are_passed_on(self):
        content, style = photo(64), sunset(photo(64, seed=4))
        mask = np.zeros((64, 64), np.uint8)
        mask[:40] = 1
        masked = haarmony.lut(content, style, content_mask=mask, style_mask=1 - mask, size=9)
        assert not np.array_equal(masked.table, haarmony.lut(content, style, size=9).table)

    def test_files_give_the_title(self, tmp_path):
        Picture(photo(32)).save(tmp_path / "day.png")
        found = haarmony.lut(tmp_path / "day.png", str(tmp_path / "day.png"), size=5)
        assert found.title == "day.png in the light of day.png (sRGB)"
