import json
import warnings
from collections.abc import Sequence
from dataclasses import replace
from functools import partial
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import skimage.data
import torch
from PIL import Image

from haarmony.errors import HaarmonyWarning, InputError
from haarmony.evaluation.temporal import contrast, flicker, mean_lab
from haarmony.matching import gaussian_ot, mean_std, zca
from haarmony.media.lut import Lut, identity, interpolate
from haarmony.media.mask import Mask
from haarmony.methods.recipe import Recipe
from haarmony.methods.wct2 import WCT2
from haarmony.pipelines import lit_frames
from haarmony.pipelines.clip import transfer_film
from haarmony.pipelines.control import PLAIN, Control
from haarmony.pipelines.lit import settled
from haarmony.pipelines.lit_frames import transferred_frames
from haarmony.pipelines.photo import transfer
from haarmony.pipelines.shot_looks import _at_every_colour, _every_colour
from haarmony.pipelines.styles import make_style
from haarmony.pipelines.ways import Ways
from moving import Moving, scene, shot

STYLE, OTHER = (np.ascontiguousarray(scene(seed)[:, :160]) for seed in (20, 21))


@pytest.fixture(scope="module")
def model() -> WCT2:
    return WCT2.load("compact")


def lit(film: Moving, model: WCT2, style: Any = STYLE, *, start: int = 0, **options: Any) -> list[np.ndarray]:
    made = settled(film, style, model=model, **options)
    return [frame.pixels for frame in transferred_frames(film, made, start)]


def alike(frames: list[np.ndarray]) -> bool:
    """Whether all are the same, but for rounding."""
    return all(np.abs(frame.astype(int) - frames[0]).max() <= 1 for frame in frames)


def mean_step(one: np.ndarray, other: np.ndarray) -> float:
    return float(np.abs(one.astype(float) - other).mean())


@pytest.mark.parametrize("path", ["carry", "network"])
def test_a_film_that_stands_still_is_the_photo_again_and_again(model: WCT2, path: str) -> None:
    picture = shot(0, 1)[0]
    frames = lit(Moving([picture] * 12), model, path=path, control=PLAIN)
    assert alike(frames)
    if path == "carry":
        assert alike([frames[0], transfer(picture, STYLE, model=model)])


def test_a_film_raises_contrast_half_of_the_way(model: WCT2) -> None:
    """What moves so that nothing can follow it would tremble with the contrast that a photo is given."""
    sharp = np.ascontiguousarray(skimage.data.astronaut()[::3, ::3])
    soft = np.rint(128 + 0.6 * (sharp - 128.0)).astype(np.uint8)
    frame = lit(Moving([soft] * 8), model, sharp, control=PLAIN)[0]
    before, film, photo = (contrast(one) for one in (soft, frame, transfer(soft, sharp, model=model)))
    assert 1.1 * before < film < 0.9 * photo


@pytest.mark.parametrize("options", [{}, {"window": 2.5}, {"path": "lut"}, {"path": "network"}])
def test_wherever_one_starts_the_frames_are_the_same(model: WCT2, options: dict[str, Any]) -> None:
    film = Moving(shot(0, 14) + shot(1, 24))
    style = {0.0: STYLE, 3.0: OTHER}
    whole = lit(film, model, style, **options)
    assert len(whole) == 38
    for start in (33,) if "path" in options else (9, 33):
        later = lit(film, model, style, start=start, **options)
        assert len(later) == 38 - start
        assert all(np.array_equal(a, b) for a, b in zip(whole[start:], later, strict=True))


def test_frames_of_a_shot_are_in_one_light_and_a_cut_is_sharp(model: WCT2) -> None:
    still, other = shot(0, 1)[0], shot(1, 1)[0]
    frames = lit(Moving([still] * 10 + [other] * 10), model)
    assert alike(frames[:10])
    assert alike(frames[10:])
    assert mean_step(frames[9], frames[10]) > 10


