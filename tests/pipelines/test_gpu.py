"""On a GPU everything gives what it gives on the processor, to rounding."""

from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest
import torch
from test_photo import CONTENT, STYLE, eight, scene

from haarmony.media.film import FilmHeader, Frame
from haarmony.methods.recipe import RECIPES
from haarmony.methods.wct2 import WCT2
from haarmony.moments import Moments
from haarmony.networks.vgg19 import VGG19
from haarmony.pipelines.control import Control
from haarmony.pipelines.photo import transfer, transfer_file
from haarmony.pipelines.ways import Ways

pytestmark = [
    pytest.mark.gpu,
    pytest.mark.skipif(not torch.cuda.is_available(), reason="torch finds no CUDA GPU here"),
]

LARGE, OTHER = scene(300, 410), scene(280, 260, seed=8, tint=(0.4, 0.5, 0.9))
GPU = Ways(device="cuda")
ONE_LEVEL = 1 / 255


def masks(pixels):
    labels = np.zeros(pixels.shape[:2], np.uint8)
    labels[: labels.shape[0] // 2] = 1
    return labels


def apart(one, other):
    return float(np.abs(np.asarray(one, np.float64) - np.asarray(other, np.float64)).max())


@pytest.mark.parametrize(
    "options",
    [
        {},
        {"strength": 0.4},
        {"strength": 0},
        {"auto_masks": 3},
        {"content_mask": masks(LARGE), "style_mask": masks(OTHER)},
        {"control": Control("luminance", masks(LARGE), "keep")},
        {"control": Control("color")},
    ],
    ids=str,
)
def test_compact_gives_the_same(options):
    assert apart(transfer(LARGE, OTHER, ways=GPU, **options), transfer(LARGE, OTHER, **options)) < ONE_LEVEL


def test_mixed_styles_give_the_same():
    for mix in ("maps", "barycentre"):
        styles = [(OTHER, 0.6), (STYLE, 0.4)]
        there, here = (transfer(LARGE, styles, mix=mix, ways=ways) for ways in (GPU, Ways()))
        assert apart(there, here) < ONE_LEVEL


@pytest.mark.parametrize(
    "ways", [{"statistics": "exact"}, {"statistics": "proxy"}, {"max_memory": 1}], ids=str
)
def test_the_networks_detail_gives_the_same_in_tiles(ways, monkeypatch):
    monkeypatch.setattr("haarmony.pipelines.ways.EXACT_UP_TO", 60_000)
    monkeypatch.setattr("haarmony.pipelines.photo.fits", lambda *_: "max_memory" not in ways)
    monkeypatch.setattr("haarmony.pipelines.photo.tile_side", lambda *_: 128)
    statistics = ways.get("statistics")
    there, here = (
        transfer(LARGE, OTHER, ways=Ways("network", statistics, device=device)) for device in ("cuda", "cpu")
    )
    assert apart(there, here) < ONE_LEVEL


@pytest.mark.parametrize("variant", ["sum", "cat5"])
def test_vgg_gives_the_same(variant):
    torch.manual_seed(0)
    network = VGG19(variant).eval()
    recipe = RECIPES["vgg19"]
    there, here = (
        transfer(LARGE, OTHER, model=WCT2(network.to(device), recipe)) for device in ("cuda", "cpu")
    )
    assert apart(there, here) < ONE_LEVEL


def test_the_kind_and_the_device_of_the_content_come_back():
    tensor = torch.from_numpy(LARGE).permute(2, 0, 1)
    assert transfer(tensor, OTHER, ways=GPU).device.type == "cpu"
    assert transfer(tensor.cuda(), OTHER).device.type == "cuda"
    assert transfer(eight(LARGE), OTHER, ways=GPU).dtype == np.uint8


def test_a_file_gives_the_same(tmp_path: Path):
    import tifffile

    content = np.dstack([eight(LARGE), np.full(LARGE.shape[:2], 200, np.uint8)])
    tifffile.imwrite(tmp_path / "content.tif", content, extrasamples=["unassalpha"], photometric="rgb")
    for name, ways in (("there.tif", GPU), ("here.tif", Ways())):
        transfer_file(tmp_path / "content.tif", OTHER, tmp_path / name, ways=ways)
    there, here = (tifffile.imread(tmp_path / name) for name in ("there.tif", "here.tif"))
    assert apart(there, here) <= 1
    assert there.shape[-1] == 4


@pytest.mark.parametrize("positions", [3, 4095, 4096, 300_000])
@pytest.mark.parametrize("weighted", [False, True])
def test_moments_are_those_of_the_processor(positions, weighted):
    generator = torch.Generator().manual_seed(positions)
    x = torch.randn(40, positions, generator=generator) + 5
    weights = torch.rand(positions, generator=generator) if weighted else None
    here, there = (
        Moments.of(x, weights),
        Moments.of(x.cuda(), None if weights is None else weights.cuda()).cpu(),
    )
    torch.testing.assert_close(there.mean, here.mean, rtol=1e-6, atol=1e-6)
    torch.testing.assert_close(
        there.scatter, here.scatter, rtol=1e-5, atol=1e-5 * float(here.scatter.abs().max())
    )


class MemoryFilm:
    """Frames that wander, in memory."""

    path, is_container, is_cut_short = Path("memory"), False, False

    def __init__(self, count):
        whole = eight(scene(96, 160 + count))
        self._frames = [np.ascontiguousarray(whole[:, index : index + 160]) for index in range(count)]
        self.header = FilmHeader(160, 96, Fraction(25), Fraction(1, 25), frames=count)

    def frames(self, start=0, stop=None):
        for index in range(start, len(self._frames) if stop is None else stop):
            yield Frame(index, Fraction(index, 25), self._frames[index])


@pytest.mark.parametrize("path", ["carry", "network", "lut"])
@pytest.mark.parametrize("regions", [None, 3])
def test_a_film_gives_the_same(path, regions):
    pytest.importorskip("cv2")
    from haarmony.pipelines.lit import settled
    from haarmony.pipelines.lit_frames import transferred_frames

    if regions and path != "carry":
        pytest.skip("regions are found where colours are carried")
    film = MemoryFilm(30)
    made = {}
    for device in ("cpu", "cuda"):
        lit = settled(film, CONTENT[::-1].copy(), path=path, auto_masks=regions, ways=Ways(device=device))
        made[device] = [frame.pixels for frame in transferred_frames(film, lit)]
    assert len(made["cuda"]) == 30
    assert max(apart(one, other) for one, other in zip(made["cuda"], made["cpu"], strict=True)) <= 1
