import os
import warnings
from fractions import Fraction

import imagecodecs
import numpy as np
import pytest
from PIL import Image

av = pytest.importorskip("av")

from films import encode, number_of, picture, times_of  # noqa: E402
from haarmony.errors import FilmError, HaarmonyWarning, ImageError  # noqa: E402
from haarmony.media.film import open_film  # noqa: E402
from haarmony.media.film_writing import write_film  # noqa: E402
from haarmony.media.image import Picture, read_image, to_profile, write_image  # noqa: E402

ADOBE_RGB = bytes(imagecodecs.cms_profile("adobergb"))
SRGB_BY_ANOTHER_NAME = bytes(imagecodecs.cms_profile("srgb"))


def copied(source, output, **options):
    film = open_film(source)
    return write_film(output, film, film.frames, **options)


@pytest.fixture
def folder(tmp_path):
    path = tmp_path / "frames"
    path.mkdir()
    for index in range(12):
        Image.fromarray(picture(index)).save(path / f"shot{index + 1}.png")
    (path / "notes.txt").write_text("not a picture")
    return path


@pytest.fixture(params=["film.gif", "film.webp"])
def animated(request, tmp_path):
    path = tmp_path / request.param
    images = [Image.fromarray(picture(index)) for index in range(6)]
    durations = [40, 100, 100, 200, 40, 500]
    images[0].save(
        path, save_all=True, append_images=images[1:], duration=durations, loop=3, lossless=True, quality=40
    )
    return path


def test_pictures_come_in_the_order_of_their_numbers(folder):
    film = open_film(folder)
    assert film.header.frames == 12
    assert (film.header.average_rate, film.header.duration) == (25, Fraction(12, 25))
    frames = list(film.frames())
    assert [round(number_of(frame.pixels)) for frame in frames] == list(range(12))
    assert [frame.time for frame in frames] == [Fraction(index, 25) for index in range(12)]
    assert [frame.index for frame in film.frames(9)] == [9, 10, 11]
    assert open_film(folder, rate=30000 / 1001).header.average_rate == Fraction(30000, 1001)


def test_digits_that_are_no_numbers_may_be_in_names(tmp_path):
    for name in ("1²10", "1²9", "²", "٣"):
        Image.fromarray(picture(0)).save(tmp_path / f"{name}.png")
    names = [path.stem for path in open_film(tmp_path).files]
    assert names.index("1²9") < names.index("1²10")


def test_sixteen_bits_stay_sixteen(tmp_path):
    path = tmp_path / "deep"
    path.mkdir()
    pixels = np.random.default_rng(0).random((8, 9, 3), dtype=np.float32)
    write_image(path / "1.png", Picture(pixels, depth=16))
    film = open_film(path)
    assert film.header.depth == 16
    copied(path, f"{tmp_path}/out/")
    assert np.abs(read_image(tmp_path / "out/1.png").pixels - pixels).max() < 1 / 65000


def samples(depth):
    noise = np.random.default_rng(0).integers(0, 1 << depth, (300, 9, 3))
    return noise.astype(np.uint8 if depth == 8 else np.uint16)


@pytest.mark.parametrize("depth", [8, 16])
@pytest.mark.parametrize("name", ["{}.png", "{}.tif"])
def test_frames_are_brought_to_srgb_by_their_own_profiles(tmp_path, depth, name):
    full = (1 << depth) - 1
    pixels = (samples(depth) / full).astype(np.float32)
    profiles = [None, ADOBE_RGB, SRGB_BY_ANOTHER_NAME, bytes(imagecodecs.cms_profile("adobergb", gamma=1.8))]
    for index, profile in enumerate(profiles):
        write_image(tmp_path / name.format(index), Picture(pixels, depth=depth, profile=profile))
    frames = [frame.pixels for frame in open_film(tmp_path).frames()]
    for index, profile in enumerate(profiles):
        if index in (0, 2):
            assert (frames[index] == samples(depth)).all()
            continue
        wanted = to_profile(Picture(pixels, profile=profile), None).pixels
        assert frames[index].dtype == samples(depth).dtype
        assert np.abs(frames[index] - full * wanted).max() < 0.51
    assert (frames[1] != frames[0]).mean() > 0.5


