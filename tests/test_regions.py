import numpy as np
import pytest
import torch

from haarmony.media.mask import Mask
from haarmony.regions import Regions, shared_labels, unshared

LABELS = np.zeros((12, 16), np.int64)
LABELS[:, 6:] = 1
LABELS[3:5, 2:4] = 2
HARD = Mask(("sky", "sea", "bird"), LABELS)


def soft_mask() -> Mask:
    slope = np.linspace(0, 1, 16, dtype=np.float32)
    weights = np.stack([np.tile(slope, (12, 1)), np.tile(1 - slope, (12, 1))])
    return Mask(("left", "right"), weights)


@pytest.mark.parametrize("mask", [HARD, soft_mask()], ids=["hard", "soft"])
@pytest.mark.parametrize("size", [(12, 16), (6, 8), (3, 4), (5, 7), (1, 1)])
def test_weights_sum_to_one_at_every_size(mask: Mask, size: tuple[int, int]) -> None:
    weights = Regions.of(mask).at(size)
    assert tuple(weights) == mask.names
    total = torch.stack(list(weights.values())).sum(0)
    torch.testing.assert_close(total, torch.ones(size))


def test_a_hard_mask_stays_hard_and_a_soft_one_is_averaged() -> None:
    for weight in Regions.of(HARD).at((5, 7)).values():
        assert set(weight.unique().tolist()) <= {0.0, 1.0}
    averaged = Regions.of(soft_mask()).at((6, 8))["left"]
    expected = torch.from_numpy(soft_mask().values[0]).view(6, 2, 8, 2).mean((1, 3))
    torch.testing.assert_close(averaged, expected)


def test_nearest_takes_the_pixel_under_the_centre() -> None:
    weights = Regions.of(Mask(tuple("abcdefghi"), np.arange(9).reshape(1, 9))).at((1, 3))
    assert [name for name, weight in weights.items() if weight.any()] == ["b", "e", "h"]


def test_areas_count_full_size_pixels() -> None:
    assert Regions.of(HARD).areas() == {"sky": 68.0, "sea": 120.0, "bird": 4.0}
    areas = Regions.of(soft_mask()).areas()
    assert areas["left"] == pytest.approx(96, rel=1e-6)


def test_only_keeps_the_named() -> None:
    regions = Regions.of(HARD).only(["sea"])
    assert tuple(regions.at((3, 4))) == ("sea",)
    assert regions.hard


@pytest.mark.parametrize(
    ("content", "style", "matched"),
    [
        (11, 11, True),
        (10, 500, False),
        (500, 10, False),
        (20, 1999, True),
        (20, 2000, False),
        (2000, 20, False),
        (0, 0, False),
    ],
)
def test_the_label_rule(content: float, style: float, matched: bool) -> None:
    assert shared_labels({"sky": content}, {"sky": style}) == (["sky"] if matched else [])


def test_only_labels_of_both_are_shared_in_the_order_of_the_content() -> None:
    content = dict.fromkeys(("d", "b", "only here", "a", "c"), 100.0)
    style = dict.fromkeys(("a", "b", "c", "d", "only there"), 100.0)
    assert shared_labels(content, style) == ["d", "b", "a", "c"]


@pytest.mark.parametrize("mask", [HARD, soft_mask()], ids=["hard", "soft"])
@pytest.mark.parametrize("scale", [1, 3])
def test_padded_regions_go_on_as_the_last_row_and_column_do(mask: Mask, scale: int) -> None:
    values = np.asarray(mask.values)[..., ::scale, ::scale]
    regions = Regions.of(Mask(mask.names, values))
    padded = regions.padded((12, 16), 20)
    height, width = values.shape[-2:]
    beyond = [(0, 20 * side // own - side) for side, own in ((height, 12), (width, 16))]
    wanted = np.pad(values, [(0, 0)] * (values.ndim - 2) + beyond, mode="edge")
    assert np.array_equal(padded.values.numpy(), wanted)
    assert regions.padded((12, 16), 12) is regions
    assert torch.equal(padded.cropped((height, width)).values, regions.values)


def test_what_one_side_alone_has_is_told() -> None:
    content, style = {"sky": 90.0, "sea": 50.0, "speck": 0.0}, {"sky": 80.0, "land": 60.0}
    assert unshared(content, style, ["sky"], whole=True) == (
        "the content gets the light of the whole style where its mask says sea: the style's mask (sky, land) "
        "has no such region, or one of a very different area; nothing takes its light from the style where "
        "its mask says land"
    )
    assert "the content keeps its look where its mask says sea" in unshared(
        content, style, ["sky"], whole=False
    )
    assert unshared(style, style, list(style), whole=True) == ""
