import io
from pathlib import Path

import numpy as np
import pytest
import tifffile
from numpy.typing import NDArray
from PIL import Image

from haarmony.errors import ImageError
from haarmony.media import source as module
from haarmony.media.image import read_image
from haarmony.media.source import open_source, unit

LAYOUTS = {
    "one piece": {},
    "strips": {"rowsperstrip": 7},
    "big-endian": {"byteorder": ">"},
    "deflate": {"compression": "zlib", "rowsperstrip": 16, "predictor": True},
    "lzw": {"compression": "lzw", "rowsperstrip": 33},
    "tiles": {"compression": "zlib", "tile": (32, 48)},
    "plain tiles": {"tile": (16, 16)},
    "planes": {"planarconfig": "separate"},
    "one compressed piece": {"compression": "zlib"},
}


@pytest.fixture
def in_parts(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "IN_MEMORY", 0)


def samples(channels: int, dtype: str) -> NDArray[np.uint16]:
    return np.random.default_rng(0).integers(0, np.iinfo(dtype).max + 1, (97, 70, channels)).astype(dtype)


@pytest.mark.usefixtures("in_parts")
@pytest.mark.parametrize("dtype", ["uint8", "uint16"])
@pytest.mark.parametrize("channels", [3, 4])
@pytest.mark.parametrize("layout", LAYOUTS)
def test_bands_of_a_tiff_are_its_rows(tmp_path: Path, layout: str, channels: int, dtype: str) -> None:
    wanted = samples(channels, dtype)
    tifffile.imwrite(
        tmp_path / "a.tif",
        np.moveaxis(wanted, -1, 0) if layout == "planes" else wanted,
        photometric="rgb",
        extrasamples=["unassalpha"][: channels - 3],
        **LAYOUTS[layout],
    )
    with open_source(tmp_path / "a.tif") as opened:
        header = opened.header
        assert (header.height, header.width, header.has_alpha) == (97, 70, channels == 4)
        assert header.depth == wanted.itemsize * 8
        for top, bottom in ((0, 97), (0, 1), (5, 40), (32, 64), (96, 97)):
            band = opened.read(top, bottom)
            assert band.dtype == wanted.dtype
            np.testing.assert_array_equal(band, wanted[top:bottom])


@pytest.mark.usefixtures("in_parts")
def test_a_file_in_parts_is_not_read_whole(tmp_path: Path) -> None:
    class Counting(io.FileIO):
        def read(self, size: int = -1) -> bytes:
            counts.append(size)
            return super().read(size)

    counts: list[int] = []
    wanted = np.tile(samples(3, "uint16"), (10, 10, 1))
    tifffile.imwrite(tmp_path / "a.tif", wanted, photometric="rgb", rowsperstrip=8)
    with Counting(tmp_path / "a.tif", "rb") as file, open_source(file) as opened:
        opened.read(100, 120)
        assert min(counts) >= 0
        assert sum(counts) < wanted.nbytes / 4


@pytest.mark.usefixtures("in_parts")
def test_an_alpha_that_is_premultiplied_and_a_turned_picture_are_read_whole(tmp_path: Path) -> None:
    wanted = samples(4, "uint16")
    tifffile.imwrite(tmp_path / "a.tif", wanted, photometric="rgb", extrasamples=["assocalpha"])
    tifffile.imwrite(
        tmp_path / "b.tif", wanted[..., :3], photometric="rgb", extratags=[(274, "H", 1, 6, True)]
    )
    with open_source(tmp_path / "a.tif") as opened:
        assert (opened.read(0, 97)[..., :3] >= wanted[..., :3]).all()
    with open_source(tmp_path / "b.tif") as opened:
        assert (opened.header.height, opened.header.width) == (70, 97)
        np.testing.assert_array_equal(opened.read(0, 70), np.rot90(wanted[..., :3], -1))


@pytest.mark.usefixtures("in_parts")
@pytest.mark.parametrize("compression", [None, "zlib"])
def test_a_truncated_file_is_one_line_where_it_ends(tmp_path: Path, compression: str | None) -> None:
    path = tmp_path / "a.tif"
    tifffile.imwrite(path, samples(3, "uint16"), photometric="rgb", rowsperstrip=8, compression=compression)
    with path.open("r+b") as file:
        file.truncate(path.stat().st_size * 2 // 3)
    with open_source(path) as opened:
        opened.read(0, 8)
        with pytest.raises(ImageError, match="cannot be read") as error:
            opened.read(80, 97)
    assert "\n" not in str(error.value)


def test_errors_of_the_caller_are_not_told_as_the_file_s(tmp_path: Path) -> None:
    Image.new("RGB", (4, 4)).save(tmp_path / "a.png")
    with pytest.raises(ZeroDivisionError), open_source(tmp_path / "a.png"):
        raise ZeroDivisionError


@pytest.mark.parametrize("name", ["a.png", "a.jpg", "a.webp"])
def test_bands_of_other_formats_are_those_of_the_picture(tmp_path: Path, name: str) -> None:
    Image.fromarray(samples(3, "uint8")).save(tmp_path / name)
    whole = read_image(tmp_path / name).pixels
    with open_source(tmp_path / name) as opened:
        np.testing.assert_array_equal(unit(opened.read(11, 60)), whole[11:60])
