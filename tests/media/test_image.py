import io
import os
import resource
import struct
import sys
import warnings
import zlib

import imagecodecs
import numpy as np
import pytest
import tifffile
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image, ImageCms, ImageOps, PngImagePlugin

from haarmony.errors import ImageError, InputError
from haarmony.media import profile
from haarmony.media.image import (
    Picture,
    from_pil,
    read_image,
    to_pil,
    to_profile,
    write_image,
)
from haarmony.media.sink import check_writable

pytestmark = pytest.mark.filterwarnings("error")

RNG_SEED = 5
LOSSLESS_DEEP = [".png", ".tif"]
ALL = [".jpg", ".jpeg", ".png", ".webp", ".tif", ".tiff", ".avif"]


def noise(height=13, width=17, channels=3, dtype=np.uint8):
    full = np.iinfo(dtype).max
    samples = np.random.default_rng(RNG_SEED).integers(0, full, (height, width, channels), endpoint=True)
    return samples.astype(dtype)


def smooth(height=32, width=48):
    rows, columns = np.mgrid[:height, :width].astype(np.float32)
    return np.stack([rows / height, columns / width, (rows + columns) / (height + width)], axis=-1)


def shown(path):
    """Return the picture as Pillow reads it, its file closed."""
    with Image.open(path) as image:
        image.load()
        return image


def refusal(source, **options):
    """Return the one line with which a file is refused."""
    with pytest.raises(ImageError) as caught:
        read_image(source, **options)
    line = str(caught.value)
    assert "\n" not in line
    return line


def chunk(kind, data):
    return struct.pack(">L", len(data)) + kind + data + struct.pack(">L", zlib.crc32(kind + data))


def exif_block(orientation=1, make="Haar"):
    exif = Image.Exif()
    exif[0x0112] = orientation
    exif[0x010F] = make
    exif.get_ifd(0x8769)[0x9003] = "2020:02:02 20:02:02"
    exif.get_ifd(0x8825)[1] = "N"
    return exif.tobytes()


def entries(exif):
    """Return make, moment of exposure and latitude reference of an EXIF block."""
    loaded = Image.Exif()
    loaded.load(b"Exif\0\0" + exif)
    return loaded[0x010F], loaded.get_ifd(0x8769)[0x9003], loaded.get_ifd(0x8825)[1]


def cmyk_profile():
    """Return a minimal CMYK profile: a table of 2 grid points an ink, to Lab."""
    lab = bytearray()
    for node in range(16):
        cyan, magenta, yellow, black = (node >> shift & 1 for shift in (3, 2, 1, 0))
        lightness = 255 * (1 - black) * (1 - (cyan + magenta + yellow) / 6)
        lab += bytes([round(lightness), 128 + 40 * (magenta - cyan), 128 + 40 * yellow])
    matrix = struct.pack(">9i", *(65536 if i % 4 == 0 else 0 for i in range(9)))
    curve = bytes(range(256))
    lut = b"mft1\0\0\0\0" + bytes([4, 3, 2, 0]) + matrix + curve * 4 + bytes(lab) + curve * 3
    texts = b"text\0\0\0\0none\0"
    tags = [
        (b"A2B0", lut),
        (b"cprt", texts),
        (b"wtpt", b"XYZ \0\0\0\0" + struct.pack(">3i", 63190, 65536, 54061)),
    ]
    table, body, offset = struct.pack(">L", len(tags)), b"", 128 + 4 + 12 * len(tags)
    for name, data in tags:
        data += b"\0" * (-len(data) % 4)
        table += name + struct.pack(">LL", offset + len(body), len(data))
        body += data
    head = bytearray(128)
    head[8:12], head[12:16], head[16:20], head[20:24] = b"\x02\x40\0\0", b"prtr", b"CMYK", b"Lab "
    head[36:40] = b"acsp"
    head[68:80] = struct.pack(">3i", 63190, 65536, 54061)
    head[0:4] = struct.pack(">L", offset + len(body))
    return bytes(head) + table + body


ADOBE_RGB = bytes(imagecodecs.cms_profile("adobergb"))


