from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from haarmony.errors import InputError
from haarmony.evaluation.self_reference import degraded, self_pairs
from moving import scene


def test_the_change_is_the_seeds() -> None:
    ramp = np.repeat(np.linspace(0, 1, 256)[None, :, None], 3, -1)
    assert np.array_equal(degraded(ramp, 3), degraded(ramp, 3))
    assert not np.array_equal(degraded(ramp, 3), degraded(ramp, 4))
    for seed in range(20):
        changed = degraded(ramp, seed)
        assert changed.min() >= 0
        assert changed.max() <= 1
        assert np.abs(changed - ramp).mean() > 0.005
        assert changed[0, -1].sum() > changed[0, 0].sum() + 1


def test_halves_of_a_photo(tmp_path: Path) -> None:
    photo = scene(0)[:, :100]
    Image.fromarray(photo).save(tmp_path / "a.png")
    ((pair, truth),) = self_pairs([tmp_path / "a.png"], tmp_path / "pairs")
    assert np.array_equal(np.array(Image.open(truth)), photo[:, :50])
    assert np.array_equal(np.array(Image.open(pair.style)), photo[:, 50:])
    content = np.array(Image.open(pair.content)).astype(float)
    assert np.abs(content - photo[:, :50]).mean() > 1
    before = pair.content.read_bytes()
    self_pairs([tmp_path / "a.png"], tmp_path / "again")
    assert (tmp_path / "again/a/content.png").read_bytes() == before


def test_what_cannot_be_halved(tmp_path: Path) -> None:
    Image.fromarray(scene(0)[:20, :100]).save(tmp_path / "a.png")
    with pytest.raises(InputError, match="32 pixels"):
        self_pairs([tmp_path / "a.png"], tmp_path / "pairs")
    assert not (tmp_path / "pairs").exists()
    with pytest.raises(InputError, match="two photos are named a"):
        self_pairs([tmp_path / "a.png", tmp_path / "b" / "a.jpg"], tmp_path / "pairs")
