"""Files as they come: the right picture, or one clear line, exit code 2 and nothing half-written."""

import errno
import os
import struct
import zlib
from pathlib import Path

import numpy as np
import pytest
import tifffile
from PIL import Image

from haarmony.media import png, profile
from haarmony.media.image import Picture, read_image, write_image


def contents(folder):
    """Return everything below a folder: path to bytes, None for a folder."""
    return {path: path.read_bytes() if path.is_file() else None for path in Path(folder).rglob("*")}


def noise(height=20, width=30, channels=3, dtype=np.uint8):
    full = np.iinfo(dtype).max
    return np.random.default_rng(7).integers(0, full, (height, width, channels), endpoint=True).astype(dtype)


def saved(name, image, **options):
    """Save a Pillow image, and return the name and the RGB or RGBA that a viewer shows."""
    image.save(name, **options)
    with Image.open(name) as shown:
        return name, np.asarray(shown.convert("RGBA" if shown.has_transparency_data else "RGB"))


def of_size(height, width):
    return lambda: saved("content.png", Image.fromarray(noise(height, width)))


def cmyk_jpeg():
    return saved("content.jpg", Image.fromarray(noise(channels=4), "CMYK"), quality=95)


def cmyk_tiff():
    return saved("content.tif", Image.fromarray(noise(channels=4), "CMYK"))


def palette():
    return saved("content.png", Image.fromarray(noise()).quantize(16))


def palette_with_a_transparent_entry():
    return saved("content.png", Image.fromarray(noise()).quantize(16), transparency=3)


def alpha():
    return saved("content.png", Image.fromarray(noise(channels=4)))


def grey():
    return saved("content.png", Image.fromarray(noise()[..., 0]))


def grey_with_alpha():
    return saved("content.png", Image.fromarray(noise(channels=2), "LA"))


def black_and_white():
    return saved("content.png", Image.fromarray(noise()[..., 0] > 127))


def progressive_jpeg():
    return saved("content.jpg", Image.fromarray(noise()), progressive=True)


def animation():
    frames = [Image.fromarray(noise()[..., i]) for i in range(3)]
    return saved("content.gif", frames[0], save_all=True, append_images=frames[1:])


def bitmap():
    return saved("content.bmp", Image.fromarray(noise()))


def webp():
    return saved("content.webp", Image.fromarray(noise()), lossless=True)


def wrong_extension():
    image = Image.fromarray(noise())
    image.save("content.jpg", "PNG")
    return "content.jpg", noise()


def another_alphabet():
    return saved("закат 日の出 é.png", Image.fromarray(noise()))


def bytes_that_are_no_text():
    name = os.fsdecode(b"caf\xe9.png")
    try:
        return saved(name, Image.fromarray(noise()))
    except OSError:
        pytest.skip("this file system takes only names in UTF-8")


def blanks_and_quotes():
    return saved("a 'day' [out] $HOME.png", Image.fromarray(noise()))


def rotated():
    exif = Image.Exif()
    exif[0x0112] = 6
    Image.fromarray(noise()).save("content.png", exif=exif)
    return "content.png", np.rot90(noise(), -1)


def deep_png():
    samples = noise(dtype=np.uint16)
    with Path("content.png").open("wb") as file:
        png.write(file, samples, exif=None, xmp=None, profile=None)
    return "content.png", samples


def deep_grey_png():
    samples = noise(channels=1, dtype=np.uint16)
    Image.fromarray(samples[..., 0]).save("content.png")
    return "content.png", np.repeat(samples, 3, 2)


def deep_tiff():
    samples = noise(dtype=np.uint16)
    tifffile.imwrite("content.tif", samples, photometric="rgb")
    return "content.tif", samples


def float_tiff():
    samples = noise(dtype=np.uint16)
    tifffile.imwrite("content.tif", (samples / 65535).astype(np.float32), photometric="rgb")
    return "content.tif", samples


def wide_gamut():
    wide = bytes(profile.imagecodecs.cms_profile("adobergb"))
    Image.fromarray(noise()).save("content.png", icc_profile=wide)
    return "content.png", noise()


ODD = {
    "1 x 1": of_size(1, 1),
    "1 x 4000": of_size(1, 4000),
    "4000 x 1": of_size(4000, 1),
    "2 x 3": of_size(2, 3),
    **{
        make.__name__: make
        for make in (
            cmyk_jpeg,
            cmyk_tiff,
            palette,
            palette_with_a_transparent_entry,
            alpha,
            grey,
            grey_with_alpha,
            black_and_white,
            progressive_jpeg,
            animation,
            bitmap,
            webp,
            wrong_extension,
            another_alphabet,
            bytes_that_are_no_text,
            blanks_and_quotes,
            rotated,
            deep_png,
            deep_grey_png,
            deep_tiff,
            float_tiff,
            wide_gamut,
        )
    },
}