class TestDepth:
    @pytest.mark.parametrize("extension", LOSSLESS_DEEP)
    @pytest.mark.parametrize("with_alpha", [False, True])
    def test_every_16_bit_value_survives(self, tmp_path, extension, with_alpha):
        values = np.arange(65536, dtype=np.uint16).reshape(256, 256)
        channels = [values, values[::-1], values.T] + [values.T[::-1]] * with_alpha
        unit = [np.float32(channel) / np.float32(65535) for channel in channels]
        alpha = unit[3] if with_alpha else None
        path = tmp_path / f"deep{extension}"
        write_image(path, Picture(np.stack(unit[:3], axis=-1), alpha=alpha, depth=16))
        back = read_image(path)
        assert back.depth == 16
        assert np.array_equal(np.rint(back.pixels * 65535), np.stack(channels[:3], axis=-1))
        assert (back.alpha is not None) == with_alpha
        if with_alpha:
            assert np.array_equal(np.rint(back.alpha * 65535), channels[3])
        stored = tifffile.imread(path) if extension == ".tif" else imagecodecs.png_decode(path.read_bytes())
        assert stored.dtype == np.uint16
        assert np.array_equal(stored, np.stack(channels, axis=-1))

    @pytest.mark.parametrize("extension", [".png", ".tif"])
    def test_every_8_bit_value_survives(self, tmp_path, extension):
        samples = np.stack([np.arange(256, dtype=np.uint8).reshape(16, 16)] * 3, axis=-1)
        source, target = tmp_path / "source.png", tmp_path / f"target{extension}"
        Image.fromarray(samples).save(source)
        picture = read_image(source)
        write_image(target, picture)
        assert picture.depth == read_image(target).depth == 8
        assert np.array_equal(np.asarray(shown(target)), samples)

    def test_sixteen_bits_round_to_the_nearest_of_eight(self):
        values = np.array([0, 128, 129, 32767, 32896, 65406, 65407, 65535])
        picture = Picture(np.tile((values / 65535).astype(np.float32)[None, :, None], (1, 1, 3)), depth=16)
        expected = np.floor(values * 255 / 65535 + 0.5)
        assert np.array_equal(np.asarray(to_pil(picture))[0, :, 0], expected)

    def test_values_beyond_the_range_are_clipped_on_writing(self, tmp_path):
        path = tmp_path / "clipped.png"
        write_image(path, Picture(np.full((2, 2, 3), [-0.5, 0.5, 1.5], np.float32), depth=16))
        assert read_image(path).pixels[0, 0].tolist() == pytest.approx([0, 0.5, 1], abs=1e-5)

    def test_grey_png_of_16_bits(self, tmp_path):
        path, values = tmp_path / "grey.png", noise(channels=1, dtype=np.uint16)[..., 0]
        Image.fromarray(values).save(path)
        picture = read_image(path)
        assert picture.depth == 16
        assert np.array_equal(np.rint(picture.pixels * 65535), np.stack([values] * 3, axis=-1))

    def test_grey_with_alpha_png_of_16_bits(self, tmp_path):
        path, values = tmp_path / "la.png", noise(channels=2, dtype=np.uint16)
        path.write_bytes(imagecodecs.png_encode(values))
        picture = read_image(path)
        assert np.array_equal(np.rint(picture.pixels[..., 1] * 65535), values[..., 0])
        assert np.array_equal(np.rint(picture.alpha * 65535), values[..., 1])

    def test_transparent_colour_of_a_16_bit_png_becomes_alpha(self, tmp_path):
        values = noise(channels=3, dtype=np.uint16)
        encoded = imagecodecs.png_encode(values)
        key = chunk(b"tRNS", struct.pack(">HHH", *values[2, 3]))
        path = tmp_path / "key.png"
        path.write_bytes(encoded[:33] + key + encoded[33:])
        alpha = read_image(path).alpha
        assert alpha[2, 3] == 0
        assert alpha.sum() == alpha.size - 1


class TestTiff:
    @pytest.mark.parametrize(
        "options",
        [
            {},
            {"compression": "lzw"},
            {"compression": "lzw", "predictor": True},
            {"compression": "zlib", "predictor": True},
            {"compression": "zstd"},
            {"byteorder": ">"},
            {"planarconfig": "separate"},
            {"tile": (16, 16)},
            {"bigtiff": True},
            {"rowsperstrip": 3},
        ],
        ids=str,
    )
    @pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
    def test_layouts(self, tmp_path, options, dtype):
        path, samples = tmp_path / "layout.tif", noise(40, 50, dtype=dtype)
        stored = np.moveaxis(samples, -1, 0) if "planarconfig" in options else samples
        tifffile.imwrite(path, stored, photometric="rgb", **options)
        picture = read_image(path)
        full = np.iinfo(dtype).max
        assert picture.depth == samples.itemsize * 8
        assert np.array_equal(np.rint(picture.pixels * full), samples)

    @pytest.mark.parametrize("photometric", ["minisblack", "miniswhite"])
    def test_grey_of_16_bits(self, tmp_path, photometric):
        path, values = tmp_path / "grey.tif", noise(channels=1, dtype=np.uint16)[..., 0]
        tifffile.imwrite(path, values, photometric=photometric)
        expected = values if photometric == "minisblack" else 65535 - values
        assert np.array_equal(np.rint(read_image(path).pixels[..., 2] * 65535), expected)

    def test_premultiplied_alpha_is_divided_out(self, tmp_path):
        path = tmp_path / "premultiplied.tif"
        samples = np.full((4, 4, 4), (10000, 20000, 32768, 32768), np.uint16)
        tifffile.imwrite(path, samples, photometric="rgb", extrasamples=["assocalpha"])
        assert read_image(path).pixels[0, 0] == pytest.approx([10000 / 32768, 20000 / 32768, 1], abs=1e-4)

    def test_an_extra_channel_that_is_no_alpha_is_left_out(self, tmp_path):
        path, samples = tmp_path / "extra.tif", noise(channels=4, dtype=np.uint16)
        tifffile.imwrite(path, samples, photometric="rgb", extrasamples=["unspecified"])
        picture = read_image(path)
        assert picture.alpha is None
        assert np.array_equal(np.rint(picture.pixels * 65535), samples[..., :3])

    def test_floats_come_as_they_are_and_are_clipped(self, tmp_path):
        path, samples = tmp_path / "float.tif", smooth()
        samples[0, 0] = (-0.25, 0.5, 7)
        tifffile.imwrite(path, samples, photometric="rgb")
        picture = read_image(path)
        assert picture.depth == 16
        assert picture.pixels[0, 0].tolist() == [0, 0.5, 1]
        assert np.array_equal(picture.pixels[1:], samples[1:])

    def test_floats_of_another_scale_are_refused(self, tmp_path):
        path = tmp_path / "scale.tif"
        tifffile.imwrite(path, smooth() * 255, photometric="rgb")
        assert "scale.tif" in refusal(path)
        assert "above 1" in refusal(path)

    def test_nan_is_refused(self, tmp_path):
        path = tmp_path / "nan.tif"
        tifffile.imwrite(path, np.full((4, 4, 3), np.nan, np.float32), photometric="rgb")
        assert "nan.tif' holds NaN" in refusal(path)

    def test_signed_samples_are_refused(self, tmp_path):
        path = tmp_path / "signed.tif"
        tifffile.imwrite(path, np.zeros((4, 4, 3), np.int16), photometric="rgb")
        assert "int16" in refusal(path)

    def test_first_of_several_pages(self, tmp_path):
        path = tmp_path / "pages.tif"
        tifffile.imwrite(
            path, np.stack([np.full((8, 8, 3), v, np.uint16) for v in (65535, 0)]), photometric="rgb"
        )
        assert read_image(path).pixels.min() == 1

    def test_camera_raw_is_refused(self, tmp_path):
        path = tmp_path / "photo.dng"
        tifffile.imwrite(path, noise(), photometric="rgb", extratags=[(50706, 1, 4, (1, 4, 0, 0), True)])
        assert "raw" in refusal(path)