@pytest.mark.parametrize(
    "options", [{}, {"strength": 0.6}, {"control": Control("luminance", np.tri(90, 160, dtype=bool))}]
)
def test_frames_that_are_decoded_together_are_as_they_are_alone(
    model: WCT2, monkeypatch: pytest.MonkeyPatch, options: dict[str, Any]
) -> None:
    film = Moving(shot(0, 11) + [frame // 2 for frame in shot(2, 9)])
    alone = lit(film, model, path="network", **options)
    sizes: list[int] = []
    render = lit_frames.rendered
    monkeypatch.setattr(lit_frames, "_most_together", lambda *_: 4)
    monkeypatch.setattr(
        lit_frames,
        "rendered",
        lambda wct2, rows, **how: sizes.append(len(rows.rows(0, 1))) or render(wct2, rows, **how),
    )
    for start in (0, 6):
        together = lit(film, model, path="network", start=start, **options)
        assert len(together) == 20 - start
        assert max(np.abs(a.astype(int) - b).max() for a, b in zip(alone[start:], together, strict=True)) <= 1
    assert max(sizes) == 4


def test_noise_makes_a_film_flicker_less_than_photos(model: WCT2) -> None:
    rng = np.random.default_rng(0)
    clean = shot(0, 1)[0].astype(float)
    noisy = [np.clip(clean + rng.normal(0, 5, clean.shape), 0, 255).astype(np.uint8) for _ in range(24)]
    film = np.array([frame.mean((0, 1)) for frame in lit(Moving(noisy), model)]).std(0)
    photos = np.array([transfer(frame, STYLE, model=model).mean((0, 1)) for frame in noisy]).std(0)
    assert film.sum() < 0.7 * photos.sum()


def test_what_stands_still_under_noise_is_held_still(model: WCT2) -> None:
    """Without it this cat flickers 2.6 times as much as before."""
    rng = np.random.default_rng(0)
    clean = skimage.data.chelsea()[:288, :400].astype(float)
    noisy = [
        np.clip(rng.poisson(20 * clean) / 20 + rng.normal(0, 2, clean.shape), 0, 255).round().astype(np.uint8)
        for _ in range(25)
    ]
    after = lit(Moving(noisy), model, skimage.data.rocket())
    assert flicker(map(mean_lab, after)) < 1.5 * flicker(map(mean_lab, noisy))


def test_noise_is_not_amplified_and_grain_stays(model: WCT2) -> None:
    rng = np.random.default_rng(0)
    clean = shot(0, 1)[0].astype(float)
    noisy = [
        np.clip(clean + rng.normal(0, 5, clean.shape), 0, 255).round().astype(np.uint8) for _ in range(24)
    ]
    before = np.stack(noisy).std(0).mean()
    assert 0.85 * before < np.stack(lit(Moving(noisy), model)[4:-4]).std(0).mean() < 1.05 * before


def test_what_moves_leaves_no_trail(model: WCT2) -> None:
    """A bright square over a still ground: where it was, the ground is as it would be without it."""
    ground = shot(0, 1)[0] // 2
    frames = []
    for index in range(14):
        frame = ground.copy()
        frame[30:50, 8 * index : 8 * index + 20] = (250, 240, 40)
        frames.append(frame)
    made = lit(Moving(frames), model)
    plain = lit(Moving(frames), model, control=PLAIN)
    for index in (6, 7):
        apart = np.abs(made[index].astype(int) - plain[index]).mean(-1)
        behind = slice(8 * index - 40, 8 * index - 4)
        assert apart[34:46, behind].mean() < apart[60:72, behind].mean() + 1


@pytest.mark.parametrize(("begin", "end"), [(1.0, 3.0), (1.7, 1.9)])
def test_a_schedule_passes_evenly_and_as_quickly_as_it_says(model: WCT2, begin: float, end: float) -> None:
    film = Moving([shot(0, 1)[0]] * 40)
    frames = lit(film, model, {begin: STYLE, end: OTHER}, control=PLAIN)
    ends = [lit(Moving(film.pictures[:1]), model, style, control=PLAIN)[0] for style in (STYLE, OTHER)]
    apart = mean_step(*ends)
    assert apart > 10
    first, last = round(10 * begin), round(10 * end)
    assert all(mean_step(frame, ends[0]) < 0.02 * apart for frame in frames[: first + 1])
    assert all(mean_step(frame, ends[1]) < 0.02 * apart for frame in frames[last:])
    steps = [mean_step(a, b) for a, b in pairwise(frames[first : last + 1])]
    assert max(steps) < 1.3 * apart / (last - first)
    assert min(steps) > 0.7 * apart / (last - first)


def test_a_window_follows_a_drift_without_a_jump_where_sets_of_samples_meet(model: WCT2) -> None:
    picture = shot(0, 1)[0].astype(float)
    film = Moving([(picture * gain).astype(np.uint8) for gain in np.linspace(1, 0.4, 80)])
    light = {
        window: np.array([frame.mean() for frame in lit(film, model, window=window)])
        for window in (None, 2.0)
    }
    assert np.ptp(light[2.0][16:-16]) < 0.5 * np.ptp(light[None][16:-16])
    assert np.abs(np.diff(light[2.0])).max() < 3


def test_depth_is_kept_and_strength_0_gives_the_film_back(model: WCT2) -> None:
    film = Moving([frame.astype(np.uint16) * 257 for frame in shot(0, 6)])
    for path in ("carry", "lut"):
        assert {frame.dtype.itemsize for frame in lit(film, model, path=path)} == {2}
    for a, b in zip(lit(film, model, strength=0.0), film.pictures, strict=True):
        assert np.array_equal(a, b)


def test_half_the_strength_is_half_the_way(model: WCT2) -> None:
    film = Moving(shot(0, 5))
    none, half, full = (film.pictures, *(lit(film, model, strength=s) for s in (0.5, 1.0)))
    middle = (none[2].astype(float) + full[2]) / 2
    assert mean_step(half[2], middle) < 0.05 * mean_step(none[2], full[2])


def test_a_table_of_every_colour_is_the_table() -> None:
    rng = np.random.default_rng(0)
    look = Lut(np.clip(identity(5) ** 1.5 + rng.normal(0, 0.02, (5, 5, 5, 3)), 0, 1).astype(np.float32))
    pixels = rng.integers(0, 256, (40, 50, 3), np.uint8)
    exact = interpolate(look, torch.from_numpy(pixels).permute(2, 0, 1)[None] / 255)[0].permute(1, 2, 0)
    assert np.array_equal(_at_every_colour(pixels, _every_colour(look)), (exact * 255).round().byte().numpy())


def masks(length: int) -> list[np.ndarray]:
    """A border that moves: black to the left of it, white to the right."""
    columns = np.arange(160)[None, :]
    return [np.where(columns < 60 + 3 * i, 0, 255).repeat(90, 0).astype(np.uint8) for i in range(length)]


def test_masks_of_frames_are_followed(model: WCT2, tmp_path: Path) -> None:
    film = Moving([shot(0, 1)[0]] * 8)
    for number, mask in enumerate(masks(8)):
        Image.fromarray(np.stack([mask] * 3, -1)).save(tmp_path / f"{number:02}.png")
    style_mask = np.where(np.arange(160)[None, :] < 80, 0, 255).repeat(90, 0).astype(np.uint8)
    Image.fromarray(np.stack([style_mask] * 3, -1)).save(tmp_path.parent / "style.png")
    both = np.concatenate((STYLE[:, :80], 255 - STYLE[:, 80:]), 1)
    options = {"style_mask": tmp_path.parent / "style.png", "control": PLAIN}
    frames = lit(film, model, both, content_mask=tmp_path, **options)
    change = np.abs(frames[-1].astype(int) - frames[0]).mean((0, 2))
    assert change[62:78].mean() > 3 * change[120:].mean()
    (tmp_path / "07.png").unlink()
    with pytest.raises(InputError, match="frame 7 has no mask"):
        lit(film, model, both, content_mask=tmp_path, **options)


def regions(*borders: int) -> np.ndarray:
    """Labels 0, 1, ... of columns, from border to border."""
    return np.digitize(np.arange(160), borders)[None, :].repeat(90, 0)


TOO_FEW = regions(80)
TOO_FEW[:3, :3] = 7


@pytest.mark.parametrize(
    ("content_mask", "style_mask"),
    [
        (7 * regions(80), TOO_FEW),
        (regions(80) + 3, regions(80)),
        (regions(1), regions(120)),
        (regions(20, 90), regions(20, 90) % 2 * 5),
        (np.linspace(0, 1, 160)[None, :].repeat(90, 0), regions(40, 80)),
    ],
    ids=["nine pixels", "no name in common", "a hundred times as large", "one in common", "soft"],
)
def test_regions_are_matched_as_those_of_a_photo(
    model: WCT2, content_mask: np.ndarray, style_mask: np.ndarray
) -> None:
    picture = shot(0, 1)[0]
    options = {"content_mask": content_mask, "style_mask": style_mask, "control": PLAIN}
    with pytest.warns(HaarmonyWarning, match="mask says") as told:
        wanted = transfer(picture, STYLE, model=model, **options)
    with pytest.warns(HaarmonyWarning, match="mask says") as again:
        frames = lit(Moving([picture] * 6), model, **options)
    assert [str(one.message) for one in again] == [f"in the shot from frame 0 {one.message}" for one in told]
    assert alike([*frames, wanted])


def test_regions_that_pair_are_not_worth_a_warning(model: WCT2) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        lit(Moving(shot(0, 5)), model, content_mask=regions(50), style_mask=regions(90))


@pytest.fixture
def coming(tmp_path: Path) -> Path:
    """Masks of 38 frames: what is black comes from the left, in the first shot too few pixels of it."""
    for number in range(38):
        mask = np.full((90, 160), 255, np.uint8)
        mask[: 90 if number >= 14 else 2, : 4 * max(1, number - 14)] = 0
        Image.fromarray(mask).save(tmp_path / f"{number:02}.png")
    return tmp_path


@pytest.mark.filterwarnings("ignore:in the shot from frame 0 the content gets")
@pytest.mark.parametrize("options", [{}, {"window": 2.5}, {"path": "network"}])
def test_wherever_one_starts_the_regions_are_the_same(
    model: WCT2, coming: Path, options: dict[str, Any]
) -> None:
    film = Moving(shot(0, 14) + shot(1, 24))
    style = make_style([STYLE], model=model, masks=[Mask(("black", "white"), regions(40))])
    whole = lit(film, model, style, content_mask=coming, **options)
    later = lit(film, model, style, content_mask=coming, start=33, **options)
    assert all(np.array_equal(a, b) for a, b in zip(whole[33:], later, strict=True))


def test_a_style_of_more_stages_is_one_of_the_model_s_and_one_of_fewer_is_refused(model: WCT2) -> None:
    film = Moving(shot(0, 5))
    wide, own = (make_style([STYLE], model=model, stages=stages) for stages in (("encoder", "skip"), None))
    for path in ("carry", "network", "lut"):
        one, other = (lit(film, model, style, path=path) for style in (wide, own))
        assert all(np.array_equal(a, b) for a, b in zip(one, other, strict=True))
        with pytest.raises(InputError, match=r"the style has no statistics of skip2\.LH: make it anew"):
            settled(film, own, model=model, path=path, stages=("encoder", "skip"))


def test_without_stages_a_film_stays(model: WCT2) -> None:
    film = Moving(shot(0, 5))
    frames = lit(film, model, stages=(), control=PLAIN)
    assert all(np.abs(a.astype(int) - b).max() <= 1 for a, b in zip(frames, film.pictures, strict=True))


def test_frames_too_small_for_the_network_are_photos_too(model: WCT2) -> None:
    small = WCT2.load("compact")
    small.network.smallest = 9
    picture, mask = shot(0, 1)[0][:4], np.repeat([0, 1], 2)[:, None].repeat(160, 1)
    light = np.where(mask[..., None] == 1, STYLE[:4], 255 - STYLE[:4])
    options = {"content_mask": mask, "style_mask": mask, "control": PLAIN}
    frames = lit(Moving([picture] * 6), small, light, **options)
    assert alike([*frames, transfer(picture, light, model=small, **options)])


@pytest.mark.parametrize(
    ("options", "why"),
    [
        ({"path": "fast"}, "unknown path 'fast'"),
        ({"window": 0.0}, "a window is a number of seconds above 0"),
        ({"window": "long"}, "a window is a number of seconds above 0, got 'long'"),
        ({"strength": 2.0}, "strength is between 0 and 1"),
        ({"strength": None}, "strength is between 0 and 1, got None"),
        ({"ways": {}}, r"ways is a haarmony\.Ways, got dict"),
        ({"control": None}, r"control is a haarmony\.Control, got NoneType"),
        ({"auto_masks": "2"}, "in 2 to 8 kinds, got '2'"),
        ({"content_mask": np.zeros((90, 160), int)}, "the content has a mask but the style has none"),
        ({"content_mask": np.zeros((90, 160), int), "path": "lut"}, "knows no places"),
    ],
)
def test_what_does_not_fit_is_said_before_any_work(model: WCT2, options: dict[str, Any], why: str) -> None:
    with pytest.raises(InputError, match=why):
        settled(Moving(shot(0, 2)), STYLE, model=model, **options)


@pytest.mark.parametrize("time", ["0:10", None, float("inf"), float("nan")])
def test_the_times_of_a_schedule_are_numbers(model: WCT2, time: Any) -> None:
    with pytest.raises(InputError, match="the times of a schedule are numbers of seconds, got"):
        settled(Moving(shot(0, 2)), {0: STYLE, time: STYLE}, model=model)


def test_a_film_does_not_replace_what_it_is_made_from(tmp_path: Path) -> None:
    for name in ("clip.mp4", "dusk.png"):
        (tmp_path / name).write_bytes(b"kept")
        with pytest.raises(InputError, match="would be lost"):
            transfer_film(tmp_path / "clip.mp4", tmp_path / "dusk.png", tmp_path / name)
        assert (tmp_path / name).read_bytes() == b"kept"


def test_another_mask_or_protected_place_is_another_film(model: WCT2, tmp_path: Path) -> None:
    film, half = Moving(shot(0, 3)), np.zeros(scene(0)[:, :160].shape[:2], int)
    half[: len(half) // 2] = 1
    size = film.header.height, film.header.width
    masks = [np.zeros(size, int), np.arange(size[0])[:, None].repeat(size[1], 1) // 9 % 2]
    paths = []
    for number, mask in enumerate(masks):
        paths.append(tmp_path / f"{number}.png")
        Image.fromarray((mask * 255).astype(np.uint8)).save(paths[-1])
    for kind in (masks, paths):
        first, again, other = (
            settled(film, STYLE, model=model, content_mask=mask, style_mask=half).settings()
            for mask in (kind[0], kind[0], kind[1])
        )
        assert first == again != other
    protected = [
        settled(film, STYLE, model=model, control=Control(protect=mask)).settings() for mask in masks
    ]
    assert protected[0] != protected[1]


def settings_of(recipe: Recipe, **options: Any) -> dict[str, Any]:
    network = WCT2.load("compact").network
    settings = settled(Moving(shot(0, 2)), STYLE, model=WCT2(network, recipe), **options).settings()
    assert json.loads(json.dumps(settings)) == settings
    return settings


def test_all_that_decides_how_frames_come_out_is_a_setting() -> None:
    usual = Recipe(("encoder",), partial(gaussian_ot, ridge=1e-3), work_side=64)
    known = settings_of(usual)
    assert known == settings_of(Recipe(("encoder",), partial(gaussian_ot, ridge=1e-3), work_side=64))
    assert known["recipe"]["matching"] == "gaussian_ot(ridge=0.001)"
    others: Sequence[dict[str, Any]] = (
        {"matching": partial(gaussian_ot, ridge=1e-2)},
        {"matching": gaussian_ot},
        {"matching": partial(zca, ridge=1e-3)},
        {"matching": mean_std},
        {"clamp": True},
        {"work_side": 65},
        {"unmatched": "whole"},
        {"shares": {"fine": 0.5}},
    )
    made = [settings_of(replace(usual, **other)) for other in others]
    made += [
        settings_of(usual, path="network", ways=Ways(statistics=one)) for one in (None, "exact", "proxy")
    ]
    made += [settings_of(usual, ways=Ways(precision="bfloat16"))]
    made += [known]
    assert len({json.dumps(one) for one in made}) == len(made)


def test_other_areas_of_the_style_s_regions_are_another_film(model: WCT2) -> None:
    style = make_style([STYLE], model=model, masks=[regions(40)])
    settings = [
        settled(Moving(shot(0, 2)), one, model=model, content_mask=regions(40)).settings()
        for one in (style, replace(style, areas={"0": 1e5, "1": 1e2}))
    ]
    assert settings[0]["styles"] != settings[1]["styles"]