@pytest.mark.parametrize("depth", [8, 16])
def test_pictures_are_written_in_the_profiles_of_the_frames(tmp_path, depth):
    pixels = (0.2 + 0.6 * samples(depth) / ((1 << depth) - 1)).astype(np.float32)
    source = tmp_path / "in"
    source.mkdir()
    of_srgb = to_profile(Picture(pixels, depth=depth, xmp=b"<x/>"), ADOBE_RGB)
    write_image(source / "1.tif", of_srgb)
    write_image(source / "2.tif", Picture(pixels, depth=depth, profile=SRGB_BY_ANOTHER_NAME))
    copied(source, f"{tmp_path}/out/")
    for name in ("1.tif", "2.tif"):
        before, after = read_image(source / name), read_image(tmp_path / "out" / name)
        assert (after.profile, after.xmp, after.depth) == (before.profile, before.xmp, depth)
        off = np.abs(after.pixels - before.pixels).max() * ((1 << depth) - 1)
        assert off < (1.5 if name == "1.tif" else 0.01)


def test_grey_frames_are_brought_to_srgb_too(tmp_path):
    linear = bytes(imagecodecs.cms_profile("gray", gamma=1.0))
    Image.new("L", (4, 4), 128).save(tmp_path / "1.png", icc_profile=linear)
    Image.new("L", (4, 4), 128).save(tmp_path / "2.png")
    Image.new("I;16", (4, 4), 128 * 257).save(tmp_path / "3.png")
    frames = [frame.pixels for frame in open_film(tmp_path).frames()]
    assert [np.unique(pixels).tolist() for pixels in frames] == [[188], [128], [128]]
    copied(tmp_path, f"{tmp_path}/out/")
    assert read_image(tmp_path / "out/1.png").profile is None
    assert (np.asarray(Image.open(tmp_path / "out/1.png")) == 188).all()


def test_frames_with_a_profile_go_on_as_if_they_had_not_been_stopped(tmp_path):
    source = tmp_path / "in"
    source.mkdir()
    for number in range(4):
        Image.fromarray(picture(number)).save(source / f"{number}.jpg", icc_profile=ADOBE_RGB)
    film = open_film(source)
    copied(source, f"{tmp_path}/whole/")
    stopped(film, tmp_path / "out", after=2)
    assert write_film(tmp_path / "out", film, film.frames, resume=True) == 4
    for file in (tmp_path / "whole").iterdir():
        assert file.read_bytes() == (tmp_path / "out" / file.name).read_bytes()


def test_a_profile_that_cannot_be_used_is_told(folder):
    Image.fromarray(picture(4)).save(folder / "shot5.png", icc_profile=ADOBE_RGB[:200])
    with pytest.raises(ImageError, match=r"shot5.png': its colour profile cannot be converted \("):
        list(open_film(folder).frames())


def test_a_folder_becomes_a_folder_of_the_same_names(folder, tmp_path):
    assert copied(folder, f"{tmp_path / 'out'}/") == 12
    assert sorted(file.name for file in (tmp_path / "out").iterdir()) == sorted(
        f"shot{number}.png" for number in range(1, 13)
    )
    assert (np.asarray(Image.open(tmp_path / "out/shot7.png")) == picture(6)).all()


def test_a_folder_becomes_a_film_and_back(folder, tmp_path):
    copied(folder, tmp_path / "film.mp4")
    assert times_of(tmp_path / "film.mp4") == [Fraction(index, 25) for index in range(12)]
    copied(tmp_path / "film.mp4", f"{tmp_path / 'out'}/")
    assert np.abs(np.asarray(Image.open(tmp_path / "out/000003.png")).astype(int) - picture(2)).mean() < 2


