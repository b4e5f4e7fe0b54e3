import warnings
from pathlib import Path

import imagecodecs
import numpy as np
import pytest
import torch
from PIL import Image

from haarmony.errors import HaarmonyWarning, ImageError
from haarmony.media.mask import Mask
from haarmony.pipelines.frame_masks import FrameMasks, mask_identity, open_masks
from haarmony.pipelines.spans import Samples, spans
from moving import Moving, shot


def test_masks_in_a_folder_are_in_the_order_of_their_numbers(tmp_path: Path) -> None:
    for number in range(12):
        mask = np.zeros((4, 16, 3), np.uint8)
        mask[:, : number + 1] = 255
        Image.fromarray(mask).save(tmp_path / f"mask{number}.png")
    (tmp_path / "._mask0.png").write_bytes(b"what a Mac leaves on a foreign disk")
    masks = open_masks(tmp_path, ["white"], (4, 16))
    for number in range(12):
        mask = masks.mask(number)
        assert (mask.values == mask.names.index("white")).sum() == 4 * (number + 1)


@pytest.mark.parametrize("name", ["mask.png", "mask.tif"])
def test_labels_are_what_they_are_whatever_profile_a_mask_has(tmp_path: Path, name: str) -> None:
    mask = np.array([[[128, 128, 128], [200, 60, 60], [0, 255, 0]]], np.uint8)
    Image.fromarray(mask).save(tmp_path / name, icc_profile=bytes(imagecodecs.cms_profile("adobergb")))
    assert set(open_masks(tmp_path, [], (1, 3)).mask(0).names) == {"grey", "#c83c3c", "green"}


def test_a_folder_of_masks_is_told_from_another_of_the_same_sizes(tmp_path: Path) -> None:
    known = set()
    for place in ((0, 0), (200, 100), (399, 399)):
        mask = np.zeros((400, 400), np.uint8)
        mask[place] = 255
        Image.fromarray(mask).save(tmp_path / "1.tif")
        known.add(mask_identity(tmp_path))
        assert mask_identity(tmp_path) in known
    assert len(known) == 3


def test_a_mask_is_told_from_others_whatever_holds_it(tmp_path: Path) -> None:
    weights = torch.rand(4, 6, generator=torch.Generator().manual_seed(0))
    known = mask_identity(weights)
    assert mask_identity(weights.clone().requires_grad_()) == mask_identity(weights.numpy()) == known
    half = weights.bfloat16()
    assert mask_identity(half) == mask_identity(half.float()) != known
    assert mask_identity(None) is None
    with pytest.raises(ImageError, match=r"nowhere.png' cannot be read .*: check the path"):
        mask_identity(tmp_path / "nowhere.png")


def samples(length: int) -> Samples:
    (span,) = spans(Moving(shot(0, length)).frames(), lambda pixels: pixels, window=None)
    assert len(span.opening.frames) > 1
    return span.opening


def named(*areas: tuple[str, int]) -> Mask:
    """A mask of 100 x 100 in which each name has so many pixels."""
    labels = np.repeat(np.arange(len(areas)), [area for _, area in areas])
    return Mask(tuple(name for name, _ in areas), labels.reshape(100, 100))


def matched(mask: Mask, *styles: dict[str, float]) -> list[str]:
    masks = FrameMasks(list(styles[0]), lambda index: mask)
    return list(masks.matched(styles, samples(9), whole=True).names)


def test_regions_of_a_film_are_matched_by_the_rule_for_photos() -> None:
    assert matched(named(("sky", 9900), ("sea", 100)), {"sea": 50.0, "sky": 50.0 * 9900}) == ["sea", "sky"]
    with pytest.warns(
        HaarmonyWarning, match=r"frame 0 .* whole style where its mask says sky, sea: .*sea, s"
    ):
        assert matched(named(("sky", 9990), ("sea", 10)), {"sea": 50.0, "sky": 9.0}) == []
    with pytest.warns(HaarmonyWarning, match="says sky:"):
        assert matched(named(("sky", 9900), ("sea", 100)), {"sky": 99.0, "sea": 99.0}) == ["sea"]
    with pytest.warns(HaarmonyWarning, match="says sea:"):
        assert matched(named(("sky", 9900), ("sea", 100)), {"sky": 99.0 * 102, "sea": 1e4}) == ["sky"]


def test_a_region_is_matched_where_every_style_of_a_schedule_can() -> None:
    with pytest.warns(HaarmonyWarning, match="says sea"):
        assert matched(named(("sky", 5000), ("sea", 5000)), {"sea": 60.0, "sky": 60.0}, {"sky": 60.0}) == [
            "sky"
        ]


def test_a_region_is_as_large_as_it_is_in_the_samples_that_have_it() -> None:
    masks = FrameMasks(
        ["sea", "sky"], lambda index: named(("sky", 9900), ("sea", 100)) if index else named(("sky", 10000))
    )
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert masks.matched([{"sea": 9999.0, "sky": 9999.0}], samples(9), whole=True).names == ["sea", "sky"]


def test_a_region_that_may_still_come_stays_where_the_style_has_enough_of_it() -> None:
    with pytest.warns(
        HaarmonyWarning, match="nothing takes its light from the style where its mask says sea, b"
    ):
        assert matched(named(("sky", 10000)), {"sky": 500.0, "sea": 11.0, "boat": 10.0}) == ["sky", "sea"]


def test_what_cannot_be_matched_is_told_once_a_film() -> None:
    masks, shot = FrameMasks(["sky"], lambda index: named(("sea", 10000))), samples(9)
    with pytest.warns(HaarmonyWarning, match="keeps its look"):
        again = masks.matched([{"sky": 500.0}], shot, whole=False)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        for one in (masks, again):
            one.matched([{"sky": 500.0}], shot, whole=False)


@pytest.mark.parametrize("soft", [False, True])
def test_a_region_that_a_mask_lacks_has_no_pixel_in_it(soft: bool) -> None:
    mask = named(("sky", 4000), ("sea", 6000))
    if soft:
        mask = Mask(mask.names, np.stack([mask.values == 0, mask.values == 1]).astype(np.float32))
    regions = FrameMasks(["boat", "sea", "land"], lambda index: mask).regions(0, rest=True)
    assert regions.areas() == {"boat": 0, "sea": 6000, "land": 0}
    weights = {label: float(weight.sum()) for label, weight in regions.at((100, 100)).items()}
    assert weights == {"boat": 0, "sea": 6000, "land": 0, "whole": 4000}