class TestModes:
    @pytest.mark.parametrize("mode", ["1", "L", "P", "RGB", "CMYK", "YCbCr", "HSV"])
    def test_opaque_modes_look_as_pillow_shows_them(self, mode):
        image = Image.fromarray(noise()).convert(mode)
        picture = from_pil(image)
        assert picture.alpha is None
        assert np.array_equal(np.rint(picture.pixels * 255), np.asarray(image.convert("RGB")))

    @pytest.mark.parametrize("mode", ["LA", "PA", "RGBA", "La", "RGBa"])
    def test_modes_with_alpha(self, mode):
        image = Image.new("LA", (4, 4), (90, 200))
        image = Image.new("PA", (4, 4), (9, 200)) if mode == "PA" else image
        image = (image.convert("RGBA") if mode == "RGBa" else image).convert(mode)
        assert np.unique(from_pil(image).alpha) == pytest.approx(200 / 255)

    @pytest.mark.parametrize("transparency", [3, bytes([255, 255, 255, 0])])
    def test_palette_with_transparency(self, tmp_path, transparency):
        indices = np.arange(16, dtype=np.uint8).reshape(4, 4) % 8
        image = Image.fromarray(indices).convert("P")
        image.putdata(indices.ravel().tolist())
        image.putpalette([v for i in range(8) for v in (i * 30, 255 - i, i)])
        path = tmp_path / "palette.png"
        image.save(path, transparency=transparency)
        picture = read_image(path)
        assert np.array_equal(picture.alpha == 0, indices == 3)
        assert np.array_equal(np.rint(picture.pixels[..., 0] * 255), indices * 30)

    def test_one_bit_png(self, tmp_path):
        path = tmp_path / "bits.png"
        Image.fromarray(np.eye(9, dtype=bool)).save(path)
        assert np.array_equal(read_image(path).pixels[..., 0], np.eye(9, dtype=np.float32))

    @pytest.mark.parametrize("mode", ["I;16", "I;16B", "I"])
    def test_deep_grey_modes(self, mode):
        values = np.array([[0, 1, 65535, 300]], np.uint16)
        image = Image.fromarray(values) if mode == "I;16" else Image.fromarray(values.astype(np.int32))
        image = image if image.mode == mode else image.convert(mode)
        picture = from_pil(image)
        assert picture.depth == 16
        assert np.rint(picture.pixels[0, :, 0] * 65535).tolist() == [0, 1, 65535, 300]

    def test_integers_beyond_16_bits_are_refused(self):
        with pytest.raises(ImageError, match="65535"):
            from_pil(Image.fromarray(np.array([[70000]], np.int32)))

    @pytest.mark.parametrize("extension", [".jpg", ".tif"])
    def test_cmyk_without_profile(self, tmp_path, extension):
        image = Image.new("CMYK", (16, 16), (255, 0, 0, 0))
        path = tmp_path / f"cmyk{extension}"
        image.save(path)
        assert read_image(path).pixels[8, 8] == pytest.approx([0, 1, 1], abs=0.02)

    def test_cmyk_with_profile_is_converted_by_it(self, tmp_path):
        image = Image.new("CMYK", (8, 8), (0, 255, 0, 0))
        path = tmp_path / "cmyk.tif"
        image.save(path, icc_profile=cmyk_profile())
        picture = read_image(path)
        expected = ImageCms.profileToProfile(
            image,
            ImageCms.ImageCmsProfile(io.BytesIO(cmyk_profile())),
            ImageCms.createProfile("sRGB"),
            1,
            "RGB",
        )
        assert picture.profile is None
        assert picture.pixels[4, 4] == pytest.approx(np.array(expected.getpixel((4, 4))) / 255, abs=0.01)
        assert np.abs(picture.pixels[4, 4] - (1, 0, 1)).max() > 0.1

    def test_damaged_cmyk_profile_is_passed_over(self, tmp_path):
        path = tmp_path / "cmyk.tif"
        Image.new("CMYK", (8, 8), (255, 0, 0, 0)).save(path, icc_profile=cmyk_profile()[:140])
        assert read_image(path).pixels[4, 4] == pytest.approx([0, 1, 1])

    @pytest.mark.parametrize("format", ["GIF", "WEBP", "PNG"])
    def test_first_frame_of_an_animation(self, tmp_path, format):
        path = tmp_path / "animation"
        frames = [Image.new("RGB", (8, 8), colour) for colour in ("red", "blue")]
        frames[0].save(path, format, save_all=True, append_images=frames[1:])
        with Image.open(path) as image:
            assert image.n_frames == 2
        assert read_image(path).pixels[4, 4] == pytest.approx([1, 0, 0], abs=0.02)

    @pytest.mark.parametrize("size", [(1, 1), (1, 4000), (4000, 1)])
    @pytest.mark.parametrize("extension", ALL)
    def test_thin_pictures(self, tmp_path, size, extension):
        path = tmp_path / f"thin{extension}"
        write_image(path, Picture(np.full((*size, 3), 0.5, np.float32)))
        assert read_image(path).pixels.shape == (*size, 3)

    def test_binary_file_object(self):
        file = io.BytesIO()
        Image.fromarray(noise()).save(file, "PNG")
        assert np.array_equal(np.rint(read_image(file).pixels * 255), noise())


