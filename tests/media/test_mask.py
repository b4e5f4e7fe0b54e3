import os
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from haarmony.errors import ImageError, InputError
from haarmony.media.mask import CODES, LEAST_REGION, Mask, as_mask, pair_masks, read_mask

pytestmark = pytest.mark.filterwarnings("error")

HEIGHT, WIDTH = 60, 80


def painted(*colours):
    """Return vertical bands of RGB colours."""
    bands = np.array(colours, np.uint8)[np.arange(WIDTH) * len(colours) // WIDTH]
    return np.broadcast_to(bands, (HEIGHT, WIDTH, 3)).copy()


def bands(count):
    return np.broadcast_to(np.arange(WIDTH) * count // WIDTH, (HEIGHT, WIDTH))


def save(path, samples, **options):
    (samples if isinstance(samples, Image.Image) else Image.fromarray(samples)).save(path, **options)
    return path


class TestReading:
    def test_palette_names_index_and_colour(self, tmp_path):
        image = Image.new("P", (2, 2))
        image.putdata([2, 0, 5, 2])
        image.putpalette([0, 0, 0, 1, 1, 1, 128, 0, 0, 3, 3, 3, 4, 4, 4, 0, 128, 0])
        mask = read_mask(save(tmp_path / "m.png", image))
        assert mask.names == ("0 (#000000)", "2 (#800000)", "5 (#008000)")
        assert mask.values.tolist() == [[1, 0], [2, 1]]
        assert mask.values.dtype == np.int64

    def test_flat_colours_of_any_palette(self, tmp_path):
        mask = read_mask(save(tmp_path / "m.png", painted((70, 130, 180), (128, 64, 128), (255, 0, 0))))
        assert set(mask.names) == {"#4682b4", "#804080", "red"}
        assert [mask.names[label] for label in mask.values[0, [0, 40, 79]]] == ["#4682b4", "#804080", "red"]

    def test_all_nine_codes(self, tmp_path):
        colours = [(code >> 16, code >> 8 & 255, code & 255) for code in CODES.values()]
        mask = read_mask(save(tmp_path / "m.png", painted(*colours)))
        assert mask.names == tuple(CODES)
        assert np.array_equal(mask.values, bands(9))

    def test_soft_edges_and_noise_are_no_regions(self, tmp_path):
        large = painted((0, 0, 0), (255, 255, 255), (255, 0, 0)).repeat(8, axis=0).repeat(8, axis=1)
        edge = np.flatnonzero((np.diff(large[0].astype(int), axis=0) != 0).any(axis=-1))
        noisy = large.astype(int)
        noisy[:, edge] = (noisy[:, edge] + noisy[:, edge + 1]) // 2
        noisy += np.random.default_rng(3).integers(-6, 7, noisy.shape)
        mask = read_mask(save(tmp_path / "m.png", np.clip(noisy, 0, 255).astype(np.uint8)))
        assert mask.names == ("black", "red", "white")
        away = np.delete(mask.values, edge, axis=1)
        assert np.array_equal(away, np.delete(bands(3).repeat(8, 0).repeat(8, 1), edge, axis=1) * 2 % 3)

    def test_small_region_of_a_clean_mask_is_kept(self, tmp_path):
        samples = painted((0, 0, 0), (255, 0, 0))
        samples[0, 0] = (0, 0, 255)
        mask = read_mask(save(tmp_path / "m.png", samples))
        assert mask.names == ("black", "blue", "red")
        assert (mask.values == 1).sum() == 1 < LEAST_REGION * samples.size

    def test_region_of_another_colour_is_not_taken_for_a_code(self, tmp_path):
        samples = painted((0, 0, 0), (255, 0, 0))
        samples[:10, :10] = (200, 30, 0)
        assert "#c81e00" in read_mask(save(tmp_path / "m.png", samples)).names

    @pytest.mark.parametrize("full", [255, 65535])
    def test_grey_is_soft(self, tmp_path, full):
        dtype = np.uint8 if full == 255 else np.uint16
        white = np.linspace(0, full, HEIGHT * WIDTH).reshape(HEIGHT, WIDTH).astype(dtype)
        mask = read_mask(save(tmp_path / "m.png", white))
        assert mask.is_soft
        assert mask.names == ("black", "white")
        assert mask.values.dtype == np.float32
        assert mask.values[1] == pytest.approx(white / full, abs=1e-6)
        assert mask.values.sum(axis=0) == pytest.approx(1, abs=1e-6)

    @pytest.mark.parametrize("mode", ["1", "L", "RGB", "LA", "RGBA"])
    def test_black_and_white_are_the_same_in_every_mode(self, tmp_path, mode):
        image = Image.fromarray(painted((0, 0, 0), (255, 255, 255))).convert(mode)
        mask = read_mask(save(tmp_path / "m.png", image))
        assert mask.names == ("black", "white")
        assert np.array_equal(mask.values, bands(2))

    def test_orientation_is_applied(self, tmp_path):
        exif = Image.Exif()
        exif[0x0112] = 6
        path = save(tmp_path / "m.png", painted((0, 0, 0), (255, 0, 0)), exif=exif)
        mask = read_mask(path, size=(WIDTH, HEIGHT))
        assert np.array_equal(mask.values, np.rot90(bands(2), -1))

    def test_label_numbers_in_grey_are_refused(self, tmp_path):
        path = save(tmp_path / "m.png", bands(5).astype(np.uint8))
        with pytest.raises(ImageError, match="palette"):
            read_mask(path)

    def test_photo_is_refused(self, tmp_path):
        photo = np.random.default_rng(1).integers(0, 256, (HEIGHT, WIDTH, 3)).astype(np.uint8)
        with pytest.raises(ImageError, match="flat colours") as caught:
            read_mask(save(tmp_path / "m.png", photo))
        assert "\n" not in str(caught.value)

    def test_transparent_pixels_are_refused(self, tmp_path):
        image = Image.fromarray(painted((0, 0, 0), (255, 0, 0)))
        image.putalpha(100)
        with pytest.raises(ImageError, match="transparent"):
            read_mask(save(tmp_path / "m.png", image))

    def test_cmyk_is_refused(self, tmp_path):
        with pytest.raises(ImageError, match="CMYK"):
            read_mask(save(tmp_path / "m.tif", Image.new("CMYK", (8, 8))))

    def test_another_size_is_refused(self, tmp_path):
        path = save(tmp_path / "m.png", painted((0, 0, 0)))
        assert read_mask(path, size=(HEIGHT, WIDTH)).size == (HEIGHT, WIDTH)
        with pytest.raises(ImageError, match="80 x 60 pixels, its picture 60 x 80"):
            read_mask(path, size=(WIDTH, HEIGHT))

    def test_missing_and_damaged(self, tmp_path):
        with pytest.raises(ImageError, match="does not exist"):
            read_mask(tmp_path / "none.png")
        path = save(tmp_path / "m.png", painted((0, 0, 0), (255, 0, 0)))
        path.write_bytes(path.read_bytes()[:60])
        with pytest.raises(ImageError):
            read_mask(path)


class TestArrays:
    def test_labels_become_dense(self):
        mask = as_mask([[7, 7], [30, 2]])
        assert mask.names == ("2", "7", "30")
        assert mask.values.tolist() == [[1, 1], [2, 0]]

    def test_booleans(self):
        mask = as_mask(np.eye(3, dtype=bool))
        assert mask.names == ("0", "1")
        assert np.array_equal(mask.values, np.eye(3))

    def test_one_weight(self):
        mask = as_mask(np.array([[0.25, 1.0]]))
        assert mask.is_soft
        assert mask.values[:, 0, 0].tolist() == [0.75, 0.25]

    def test_weights_of_all_labels(self):
        weights = np.random.default_rng(0).dirichlet([1, 1, 1], (4, 5)).transpose(2, 0, 1)
        mask = as_mask(weights, size=(4, 5))
        assert mask.names == ("0", "1", "2")
        assert mask.values == pytest.approx(weights, abs=1e-6)

    @pytest.mark.parametrize(
        ("array", "words"),
        [
            (np.zeros(4), "shape"),
            (np.zeros((0, 4)), "shape"),
            (np.zeros((1, 2, 3, 4)), "shape"),
            (np.zeros((2, 3, 4), int), "floats"),
            (np.array([[-1, 0]]), "0 or more"),
            (np.array([[0.5, np.nan]]), "finite"),
            (np.array([[0.5, 1.5]]), r"\[0, 1\]"),
            (np.full((2, 3, 3), 0.7), "sum to one"),
            (np.array([["a"]]), "integers or floats"),
        ],
    )
    def test_refused(self, array, words):
        with pytest.raises(InputError, match=words) as caught:
            as_mask(array)
        assert "\n" not in str(caught.value)

    def test_another_size_is_refused(self):
        with pytest.raises(InputError, match="3 x 2 pixels, its picture 2 x 3"):
            as_mask(np.zeros((2, 3), int), size=(3, 2))


class TestPairing:
    def test_same_names_get_the_same_labels(self):
        content = Mask(("red", "blue"), np.array([[0, 1]]))
        style = Mask(("blue", "green", "red"), np.array([[0, 1, 2]]))
        one, two = pair_masks(content, style)
        assert one.names == two.names == ("red", "blue", "green")
        assert one.values.tolist() == [[0, 1]]
        assert two.values.tolist() == [[1, 2, 0]]

    def test_hard_with_soft_is_soft(self):
        content = Mask(("white", "black"), np.array([[0, 1, 1]]))
        style = Mask(("black", "white"), np.array([[[0.25, 1]], [[0.75, 0]]], np.float32))
        one, two = pair_masks(content, style)
        assert one.values.tolist() == [[[1, 0, 0]], [[0, 1, 1]]]
        assert two.values.tolist() == [[[0.75, 0]], [[0.25, 1]]]

    def test_region_that_the_style_lacks_is_named(self):
        with pytest.raises(InputError, match="content mask has sky, sea, the style mask only red"):
            pair_masks(Mask(("sky", "sea"), np.array([[0, 1]])), Mask(("red",), np.array([[0]])))

    def test_palettes_in_another_order_do_not_pair(self, tmp_path):
        masks = []
        for name, palette in (("a", [255, 0, 0, 0, 0, 255]), ("b", [0, 0, 255, 255, 0, 0])):
            image = Image.new("P", (2, 1))
            image.putdata([0, 1])
            image.putpalette(palette)
            masks.append(read_mask(save(tmp_path / f"{name}.png", image)))
        with pytest.raises(InputError, match="0 \\(#ff0000\\)"):
            pair_masks(*masks)


@pytest.mark.data
@pytest.mark.skipif("HAARMONY_DATA" not in os.environ, reason="HAARMONY_DATA names no folder of material")
@pytest.mark.parametrize(
    ("pair", "names"),
    [
        ("00", 4),
        ("14", ("black", "white")),
        ("17", ("black", "white")),
        ("34", ("black", "red", "white")),
        ("58", ("black", "red", "yellow")),
    ],
)
def test_published_masks_are_read_without_spurious_regions(pair, names):
    folder = Path(os.environ["HAARMONY_DATA"]) / "pairs" / pair
    masks = pair_masks(read_mask(folder / "content_mask.png"), read_mask(folder / "style_mask.png"))
    for mask in masks:
        assert len(mask.names) == names if pair == "00" else mask.names == names
