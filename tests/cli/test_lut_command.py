import os
import shutil
import subprocess
import sys
import weakref
from pathlib import Path

import imagecodecs
import numpy as np
import pytest
from PIL import Image

from haarmony.cli.lut import two_words
from haarmony.errors import ImageError
from haarmony.media.image import Picture, read_image
from haarmony.media.lut import Lut, identity
from haarmony.media.lut_files import read_lut, write_lut

SCRIPT = Path(sys.executable).with_name("haarmony")
ADOBE = bytes(imagecodecs.cms_profile("adobergb"))


def process(*arguments, cwd):
    return subprocess.run(
        [SCRIPT, *map(str, arguments)], capture_output=True, text=True, check=False, cwd=cwd
    )


@pytest.fixture
def look(here):
    """Put look.cube, which squares every value, beside the photos."""
    write_lut("look.cube", Lut((identity(33) ** 2).astype(np.float32), space="sRGB"))
    return here


class TestAsAUserRunsIt:
    def test_a_look_is_made_and_laid_over_photos(self, here):
        made = process("lut", "day.png", "dusk.png", "-o", "look.cube", "--size", "17", cwd=here)
        assert (made.returncode, made.stderr) == (0, "")
        assert made.stdout.startswith("look.cube: 17 points a side, sRGB, in ")
        assert ", CIEDE2000: median " in made.stdout
        assert made.stdout.count("\n") == 1
        head = (here / "look.cube").read_text().splitlines()[:3]
        assert head == [
            'TITLE "day.png in the light of dusk.png (sRGB)"',
            "# Colour space: sRGB",
            "LUT_3D_SIZE 17",
        ]
        shutil.copy(here / "day.png", here / "other.png")
        laid = process("lut", "apply", "look.cube", "day.png", "other.png", "-o", "out/", cwd=here)
        assert (laid.returncode, laid.stderr) == (0, "")
        lines = laid.stdout.splitlines()
        assert [line.split(" in ")[0] for line in lines] == ["out/day.png: 32 x 24", "out/other.png: 32 x 24"]
        day, found = read_image(here / "day.png").pixels, read_image(here / "out/other.png").pixels
        expected = read_lut(here / "look.cube").apply(day)
        assert np.abs(found - expected).max() <= 0.51 / 255
        assert np.abs(found - day).mean() > 0.05

    def test_one_broken_photo_among_many_is_told_at_the_end(self, look):
        (look / "broken.jpg").write_bytes(b"\xff\xd8\xff\xe0 no more")
        result = process(
            "lut",
            "apply",
            "look.cube",
            "broken.jpg",
            "day.png",
            "gone.png",
            "dusk.png",
            "-o",
            "out",
            cwd=look,
        )
        assert result.returncode == 2
        assert [line.split(":")[0] for line in result.stdout.splitlines()] == ["out/day.png", "out/dusk.png"]
        broken, gone, summary = result.stderr.splitlines()
        assert broken.startswith("haarmony: 'broken.jpg'")
        assert gone == "haarmony: 'gone.png' does not exist: check the path"
        assert summary == "haarmony: 2 of 4 pictures failed, as listed above; the rest is done"
        assert sorted(path.name for path in (look / "out").iterdir()) == ["day.png", "dusk.png"]

    def test_help_of_both_commands(self, here):
        assert "CONTENT" in process("lut", "--help", cwd=here).stdout
        assert "PICTURE" in process("lut", "apply", "--help", cwd=here).stdout


