import numpy as np
import pytest
import torch
from PIL import Image

from haarmony.errors import InputError
from haarmony.media import profile
from haarmony.media.image import Picture, to_profile
from haarmony.media.sheet import Cell, draw_sheet

RED, GREEN, BLUE = (np.full((20, 30, 3), colour, np.float32) for colour in ([1, 0, 0], [0, 1, 0], [0, 0, 1]))


def share(sheet, colour):
    """Return the share of a sheet that has just this colour."""
    return (np.asarray(sheet) == colour).all(-1).mean()


def test_every_picture_of_every_row_is_on_the_sheet():
    sheet = draw_sheet([[Cell("a", RED), Cell("b", GREEN)], [Cell("c", BLUE)]], height=100)
    assert sheet.mode == "RGB"
    each = 100 * 150 / (sheet.width * sheet.height)
    for colour in ([255, 0, 0], [0, 255, 0], [0, 0, 255]):
        assert share(sheet, colour) == pytest.approx(each, rel=1e-6)


def test_columns_are_aligned_and_pictures_keep_their_shape():
    wide = np.ones((10, 20, 3), np.float32)
    sheet = np.asarray(
        draw_sheet([[Cell("", wide), Cell("", RED)], [Cell("", BLUE), Cell("", RED)]], height=50)
    )
    red = (sheet == [255, 0, 0]).all(-1)
    starts = [np.flatnonzero(row)[0] for row in red if row.any()]
    assert len(set(starts)) == 1
    assert (sheet == 255).all(-1).sum() == 50 * 100


def test_a_label_is_drawn_and_one_too_long_is_cut():
    blank = np.asarray(draw_sheet([[Cell("", RED)]], height=100))
    lettered = np.asarray(draw_sheet([[Cell("content", RED)]], height=100))
    long = np.asarray(draw_sheet([[Cell("content " * 40, RED)]], height=100))
    assert (lettered != blank).any()
    assert long.shape == blank.shape
    assert (long != blank).any()
    assert (long[:, -4:] == blank[:, -4:]).all()


@pytest.mark.parametrize(
    "picture",
    [RED, (RED * 255).astype(np.uint8), torch.from_numpy(RED).permute(2, 0, 1), Picture(RED)],
    ids=["floats", "bytes", "tensor", "picture"],
)
def test_any_kind_of_picture_is_shown(picture):
    assert share(draw_sheet([[Cell("", picture)]]), [255, 0, 0]) > 0.5


def test_a_file_is_shown(tmp_path):
    Image.fromarray((RED * 255).astype(np.uint8)).save(tmp_path / "red.png")
    assert share(draw_sheet([[Cell("", tmp_path / "red.png")]]), [255, 0, 0]) > 0.5


def test_a_wide_gamut_picture_is_shown_in_srgb():
    wide = to_profile(
        Picture(np.full((9, 9, 3), [0.8, 0.3, 0.2], np.float32)),
        bytes(profile.imagecodecs.cms_profile("adobergb")),
    )
    assert share(draw_sheet([[Cell("", wide)]]), [204, 76, 51]) > 0.5


def test_a_transparent_picture_lies_on_a_chequerboard():
    clear = draw_sheet([[Cell("", Picture(RED, alpha=np.zeros((20, 30), np.float32)))]], height=100)
    assert share(clear, [255, 0, 0]) == 0
    assert share(clear, [96] * 3) == pytest.approx(share(clear, [160] * 3), rel=0.2)


def test_a_thread_of_a_picture_stays_within_three_heights():
    sheet = draw_sheet([[Cell("", np.ones((1, 4000, 3), np.float32))]], height=100)
    assert sheet.width < 320


@pytest.mark.parametrize("rows", [[], [[]]])
def test_nothing_to_draw_is_refused(rows):
    with pytest.raises(InputError, match="needs a picture"):
        draw_sheet(rows)