class TestOrientation:
    @pytest.mark.parametrize("orientation", range(1, 9))
    @pytest.mark.parametrize("format", ["PNG", "TIFF", "WEBP", "JPEG"])
    def test_eight_bits_as_pillow_turns_them(self, tmp_path, orientation, format):
        path = tmp_path / "turned"
        options = {"WEBP": {"lossless": True}, "JPEG": {"quality": 100}}.get(format, {})
        Image.fromarray(noise()).save(path, format, exif=exif_block(orientation), **options)
        expected = np.asarray(ImageOps.exif_transpose(shown(path)).convert("RGB"))
        picture = read_image(path)
        assert np.array_equal(np.rint(picture.pixels * 255), expected)
        target = tmp_path / "again.png"
        write_image(target, picture)
        assert shown(target).getexif().get(0x0112, 1) == 1
        assert np.array_equal(np.asarray(shown(target)), expected)

    @pytest.mark.parametrize("orientation", range(1, 9))
    def test_sixteen_bits_turn_as_eight_do(self, tmp_path, orientation):
        path, samples = tmp_path / "turned.tif", noise(dtype=np.uint16)
        tifffile.imwrite(path, samples, photometric="rgb", extratags=[(0x0112, 3, 1, orientation, True)])
        image = Image.fromarray((samples >> 8).astype(np.uint8))
        image.getexif()[0x0112] = orientation
        expected = np.asarray(ImageOps.exif_transpose(image))
        assert np.array_equal(np.rint(read_image(path).pixels * 65535).astype(int) >> 8, expected)

    def test_orientation_of_a_16_bit_png(self, tmp_path):
        path, samples = tmp_path / "turned.png", noise(dtype=np.uint16)
        encoded = imagecodecs.png_encode(samples)
        path.write_bytes(encoded[:33] + chunk(b"eXIf", exif_block(3)[6:]) + encoded[33:])
        assert np.array_equal(np.rint(read_image(path).pixels * 65535), samples[::-1, ::-1])

    @pytest.mark.parametrize(
        "text", [b'<x tiff:Orientation="3"/>', b"<tiff:Orientation>3</tiff:Orientation>"]
    )
    @pytest.mark.parametrize("depth", [8, 16])
    def test_orientation_said_by_xmp_alone(self, tmp_path, depth, text):
        path = tmp_path / "turned.png"
        write_image(path, Picture(smooth(), depth=depth))
        encoded = path.read_bytes()
        path.write_bytes(encoded[:33] + chunk(b"iTXt", b"XML:com.adobe.xmp\0\0\0\0\0" + text) + encoded[33:])
        picture = read_image(path)
        assert picture.depth == depth
        assert picture.pixels == pytest.approx(smooth()[::-1, ::-1], abs=0.003)
        assert picture.xmp == text.replace(b"3", b"1")

    def test_alpha_turns_with_the_pixels(self, tmp_path):
        path, samples = tmp_path / "turned.png", noise(channels=4)
        Image.fromarray(samples).save(path, exif=exif_block(6))
        assert np.array_equal(np.rint(read_image(path).alpha * 255), np.rot90(samples[..., 3], -1))

    def test_orientation_in_xmp_is_reset_with_the_pixels(self):
        image = Image.fromarray(noise())
        image.info["xmp"] = b'<x tiff:Orientation="6" tiff:Make="Haar"/>'
        assert from_pil(image).xmp == b'<x tiff:Orientation="1" tiff:Make="Haar"/>'


