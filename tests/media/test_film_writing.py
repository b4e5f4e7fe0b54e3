import _thread
import os
import time
from fractions import Fraction

import numpy as np
import pytest
from PIL import Image

av = pytest.importorskip("av")

from films import encode, number_of, packets_of, picture, times_of  # noqa: E402
from haarmony.errors import FilmError, Interrupted  # noqa: E402
from haarmony.media.film import open_film  # noqa: E402
from haarmony.media.film_codecs import SEGMENT  # noqa: E402
from haarmony.media.film_writing import write_film  # noqa: E402

TINY = (32, 32)
LONG = 2 * SEGMENT + 20


def copied(source, output, **options):
    film = open_film(source)
    return write_film(output, film, film.frames, **options)


def left_in(folder):
    return sorted(path.name for path in folder.iterdir() if path.name.startswith("."))


@pytest.fixture(scope="module")
def long_film(tmp_path_factory):
    path = tmp_path_factory.mktemp("long") / "long.mp4"
    encode(path, frames=LONG, size=TINY, audio=LONG / 25)
    return path


@pytest.fixture(scope="module")
def uninterrupted(long_film, tmp_path_factory):
    path = tmp_path_factory.mktemp("whole") / "out.mp4"
    assert copied(long_film, path) == LONG
    return path


@pytest.mark.parametrize("pixel_format", ["yuv420p", "yuv420p10le"])
@pytest.mark.parametrize("full", [False, True])
@pytest.mark.parametrize("matrix", [1, 5, 6])
def test_colours_go_there_and_back(tmp_path, matrix, full, pixel_format):
    colour = {"colorspace": matrix, "color_range": 2 if full else 1, "color_primaries": 1, "color_trc": 1}
    encode(tmp_path / "in.mkv", codec="libx264", pixel_format=pixel_format, colour=colour, frames=3)
    copied(tmp_path / "in.mkv", tmp_path / "out.mkv", quality="2")
    before, after = open_film(tmp_path / "in.mkv"), open_film(tmp_path / "out.mkv")
    assert after.header.colour == before.header.colour
    assert after.header.colour.matrix == matrix
    assert after.header.colour.full_range == full
    assert after.header.depth == before.header.depth
    for one, other in zip(before.frames(), after.frames(), strict=True):
        levels = 255 if one.pixels.dtype == np.uint8 else 65535
        change = other.pixels / levels - one.pixels / levels
        assert np.abs(change).mean() < 0.8 / 255
        assert np.abs(change.mean((0, 1))).max() < 0.3 / 255  # nothing drifts


def test_an_unsaid_matrix_stays_unsaid(tmp_path):
    encode(tmp_path / "in.mkv")
    copied(tmp_path / "in.mkv", tmp_path / "out.mkv")
    assert open_film(tmp_path / "out.mkv").header.colour == open_film(tmp_path / "in.mkv").header.colour


@pytest.mark.parametrize(
    ("name", "codec", "quality", "written"),
    [
        ("out.mp4", None, None, ("h264", "avc1", "yuv420p")),
        ("out.m4v", "hevc", "18", ("hevc", "hvc1", "yuv420p")),
        ("out.mkv", "av1", "30", ("av1", None, "yuv420p")),
        ("out.webm", None, None, ("av1", None, "yuv420p")),
        ("out.mov", None, None, ("prores", "apch", "yuv422p10le")),
        ("out.mov", None, "4444", ("prores", "ap4h", "yuv444p12le")),
        ("out.mov", "h264", None, ("h264", "avc1", "yuv420p")),
    ],
)
@pytest.mark.parametrize("pts", [tuple(range(8)), (0, 3, 4, 10, 11, 12, 30, 31)])
def test_every_codec_keeps_times_and_pictures(tmp_path, name, codec, quality, written, pts):
    encode(tmp_path / "in.mp4", pts=pts, time_base=Fraction(1, 50), size=(64, 64))
    copied(tmp_path / "in.mp4", tmp_path / name, codec=codec, quality=quality)
    assert times_of(tmp_path / name) == [Fraction(time, 50) for time in pts]
    with av.open(str(tmp_path / name)) as container:
        context = container.streams.video[0].codec_context
        assert context.codec.canonical_name == written[0]
        assert written[1] is None or context.codec_tag == written[1]
        assert context.pix_fmt == written[2]
    for frame in open_film(tmp_path / name).frames():
        assert abs(number_of(frame.pixels) - frame.index) < 0.5