class TestMake:
    @pytest.mark.parametrize(("size", "level"), [("17", 6), ("33", 6), ("65", 8)])
    def test_png_is_a_hald_picture_of_sixteen_bits(self, haarmony, here, size, level):
        result = haarmony("lut", "day.png", "dusk.png", "-o", "look.png", "--size", size)
        assert (result.code, result.err) == (0, "")
        assert f"{level**2} points a side" in result.out
        image = read_image("look.png")
        assert (image.pixels.shape, image.depth) == ((level**3, level**3, 3), 16)

    def test_options_reach_the_transfer(self, haarmony, here):
        def table(*options):
            assert haarmony("lut", "day.png", "dusk.png", "-o", "look.cube", *options).code == 0
            return read_lut("look.cube").table

        plain = table()
        assert np.abs(table("--strength", "0") - identity(33)).max() < 1e-3
        assert not np.array_equal(table("--strength", "0.5"), plain)
        assert np.array_equal(table("--model", "compact"), plain)
        for name, shape in (("a.png", (24, 32)), ("b.png", (20, 28))):
            mask = np.zeros(shape, np.uint8)
            mask[: shape[0] // 2] = 255
            Image.fromarray(mask).save(name)
        assert not np.array_equal(table("--content-mask", "a.png", "--style-mask", "b.png"), plain)

    def test_a_saved_style_will_do(self, haarmony, here):
        import haarmony as package

        package.WCT2.load("compact").style("dusk.png").save("dusk.safetensors")
        assert haarmony("lut", "day.png", "dusk.safetensors", "-o", "a.cube").code == 0
        assert haarmony("lut", "day.png", "dusk.png", "-o", "b.cube").code == 0
        assert np.array_equal(read_lut("a.cube").table, read_lut("b.cube").table)

    def test_a_content_of_another_space_names_it_and_warns(self, haarmony, here):
        Picture(read_image("day.png").pixels, profile=ADOBE).save("wide.tif")
        result = haarmony("lut", "wide.tif", "dusk.png", "-o", "look.cube")
        assert result.code == 0
        space = read_lut("look.cube").space
        assert space not in (None, "sRGB")
        assert f", {space}, in " in result.out
        assert result.err.startswith("haarmony: warning: 'look.cube' works on values in ")
        assert haarmony("lut", "wide.tif", "dusk.png", "-o", "look.png").err == ""
        assert haarmony("lut", "apply", "look.png", "wide.tif", "-o", "out.tif").err == ""
        assert read_image("out.tif").profile == ADOBE

    @pytest.mark.parametrize(
        ("arguments", "saying"),
        [
            (["day.png"], "-o"),
            (["day.png", "dusk.png"], "-o"),
            (["day.png", "dusk.png", "-o", "look.3dl"], ".cube or .png"),
            (["day.png", "dusk.png", "-o", "look"], ".cube or .png"),
            (["day.png", "dusk.png", "-o", "no/look.cube"], "make it first"),
            (["day.png", "dusk.png", "-o", "look.cube", "--size", "34"], "34"),
            (["day.png", "dusk.png", "-o", "look.cube", "--strength", "2"], "2"),
            (["day.png", "dusk.png", "-o", "look.cube", "--model", "vgg20"], "'vgg20'"),
            (["day.png", "gone.png", "-o", "look.cube"], "'gone.png' does not exist"),
            (["day.png", "dusk.png", "-o", "dusk.png"], "is also an input"),
            (["day.png", "dusk.png", "-o", "./day.png"], "is also an input"),
        ],
    )
    def test_a_wrong_command_is_one_line(self, haarmony, here, arguments, saying):
        before = {path: path.read_bytes() for path in here.iterdir()}
        result = haarmony("lut", *arguments)
        assert (result.code, result.out) == (2, "")
        assert result.err.count("\n") == 1
        assert saying in result.err
        assert {path: path.read_bytes() for path in here.iterdir()} == before


class TestApply:
    def test_sixteen_bits_profile_exif_and_alpha_are_kept(self, haarmony, look):
        rng = np.random.default_rng(0)
        srgb = bytes(imagecodecs.cms_profile("srgb"))
        deep = Picture(
            np.rint(65535 * rng.random((20, 30, 3))).astype(np.float32) / 65535,
            alpha=np.rint(65535 * rng.random((20, 30))).astype(np.float32) / 65535,
            depth=16,
            profile=srgb,
            exif=Image.Exif().tobytes()[6:] or None,
        )
        deep.save("deep.tif")
        before = read_image("deep.tif")
        for name in ("out.tif", "out.png"):
            assert haarmony("lut", "apply", "look.cube", "deep.tif", "-o", name, "-q") == (0, "", "")
            found = read_image(name)
            assert (found.depth, found.profile, found.exif) == (16, srgb, before.exif)
            assert np.array_equal(found.alpha, before.alpha)
            assert np.abs(found.pixels - before.pixels.astype(np.float64) ** 2).max() < 3e-4
            assert len(np.unique(np.rint(found.pixels * 65535) % 257)) > 100

    def test_exif_is_kept(self, haarmony, look):
        exif = Image.Exif()
        exif[271] = "A camera"
        Image.open("day.png").save("day.jpg", exif=exif, quality=95)
        assert haarmony("lut", "apply", "look.cube", "day.jpg", "-o", "out.jpg").code == 0
        with Image.open("out.jpg") as image:
            assert image.getexif()[271] == "A camera"

    def test_the_identity_leaves_sixteen_bits_as_they_are(self, haarmony, here):
        for name, size in (("look.cube", 33), ("look.png", 36)):
            write_lut(name, Lut(identity(size)))
            ramp = np.arange(65536, dtype=np.float32).reshape(256, 256, 1) / 65535
            Picture(np.repeat(ramp, 3, axis=2), depth=16).save("ramp.png")
            assert haarmony("lut", "apply", name, "ramp.png", "-o", "out.png").code == 0
            difference = np.abs(read_image("out.png").pixels - read_image("ramp.png").pixels)
            assert difference.max() <= 1.01 / 65535

    def test_a_wide_photo_and_a_look_of_srgb_are_warned_of_by_name(self, haarmony, look):
        Picture(read_image("day.png").pixels, profile=ADOBE).save("wide.png")
        result = haarmony("lut", "apply", "look.cube", "day.png", "wide.png", "-o", "out/")
        assert result.code == 0
        assert result.err.startswith("haarmony: warning: 'wide.png' is in ")
        assert result.err.count("\n") == 1
        assert read_image("out/wide.png").profile == ADOBE

    def test_two_photos_of_one_name_do_not_replace_each_other(self, haarmony, look):
        Path("sub").mkdir()
        shutil.copy("dusk.png", "sub/day.png")
        result = haarmony("lut", "apply", "look.cube", "day.png", "sub/day.png", "-o", "out/")
        assert (result.code, result.out) == (2, "")
        assert "'day.png' and 'sub/day.png' would both be written to 'out/day.png'" in result.err
        assert not Path("out").exists()

    def test_folders_and_patterns_stand_for_their_pictures(self, haarmony, look):
        Path("in").mkdir()
        for name in ("in/2.png", "in/1.bmp"):
            Image.open("day.png").convert("RGB").save(name)
        Path("in/notes.txt").write_text("no picture")
        assert haarmony("lut", "apply", "look.cube", "in", "-o", "out/").code == 0
        assert sorted(path.name for path in Path("out").iterdir()) == ["1.jpg", "2.png"]
        assert haarmony("lut", "apply", "look.cube", "in/*.png", "-o", "other/").code == 0
        assert Path("other/2.png").read_bytes() == Path("out/2.png").read_bytes()
        result = haarmony("lut", "apply", "look.cube", "in/*.webp", "-o", "other/")
        assert (result.code, result.err.count("\n")) == (2, 1)
        assert "no file matches 'in/*.webp'" in result.err

    def test_no_photo_is_ever_replaced(self, haarmony, look):
        before = {path: path.read_bytes() for path in look.iterdir()}
        Path("link").symlink_to(".")
        result = haarmony("lut", "apply", "look.cube", "day.png", "dusk.png", "-o", "link/")
        assert result.code == 2
        assert "'day.png' would be replaced by its own result" in result.err
        assert haarmony("lut", "apply", "look.cube", "day.png", "-o", "dusk.png").code == 0
        Path("dusk.png").write_bytes(before[look / "dusk.png"])
        Path("link").unlink()
        assert {path: path.read_bytes() for path in look.iterdir()} == before

    def test_a_photo_that_fails_stops_no_other_and_keeps_no_pixels(self, haarmony, look, monkeypatch):
        kept = []

        def fails(lut, content, target):
            assert [pixels() for pixels in kept] == [None] * len(kept)
            pixels = np.zeros((9, 9))
            kept.append(weakref.ref(pixels))
            raise RuntimeError("CUDA out of memory.") if len(kept) == 1 else ImageError(f"{content} is torn")

        monkeypatch.setattr("haarmony.pipelines.lut_over_file.apply_to_file", fails)
        result = haarmony("lut", "apply", "look.cube", "day.png", "dusk.png", "gone.png", "-o", "out/")
        assert (result.code, len(kept)) == (2, 3)
        assert result.err.splitlines() == [
            "haarmony: 'day.png': out of memory, give a smaller picture",
            "haarmony: dusk.png is torn",
            "haarmony: gone.png is torn",
            "haarmony: 3 of 3 pictures failed, as listed above; the rest is done",
        ]

    def test_every_photo_is_looked_up_a_few_times_alone(self, haarmony, look, monkeypatch):
        Path("in").mkdir()
        for number in range(60):
            shutil.copy("day.png", f"in/{number}.png")
        shutil.copytree("in", "out")
        monkeypatch.setattr(
            "haarmony.pipelines.lut_over_file.apply_to_file", lambda *_: Image.new("1", (9, 9))
        )
        looked, stat = [], os.stat

        def counted(path, **options):
            looked.append(path)
            return stat(path, **options)

        monkeypatch.setattr(os, "stat", counted)
        assert haarmony("lut", "apply", "look.cube", "in", "-o", "out/").code == 0
        assert len([path for path in looked if str(path).startswith("in")]) < 60 * 20

    def test_one_photo_into_a_folder_that_is_there(self, haarmony, look):
        Path("v1.5").mkdir()
        assert haarmony("lut", "apply", "look.cube", "day.png", "-o", "v1.5").code == 0
        assert Path("v1.5/day.png").exists()

    @pytest.mark.parametrize(
        ("arguments", "saying"),
        [
            ([], "LUT"),
            (["look.cube"], "PICTURE"),
            (["look.cube", "day.png"], "-o"),
            (["gone.cube", "day.png", "-o", "a.png"], "'gone.cube' does not exist"),
            (["day.png", "dusk.png", "-o", "a.png"], "no HaldCLUT"),
            (["look.3dl", "dusk.png", "-o", "a.png"], "end it in .cube or .png"),
            (["flat.cube", "dusk.png", "-o", "a.png"], "1D table or a shaper"),
            (["look.cube", "gone.png", "-o", "a.png"], "'gone.png' does not exist"),
            (["look.cube", "day.png", "-o", "day.png"], "is also an input"),
            (["look.cube", "day.png", "-o", "a.gif"], ".gif"),
            (["look.cube", "day.png", "dusk.png", "-o", "a.png"], "give a folder, 'a.png/'"),
            (["look.cube", "day.png", "-o", "day.png/"], "day.png"),
        ],
    )
    def test_a_wrong_command_is_one_line(self, haarmony, look, arguments, saying):
        Path("flat.cube").write_text("LUT_1D_SIZE 2\n0 0 0\n1 1 1\n")
        before = {path: path.read_bytes() for path in look.iterdir()}
        result = haarmony("lut", "apply", *arguments)
        assert (result.code, result.out) == (2, "")
        assert result.err.count("\n") == 1
        assert saying in result.err
        assert {path: path.read_bytes() for path in look.iterdir()} == before


def test_a_look_that_cannot_be_read_leaves_no_folder(haarmony, here):
    assert haarmony("lut", "apply", "nowhere.cube", "day.png", "-o", "out/").code == 2
    assert not Path("out").exists()


@pytest.mark.parametrize(
    ("given", "parsed"),
    [
        (["lut", "apply", "a"], ["lut apply", "a"]),
        (["--debug", "lut", "apply"], ["--debug", "lut apply"]),
        (["lut", "a", "apply"], ["lut", "a", "apply"]),
        (["transfer", "lut", "apply"], ["transfer", "lut", "apply"]),
        (["--help"], ["--help"]),
        ([], []),
    ],
)
def test_lut_apply_is_one_command(given, parsed):
    assert two_words(given) == parsed
