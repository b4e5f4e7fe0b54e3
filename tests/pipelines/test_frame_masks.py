from pathlib import Path

import imagecodecs
import numpy as np
import pytest
import torch
from PIL import Image

from haarmony.errors import ImageError
from haarmony.pipelines.frame_masks import mask_identity, open_masks


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