def truncated(suffix):
    def make():
        Image.fromarray(noise(200, 300)).save("content" + suffix)
        path = Path("content" + suffix)
        path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
        return path

    return make


def holding(data, name="content.png"):
    def make():
        Path(name).write_bytes(data)
        return name

    return make


def chunk(kind, data):
    return struct.pack(">L", len(data)) + kind + data + struct.pack(">L", zlib.crc32(kind + data))


def bomb():
    header = struct.pack(">LLBBBBB", 60000, 60000, 8, 2, 0, 0, 0)
    body = chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(bytes(1000))) + chunk(b"IEND", b"")
    Path("content.png").write_bytes(png.SIGNATURE + body)
    return "content.png"


def deep_bomb():
    tifffile.imwrite("content.tif", noise(dtype=np.uint16), photometric="rgb")
    with tifffile.TiffFile("content.tif", mode="r+b") as document:
        for tag in ("ImageWidth", "ImageLength"):
            document.pages.first.tags[tag].overwrite(60000)
    return "content.tif"


def not_finite():
    tifffile.imwrite("content.tif", np.full((9, 9, 3), np.nan, np.float32), photometric="rgb")
    return "content.tif"


def scaled_floats():
    tifffile.imwrite("content.tif", np.full((9, 9, 3), 200, np.float32), photometric="rgb")
    return "content.tif"


def folder():
    Path("content.png").mkdir()
    return "content.png"


def loop():
    Path("content.png").symlink_to("content.png")
    return "content.png"


BROKEN = {
    "truncated JPEG": (truncated(".jpg"), "cannot be read"),
    "truncated PNG": (truncated(".png"), "cannot be read"),
    "truncated TIFF": (truncated(".tif"), "cannot be read"),
    "truncated WebP": (truncated(".webp"), "not a picture|cannot be read"),
    "empty": (holding(b""), "is empty"),
    "text": (holding(b"I am a photo, really.", "content.jpg"), "not a picture"),
    "PDF": (holding(b"%PDF-1.7\n" + bytes(99), "content.pdf"), "not a picture"),
    "SVG": (holding(b"<svg xmlns='http://www.w3.org/2000/svg'/>", "content.svg"), "not a picture"),
    "a signature alone": (holding(png.SIGNATURE), "cannot be read|not a picture"),
    "noise after a signature": (holding(b"\xff\xd8\xff\xe0" + bytes(range(256)), "c.jpg"), "read"),
    "bomb": (bomb, "60000 x 60000"),
    "16-bit bomb": (deep_bomb, "60000 x 60000"),
    "NaN": (not_finite, "NaN"),
    "floats up to 200": (scaled_floats, "scale"),
    "folder": (folder, "is a folder"),
    "missing": (lambda: "nowhere.png", "does not exist"),
    "loop of links": (loop, "cannot be read"),
    "a name too long": (lambda: "n" * 400 + ".png", "long"),
}


def assert_refused(result, saying):
    """One line on stderr that holds one of the `|` separated words, nothing on stdout, exit code 2."""
    assert result.code == 2
    assert result.out == ""
    assert result.err.startswith("haarmony: ")
    assert result.err.count("\n") == 1
    assert result.err.endswith("\n")
    assert any(part in result.err for part in saying.split("|")), result.err
    assert "Traceback" not in result.err


@pytest.mark.parametrize("name", ODD)
def test_an_odd_content_comes_back_as_a_viewer_shows_it(haarmony, here, name):
    content, shown = ODD[name]()
    result = haarmony("transfer", content, "dusk.png", "-o", "out.png", "--strength", "0")
    assert result.code == 0, result.err
    assert result.err == ""
    full = np.iinfo(shown.dtype).max
    written, source = read_image("out.png"), read_image(content)
    got = written.pixels if shown.shape[2] == 3 else np.dstack([written.pixels, written.alpha])
    tolerance = 0.02 if "cmyk" in name else 0.25 / full  # a viewer's CMYK is not always Pillow's
    assert np.abs(got - shown.astype(np.float32) / full).max() <= tolerance
    assert (written.depth, written.profile) == (16 if full > 255 else 8, source.profile)


@pytest.mark.parametrize("name", ODD)
def test_an_odd_content_takes_another_light(haarmony, here, name):
    content, shown = ODD[name]()
    result = haarmony("transfer", content, "dusk.png", "-o", "out.tif")
    assert result.code == 0, result.err
    assert result.err == ""
    assert read_image("out.tif").pixels.shape == (*shown.shape[:2], 3)


