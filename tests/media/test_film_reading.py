import os
import warnings
from fractions import Fraction

import numpy as np
import pytest

av = pytest.importorskip("av")

from films import encode, number_of, picture  # noqa: E402
from haarmony.errors import FilmError, HaarmonyWarning  # noqa: E402
from haarmony.media.film import Film, open_film  # noqa: E402


@pytest.fixture
def film(tmp_path):
    path = tmp_path / "film.mp4"
    encode(path, frames=30, options={"g": "8"})
    return path


def test_frames_come_in_order_with_their_times(film):
    with open_film(film) as opened:
        frames = list(opened.frames())
    assert [frame.index for frame in frames] == list(range(30))
    assert [frame.time for frame in frames] == [Fraction(number, 25) for number in range(30)]
    assert [round(number_of(frame.pixels)) for frame in frames[:25]] == list(range(25))
    assert frames[0].pixels.shape == (48, 64, 3)
    assert np.abs(frames[3].pixels.astype(int) - picture(3)).mean() < 2


def test_the_header_says_what_the_file_says(film):
    header = open_film(film).header
    assert (header.width, header.height, header.frames, header.depth) == (64, 48, 30, 8)
    assert header.average_rate == 25
    assert header.duration == Fraction(30, 25)


def test_frames_can_be_read_again_and_side_by_side(film):
    opened = open_film(film)
    for one, other in zip(opened.frames(), opened.frames(), strict=True):
        assert (one.pixels == other.pixels).all()


@pytest.mark.parametrize("start", [1, 7, 8, 9, 23, 29])
@pytest.mark.parametrize("name", ["film.mp4", "film.mkv", "film.ts", "film.avi", "film.webm"])
def test_any_frame_is_reached_exactly(tmp_path, start, name):
    path = tmp_path / name
    codec = "libvpx-vp9" if name.endswith("webm") else "libx264"
    encode(path, frames=30, codec=codec, options={"g": "8"})
    opened = open_film(path)
    whole = list(opened.frames())
    part = list(opened.frames(start, start + 3))
    assert [(frame.index, frame.time) for frame in part] == [
        (frame.index, frame.time) for frame in whole[start : start + 3]
    ]
    for one, other in zip(part, whole[start : start + 3], strict=True):
        assert (one.pixels == other.pixels).all()


def test_a_start_beyond_the_end_gives_nothing(film):
    assert list(open_film(film).frames(30)) == []
    assert list(open_film(film).frames(5, 5)) == []


def test_times_of_a_variable_rate_are_kept(tmp_path):
    path = tmp_path / "variable.mp4"
    pts = [0, 3, 4, 10, 11, 12, 30, 31]
    encode(path, pts=pts, time_base=Fraction(1, 600))
    assert [frame.time for frame in open_film(path).frames()] == [Fraction(time, 600) for time in pts]


def test_times_count_from_the_beginning(tmp_path):
    path = tmp_path / "late.ts"
    encode(path)
    assert next(iter(open_film(path).frames())).time == 0


def test_more_than_eight_bits_are_delivered_as_sixteen(tmp_path):
    path = tmp_path / "ten.mkv"
    encode(path, pixel_format="yuv420p10le", codec="libx265", options={"x265-params": "log-level=none"})
    opened = open_film(path)
    frame = next(iter(opened.frames()))
    assert opened.header.depth == 16
    assert frame.pixels.dtype == np.uint16
    assert np.abs(frame.pixels / 257 - picture(0)).mean() < 2


@pytest.mark.parametrize("transfer", [16, 18])
def test_hdr_is_refused(tmp_path, transfer):
    path = tmp_path / "hdr.mp4"
    colour = {"colorspace": 9, "color_primaries": 9, "color_trc": transfer, "color_range": 1}
    encode(path, codec="libx264", pixel_format="yuv420p10le", colour=colour)
    with pytest.raises(FilmError, match=r"HDR.*convert it to SDR"):
        open_film(path)


def test_a_film_without_its_end_is_refused_and_kept_when_asked(film, tmp_path):
    for name, share in (("cut.mkv", 0.6), ("cut.avi", 0.6)):
        whole = tmp_path / name.replace("cut", "whole")
        encode(whole, frames=200)
        data = whole.read_bytes()
        cut = tmp_path / name
        cut.write_bytes(data[: int(len(data) * share)])
        with pytest.raises(FilmError, match=r"cut off after \d+"):
            list(open_film(cut).frames())
        with pytest.warns(HaarmonyWarning, match="what can be decoded is kept"):
            frames = list(open_film(cut, keep_partial=True).frames())
        assert 20 < len(frames) < 200
        assert round(number_of(frames[20].pixels)) == 20


def test_an_index_that_never_was_written_is_named(film, tmp_path):
    cut = tmp_path / "camera.mp4"
    cut.write_bytes(film.read_bytes()[:-2000])
    with pytest.raises(FilmError, match="its index is missing"):
        open_film(cut)


def test_damage_in_the_middle_is_told(tmp_path):
    path = tmp_path / "film.avi"
    encode(path, codec="mjpeg", pixel_format="yuvj420p", frames=20)
    data = bytearray(path.read_bytes())
    where = len(data) // 2
    data[where : where + 2000] = bytes(2000)
    path.write_bytes(data)
    with pytest.raises(FilmError, match="--keep-partial"):
        list(open_film(path).frames())
    with pytest.warns(HaarmonyWarning):
        assert 5 < len(list(open_film(path, keep_partial=True).frames())) < 20


