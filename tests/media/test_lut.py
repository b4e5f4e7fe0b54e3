import contextlib
import io
import warnings
from fractions import Fraction

import av
import av.filter
import imagecodecs
import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from haarmony.errors import HaarmonyWarning, ImageError, InputError
from haarmony.media import cube, hald, profile
from haarmony.media.image import Picture, read_image
from haarmony.media.lut import Lut, identity, interpolate
from haarmony.media.lut_files import check_writable_lut, read_lut, write_lut

ADOBE = bytes(imagecodecs.cms_profile("adobergb"))


def wild(size=9, seed=3):
    """A table far from the identity, with values at both ends of the range."""
    noise = 0.3 * np.random.default_rng(seed).standard_normal((size, size, size, 3))
    return Lut(np.clip(identity(size)[..., [2, 0, 1]] + noise, 0, 1).astype(np.float32))


def gamma(size=33):
    return Lut((identity(size) ** 2).astype(np.float32), space="sRGB")


def colours(dtype=np.uint16, shape=(40, 60, 3), seed=5):
    full = np.iinfo(dtype).max
    return np.random.default_rng(seed).integers(0, full, shape, endpoint=True).astype(dtype)


def filtered(pixels, *, named, arguments, movie=None):
    """What a filter of FFmpeg makes of pixels (H, W, 3) of uint8 or uint16."""
    form = "rgb24" if pixels.dtype == np.uint8 else "rgb48le"
    graph = av.filter.Graph()
    source = graph.add_buffer(
        width=pixels.shape[1], height=pixels.shape[0], format=form, time_base=Fraction(1, 25)
    )
    used, sink = graph.add(named, arguments), graph.add("buffersink")
    source.link_to(used)
    if movie:
        graph.add("movie", str(movie)).link_to(used, 0, 1)
    used.link_to(sink)
    graph.configure()
    frame = av.VideoFrame.from_ndarray(pixels, format=form)
    frame.pts = 0
    graph.push(frame)
    graph.push(None)
    return graph.pull().to_ndarray(format=form)


class TestFFmpeg:
    @pytest.mark.parametrize(("dtype", "steps"), [(np.uint8, 1), (np.uint16, 2)])
    @pytest.mark.parametrize("size", [2, 17, 33])
    def test_a_cube_gives_what_lut3d_gives(self, tmp_path, dtype, steps, size):
        write_lut(tmp_path / "a.cube", Lut(wild(size).table, title="dusk (sRGB)", space="sRGB"))
        theirs = filtered(
            colours(dtype), named="lut3d", arguments=f"file={tmp_path / 'a.cube'}:interp=tetrahedral"
        )
        ours = read_lut(tmp_path / "a.cube").apply(colours(dtype))
        assert np.abs(ours.astype(int) - theirs.astype(int)).max() <= steps

    @pytest.mark.parametrize(("dtype", "steps"), [(np.uint8, 1), (np.uint16, 2)])
    def test_a_hald_picture_gives_what_haldclut_gives(self, tmp_path, dtype, steps):
        write_lut(tmp_path / "a.png", wild(36))
        theirs = filtered(
            colours(dtype),
            named="haldclut",
            arguments="interp=tetrahedral",
            movie=tmp_path / "a.png",
        )
        ours = read_lut(tmp_path / "a.png").apply(colours(dtype))
        assert np.abs(ours.astype(int) - theirs.astype(int)).max() <= steps