class TestMetadata:
    @pytest.mark.parametrize("source", [".jpg", ".png", ".webp", ".tif", ".avif"])
    @pytest.mark.parametrize("target", ALL)
    def test_profile_exif_and_xmp_go_along(self, tmp_path, source, target):
        source, target, xmp = tmp_path / f"source{source}", tmp_path / f"target{target}", b"<x>\xc3\xa9</x>"
        text = PngImagePlugin.PngInfo()
        text.add_itxt("XML:com.adobe.xmp", xmp.decode())
        in_format = {"pnginfo": text} if source.suffix == ".png" else {"xmp": xmp}
        if source.suffix == ".tif":
            exif = Image.Exif()
            exif.load(exif_block())
            exif[700] = xmp
            in_format = {"exif": exif}
        Image.fromarray(noise()).save(source, **{"exif": exif_block(), "icc_profile": ADOBE_RGB} | in_format)
        picture = read_image(source)
        assert picture.profile == ADOBE_RGB
        write_image(target, picture)
        back = read_image(target)
        assert back.profile == ADOBE_RGB
        assert back.xmp == xmp
        assert entries(back.exif) == ("Haar", "2020:02:02 20:02:02", "N")

    @pytest.mark.parametrize("extension", LOSSLESS_DEEP)
    def test_they_go_along_at_16_bits(self, tmp_path, extension):
        path = tmp_path / f"deep{extension}"
        write_image(path, Picture(smooth(), depth=16, profile=ADOBE_RGB, exif=exif_block()[6:], xmp=b"<x/>"))
        back = read_image(path)
        assert (back.depth, back.profile, back.xmp) == (16, ADOBE_RGB, b"<x/>")
        assert entries(back.exif) == ("Haar", "2020:02:02 20:02:02", "N")

    def test_compressed_xmp_of_a_16_bit_png(self, tmp_path):
        path = tmp_path / "deep.png"
        write_image(path, Picture(smooth(), depth=16))
        encoded = path.read_bytes()
        packed = b"XML:com.adobe.xmp\0\1\0en\0\0" + zlib.compress(b"<x/>")
        path.write_bytes(encoded[:33] + chunk(b"iTXt", packed) + encoded[33:])
        assert read_image(path).xmp == b"<x/>"

    @pytest.mark.parametrize("extension", [".jpg", ".png", ".webp"])
    def test_other_bytes_of_exif_are_not_touched(self, tmp_path, extension):
        exif = Image.Exif()
        exif[0x010F] = "Haar"
        exif.get_ifd(0x8769)[0x927C] = b"maker\0note" * 9
        block = exif.tobytes()[6:]
        path = tmp_path / f"maker{extension}"
        write_image(path, Picture(smooth(), exif=block))
        assert read_image(path).exif == block

    def test_thumbnail_of_the_old_picture_is_unlinked(self):
        head = b"II\x2a\0\x08\0\0\0"
        first = struct.pack("<HHHLHHL", 1, 0x0112, 3, 1, 8, 0, 26)
        second = struct.pack("<HHHLHHL", 1, 0x0103, 3, 1, 6, 0, 0)
        image = Image.fromarray(noise())
        image.info["exif"] = b"Exif\0\0" + head + first + second
        exif = from_pil(image).exif
        assert exif[:22] == head + struct.pack("<HHHLHH", 1, 0x0112, 3, 1, 1, 0)
        assert exif[22:26] == b"\0\0\0\0"

    @pytest.mark.parametrize(
        "exif", [b"", b"junk", b"II\x2a\0\xff\xff\xff\xff", b"MM\0\x2a\0\0\0\x08\xff\xff"]
    )
    @pytest.mark.parametrize("extension", ALL)
    def test_damaged_exif_costs_no_picture(self, tmp_path, exif, extension):
        image = Image.fromarray(noise())
        image.info["exif"] = b"Exif\0\0" + exif
        picture = from_pil(image)
        assert picture.exif is None
        write_image(tmp_path / f"a{extension}", Picture(picture.pixels, exif=exif))

    def test_structure_of_a_tiff_is_not_taken_for_exif(self, tmp_path):
        source, target = tmp_path / "a.tif", tmp_path / "b.jpg"
        Image.fromarray(noise()).save(source, exif=exif_block())
        write_image(target, read_image(source))
        assert not {256, 257, 258, 273, 279} & set(shown(target).getexif())

    def test_profile_of_another_space_is_left_out(self, tmp_path):
        path = tmp_path / "wrong.png"
        Image.fromarray(noise()).save(path, icc_profile=bytes(imagecodecs.cms_profile("gray", gamma=1.8)))
        assert read_image(path).profile is None

    def test_more_exif_and_xmp_than_jpeg_holds(self, tmp_path):
        path = tmp_path / "much.jpg"
        exif = Image.Exif()
        exif[0x010E] = "x" * 70000
        with pytest.warns(UserWarning, match="64 KB") as notes:
            write_image(path, Picture(smooth(), exif=exif.tobytes()[6:], xmp=b"x" * 70000))
        assert len(notes) == 2
        assert (read_image(path).exif, read_image(path).xmp) == (None, None)

    @pytest.mark.parametrize("extension", [".png", ".webp", ".tif", ".avif"])
    def test_alpha_is_written_where_the_format_holds_it(self, tmp_path, extension):
        path, alpha = tmp_path / f"alpha{extension}", smooth()[..., 0]
        write_image(path, Picture(smooth(), alpha=alpha))
        assert read_image(path).alpha == pytest.approx(alpha, abs=0.03)

    def test_alpha_is_dropped_for_jpeg_with_a_warning(self, tmp_path):
        path = tmp_path / "alpha.jpg"
        with pytest.warns(UserWarning, match="alpha"):
            write_image(path, Picture(smooth(), alpha=np.zeros((32, 48), np.float32)))
        assert read_image(path).pixels == pytest.approx(smooth(), abs=0.05)

    def test_jpeg_is_not_subsampled(self, tmp_path):
        path = tmp_path / "full.jpg"
        write_image(path, Picture(smooth()))
        assert [layer[1:3] for layer in shown(path).layer] == [(1, 1)] * 3