def test_a_size_that_changes_is_told(tmp_path):
    for name, size in (("a.ts", (64, 48)), ("b.ts", (32, 24))):
        encode(tmp_path / name, size=size)
    path = tmp_path / "both.ts"
    path.write_bytes((tmp_path / "a.ts").read_bytes() + (tmp_path / "b.ts").read_bytes())
    with pytest.raises(FilmError, match="frame 12 is 32 x 24, but the film began with 64 x 48"):
        list(open_film(path).frames())
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        assert len(list(open_film(path, keep_partial=True).frames())) == 12


@pytest.mark.skipif(os.name == "nt", reason="no colon may stand in a name there")
@pytest.mark.parametrize("name", ["take:2.mp4", "12:30.mp4", "concat:a.mkv", "subfile,,start,9,:x.ts"])
def test_a_colon_in_a_name_is_no_protocol(tmp_path, monkeypatch, name):
    monkeypatch.chdir(tmp_path)
    encode(tmp_path / name)
    assert [frame.index for frame in open_film(name).frames(9)] == [9, 10, 11]
    assert len(list(open_film(tmp_path / name).frames())) == 12
    with pytest.raises(FilmError, match=f"^'other {name}' does not exist"):
        open_film(f"other {name}")
    with pytest.raises(FilmError, match=f"^'no{name}' does not exist"):
        open_film(f"no{name}")
    (tmp_path / name).write_bytes(b"nothing" * 20)
    with pytest.raises(FilmError, match=f"^'{name}' cannot be read"):
        open_film(name)


def test_sound_alone_is_no_film(tmp_path):
    path = tmp_path / "sound.wav"
    with av.open(str(path), "w") as container:
        stream = container.add_stream("pcm_s16le", rate=48000)
        frame = av.AudioFrame.from_ndarray(np.zeros((1, 2048), np.int16), format="s16", layout="stereo")
        frame.sample_rate, frame.pts, frame.time_base = 48000, 0, Fraction(1, 48000)
        container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    with pytest.raises(FilmError, match="has no video, only audio"):
        open_film(path)


def test_a_film_without_frames_is_told(tmp_path):
    path = tmp_path / "none.mkv"
    encode(path, frames=0, audio=0.2)
    with pytest.raises(FilmError, match="no frame that can be decoded"):
        open_film(path)


@pytest.mark.parametrize(
    ("name", "content", "told"),
    [
        ("empty.mp4", b"", "it is empty"),
        ("noise.mp4", b"\x13\x37" * 500, "damaged, or no film"),
        ("text.mkv", b"a film, they said", "damaged, or no film"),
    ],
)
def test_what_is_no_film_is_told(tmp_path, name, content, told):
    path = tmp_path / name
    path.write_bytes(content)
    with pytest.raises(FilmError, match=told):
        open_film(path)


def test_a_missing_file_is_told(tmp_path):
    with pytest.raises(FilmError, match="does not exist"):
        open_film(tmp_path / "nowhere.mp4")


def test_every_error_is_one_line(tmp_path):
    path = tmp_path / "noise.mp4"
    path.write_bytes(bytes(range(256)) * 8)
    with pytest.raises(FilmError) as caught:
        open_film(path)
    assert "\n" not in str(caught.value)


def test_a_video_film_is_a_film(film):
    opened: Film = open_film(film)
    assert opened.path == film


def test_what_is_lost_is_told(tmp_path):
    encode(tmp_path / "clear.mov", codec="prores_ks", pixel_format="yuva444p10le", frames=2)
    with pytest.warns(HaarmonyWarning, match="its transparency is left out"):
        open_film(tmp_path / "clear.mov")
    encode(tmp_path / "lines.mp4", options={"x264-params": "tff=1"}, frames=2)
    with pytest.warns(HaarmonyWarning, match="interlaced"):
        open_film(tmp_path / "lines.mp4")


def test_a_film_that_was_trimmed_is_whole(tmp_path):
    path = tmp_path / "trimmed.mp4"
    encode(path, frames=100)
    data = bytearray(path.read_bytes())
    at = data.index(b"elst") + 12  # the duration of the only edit, in milliseconds
    assert int.from_bytes(data[at : at + 4], "big") == 4000
    data[at : at + 4] = (2000).to_bytes(4, "big")
    path.write_bytes(data)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert 50 <= len(list(open_film(path).frames())) < 60


def test_an_mp4_that_lacks_its_end_is_refused(tmp_path):
    path = tmp_path / "whole.mp4"
    encode(path, frames=100, container_options={"movflags": "+faststart"})
    data = path.read_bytes()
    cut = tmp_path / "cut.mp4"
    cut.write_bytes(data[: len(data) * 2 // 3])
    with pytest.raises(FilmError, match=r"cut off after \d+ of 100 frames"):
        list(open_film(cut).frames())
    with pytest.warns(HaarmonyWarning):
        assert len(list(open_film(cut, keep_partial=True).frames())) > 20