def test_a_folder_goes_on_where_it_was_stopped(folder, tmp_path):
    film = open_film(folder)
    out = tmp_path / "out"
    asked = []

    def broken(start):
        yield from film.frames(0, 5)
        raise RuntimeError("stop")

    def frames(start):
        asked.append(start)
        return film.frames(start)

    with pytest.raises(RuntimeError, match="stop"):
        write_film(f"{out}/", film, broken, settings={"strength": 1})
    with pytest.raises(FilmError, match="begun with another strength"):
        write_film(f"{out}/", film, frames, settings={"strength": 0.5}, resume=True)
    assert write_film(f"{out}/", film, frames, settings={"strength": 1}, resume=True) == 12
    assert asked == [5]
    assert len(list(out.iterdir())) == 12


def test_frames_do_not_mix_with_pictures_that_are_there(folder, tmp_path):
    film = open_film(folder)
    out = tmp_path / "out"
    out.mkdir()
    (out / "notes.txt").write_text("not a picture")
    assert copied(folder, out) == 12
    kept = {path: path.read_bytes() for path in out.iterdir()}
    for resume in (False, True):
        with pytest.raises(FilmError, match=r"out' holds pictures, such as 'shot1.png', that would mix"):
            write_film(out, film, film.frames, resume=resume)
    assert {path: path.read_bytes() for path in out.iterdir()} == kept


def stopped(film, out, *, after, **options):
    def frames(start):
        yield from film.frames(start, after)
        raise RuntimeError("stop")

    with pytest.raises(RuntimeError, match="stop"):
        write_film(f"{out}/", film, frames, **options)


def test_what_was_stopped_begins_anew_without_its_frames(folder, tmp_path):
    film = open_film(folder)
    out = tmp_path / "out"
    stopped(film, out, after=5, settings={"strength": 1})
    stopped(film, out, after=2, settings={"strength": 0})
    assert sorted(path.name for path in out.iterdir()) == [".haarmony.json", "shot1.png", "shot2.png"]
    other = tmp_path / "other.mp4"
    copied(folder, other)
    with pytest.raises(FilmError, match=r"holds pictures, such as 'shot1.png'"):
        copied(other, out)
    (out / "holiday.jpg").write_bytes((out / "shot1.png").read_bytes())
    for resume in (False, True):
        with pytest.raises(FilmError, match=r"holds pictures, such as 'holiday.jpg'"):
            write_film(out, film, film.frames, settings={"strength": 0}, resume=resume)
    (out / "holiday.jpg").unlink()
    assert write_film(out, film, film.frames, settings={"strength": 1}) == 12


@pytest.mark.parametrize("where", [0, 0.5, 1])
def test_frames_that_were_exported_anew_do_not_mix_with_those_of_before(tmp_path, where):
    source, out = tmp_path / "in", tmp_path / "out"
    source.mkdir()
    pixels = np.zeros((200, 400, 3), np.float32)
    for number in range(3):
        write_image(source / f"{number}.tif", Picture(pixels))
    stopped(open_film(source), out, after=2)
    sizes = [file.stat().st_size for file in sorted(source.iterdir())]
    pixels[round(where * 199), 200] = 1
    write_image(source / "1.tif", Picture(pixels))
    assert [file.stat().st_size for file in sorted(source.iterdir())] == sizes
    film = open_film(source)
    with pytest.raises(FilmError, match="begun with another source"):
        write_film(out, film, film.frames, resume=True)


def test_a_picture_that_may_not_be_read_is_told_before_the_work(folder, tmp_path):
    (folder / "shot5.png").chmod(0)
    if os.access(folder / "shot5.png", os.R_OK):
        pytest.skip("this user may read everything")
    with pytest.raises(ImageError, match=r"shot5.png' may not be read: check its permissions"):
        copied(folder, f"{tmp_path}/out/")
    assert not (tmp_path / "out").exists()


def test_warnings_of_the_frames_come_through_while_pictures_are_written(folder, tmp_path):
    film = open_film(folder)

    def frames(start):
        for frame in film.frames(start):
            warnings.warn(f"frame {frame.index} is told", HaarmonyWarning, stacklevel=1)
            yield frame

    with warnings.catch_warnings(record=True) as told:
        warnings.simplefilter("always", HaarmonyWarning)
        write_film(f"{tmp_path}/out/", film, frames)
    assert [str(one.message) for one in told] == [f"frame {index} is told" for index in range(12)]


