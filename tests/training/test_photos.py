from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from torch import Tensor

from haarmony.errors import InputError
from haarmony.training.photos import crops, load_photos


def photos() -> list[Tensor]:
    """Every pixel tells the photo that it is of and where it lies there."""
    made = []
    for number, (height, width) in enumerate([(40, 60), (50, 32), (33, 33)]):
        rows, columns = torch.meshgrid(torch.arange(height), torch.arange(width), indexing="ij")
        made.append(torch.stack([torch.full_like(rows, number), rows, columns]).to(torch.uint8))
    return made


def save(folder: Path, name: str, size: tuple[int, int], mode: str = "RGB") -> None:
    pixels = np.random.default_rng(0).integers(0, 256, (size[1], size[0], 3), dtype=np.uint8)
    Image.fromarray(pixels).convert(mode).save(folder / name)


def test_crops_are_a_pure_function_of_seed_and_step() -> None:
    first = crops(photos(), size=16, batch=4, seed=3, step=7)
    crops(photos(), size=16, batch=4, seed=3, step=8)
    torch.manual_seed(99)
    assert torch.equal(first, crops(photos(), size=16, batch=4, seed=3, step=7))
    assert not torch.equal(first, crops(photos(), size=16, batch=4, seed=3, step=8))
    assert not torch.equal(first, crops(photos(), size=16, batch=4, seed=4, step=7))


def test_crops_lie_inside_their_photo_half_of_them_mirrored() -> None:
    mirrored = 0
    corners = set()
    for step in range(40):
        batch = crops(photos(), size=16, batch=5, seed=0, step=step)
        assert batch.shape == (5, 3, 16, 16)
        assert batch.dtype == torch.float32
        for crop in (batch * 255).round().to(torch.uint8):
            number, top = int(crop[0, 0, 0]), int(crop[1, 0, 0])
            flipped = bool(crop[2, 0, 0] > crop[2, 0, 1])
            left = int(crop[2, 0, -1] if flipped else crop[2, 0, 0])
            mirrored += flipped
            corners.add((number, top, left))
            cut = photos()[number][:, top : top + 16, left : left + 16]
            assert torch.equal(cut.flip(2) if flipped else cut, crop)
    assert 70 <= mirrored <= 130
    assert len(corners) > 150


def test_a_photo_of_just_the_size_is_used_whole() -> None:
    assert crops(photos()[2:], size=33, batch=2, seed=0, step=0).shape == (2, 3, 33, 33)


def test_a_folder_is_read_sorted_and_small_photos_are_left_out(tmp_path: Path) -> None:
    save(tmp_path, "b.png", (40, 30))
    save(tmp_path, "a.JPG", (50, 60))
    save(tmp_path, "grey.webp", (31, 31), "L")
    save(tmp_path, "small.png", (29, 90))
    (tmp_path / "notes.txt").write_text("no photo")
    loaded = load_photos(tmp_path, at_least=30)
    assert [tuple(photo.shape) for photo in loaded] == [(3, 60, 50), (3, 30, 40), (3, 31, 31)]
    assert all(photo.dtype == torch.uint8 for photo in loaded)


def test_a_folder_without_photos_is_one_line(tmp_path: Path) -> None:
    for folder in (tmp_path, tmp_path / "nowhere"):
        with pytest.raises(InputError, match="no photographs of at least 64 pixels"):
            load_photos(folder, at_least=64)


def test_a_broken_photo_is_named(tmp_path: Path) -> None:
    save(tmp_path, "a.png", (40, 30))
    (tmp_path / "b.jpg").write_bytes((tmp_path / "a.png").read_bytes()[:200])
    (tmp_path / "c.jpg").write_bytes(b"no picture")
    for name in ("b.jpg", "c.jpg"):
        with pytest.raises(InputError, match=name) as caught:
            load_photos(tmp_path)
        assert "\n" not in str(caught.value)
        (tmp_path / name).unlink()