class TestInterpolation:
    @pytest.mark.parametrize("size", [2, 17, 33, 36, 64, 65])
    def test_the_identity_changes_no_value_of_sixteen_bits(self, size):
        ramp = np.arange(65536, dtype=np.uint16).reshape(256, 256)
        picture = np.stack([ramp, ramp[::-1], np.roll(ramp, 77)], axis=-1)
        assert np.array_equal(Lut(identity(size)).apply(picture), picture)

    def test_at_the_points_it_gives_the_points(self):
        lut = wild(9)
        points = torch.from_numpy(identity(9)).reshape(1, 27, 27, 3).permute(0, 3, 1, 2)
        found = interpolate(lut, points).permute(0, 2, 3, 1).reshape(9, 9, 9, 3).numpy()
        assert np.abs(found - lut.table).max() < 1e-6

    @given(matrix=st.lists(st.floats(-0.5, 0.5), min_size=9, max_size=9), size=st.sampled_from([2, 3, 5, 17]))
    def test_an_affine_table_is_an_affine_map(self, matrix, size):
        turn = np.array(matrix, np.float32).reshape(3, 3) / 2
        seen = colours(shape=(8, 9, 3)).astype(np.float32) / 65535
        found = Lut((identity(size) @ turn + 0.5).astype(np.float32)).apply(seen)
        assert np.abs(found - np.clip(seen @ turn + 0.5, 0, 1)).max() < 1e-5

    def test_bands_leave_no_trace(self, monkeypatch):
        seen = torch.rand(2, 3, 31, 17, generator=torch.Generator().manual_seed(0))
        whole = interpolate(wild(), seen)
        monkeypatch.setattr("haarmony.media.lut._BAND_PIXELS", 40)
        assert torch.equal(interpolate(wild(), seen), whole)

    def test_the_domain_is_stretched_over_the_table_and_beyond_it_the_border_holds(self):
        lut = Lut(identity(5), domain=((0.25, 0, 0), (0.75, 1, 1)))
        seen = np.array([[[0.0, 0, 0], [0.25, 0.5, 1], [0.5, 0.5, 1], [1, 1, 1]]], np.float32)
        assert np.allclose(lut.apply(seen), [[[0, 0, 0], [0, 0.5, 1], [0.5, 0.5, 1], [1, 1, 1]]], atol=1e-6)

    def test_results_are_clipped(self):
        lut = Lut(3 * identity(3) - 1)
        assert (lut.apply(colours()) >= 0).all()
        assert float(interpolate(lut, torch.ones(1, 3, 1, 1)).max()) == 1

    @pytest.mark.parametrize(
        "table",
        [
            np.zeros((3, 3, 3), np.float32),
            np.zeros((3, 3, 4, 3), np.float32),
            np.zeros((1, 1, 1, 3), np.float32),
            np.zeros((3, 3, 3, 3)),
            np.full((3, 3, 3, 3), np.nan, np.float32),
            np.zeros((3, 3, 3, 3)).tolist(),
            None,
        ],
    )
    def test_what_is_no_table_is_refused(self, table):
        with pytest.raises(InputError):
            Lut(table)

    @pytest.mark.parametrize(
        "domain", [((0, 0, 0), (1, 0, 1)), None, "all", (0, 1), ((0, 0), (1, 1)), (("a",) * 3, ("b",) * 3)]
    )
    def test_a_domain_that_does_not_rise_is_refused(self, domain):
        with pytest.raises(InputError, match="rise"):
            Lut(identity(3), domain=domain)


class TestKinds:
    def test_the_same_kind_comes_back(self, tmp_path):
        lut, picture = gamma(), colours(np.uint8)
        Image.fromarray(picture).save(tmp_path / "a.png")
        expected = np.rint(255 * (picture / 255.0) ** 2)
        tensor = lut.apply(torch.from_numpy(picture).permute(2, 0, 1) / 255)
        image = lut.apply(Image.fromarray(picture))
        found = [
            lut.apply(picture),
            np.asarray(image),
            255 * lut.apply(tmp_path / "a.png").pixels,
            255 * tensor.permute(1, 2, 0).numpy(),
        ]
        assert isinstance(image, Image.Image)
        assert all(np.abs(array - expected).max() <= 1 for array in found)

    def test_a_picture_keeps_all_but_its_colours(self):
        picture = Picture(
            colours().astype(np.float32) / 65535,
            alpha=np.linspace(0, 1, 2400, dtype=np.float32).reshape(40, 60),
            depth=16,
            exif=b"II*\0\x08\0\0\0\0\0\0\0\0\0",
            xmp=b"<x/>",
        )
        result = gamma().apply(picture)
        assert np.array_equal(result.alpha, picture.alpha)
        assert (result.depth, result.exif, result.xmp, result.profile) == (16, picture.exif, b"<x/>", None)


