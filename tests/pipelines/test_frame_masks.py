from pathlib import Path

import numpy as np
from PIL import Image

from haarmony.pipelines.frame_masks import open_masks


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
