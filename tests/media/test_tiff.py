from pathlib import Path

import numpy as np
import pytest
import tifffile
from numpy.typing import NDArray
from PIL import Image

from haarmony.errors import ImageError
from haarmony.media import source as module
from haarmony.media.source import open_source

COMPRESSIONS = {
    "none": {},
    "packbits": {"compression": "packbits"},
    **{
        f"{name}{' with predictor' * predictor}": {"compression": name, "predictor": predictor}
        for name in ("lzw", "zlib", "zstd")
        for predictor in (False, True)
    },
}
LAYOUTS = {
    "strips": {"rowsperstrip": 24},
    "tiles": {"tile": (32, 48)},
    "planes": {"planarconfig": "separate", "rowsperstrip": 24},
    "big-endian": {"byteorder": ">", "rowsperstrip": 24},
    "big-endian BigTIFF": {"byteorder": ">", "bigtiff": True, "rowsperstrip": 24},
    "BigTIFF": {"bigtiff": True, "rowsperstrip": 24},
}


@pytest.fixture(params=["whole", "in parts"], autouse=True)
def limit(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    if request.param == "in parts":
        monkeypatch.setattr(module, "IN_MEMORY", 0)


def smooth(channels: int = 3, dtype: str = "uint8") -> NDArray[np.uint16]:
    rows, columns, channel = np.ogrid[:97, :70, :channels]
    unit = (np.sin(rows / 9 + channel) * np.cos(columns / 7) + 1) / 2
    return np.rint(unit * np.iinfo(dtype).max).astype(dtype)


def bands(path: Path) -> NDArray[np.uint16]:
    with open_source(path) as opened:
        return np.concatenate([opened.read(top, min(top + 20, 97)) for top in range(0, 97, 20)])


@pytest.mark.parametrize("dtype", ["uint8", "uint16"])
@pytest.mark.parametrize("compression", COMPRESSIONS)
@pytest.mark.parametrize("layout", LAYOUTS)
def test_every_lossless_layout(tmp_path: Path, layout: str, compression: str, dtype: str) -> None:
    path, wanted = tmp_path / "a.tif", smooth(dtype=dtype)
    tifffile.imwrite(
        path,
        np.moveaxis(wanted, -1, 0) if layout == "planes" else wanted,
        photometric="rgb",
        **COMPRESSIONS[compression],
        **LAYOUTS[layout],
    )
    found = bands(path)
    assert found.dtype == wanted.dtype
    np.testing.assert_array_equal(found, wanted)


@pytest.mark.parametrize("options", [{}, {"tile": (32, 48)}, {"rowsperstrip": 16}], ids=str)
@pytest.mark.parametrize("photometric", ["rgb", "ycbcr"])
def test_jpeg_within(tmp_path: Path, photometric: str, options: dict[str, object]) -> None:
    path = tmp_path / "a.tif"
    tifffile.imwrite(path, smooth(), photometric=photometric, compression="jpeg", **options)
    np.testing.assert_array_equal(bands(path), tifffile.imread(path))


@pytest.mark.parametrize("mode", ["RGB", "YCbCr"])
@pytest.mark.parametrize("strip", [16 * 210, 1 << 16])
def test_jpeg_within_whose_tables_stand_apart(tmp_path: Path, mode: str, strip: int) -> None:
    path = tmp_path / "a.tif"
    Image.fromarray(smooth()).convert(mode).save(path, compression="jpeg", strip_size=strip)
    with tifffile.TiffFile(path) as document:
        assert document.pages.first.jpegtables
        assert document.pages.first.photometric.name == mode.upper()
    with Image.open(path) as shown:
        np.testing.assert_array_equal(bands(path), np.asarray(shown.convert("RGB")))


def test_bits_of_a_byte_in_the_other_order(tmp_path: Path) -> None:
    path, wanted = tmp_path / "a.tif", smooth()
    reversed_bits = np.packbits(np.unpackbits(wanted[..., None], axis=-1)[..., ::-1], axis=-1)[..., 0]
    Image.fromarray(reversed_bits).save(path, tiffinfo={266: 2})
    np.testing.assert_array_equal(bands(path), wanted)


@pytest.mark.parametrize("dtype", ["uint8", "uint16"])
@pytest.mark.parametrize("photometric", ["minisblack", "miniswhite"])
def test_grey_of_a_big_endian_bigtiff(tmp_path: Path, photometric: str, dtype: str) -> None:
    path, grey = tmp_path / "a.tif", smooth(1, dtype)
    tifffile.imwrite(path, grey[..., 0], photometric=photometric, bigtiff=True, byteorder=">")
    wanted = grey if photometric == "minisblack" else np.iinfo(dtype).max - grey
    np.testing.assert_array_equal(bands(path), np.repeat(wanted, 3, axis=-1))


def test_premultiplied_alpha_of_a_big_endian_bigtiff(tmp_path: Path) -> None:
    path, stored = tmp_path / "a.tif", np.full((97, 70, 4), (50, 100, 128, 128), np.uint8)
    tifffile.imwrite(
        path, stored, photometric="rgb", extrasamples=["assocalpha"], bigtiff=True, byteorder=">"
    )
    assert bands(path)[0, 0].tolist() == [100, 199, 255, 128]


def test_a_big_endian_bigtiff_is_turned_upright(tmp_path: Path) -> None:
    path, wanted = tmp_path / "a.tif", smooth()
    turned = [(274, "H", 1, 3, True)]
    tifffile.imwrite(path, wanted, photometric="rgb", bigtiff=True, byteorder=">", extratags=turned)
    np.testing.assert_array_equal(bands(path), wanted[::-1, ::-1])


def test_colours_of_a_big_endian_bigtiff_that_are_not_read_are_one_line(tmp_path: Path) -> None:
    path = tmp_path / "a.tif"
    tifffile.imwrite(
        path,
        smooth(1)[..., 0],
        photometric="palette",
        colormap=np.zeros((3, 256), np.uint16),
        bigtiff=True,
        byteorder=">",
    )
    with pytest.raises(ImageError, match="not a picture that can be read") as error:
        bands(path)
    assert "\n" not in str(error.value)
