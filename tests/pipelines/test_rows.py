from pathlib import Path

import numpy as np
import pytest
import torch
from torch.nn import functional as F

from haarmony.media import profile
from haarmony.media.image import Picture, read_image, to_profile, write_image
from haarmony.media.source import open_source
from haarmony.pipelines import rows as module
from haarmony.pipelines.rows import SourceRows, TensorRows, cuts, planes, reduced, samples


@pytest.fixture
def small_bands(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "BAND", 1500)


@pytest.mark.usefixtures("small_bands")
@pytest.mark.parametrize("size", [(130, 211), (64, 48), (20, 33), (1, 211), (130, 1), (130, 33), (1, 1)])
def test_a_reduced_copy_is_torch_s_antialiased_one(size: tuple[int, int]) -> None:
    picture = torch.rand(1, 3, 130, 211, generator=torch.Generator().manual_seed(0))
    wanted = F.interpolate(picture, size, mode="bilinear", antialias=True)
    torch.testing.assert_close(reduced(TensorRows(picture), size), wanted, rtol=0, atol=2e-6)


@pytest.mark.parametrize("size", [(1, 1), (700, 900), (3, 5_000_000), (5_000_000, 3)])
def test_cuts_cover_all_rows(size: tuple[int, int]) -> None:
    found = list(cuts(*size))
    assert [top for top, _ in found] == [0] + [bottom for _, bottom in found[:-1]]
    assert found[-1][1] == size[0]


@pytest.mark.parametrize("dtype", [torch.uint8, torch.uint16])
def test_samples_there_and_back(dtype: torch.dtype) -> None:
    full = torch.iinfo(dtype).max
    every = torch.arange(full + 1).repeat(3)[: 3 * (full + 1)].view(1, full + 1, 3).to(dtype)
    every.numpy().flags.writeable = False
    assert torch.equal(samples(planes(every.numpy()), dtype).int(), every.int())
    beyond = torch.tensor([-0.5, 1.5, 0.5]).view(1, 3, 1, 1)
    assert samples(beyond, dtype).flatten().tolist() == [0, full, round(full / 2)]


@pytest.mark.parametrize("depth", [8, 16])
def test_rows_of_a_file_are_those_of_its_picture(tmp_path: Path, depth: int) -> None:
    pixels = np.random.default_rng(0).random((50, 20, 3)).astype(np.float32)
    write_image(tmp_path / "a.png", Picture(pixels, depth=depth))
    wanted = read_image(tmp_path / "a.png").pixels[7:30]
    with open_source(tmp_path / "a.png") as source:
        found = SourceRows(source, None)
        assert (found.height, found.width) == (50, 20)
        np.testing.assert_allclose(found.rows(7, 30)[0].permute(1, 2, 0).numpy(), wanted, atol=1e-7)


def test_rows_of_a_file_in_another_profile(tmp_path: Path) -> None:
    pixels = np.random.default_rng(0).random((50, 20, 3)).astype(np.float32)
    wide = bytes(profile.imagecodecs.cms_profile("adobergb"))
    write_image(tmp_path / "a.tif", Picture(pixels, depth=16, profile=wide))
    wanted = to_profile(read_image(tmp_path / "a.tif"), None).pixels[7:30]
    with open_source(tmp_path / "a.tif") as source:
        found = SourceRows(source, None).rows(7, 30)[0].permute(1, 2, 0)
    np.testing.assert_allclose(found.numpy(), wanted, atol=1e-6)