def test_ten_bits_become_hevc_of_ten_bits(tmp_path):
    encode(tmp_path / "in.mkv", pixel_format="yuv420p10le")
    copied(tmp_path / "in.mkv", tmp_path / "out.mp4")
    with av.open(str(tmp_path / "out.mp4")) as container:
        context = container.streams.video[0].codec_context
        assert (context.codec.canonical_name, context.pix_fmt) == ("hevc", "yuv420p10le")


@pytest.mark.parametrize("name", ["out.mp4", "out.mov", "out.mkv", "out.webm"])
@pytest.mark.parametrize("size", [(63, 47), (64, 47), (63, 48)])
def test_odd_sizes_are_kept(tmp_path, name, size):
    encode(tmp_path / "in.mkv", size=size, pixel_format="yuv444p", frames=3)
    copied(tmp_path / "in.mkv", tmp_path / name)
    header = open_film(tmp_path / name).header
    assert (header.width, header.height) == size


@pytest.mark.parametrize("name", ["out.mp4", "out.mov", "out.mkv"])
def test_sound_is_copied_bit_by_bit(tmp_path, name):
    encode(tmp_path / "in.mp4", frames=60, audio=2.4)
    copied(tmp_path / "in.mp4", tmp_path / name)
    before, after = packets_of(tmp_path / "in.mp4", "audio"), packets_of(tmp_path / name, "audio")
    assert len(before) > 100
    assert [data for data, *_ in after] == [data for data, *_ in before]
    slack = Fraction(1, 1000) if name.endswith("mkv") else 0  # Matroska counts in milliseconds
    assert all(abs(one[1] - other[1]) <= slack for one, other in zip(before, after, strict=True))


def test_durations_are_kept(tmp_path):
    encode(tmp_path / "in.mp4", frames=60, audio=2.4)
    copied(tmp_path / "in.mp4", tmp_path / "out.mp4")

    def durations(name):
        with av.open(str(tmp_path / name)) as container:
            return container.duration, [stream.duration * stream.time_base for stream in container.streams]

    assert durations("out.mp4") == durations("in.mp4")


@pytest.mark.parametrize("name", ["out.mp4", "out.mov", "out.mkv"])
@pytest.mark.parametrize("frames", [7, 8, 9])
def test_a_last_frame_that_is_held_is_held(tmp_path, name, frames):
    """The last packet is that of the last frame, or of one before it."""
    images = [Image.fromarray(np.roll(picture(index), 3 * index, 1)) for index in range(frames)]
    images[0].save(
        tmp_path / "in.webp",
        save_all=True,
        append_images=images[1:],
        duration=[*[100] * (frames - 1), 2000],
        lossless=True,
    )
    copied(tmp_path / "in.webp", tmp_path / name)
    with av.open(str(tmp_path / name)) as container:
        stream = container.streams.video[0]
        duration = stream.duration and float(stream.duration * stream.time_base)
        assert [round(float(time), 3) for time in times_of(tmp_path / name)] == [
            k / 10 for k in range(frames)
        ]
        assert float(container.duration / 1e6) == pytest.approx(frames / 10 + 1.9, abs=0.02)
        assert duration is None or duration == pytest.approx(frames / 10 + 1.9, abs=0.02)