@pytest.mark.parametrize("name", ODD)
def test_an_odd_style_gives_its_light(haarmony, here, name):
    style, _ = ODD[name]()
    result = haarmony("transfer", "day.png", style, "-o", "out.png")
    assert result.code == 0, result.err
    assert result.err == ""
    assert read_image("out.png").pixels.shape == (24, 32, 3)


@pytest.mark.parametrize("role", ["content", "style"])
@pytest.mark.parametrize("name", BROKEN)
def test_a_broken_picture_is_one_line(haarmony, here, role, name):
    make, saying = BROKEN[name]
    broken = make()
    Path("out.png").write_bytes(b"what was here before")
    before = contents(here)
    pair = (broken, "dusk.png") if role == "content" else ("day.png", broken)
    assert_refused(haarmony("transfer", *pair, "-o", "out.png"), saying)
    assert contents(here) == before


class TestTargets:
    @pytest.mark.parametrize(
        ("target", "saying"),
        [
            ("nowhere/out.png", "does not exist"),
            ("day.png/out.png", "does not exist"),
            ("out.xyz", ".xyz"),
            ("out", "without extension"),
            ("out.gif", ".gif"),
            ("/proc/out.png", "/proc/out.png"),
            ("pipe.png", "not a regular file"),
            ("n" * 400 + ".png", "long"),
        ],
    )
    def test_what_cannot_be_written_is_said_before_the_content_is_read(self, haarmony, here, target, saying):
        os.mkfifo("pipe.png")
        before = sorted(here.rglob("*"))
        assert_refused(haarmony("transfer", "nowhere.png", "dusk.png", "-o", target), saying)
        assert sorted(here.rglob("*")) == before

    @pytest.mark.skipif(os.geteuid() == 0, reason="root may write everywhere")
    def test_a_folder_without_permission_is_one_line(self, haarmony, here):
        Path("locked").mkdir(mode=0o500)
        assert_refused(haarmony("transfer", "day.png", "dusk.png", "-o", "locked/out.png"), "permissions")

    def test_a_picture_too_long_for_jpeg_is_refused_before_the_work(self, haarmony, here, monkeypatch):
        Image.fromarray(noise(1, 65501)).save("content.png")
        monkeypatch.setattr("haarmony.pipelines.photo.transfer", lambda *_, **__: pytest.fail("worked"))
        before = contents(here)
        assert_refused(haarmony("transfer", "content.png", "dusk.png", "-o", "out.jpg"), "65500")
        assert contents(here) == before

    @pytest.mark.parametrize("role", ["content", "style", "content-mask", "style-mask"])
    @pytest.mark.parametrize("way", ["itself", "symbolic link", "hard link", "roundabout path"])
    def test_an_input_is_never_replaced(self, haarmony, here, role, way):
        for name in ("a.png", "b.png"):
            Image.fromarray(noise()[..., 0] > 127).save(name)
        names = {
            "content": "day.png",
            "style": "dusk.png",
            "content-mask": "a.png",
            "style-mask": "b.png",
        }
        target = names[role]
        if way == "symbolic link":
            Path("link.png").symlink_to(target)
            target = "link.png"
        elif way == "hard link":
            Path("link.png").hardlink_to(target)
            target = "link.png"
        elif way == "roundabout path":
            target = here / ".." / here.name / target
        before = contents(here)
        masks = ["--content-mask", names["content-mask"], "--style-mask", names["style-mask"]]
        assert_refused(haarmony("transfer", "day.png", "dusk.png", "-o", target, *masks), "input")
        assert contents(here) == before

    def test_another_file_is_replaced(self, haarmony, here):
        Path("out.png").write_bytes(b"what was here before")
        assert haarmony("transfer", "day.png", "dusk.png", "-o", "out.png").code == 0
        assert read_image("out.png").pixels.shape == (24, 32, 3)

    def test_a_full_disk_is_one_line_and_leaves_what_was_there(self, haarmony, here, monkeypatch):
        def run_full(file, *_, **__):
            file.write(b"half")
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

        Path("out.png").write_bytes(b"what was here before")
        before = contents(here)
        monkeypatch.setattr(png, "write", run_full)
        assert_refused(haarmony("transfer", "day.png", "dusk.png", "-o", "out.png"), "No space left")
        assert contents(here) == before

    def test_an_interrupt_while_writing_leaves_what_was_there(self, haarmony, here, monkeypatch):
        def interrupt(file, *_, **__):
            file.write(b"half")
            raise KeyboardInterrupt

        before = contents(here)
        monkeypatch.setattr(png, "write", interrupt)
        result = haarmony("transfer", "day.png", "dusk.png", "-o", "out.png")
        assert (result.code, result.err) == (130, "haarmony: interrupted\n")
        assert contents(here) == before

    def test_alpha_that_jpeg_cannot_hold_is_a_warning(self, haarmony, here):
        alpha()
        result = haarmony("transfer", "content.png", "dusk.png", "-o", "out.jpg")
        assert result.code == 0
        assert result.err.startswith("haarmony: warning: 'out.jpg': JPEG holds no alpha")
        assert result.err.count("\n") == 1