def test_a_folder_without_a_frame_is_not_left_behind(folder, tmp_path):
    film = open_film(folder)
    stopped(film, tmp_path / "new/out", after=0)
    assert not (tmp_path / "new").exists()
    (tmp_path / "out").mkdir()
    stopped(film, tmp_path / "out", after=0)
    assert list((tmp_path / "out").iterdir()) == []


def test_damaged_settings_are_told(folder, tmp_path):
    film = open_film(folder)
    stopped(film, tmp_path / "out", after=3)
    (tmp_path / "out/.haarmony.json").write_text("{")
    with pytest.raises(FilmError, match=r"haarmony.json' is damaged: remove it"):
        write_film(tmp_path / "out", film, film.frames, resume=True)


def test_what_is_made_beside_the_pictures_keeps_none_from_going_on(folder):
    film = open_film(folder)
    out = folder / "out"
    stopped(film, out, after=5)
    (folder / "film.mp4").write_bytes(b"what an interrupt left")
    (folder / "._shot1.png").write_bytes(b"what a Mac leaves on a foreign disk")
    film = open_film(folder)
    assert write_film(out, film, film.frames, resume=True) == 12


def test_a_folder_that_cannot_be_made_is_told(folder, tmp_path):
    (tmp_path / "file").touch()
    with pytest.raises(FilmError, match=r"file/' cannot be written \(File exists\)"):
        copied(folder, f"{tmp_path / 'file'}/")


def test_pictures_of_two_sizes_are_told(folder):
    Image.fromarray(picture(0, height=10)).save(folder / "shot5.png")
    with pytest.raises(FilmError, match=r"shot5.png' is 64 x 10, but the film began with 64 x 48"):
        list(open_film(folder).frames())


def test_a_damaged_picture_is_told(folder):
    (folder / "shot5.png").write_bytes((folder / "shot5.png").read_bytes()[:100])
    with pytest.raises(ImageError, match=r"shot5.png"):
        list(open_film(folder).frames())


def test_a_frame_that_is_a_lost_link_is_told(folder):
    (folder / "shot5.png").unlink()
    (folder / "shot5.png").symlink_to("nowhere.png")
    (folder / "shot6x.png").mkdir()
    with pytest.raises(ImageError, match=r"shot5.png' does not exist"):
        list(open_film(folder).frames())


def test_a_folder_without_pictures_is_told(tmp_path):
    Image.fromarray(picture(0)).save(tmp_path / "1.bmp")
    with pytest.raises(FilmError, match=r"has no pictures of \.jpg .*\.tif"):
        open_film(tmp_path)


def test_animated_pictures_are_films(animated):
    film = open_film(animated)
    frames = list(film.frames())
    assert [frame.time * 1000 for frame in frames] == [0, 40, 140, 240, 440, 480]
    assert frames[-1].duration == Fraction(1, 2)
    assert film.header.duration == Fraction(98, 100)
    assert [round(number_of(frame.pixels)) for frame in frames] == list(range(6))
    assert [frame.index for frame in film.frames(2, 4)] == [2, 3]


def test_animated_pictures_are_written_with_their_times(animated, tmp_path):
    for suffix in (".gif", ".webp"):
        out = tmp_path / f"out{suffix}"
        assert copied(animated, out) == 6
        with Image.open(out) as image:
            assert image.n_frames == 6
            assert image.info["loop"] == 3
        assert [frame.time for frame in open_film(out).frames()] == [
            frame.time for frame in open_film(animated).frames()
        ]


