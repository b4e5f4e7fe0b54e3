import imagecodecs
import numpy as np
import pytest

from haarmony.errors import ImageError, InputError
from haarmony.media.image import Picture, read_image
from haarmony.media.lut import Lut, identity
from haarmony.pipelines.lut_over_file import apply_to_file

ADOBE = bytes(imagecodecs.cms_profile("adobergb"))


@pytest.fixture
def look():
    return Lut((identity(17) ** 2).astype(np.float32), space="sRGB")


def deep(path, icc=None):
    rng = np.random.default_rng(0)
    pixels, alpha = rng.random((40, 31, 3), np.float32), rng.random((40, 31), np.float32)
    Picture(pixels, alpha=alpha, depth=16, profile=icc).save(path)
    return path


@pytest.mark.filterwarnings("ignore::haarmony.errors.HaarmonyWarning")
@pytest.mark.parametrize("icc", [None, ADOBE])
@pytest.mark.parametrize("name", ["out.tif", "out.png", "out.jpg"])
def test_bands_give_what_the_whole_gives(tmp_path, monkeypatch, look, icc, name):
    source = deep(tmp_path / "in.tif", icc)
    look.apply(source).save(tmp_path / f"whole-{name}")
    monkeypatch.setattr("haarmony.pipelines.rows.BAND", 100)
    header = apply_to_file(look, source, tmp_path / name)
    found, whole = read_image(tmp_path / name), read_image(tmp_path / f"whole-{name}")
    assert (header.height, header.width) == (40, 31)
    assert np.array_equal(found.pixels, whole.pixels)
    assert (found.depth, found.profile) == (whole.depth, whole.profile)
    if name != "out.jpg":
        assert np.array_equal(found.alpha, whole.alpha)
        assert found.depth == 16


def test_a_large_tiff_is_read_in_bands(tmp_path, monkeypatch, look):
    source = deep(tmp_path / "in.tif")
    apply_to_file(look, source, tmp_path / "whole.tif")
    monkeypatch.setattr("haarmony.media.source.IN_MEMORY", 10)
    monkeypatch.setattr("haarmony.pipelines.rows.BAND", 100)
    apply_to_file(look, source, tmp_path / "out.tif")
    assert np.array_equal(read_image(tmp_path / "out.tif").pixels, read_image(tmp_path / "whole.tif").pixels)


def test_a_broken_file_leaves_nothing(tmp_path, look):
    (tmp_path / "in.jpg").write_bytes(b"\xff\xd8\xff\xe0")
    with pytest.raises(ImageError, match=r"in\.jpg"):
        apply_to_file(look, tmp_path / "in.jpg", tmp_path / "out.jpg")
    assert [path.name for path in tmp_path.iterdir()] == ["in.jpg"]


def test_the_picture_itself_is_not_replaced(tmp_path, look):
    source = deep(tmp_path / "in.tif")
    before = source.read_bytes()
    with pytest.raises(InputError, match="would be lost"):
        apply_to_file(look, source, source)
    assert source.read_bytes() == before