class TestProfile:
    def test_colours_stay_when_taken_there_and_back(self):
        picture = Picture(smooth() * 0.8 + 0.1, depth=16)
        there = to_profile(picture, ADOBE_RGB)
        assert there.profile == ADOBE_RGB
        assert np.abs(there.pixels - picture.pixels).max() > 0.02
        assert to_profile(there, None).pixels == pytest.approx(picture.pixels, abs=1e-4)

    def test_agrees_with_pillow_at_8_bits(self):
        samples = noise()
        expected = ImageCms.profileToProfile(
            Image.fromarray(samples),
            ImageCms.createProfile("sRGB"),
            ImageCms.ImageCmsProfile(io.BytesIO(ADOBE_RGB)),
            ImageCms.Intent.RELATIVE_COLORIMETRIC,
        )
        converted = to_profile(Picture(samples.astype(np.float32) / 255), ADOBE_RGB)
        assert np.abs(converted.pixels * 255 - np.asarray(expected)).max() < 2

    def test_wide_colours_are_clipped_into_srgb(self):
        wide = Picture(np.full((1, 1, 3), (0, 1, 0), np.float32), profile=ADOBE_RGB)
        assert to_profile(wide, None).pixels[0, 0].tolist() == pytest.approx([0, 1, 0], abs=1e-3)

    def test_same_profile_is_no_work(self):
        picture = Picture(smooth(), profile=ADOBE_RGB)
        assert to_profile(picture, ADOBE_RGB) is picture

    def test_grey_profile_is_applied(self, tmp_path):
        path = tmp_path / "grey.png"
        Image.new("L", (4, 4), 128).save(path, icc_profile=bytes(imagecodecs.cms_profile("gray", gamma=1.0)))
        picture = read_image(path)
        srgb_of_half_light = 1.055 * (128 / 255) ** (1 / 2.4) - 0.055
        assert picture.profile is None
        assert picture.pixels[0, 0] == pytest.approx([srgb_of_half_light] * 3, abs=2e-3)

    @pytest.mark.parametrize("broken", [b"junk", ADOBE_RGB[:200], cmyk_profile()])
    def test_unusable_target_is_one_line(self, broken):
        with pytest.raises(ImageError, match="profile") as caught:
            to_profile(Picture(smooth()), broken)
        assert "\n" not in str(caught.value)

    def test_srgb_is_a_sound_profile(self):
        assert profile.colour_space(profile.srgb()) == "RGB"
        ImageCms.ImageCmsProfile(io.BytesIO(profile.srgb()))


