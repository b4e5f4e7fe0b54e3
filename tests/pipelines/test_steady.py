import numpy as np
import pytest
import torch

from haarmony.pipelines.rows import planes
from haarmony.pipelines.steady import FAR, Steadying
from moving import shot


def steadied(frames: list[np.ndarray], index: int) -> np.ndarray:
    steady = Steadying()
    for number, frame in enumerate(frames):
        steady.add(number, frame)
    return steady.at(index)().picture[0].permute(1, 2, 0).numpy() * np.iinfo(frames[0].dtype).max


def noisy(clean: list[np.ndarray], sigma: float = 4) -> list[np.ndarray]:
    rng = np.random.default_rng(0)
    return [np.clip(one + rng.normal(0, sigma, one.shape), 0, 255).round().astype(np.uint8) for one in clean]


def test_a_frame_alone_and_a_film_that_stands_still_stay_as_they_are() -> None:
    picture = shot(0, 1)[0]
    for count in (1, 9):
        assert np.allclose(steadied([picture] * count, count // 2), picture, atol=0.01)


@pytest.mark.parametrize("speed", [0, 3])
def test_noise_goes_along_the_motion(speed: int) -> None:
    clean = [frame.clip(20, 235) for frame in shot(3, 9, speed=speed)]
    frames = noisy(clean)
    inner = np.s_[8:-8, 24:-24]
    left = (steadied(frames, 4) - clean[4])[inner].std()
    assert left < (0.55 if speed == 0 else 0.8) * (frames[4].astype(float) - clean[4])[inner].std()


def test_what_a_whole_place_shares_is_steadied_over_longer() -> None:
    rng = np.random.default_rng(1)
    still = shot(0, 1)[0].clip(20, 235).astype(float)
    frames = [(still + offset).round().astype(np.uint8) for offset in rng.normal(0, 1, 2 * FAR + 1)]
    wanted = np.mean(frames)
    assert abs(steadied(frames, FAR).mean() - wanted) < 0.3
    assert np.std([frame.mean() for frame in frames]) > 0.7


def test_a_change_of_light_is_no_noise() -> None:
    dark = shot(0, 1)[0] // 2
    frames = [dark] * 4 + [dark + np.uint8(90)] * 4
    assert np.allclose(steadied(frames, 3), dark, atol=0.5)


def test_depth_does_not_count_and_what_is_past_is_forgotten() -> None:
    frames = noisy(shot(0, 30))
    deep = [frame.astype(np.uint16) * 257 for frame in frames]
    assert np.allclose(steadied(deep, 9) / 257, steadied(frames, 9), atol=0.5)
    steady = Steadying()
    for number, frame in enumerate(frames):
        steady.add(number, frame)
    later = steady.at(20)()
    assert planes(frames[20]).shape == later.picture.shape
    assert min(steady._frames) == 20 - FAR


@pytest.mark.parametrize("size", [(1, 1), (3, 50), (9, 13), (33, 17)])
def test_any_size(size: tuple[int, int]) -> None:
    frames = [frame[: size[0], : size[1]] for frame in shot(0, 4)]
    assert steadied(frames, 1).shape == (*size, 3)


def test_what_stands_still_is_averaged_over_longer_pixel_by_pixel() -> None:
    clean = [shot(3, 1)[0].clip(20, 235)] * (2 * FAR + 1)
    frames = noisy(clean, 2)
    left = (steadied(frames, FAR) - clean[0]).std()
    assert left < 0.3 * (frames[FAR].astype(float) - clean[0]).std()


def test_what_passes_leaves_what_stands_still_as_it_is() -> None:
    """A square that crosses within a few frames: no trace of it at another time, and all of it at its own."""
    ground = shot(0, 1)[0] // 2
    frames = []
    for index in range(2 * FAR + 1):
        frame = ground.copy()
        left = 12 * (index - FAR) + 60
        if 0 <= left < 140:
            frame[30:50, left : left + 20] = (250, 240, 40)
        frames.append(frame)
    assert np.abs(steadied(frames, 2) - frames[2]).max() < 1
    assert np.abs(steadied(frames, FAR) - frames[FAR]).mean() < 0.5


@pytest.mark.parametrize("bar", [0, 12])
def test_less_grain_is_kept_where_motion_is_not_followed_and_contrast_grows(bar: int) -> None:
    """A pan under noise, with a square that boils, with black bars above and below or without."""
    frames = noisy([frame.clip(20, 235) for frame in shot(3, 2 * FAR + 1, speed=2)], 2)
    rng = np.random.default_rng(1)
    steady = Steadying()
    for number, frame in enumerate(frames):
        frame[24:56, 60:100] = rng.integers(60, 190, (32, 40, 1))
        frame[:bar], frame[79 - bar : 79] = 0, 0
        steady.add(number, frame[:79, :150])
    made = steady.at(FAR)()
    for gain, kept in ((0.5, 1), (1, 1), (2, 0.25)):
        found = made.kept(torch.full_like(made.trembles, gain))
        assert found.shape == (79, 150)
        assert found[32:48, 68:92].max() == kept
        assert found[:, :48].median() == 1
        assert found[:, 112:].median() == 1
        assert found[16:64, :8].mean() > 0.9
        assert found[16:64, -8:].mean() > 0.9


def test_wherever_it_begins_a_frame_is_steadied_alike() -> None:
    frames = noisy(shot(3, 40, speed=0), 2)
    ends = []
    for begin in (0, 7):
        steady = Steadying()
        for number in range(begin, 33):
            steady.add(number, frames[number])
            if number >= FAR:
                made = steady.at(number - FAR) if number - FAR >= begin else None
        assert made is not None
        ends.append(made())
    assert np.array_equal(ends[0].picture.numpy(), ends[1].picture.numpy())
    assert np.array_equal(ends[0].trembles.numpy(), ends[1].trembles.numpy())