class TestColourSpace:
    def grey(self, icc=None):
        return Picture(np.full((4, 4, 3), 0.5, np.float32), profile=icc, depth=16)

    @pytest.mark.parametrize("space", [None, "sRGB"])
    def test_srgb_under_another_name_is_srgb(self, recwarn, space):
        named_otherwise = bytes(imagecodecs.cms_profile("srgb"))
        lut = Lut(gamma().table, space=space)
        result = lut.apply(self.grey(named_otherwise))
        assert not recwarn.list
        assert result.profile == named_otherwise
        assert np.allclose(result.pixels, 0.25, atol=1e-3)

    def test_a_picture_of_another_space_is_converted_there_and_back(self):
        red = Picture(np.full((4, 4, 3), (0.5, 0.3, 0.3), np.float32), profile=ADOBE, depth=16)
        with pytest.warns(HaarmonyWarning, match="the picture is in 'Adobe RGB"):
            result = gamma().apply(red)
        in_srgb = profile.convert(red.pixels, ADOBE, None)
        assert result.profile == ADOBE
        assert np.allclose(profile.convert(result.pixels, ADOBE, None), in_srgb**2, atol=2e-3)
        assert np.abs(result.pixels - red.pixels**2).max() > 0.01

    def test_a_table_of_the_pictures_own_space_works_on_its_values(self, recwarn):
        result = Lut(gamma().table, space=profile.name(ADOBE)).apply(self.grey(ADOBE))
        assert not recwarn.list
        assert np.allclose(result.pixels, 0.25, atol=1e-3)

    def test_a_space_that_is_only_named_is_warned_of(self):
        with pytest.warns(HaarmonyWarning, match="colours will be off"):
            Lut(gamma().table, space="Adobe RGB (1998)").apply(self.grey())

    def test_a_hald_picture_carries_its_profile(self, tmp_path):
        lut = Lut(wild(36).table, space=profile.name(ADOBE), profile=ADOBE)
        write_lut(tmp_path / "a.png", lut)
        assert read_image(tmp_path / "a.png").profile == ADOBE
        found = read_lut(tmp_path / "a.png")
        assert (found.space, found.profile) == (lut.space, ADOBE)
        with pytest.warns(HaarmonyWarning, match="there and back"):
            assert found.apply(self.grey()).profile is None

    def test_a_cube_that_others_would_take_for_srgb_is_warned_of(self, tmp_path):
        for name in ("a.png", "a.cube"):
            with pytest.warns(HaarmonyWarning, match=rf"{name}.*Adobe"):
                write_lut(tmp_path / name, Lut(wild().table, space="Adobe RGB (1998)"))
        assert read_lut(tmp_path / "a.cube").space == "Adobe RGB (1998)"

    def test_a_damaged_profile_has_a_name(self):
        assert profile.name(b"nothing of the kind") == "a colour profile without a name"


def read(text):
    data = text if isinstance(text, bytes) else text.encode()
    return cube.read(io.BytesIO(data), "'a.cube'")


ROWS = "".join(f"{r} {g} {b}\n" for b in (0, 1) for g in (0, 1) for r in (0, 1))