def test_sound_lies_between_the_pictures(long_film, uninterrupted):
    with av.open(str(uninterrupted)) as container:
        kinds = [packet.stream.type for packet in container.demux() if packet.size]
    half = kinds[: len(kinds) // 2]
    assert 0.3 < half.count("video") / kinds.count("video") < 0.7


def test_subtitles_are_copied(tmp_path):
    encode(tmp_path / "film.mkv", frames=30)
    (tmp_path / "words.srt").write_text("1\n00:00:00,200 --> 00:00:00,900\nGood morning\n")
    with (
        av.open(str(tmp_path / "film.mkv")) as film,
        av.open(str(tmp_path / "words.srt")) as words,
        av.open(str(tmp_path / "in.mkv"), "w") as both,
    ):
        streams = [container.streams[0] for container in (film, words)]
        targets = [both.add_stream_from_template(stream, opaque=True) for stream in streams]
        for stream, target in zip(streams, targets, strict=True):
            for packet in stream.container.demux(stream):
                if packet.size:
                    packet.stream = target
                    both.mux(packet)
    copied(tmp_path / "in.mkv", tmp_path / "out.mkv")
    assert packets_of(tmp_path / "out.mkv", "subtitles") == packets_of(tmp_path / "in.mkv", "subtitles")
    assert packets_of(tmp_path / "out.mkv", "subtitles")[0][0] == b"Good morning"
    with pytest.raises(FilmError, match=r"subtitle in .*mp4 cannot hold: write .mkv"):
        copied(tmp_path / "in.mkv", tmp_path / "out.mp4")
    assert not (tmp_path / "out.mp4").exists()
    assert left_in(tmp_path) == []


def test_all_that_the_file_says_is_kept(tmp_path):
    encode(
        tmp_path / "in.mp4",
        chapters=True,
        pixel_aspect=Fraction(4, 3),
        rotation=90,
        metadata={"title": "Light", "artist": "A. Person", "creation_time": "2020-01-02T03:04:05.000000Z"},
    )
    copied(tmp_path / "in.mp4", tmp_path / "out.mp4")
    before, after = open_film(tmp_path / "in.mp4").header, open_film(tmp_path / "out.mp4").header
    assert after.rotation == before.rotation is not None
    assert after.pixel_aspect == before.pixel_aspect == Fraction(4, 3)
    with av.open(str(tmp_path / "in.mp4")) as one, av.open(str(tmp_path / "out.mp4")) as other:
        for name in ("title", "artist", "creation_time"):
            assert other.metadata[name] == one.metadata[name]
        assert [chapter["metadata"]["title"] for chapter in other.chapters()] == ["dawn", "day"]
        assert [chapter["start"] * chapter["time_base"] for chapter in other.chapters()] == [
            0,
            Fraction(1, 5),
        ]


def test_times_that_begin_late_are_kept_with_the_sound(tmp_path):
    encode(tmp_path / "in.ts", frames=30, audio=1.2)
    copied(tmp_path / "in.ts", tmp_path / "out.mp4")
    shift = times_of(tmp_path / "in.ts")[0] - times_of(tmp_path / "out.mp4")[0]
    assert shift > 0
    one, other = (packets_of(tmp_path / name, "audio") for name in ("in.ts", "out.mp4"))
    assert abs(one[0][1] - other[0][1] - shift) < Fraction(1, 1000)


def test_it_goes_on_after_a_failure_as_if_there_had_been_none(long_film, uninterrupted, tmp_path):
    film = open_film(long_film)
    asked = []

    def failing(start):
        for frame in film.frames(start):
            if frame.index == SEGMENT + 50:
                raise RuntimeError("the lamp went out")
            yield frame

    def frames(start):
        asked.append(start)
        return film.frames(start)

    output = tmp_path / "out.mp4"
    with pytest.raises(RuntimeError, match="lamp"):
        write_film(output, film, failing)
    assert not output.exists()
    assert left_in(tmp_path) == [".out.mp4.haarmony"]
    assert write_film(output, film, frames, resume=True) == LONG
    assert asked == [SEGMENT]
    assert output.read_bytes() == uninterrupted.read_bytes()
    assert left_in(tmp_path) == []


def test_without_resume_it_begins_anew(long_film, uninterrupted, tmp_path):
    film = open_film(long_film)
    output = tmp_path / "out.mp4"
    with pytest.raises(RuntimeError):
        write_film(output, film, lambda start: _broken(film.frames(start), SEGMENT + 1))
    asked = []
    write_film(output, film, lambda start: asked.append(start) or film.frames(start))
    assert asked == [0]
    assert output.read_bytes() == uninterrupted.read_bytes()


def _broken(frames, at):
    for frame in frames:
        if frame.index == at:
            raise RuntimeError
        yield frame


def test_an_interrupt_leaves_a_film_that_plays_and_can_go_on(long_film, uninterrupted, tmp_path):
    film = open_film(long_film)
    output = tmp_path / "out.mp4"

    def interrupt(done):
        if done == SEGMENT + 30:
            _thread.interrupt_main()
            time.sleep(0.5)  # until it has come

    with pytest.raises(Interrupted, match=r"holds the \d+ frames that are done; --resume goes on"):
        write_film(output, film, film.frames, progress=interrupt)
    part = list(open_film(output).frames())
    assert SEGMENT + 30 <= len(part) < LONG
    assert abs(number_of(part[10].pixels) - 10) < 0.5
    end = part[-1].time + Fraction(1, 25)
    assert abs(packets_of(output, "audio")[-1][1] - end) < Fraction(1, 20)
    assert copied(long_film, output, resume=True) == LONG
    assert output.read_bytes() == uninterrupted.read_bytes()
    assert left_in(tmp_path) == []


@pytest.mark.skipif(os.name == "nt", reason="no colon may stand in a name there")
@pytest.mark.parametrize("name", ["out:2.mp4", "12:30.mkv", "concat:a.mov", "out:2.gif"])
def test_films_of_names_with_a_colon_are_written(tmp_path, monkeypatch, name):
    monkeypatch.chdir(tmp_path)
    encode(tmp_path / "take:2.mp4", audio=0.4)
    copied("take:2.mp4", name)
    assert left_in(tmp_path) == []
    assert len(list(open_film(name).frames())) == 12


@pytest.mark.parametrize(
    ("changed", "told"), [({"quality": "30"}, "encoding"), ({"settings": {"strength": 0.5}}, "strength")]
)
def test_a_setting_that_changed_is_refused(long_film, tmp_path, changed, told):
    film = open_film(long_film)
    first = {"settings": {"strength": 1.0}}
    with pytest.raises(RuntimeError):
        write_film(
            tmp_path / "out.mp4", film, lambda start: _broken(film.frames(start), SEGMENT + 3), **first
        )
    with pytest.raises(FilmError, match=f"begun with another {told}"):
        copied(long_film, tmp_path / "out.mp4", resume=True, **{**first, **changed})


def test_another_source_is_refused(long_film, tmp_path):
    film = open_film(long_film)
    with pytest.raises(RuntimeError):
        write_film(tmp_path / "out.mp4", film, lambda start: _broken(film.frames(start), SEGMENT + 3))
    encode(tmp_path / "other.mp4", size=TINY)
    with pytest.raises(FilmError, match="begun with another source"):
        copied(tmp_path / "other.mp4", tmp_path / "out.mp4", resume=True)


def test_what_is_cut_short_is_written_to_there_with_its_sound(long_film, tmp_path):
    whole = tmp_path / "whole.mkv"
    encode(whole, frames=100, audio=4)
    data = whole.read_bytes()
    for share, name in ((0.5, "cut.mkv"), (0.9, "late.mkv")):
        (tmp_path / name).write_bytes(data[: int(share * len(data))])
        with pytest.raises(FilmError, match="cut off"):
            copied(tmp_path / name, tmp_path / "out.mkv")
        film = open_film(tmp_path / name, keep_partial=True)
        with pytest.warns(Warning, match="kept"):
            done = write_film(tmp_path / "out.mkv", film, film.frames, resume=True)
        assert 10 < done < 100
        assert len(list(open_film(tmp_path / "out.mkv").frames())) == done


@pytest.mark.parametrize(
    ("name", "options", "told"),
    [
        ("out.xyz", {}, "cannot be written as .xyz"),
        ("out", {}, "a file without extension"),
        ("out.webm", {"codec": "h264"}, "is not written with h264: choose av1"),
        ("out.mp4", {"codec": "theora"}, "choose h264 or hevc or av1"),
        ("out.mp4", {"quality": "best"}, "a CRF from 0 to 51"),
        ("out.mp4", {"quality": "99"}, "a CRF from 0 to 51"),
        ("out.mov", {"quality": "17"}, "proxy, lt, standard, hq, 4444"),
        ("nowhere/out.mp4", {}, "does not exist: make it first"),
        ("nowhere/out.gif", {}, "does not exist: make it first"),
        ("out.gif", {"codec": "h264"}, "has no codec to choose"),
        ("frames/", {"quality": "17"}, "has no quality to choose"),
    ],
)
def test_what_cannot_be_written_is_told_before_the_work(tmp_path, name, options, told):
    encode(tmp_path / "in.mp4", frames=2)
    film = open_film(tmp_path / "in.mp4")

    def never(start):
        raise AssertionError("the work has begun")

    with pytest.raises(FilmError, match=told):
        write_film(f"{tmp_path}/{name}", film, never, **options)
    assert left_in(tmp_path) == []