@pytest.mark.parametrize(("suffix", "tick"), [(".gif", 10), (".webp", 1)])
@pytest.mark.parametrize("rate", [30, Fraction(30000, 1001), 24])
def test_an_animation_is_as_long_as_its_film(tmp_path, suffix, tick, rate):
    encode(tmp_path / "in.mp4", frames=25, time_base=1 / Fraction(rate))
    assert copied(tmp_path / "in.mp4", tmp_path / f"out{suffix}") == 25
    for index, frame in enumerate(open_film(tmp_path / f"out{suffix}").frames()):
        assert abs(frame.time * 1000 - index * 1000 / Fraction(rate)) <= Fraction(tick, 2)
        assert round(number_of(frame.pixels)) == index


def test_frames_of_different_durations_keep_them(tmp_path):
    times = [0, 40, 80, 280, 320, 520, 560, 600, 900]
    encode(tmp_path / "in.mp4", frames=9, pts=times, time_base=Fraction(1, 1000))
    copied(tmp_path / "in.mp4", tmp_path / "out.gif")
    assert [frame.time * 1000 for frame in open_film(tmp_path / "out.gif").frames()] == times


def test_frames_that_a_gif_cannot_show_are_left_out(tmp_path):
    encode(tmp_path / "in.mp4", frames=60, time_base=Fraction(1, 120))
    with pytest.warns(HaarmonyWarning, match="35 of 60 frames are left out: GIF shows none for less"):
        assert copied(tmp_path / "in.mp4", tmp_path / "out.gif") == 25
    film = open_film(tmp_path / "out.gif")
    *_, last = open_film(tmp_path / "in.mp4").frames()
    assert abs(film.header.duration - (last.time + last.duration)) <= Fraction(1, 100)
    assert all(frame.duration >= Fraction(2, 100) for frame in film.frames())


def test_an_animated_picture_becomes_a_film(animated, tmp_path):
    copied(animated, tmp_path / "out.mp4")
    assert [time * 1000 for time in times_of(tmp_path / "out.mp4")] == [0, 40, 140, 240, 440, 480]
    assert open_film(tmp_path / "out.mp4").header.colour.matrix == 1
    for one, other in zip(
        open_film(animated).frames(), open_film(tmp_path / "out.mp4").frames(), strict=True
    ):
        assert np.abs(one.pixels.astype(int) - other.pixels).mean() < 5


def test_transparent_places_are_told(tmp_path):
    clear = Image.new("RGBA", (8, 8), (255, 0, 0, 0))
    clear.save(tmp_path / "clear.webp", save_all=True, append_images=[Image.new("RGBA", (8, 8), "blue")])
    with pytest.warns(HaarmonyWarning, match="become white"):
        film = open_film(tmp_path / "clear.webp")
    assert (next(iter(film.frames())).pixels == 255).all()


def test_a_damaged_animation_is_told_and_kept_when_asked(animated, tmp_path):
    cut = tmp_path / f"cut{animated.suffix}"
    data = animated.read_bytes()
    cut.write_bytes(data[: len(data) * 2 // 3])
    with pytest.raises(FilmError):
        list(open_film(cut).frames())


def test_what_is_no_animation_is_told(tmp_path):
    for name in ("none.gif", "none.webp"):
        (tmp_path / name).write_bytes(b"nothing" * 20)
        with pytest.raises(FilmError, match="not a picture"):
            open_film(tmp_path / name)
    encode(tmp_path / "film.mp4", frames=2)
    with pytest.raises(FilmError, match="does not exist"):
        open_film(tmp_path / "nowhere.gif")


def test_numbers_that_are_missing_are_told(folder):
    (folder / "shot5.png").unlink()
    (folder / "shot9.png").unlink()
    with pytest.warns(HaarmonyWarning, match="in 2 places, first between 'shot4.png' and 'shot6.png'"):
        film = open_film(folder)
    assert film.header.frames == 10


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize(
    "names",
    [
        ("1.png", "3.png", "5.png"),
        ("a1.png", "b7.png", "b8.png"),
        ("1.png", "1.tif", "2.png"),
        ("101502.png", "101507.png", "101509.png"),
    ],
)
def test_names_without_a_gap_warn_of_none(tmp_path, names):
    for name in names:
        Image.fromarray(picture(0)).save(tmp_path / name)
    assert open_film(tmp_path).header.frames == len(names)