class TestMasks:
    @pytest.fixture
    def masked(self, haarmony, here):
        def run(content_mask, style_mask):
            for name, mask in (("a.png", content_mask), ("b.png", style_mask)):
                Image.fromarray(mask).save(name)
            arguments = ["day.png", "dusk.png", "-o", "out.png", "--content-mask", "a.png"]
            return haarmony("transfer", *arguments, "--style-mask", "b.png")

        return run

    @staticmethod
    def halves(height, width, left=(255, 0, 0), right=(0, 0, 255)):
        mask = np.empty((height, width, 3), np.uint8)
        mask[:, : width // 2], mask[:, width // 2 :] = left, right
        return mask

    def test_masks_of_the_pictures_sizes_are_taken(self, masked):
        result = masked(self.halves(24, 32), self.halves(20, 28))
        assert (result.code, result.err) == (0, "")

    def test_a_region_that_the_style_lacks_is_a_warning_that_names_it(self, masked):
        result = masked(self.halves(24, 32, left=(0, 255, 0)), self.halves(20, 28))
        assert result.code == 0
        assert result.err.startswith("haarmony: warning: the content gets the light of the whole style")
        assert "green" in result.err
        assert result.err.count("\n") == 1

    @pytest.mark.parametrize("wrong", [(24, 31), (48, 64), (32, 24)])
    def test_a_mask_of_another_size_is_one_line(self, here, masked, wrong):
        assert_refused(masked(self.halves(*wrong), self.halves(20, 28)), f"{wrong[1]} x {wrong[0]}")
        assert_refused(masked(self.halves(24, 32), self.halves(*wrong)), f"{wrong[1]} x {wrong[0]}")
        assert not Path("out.png").exists()

    def test_a_photo_in_place_of_a_mask_is_one_line(self, here, masked):
        assert_refused(masked(noise(24, 32), self.halves(20, 28)), "colours")
        assert not Path("out.png").exists()

    @pytest.mark.parametrize("side", ["content", "style"])
    def test_one_mask_alone_is_one_line(self, haarmony, here, side):
        Image.fromarray(self.halves(24, 32)).save("a.png")
        arguments = ["day.png", "dusk.png", "-o", "out.png", f"--{side}-mask", "a.png"]
        assert_refused(haarmony("transfer", *arguments), "give both or neither")

    def test_a_missing_mask_is_one_line(self, haarmony, here):
        masks = ["--content-mask", "nowhere.png", "--style-mask", "nowhere.png"]
        result = haarmony("transfer", "day.png", "dusk.png", "-o", "out.png", *masks)
        assert_refused(result, "does not exist")


class TestStyles:
    @pytest.mark.parametrize("data", [b"", b"\x08\0\0\0\0\0\0\0{}      ", b"no tensors here"])
    def test_a_file_that_is_no_style_is_one_line(self, haarmony, here, data):
        Path("dusk.safetensors").write_bytes(data)
        result = haarmony("transfer", "day.png", "dusk.safetensors", "-o", "out.png")
        assert_refused(result, "dusk.safetensors")
        assert not Path("out.png").exists()

    def test_a_saved_style_gives_the_light_of_its_picture(self, haarmony, here):
        from haarmony import WCT2

        WCT2.load("compact").style("dusk.png").save("dusk.safetensors")
        assert haarmony("transfer", "day.png", "dusk.safetensors", "-o", "a.png").code == 0
        assert haarmony("transfer", "day.png", "dusk.png", "-o", "b.png").code == 0
        assert Path("a.png").read_bytes() == Path("b.png").read_bytes()

    def test_a_style_of_another_profile_is_converted(self, haarmony, here):
        wide = bytes(profile.imagecodecs.cms_profile("adobergb"))
        dusk = read_image("dusk.png")
        write_image("wide.png", Picture(dusk.pixels, profile=wide))
        assert haarmony("transfer", "day.png", "wide.png", "-o", "a.png").code == 0
        assert haarmony("transfer", "day.png", "dusk.png", "-o", "b.png").code == 0
        difference = np.abs(read_image("a.png").pixels - read_image("b.png").pixels).max()
        assert difference > 2 / 255