class TestRefusals:
    @pytest.mark.parametrize("format", ["JPEG", "PNG", "TIFF", "WEBP", "AVIF", "GIF"])
    def test_truncated(self, tmp_path, format):
        path = tmp_path / "cut"
        Image.fromarray(noise(200, 200)).save(path, format)
        whole = path.read_bytes()
        for part in (20, len(whole) // 3, len(whole) * 9 // 10):
            path.write_bytes(whole[:part])
            assert str(path) in refusal(path)

    @pytest.mark.parametrize("extension", LOSSLESS_DEEP)
    @pytest.mark.parametrize("compressed", [False, True])
    def test_truncated_at_16_bits(self, tmp_path, capfd, extension, compressed):
        path = tmp_path / f"cut{extension}"
        if compressed and extension == ".tif":
            tifffile.imwrite(path, noise(200, 200, dtype=np.uint16), photometric="rgb", compression="lzw")
        else:
            write_image(path, Picture(noise(200, 200) / np.float32(255), depth=16))
        whole = path.read_bytes()
        for part in (20, len(whole) // 3, len(whole) * 9 // 10):
            path.write_bytes(whole[:part])
            refusal(path)
        assert capfd.readouterr().err == ""

    @pytest.mark.parametrize("extension", [".jpg", ".png", ".tif", ".webp", ".heic"])
    def test_empty(self, tmp_path, extension):
        path = tmp_path / f"empty{extension}"
        path.touch()
        assert "is empty" in refusal(path)

    @pytest.mark.parametrize(
        "content",
        [b"not a picture at all, dear reader", b"%PDF-1.7\n" * 9, b"%!PS-Adobe-3.0 EPSF-3.0\n", b"<svg/>"],
    )
    def test_wrong_kind(self, tmp_path, content):
        path = tmp_path / "text.jpg"
        path.write_bytes(content)
        assert "expected JPEG, PNG" in refusal(path)

    @pytest.mark.parametrize(
        "head", [b"\x89PNG\r\n\x1a\n", b"\xff\xd8\xff\xe0", b"II\x2a\0", b"RIFF\0\0\0\0WEBP", b"GIF89a"]
    )
    def test_signature_and_nothing_sound_behind(self, tmp_path, head):
        path = tmp_path / "junk"
        path.write_bytes(head + bytes(range(256)))
        refusal(path)

    def test_missing(self, tmp_path):
        assert "does not exist" in refusal(tmp_path / "none.jpg")

    def test_folder(self, tmp_path):
        assert "is a folder" in refusal(tmp_path)

    def test_below_a_file(self, tmp_path):
        (tmp_path / "file").touch()
        refusal(tmp_path / "file" / "a.jpg")

    @pytest.mark.skipif(os.geteuid() == 0, reason="root may read everything")
    def test_not_permitted(self, tmp_path):
        path = tmp_path / "secret.png"
        Image.fromarray(noise()).save(path)
        path.chmod(0)
        assert "permissions" in refusal(path)

    def test_bomb(self, tmp_path):
        path = tmp_path / "bomb.png"
        header = chunk(b"IHDR", struct.pack(">LLBBBBB", 60000, 60000, 8, 2, 0, 0, 0))
        path.write_bytes(
            b"\x89PNG\r\n\x1a\n" + header + chunk(b"IDAT", zlib.compress(b"\0")) + chunk(b"IEND", b"")
        )
        assert path.stat().st_size < 100
        line = refusal(path)
        assert "60000 x 60000" in line
        assert "max_pixels" in line

    def test_bomb_of_16_bits(self, tmp_path):
        path = tmp_path / "bomb.png"
        header = chunk(b"IHDR", struct.pack(">LLBBBBB", 60000, 60000, 16, 2, 0, 0, 0))
        path.write_bytes(b"\x89PNG\r\n\x1a\n" + header + chunk(b"IDAT", zlib.compress(b"\0")))
        assert "60000 x 60000" in refusal(path)

    def test_bomb_in_a_deep_tiff(self, tmp_path):
        path = tmp_path / "bomb.tif"
        tifffile.imwrite(path, noise(dtype=np.uint16), photometric="rgb")
        with tifffile.TiffFile(path, mode="r+") as document:
            for tag in ("ImageWidth", "ImageLength"):
                document.pages[0].tags[tag].overwrite(60000)
        assert "60000 x 60000" in refusal(path)

    def test_limit_is_the_callers(self, tmp_path):
        path = tmp_path / "small.png"
        Image.fromarray(noise(10, 10)).save(path)
        assert read_image(path, max_pixels=100).pixels.shape == (10, 10, 3)
        refusal(path, max_pixels=99)

    def test_pillows_own_limit_is_neither_used_nor_changed(self, tmp_path, monkeypatch):
        path = tmp_path / "plain.png"
        Image.fromarray(noise()).save(path)
        monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 10)
        assert read_image(path).pixels.shape == (13, 17, 3)
        assert Image.MAX_IMAGE_PIXELS == 10

    def test_heic_without_its_extra_says_which(self, tmp_path, monkeypatch):
        monkeypatch.setitem(sys.modules, "pi_heif", None)
        monkeypatch.delitem(Image.OPEN, "HEIF", raising=False)
        path = tmp_path / "photo.heic"
        path.write_bytes(b"\0\0\0\x18ftypheic\0\0\0\0mif1heic" + bytes(64))
        assert "haarmony[heif]" in refusal(path)

    def test_names_beyond_ascii_and_with_line_breaks(self, tmp_path):
        path = tmp_path / "Größe 写真\n.png"
        write_image(path, Picture(smooth()))
        assert read_image(path).depth == 8
        path.write_bytes(b"")
        assert "写真" in refusal(path)

    @given(data=st.data())
    def test_damaged_bytes_are_read_or_refused_in_one_line(self, data):
        kind = data.draw(st.sampled_from(sorted(DAMAGED)))
        content = bytearray(DAMAGED[kind])
        for _ in range(data.draw(st.integers(1, 4))):
            content[data.draw(st.integers(0, len(content) - 1))] = data.draw(st.integers(0, 255))
        try:
            pixels = read_image(io.BytesIO(content), max_pixels=10**7).pixels
        except ImageError as error:
            line = str(error)
        else:
            line = ""
            assert pixels.min() >= 0
            assert pixels.max() <= 1
        assert "\n" not in line


def _sound_files():
    files = {}
    for format in ("JPEG", "PNG", "TIFF", "WEBP", "GIF"):
        file = io.BytesIO()
        Image.fromarray(noise()).save(file, format, exif=exif_block())
        files[format] = file.getvalue()
    files["deep PNG"] = imagecodecs.png_encode(noise(dtype=np.uint16))
    file = io.BytesIO()
    tifffile.imwrite(file, noise(dtype=np.uint16), photometric="rgb", compression="lzw")
    files["deep TIFF"] = file.getvalue()
    return files


DAMAGED = _sound_files()


class TestWriting:
    def test_a_picture_saves_itself_as_write_image_does(self, tmp_path):
        picture = Picture(smooth(), depth=16)
        picture.save(tmp_path / "saved.png")
        write_image(tmp_path / "written.png", picture)
        assert (tmp_path / "saved.png").read_bytes() == (tmp_path / "written.png").read_bytes()

    @pytest.mark.parametrize("name", ["a", "a.txt", "a.heic", "a.gif", ".png"])
    def test_unknown_extension(self, tmp_path, name):
        for attempt in (check_writable, lambda path: write_image(path, Picture(smooth()))):
            with pytest.raises(ImageError, match="end the name in one of") as caught:
                attempt(tmp_path / name)
            assert "\n" not in str(caught.value)

    def test_capital_extension(self, tmp_path):
        write_image(tmp_path / "A.PNG", Picture(smooth()))
        assert read_image(tmp_path / "A.PNG").pixels.shape == (32, 48, 3)

    @pytest.mark.parametrize("attempt", ["check", "write"])
    @pytest.mark.parametrize(
        ("place", "words"),
        [("none/a.png", "does not exist"), ("file/a.png", "does not exist"), ("folder.png", "is a folder")],
    )
    def test_unwritable(self, tmp_path, place, words, attempt):
        (tmp_path / "file").touch()
        (tmp_path / "folder.png").mkdir()
        path = tmp_path / place
        with pytest.raises(ImageError, match=words) as caught:
            check_writable(path) if attempt == "check" else write_image(path, Picture(smooth()))
        assert "\n" not in str(caught.value)
        assert sorted(entry.name for entry in tmp_path.iterdir()) == ["file", "folder.png"]

    def test_folder_that_takes_no_files(self):
        with pytest.raises(ImageError, match=r"/proc/a\.png"):
            check_writable("/proc/a.png")

    def test_device_is_not_replaced(self, tmp_path):
        path = tmp_path / "null.png"
        path.symlink_to("/dev/null")
        with pytest.raises(ImageError, match="not a regular file"):
            write_image(path, Picture(smooth()))

    def test_check_leaves_nothing_behind(self, tmp_path):
        check_writable(tmp_path / "a.png", size=(32, 48))
        assert list(tmp_path.iterdir()) == []

    @pytest.mark.parametrize("extension", [".webp", ".jpg", ".avif"])
    def test_side_longer_than_the_format_holds(self, tmp_path, extension):
        with pytest.raises(ImageError, match=r"write \.png"):
            check_writable(tmp_path / f"long{extension}", size=(1, 70000))

    @pytest.mark.parametrize("extension", ALL)
    @pytest.mark.parametrize("old", [b"old", None])
    def test_full_disk_leaves_the_old_file_whole(self, tmp_path, extension, old):
        path = tmp_path / f"a{extension}"
        if old:
            path.write_bytes(old)
        soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
        resource.setrlimit(resource.RLIMIT_FSIZE, (1000, hard))
        try:
            with pytest.raises(ImageError, match="cannot be written") as caught:
                write_image(path, Picture(noise(100, 100) / np.float32(255)))
        finally:
            resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
        assert "\n" not in str(caught.value)
        assert [entry.read_bytes() for entry in tmp_path.iterdir()] == ([old] if old else [])

    @pytest.mark.parametrize("stop", [KeyboardInterrupt, SystemExit])
    def test_interrupt_leaves_the_old_file_whole(self, tmp_path, monkeypatch, stop):
        path = tmp_path / "a.png"
        path.write_bytes(b"old")

        def interrupted(file, *args, **kwargs):
            file.write(b"half")
            raise stop

        monkeypatch.setattr("haarmony.media.png.write", interrupted)
        with pytest.raises(stop):
            write_image(path, Picture(smooth()))
        assert [entry.read_bytes() for entry in tmp_path.iterdir()] == [b"old"]

    def test_existing_file_is_replaced_and_a_link_followed(self, tmp_path):
        target, link = tmp_path / "target.png", tmp_path / "link.png"
        target.write_bytes(b"old")
        link.symlink_to(target)
        write_image(link, Picture(smooth()))
        assert link.is_symlink()
        assert read_image(target).pixels.shape == (32, 48, 3)

    def test_same_picture_gives_the_same_bytes(self, tmp_path):
        for extension in ALL:
            one, two = tmp_path / f"1{extension}", tmp_path / f"2{extension}"
            write_image(one, Picture(smooth(), profile=ADOBE_RGB))
            write_image(two, Picture(smooth(), profile=ADOBE_RGB))
            assert one.read_bytes() == two.read_bytes()

    @pytest.mark.parametrize(
        "picture",
        [
            Picture(np.zeros((4, 4), np.float32)),
            Picture(np.zeros((4, 0, 3), np.float32)),
            Picture(np.zeros((4, 4, 4), np.float32)),
            Picture(np.zeros((4, 4, 3), np.float32), alpha=np.zeros((4, 5), np.float32)),
            Picture(np.full((4, 4, 3), np.nan, np.float32)),
            Picture(np.zeros((4, 4, 3), np.float32), depth=10),
            Picture(np.zeros((4, 4, 3), np.uint8)),
            Picture(np.zeros((4, 4, 3), np.float32).tolist()),
            Picture(np.zeros((4, 4, 3), np.float32), alpha=np.zeros((4, 4), np.uint8)),
            np.zeros((4, 4, 3), np.float32),
            Image.new("RGB", (4, 4)),
            None,
        ],
    )
    def test_arrays_that_are_no_picture(self, tmp_path, picture):
        with pytest.raises(InputError):
            write_image(tmp_path / "a.tif", picture)
        assert list(tmp_path.iterdir()) == []

    def test_a_profile_is_no_name(self):
        with pytest.raises(InputError, match="bytes of an ICC profile, or None for sRGB, got 'sRGB'"):
            Picture(np.zeros((4, 4, 3), np.float32), profile="sRGB")

    def test_pillow_image_there_and_back(self):
        image = Image.fromarray(noise(channels=4))
        image.info["icc_profile"] = ADOBE_RGB
        back = to_pil(from_pil(image))
        assert back.mode == "RGBA"
        assert np.array_equal(np.asarray(back), noise(channels=4))
        assert back.info["icc_profile"] == ADOBE_RGB


def test_no_warning_of_the_libraries_leaks(tmp_path):
    path = tmp_path / "odd.tif"
    Image.fromarray(noise()).save(path, tiffinfo={270: "x"})
    content = bytearray(path.read_bytes())
    content += bytes(40)
    path.write_bytes(content)
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        read_image(path)
    assert caught == []
