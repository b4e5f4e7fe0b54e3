import numpy as np
import pytest

import haarmony
from haarmony.errors import HaarmonyWarning, InputError
from haarmony.pipelines.photo import transfer, transfer_file
from haarmony.pipelines.ways import Ways
from moving import landscape

DAY = landscape([0.5, 0.7, 0.9], [0.3, 0.5, 0.2], 50)
DUSK = landscape([0.9, 0.5, 0.3], [0.2, 0.15, 0.3], 25, seed=1)


def test_sky_gets_the_sky_of_the_style_and_ground_its_ground() -> None:
    result = transfer(DAY, DUSK, auto_masks=2)
    for ours, theirs in ((slice(5, 40), slice(2, 20)), (slice(60, 85), slice(35, 85))):
        wanted, got = DUSK[theirs].mean((0, 1)), result[ours].mean((0, 1))
        np.testing.assert_allclose(got, wanted, atol=0.06)


def test_a_picture_in_its_own_style_stays() -> None:
    assert np.abs(transfer(DAY, DAY, auto_masks=3) - DAY).max() < 2e-3


def test_from_file_to_file_is_the_same(tmp_path) -> None:
    haarmony.write_image(tmp_path / "day.png", haarmony.Picture(DAY))
    haarmony.write_image(tmp_path / "dusk.png", haarmony.Picture(DUSK))
    transfer_file(tmp_path / "day.png", tmp_path / "dusk.png", tmp_path / "out.png", auto_masks=2)
    wanted = transfer(tmp_path / "day.png", tmp_path / "dusk.png", auto_masks=2)
    written = haarmony.read_image(tmp_path / "out.png")
    np.testing.assert_allclose(written.pixels, wanted.pixels.clip(0, 1), atol=0.51 / 255)


@pytest.mark.parametrize(
    ("options", "saying"),
    [
        ({"auto_masks": 1}, "2 to 8"),
        ({"content_mask": np.zeros((90, 120), int), "style_mask": np.zeros((90, 120), int)}, "either found"),
        ({"ways": Ways(detail="network")}, "reduced copy"),
    ],
)
def test_what_does_not_go_together_is_refused(options, saying) -> None:
    with pytest.raises(InputError, match=saying):
        transfer(DAY, DUSK, **{"auto_masks": 2, **options})


def test_several_styles_or_a_saved_one_are_refused() -> None:
    with pytest.raises(InputError, match="one style"):
        transfer(DAY, [(DUSK, 1), (DAY, 1)], auto_masks=2)
    with pytest.raises(InputError, match="one style"):
        transfer(DAY, haarmony.WCT2.load("compact").style(DUSK), auto_masks=2)


@pytest.mark.parametrize("size", [(1, 1), (1, 40), (9, 7)])
def test_tiny_pictures_are_transferred(size) -> None:
    tiny = np.full((*size, 3), 0.4, np.float32)
    assert transfer(tiny, DUSK, auto_masks=2).shape == tiny.shape


def test_regions_that_leave_marks_do_not_count() -> None:
    flat = np.broadcast_to(np.linspace(0.45, 0.55, 90)[:, None, None], (90, 120, 3)).astype(np.float32)
    with pytest.warns(HaarmonyWarning, match="taken as wholes"):
        result = transfer(flat, DUSK, auto_masks=3)
    np.testing.assert_allclose(result, transfer(flat, DUSK), atol=1 / 255)