class TestCube:
    @pytest.mark.parametrize("size", [2, 17, 33])
    def test_there_and_back(self, tmp_path, size):
        lut = Lut(wild(size).table, title="day at dusk (sRGB)", space="sRGB")
        write_lut(tmp_path / "a.cube", lut)
        found = read_lut(tmp_path / "a.cube")
        assert (found.title, found.space, found.domain) == (lut.title, "sRGB", lut.domain)
        assert np.abs(found.table - lut.table).max() <= 5.1e-7
        write_lut(tmp_path / "b.cube", found)
        assert (tmp_path / "b.cube").read_bytes() == (tmp_path / "a.cube").read_bytes()

    def test_what_is_written_is_plain_ascii_of_the_specification(self, tmp_path):
        write_lut(tmp_path / "a.cube", Lut(identity(2), title='a "Jagdhütte"\nat dusk', space="sRGB"))
        lines = (tmp_path / "a.cube").read_bytes().decode("ascii").splitlines()
        assert lines[:5] == [
            "TITLE \"a 'Jagdh?tte' at dusk\"",
            "# Colour space: sRGB",
            "LUT_3D_SIZE 2",
            "DOMAIN_MIN 0.0 0.0 0.0",
            "DOMAIN_MAX 1.0 1.0 1.0",
        ]
        assert lines[5:7] == ["0.000000 0.000000 0.000000", "1.000000 0.000000 0.000000"]
        assert len(lines) == 5 + 8

    @pytest.mark.parametrize(
        "text",
        [
            f"LUT_3D_SIZE 2\n{ROWS}",
            f"LUT_3D_SIZE 2\r\n\r\n# by hand\r\n{ROWS}".replace("\n", "\r\n"),
            f"\ufefflut_3d_size\t2\n{ROWS}\n\n# the end",
            f"TITLE untitled\nVERSION 3\nLUT_3D_SIZE 2\nLUT_3D_INPUT_RANGE 0.0 1.0\n{ROWS}",
            f"LUT_3D_SIZE 2\n{ROWS[:18]}\n# in the midst\n{ROWS[18:]}".replace("1", "1.0e0"),
            f"LUT_3D_SIZE 2\n{ROWS}".replace("\n", "\r"),
        ],
    )
    def test_files_of_other_programs_are_read(self, text):
        assert np.array_equal(read(text).table, identity(2))

    def test_values_beyond_the_range_and_a_domain_are_kept(self):
        lut = read(
            f"LUT_3D_SIZE 2\nDOMAIN_MIN -1 0 0\nDOMAIN_MAX 2 1 1\n{ROWS}".replace("\n1 1 1\n", "\n1 1 1.5\n")
        )
        assert lut.domain == ((-1, 0, 0), (2, 1, 1))
        assert lut.table.max() == 1.5

    @pytest.mark.parametrize(
        ("text", "saying"),
        [
            ("", "no LUT_3D_SIZE"),
            (b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR" + bytes(range(256)), "no LUT_3D_SIZE"),
            (ROWS, "before LUT_3D_SIZE"),
            (f"LUT_1D_SIZE 2\n{ROWS}", "1D table or a shaper"),
            (f"LUT_1D_SIZE 2\nLUT_1D_INPUT_RANGE 0 1\nLUT_3D_SIZE 2\n{ROWS}", "1D table or a shaper"),
            (f"LUT_3D_SIZE 3\n{ROWS}", "8 colours, LUT_3D_SIZE 3 needs 27"),
            (f"LUT_3D_SIZE 2\nLUT_3D_SIZE 2\n{ROWS}", "line 2: a second LUT_3D_SIZE"),
            (f"LUT_3D_SIZE 2\n{ROWS}0 0 0\n", "line 10: more than the 8"),
            (f"LUT_3D_SIZE 2\n{ROWS}".replace("0 1 1", "nan 1 1"), "NaN"),
            (f"LUT_3D_SIZE 2\n{ROWS}".replace("0 1 1", "0 inf 1"), "NaN or infinity"),
            (f"LUT_3D_SIZE 2\n{ROWS}".replace("0 1 1", "0 1e39 1"), "NaN or infinity"),
            (f"LUT_3D_SIZE 2\n{ROWS}".replace("0 1 1", "0 1"), "three numbers, got '0 1'"),
            (f"LUT_3D_SIZE 2\n{ROWS}".replace("0 1 1", "0 1 1 1"), "three numbers"),
            (f"LUT_3D_SIZE 2\n{ROWS}".replace("0 1 1", "0 one 1"), "line 8: expected three"),
            ("LUT_3D_SIZE 1\n0 0 0\n", "expected 2 to 256"),
            ("LUT_3D_SIZE 4000000000\n0 0 0\n", "expected 2 to 256"),
            ("LUT_3D_SIZE 257\n0 0 0\n", "expected 2 to 256"),
            ("LUT_3D_SIZE -2\n0 0 0\n", "expected 2 to 256"),
            ("LUT_3D_SIZE\n0 0 0\n", "expected 2 to 256"),
            ("LUT_3D_SIZE " + "9" * 3000, "expected 2 to 256"),
            (f"LUT_3D_SIZE 2\nDOMAIN_MAX 0 1 1\n{ROWS}", "rise in every channel"),
            (f"LUT_3D_SIZE 2\nDOMAIN_MAX nan 1 1\n{ROWS}", "finite"),
            (f"LUT_3D_SIZE 2\nDOMAIN_MIN 0 0\n{ROWS}", "three numbers"),
            ("LUT_3D_SIZE 2\n" + 9999 * "0 ", "too long"),
        ],
    )
    def test_what_is_no_cube_of_colours_is_one_line(self, text, saying):
        with pytest.raises(ImageError, match=saying) as error:
            read(text)
        assert "\n" not in str(error.value)
        assert len(str(error.value)) < 200
        assert "'a.cube'" in str(error.value)

    @given(data=st.binary(max_size=300))
    def test_any_bytes_are_a_table_or_an_image_error(self, data):
        for begin in (b"", b"LUT_3D_SIZE 2\n"):
            with contextlib.suppress(ImageError):
                read(begin + data)


class TestHald:
    @pytest.mark.parametrize(("size", "level"), [(17, 6), (33, 6), (36, 6), (37, 7), (64, 8), (65, 8)])
    def test_the_level_is_the_lowest_of_6_to_8_that_holds_the_table(self, tmp_path, size, level):
        write_lut(tmp_path / "a.png", gamma(size))
        image = read_image(tmp_path / "a.png")
        assert (image.pixels.shape, image.depth) == ((level**3, level**3, 3), 16)
        assert np.abs(read_lut(tmp_path / "a.png").table - identity(level**2) ** 2).max() < 2e-3

    @pytest.mark.parametrize("level", [6, 7, 8])
    def test_there_and_back_to_sixteen_bits(self, tmp_path, level):
        lut = wild(level**2)
        write_lut(tmp_path / "a.png", lut)
        found = read_lut(tmp_path / "a.png")
        assert np.abs(found.table - lut.table).max() <= 0.51 / 65535
        write_lut(tmp_path / "b.png", found)
        assert (tmp_path / "b.png").read_bytes() == (tmp_path / "a.png").read_bytes()

    def test_the_neutral_picture_runs_red_first(self, tmp_path):
        write_lut(tmp_path / "a.png", Lut(identity(36)))
        line = read_image(tmp_path / "a.png").pixels.reshape(-1, 3)
        assert np.allclose(line[1], (1 / 35, 0, 0), atol=1e-4)
        assert np.allclose(line[36], (0, 1 / 35, 0), atol=1e-4)
        assert np.allclose(line[36 * 36], (0, 0, 1 / 35), atol=1e-4)

    def test_a_table_of_another_domain_is_sampled(self, tmp_path):
        lut = Lut(identity(36), domain=((0, 0, 0), (0.5, 0.5, 0.5)))
        write_lut(tmp_path / "a.png", lut)
        assert np.abs(read_lut(tmp_path / "a.png").table - np.minimum(2 * identity(36), 1)).max() < 1e-4

    def test_eight_bits_and_tiff_are_read(self, tmp_path):
        picture = hald.to_picture(gamma(36))
        Picture(picture.pixels).save(tmp_path / "a.tif")
        assert np.abs(read_lut(tmp_path / "a.tif").table - gamma(36).table).max() <= 0.51 / 255

    @pytest.mark.parametrize("shape", [(216, 215), (100, 100), (1, 1), (64, 27)])
    def test_a_plain_photo_is_none(self, tmp_path, shape):
        Image.fromarray(np.zeros((*shape, 3), np.uint8)).save(tmp_path / "a.png")
        with pytest.raises(ImageError, match=f"{shape[1]} x {shape[0]}, no HaldCLUT"):
            read_lut(tmp_path / "a.png")


class TestFiles:
    @pytest.mark.parametrize("name", ["a.jpg", "a.3dl", "a"])
    def test_other_names_are_refused(self, tmp_path, name):
        path = tmp_path / name
        for attempt in (
            lambda: write_lut(path, wild()),
            lambda: check_writable_lut(path),
            lambda: read_lut(path),
        ):
            with pytest.raises(ImageError, match=r"\.cube or \.png|\.cube or \.png or \.tif"):
                attempt()
        assert not list(tmp_path.iterdir())

    def test_a_missing_file_and_a_missing_folder_are_said(self, tmp_path):
        for name in ("a.cube", "a.png"):
            with pytest.raises(ImageError, match="does not exist"):
                read_lut(tmp_path / name)
            for attempt in (lambda path: write_lut(path, wild()), check_writable_lut):
                with pytest.raises(ImageError, match="make it first"):
                    attempt(tmp_path / "no" / name)

    def test_a_stopped_write_leaves_the_old_file(self, tmp_path, monkeypatch):
        path = tmp_path / "a.cube"
        path.write_text("old")

        def stop(file, lut):
            file.write(b"half")
            raise KeyboardInterrupt

        monkeypatch.setattr(cube, "write", stop)
        with pytest.raises(KeyboardInterrupt):
            write_lut(path, wild())
        assert [p.name for p in tmp_path.iterdir()] == ["a.cube"]
        assert path.read_text() == "old"

    def test_warnings_are_only_ours(self, tmp_path):
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            write_lut(tmp_path / "a.cube", gamma())
            read_lut(tmp_path / "a.cube").apply(colours())


@pytest.mark.parametrize("path", [3, None, b"a.cube"])
def test_what_is_no_path_is_told(path):
    with pytest.raises(ImageError, match="given by the path of its file, got"):
        read_lut(path)
