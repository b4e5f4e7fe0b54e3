from pathlib import Path

import pytest
from PIL import Image

from haarmony.media.image import read_image
from haarmony.methods.wct2 import WCT2


@pytest.fixture
def album(here, photo):
    """Photos in a folder, one of them broken."""
    Path("in").mkdir()
    for i in range(4):
        Image.fromarray(photo(20 + i, 30)).save(f"in/{i}.jpg")
    Path("in/2.jpg").write_bytes(Path("in/2.jpg").read_bytes()[:300])
    return here


def test_a_pattern_goes_to_a_folder_and_failures_are_listed_at_the_end(haarmony, album):
    result = haarmony("transfer", "in/*.jpg", "dusk.png", "-o", "out/")
    assert result.code == 2
    assert [line.strip() for line in result.out.splitlines()] == [f"out/{i}.jpg" for i in (0, 1, 3)]
    lines = result.err.splitlines()
    assert len(lines) == 2
    assert "in/2.jpg" in lines[0]
    assert lines[1] == "haarmony: 1 of 4 files failed, as listed above; the rest is in out/"
    assert sorted(path.name for path in Path("out").iterdir()) == ["0.jpg", "1.jpg", "3.jpg"]
    assert read_image("out/3.jpg").pixels.shape == (23, 30, 3)


def test_a_folder_stands_for_its_pictures(haarmony, album):
    Path("in/notes.txt").write_text("not a picture")
    Path("in/2.jpg").unlink()
    assert haarmony("transfer", "in", "dusk.png", "-o", "out/").code == 0
    assert sorted(path.name for path in Path("out").iterdir()) == ["0.jpg", "1.jpg", "3.jpg"]
    assert haarmony("transfer", "in/", "day.png", "dusk.png", "-o", "more/", "--method", "reinhard").code == 0
    assert len(list(Path("more").iterdir())) == 4
    Path("none").mkdir()
    assert "'none' holds no pictures" in haarmony("transfer", "none", "dusk.png", "-o", "out/").err


def test_a_batch_gives_what_single_transfers_give(haarmony, album):
    haarmony("transfer", "in/0.jpg", "in/1.jpg", "day.png", "dusk.png", "-o", "out/")
    haarmony("transfer", "in/1.jpg", "dusk.png", "-o", "one.jpg")
    assert Path("out/1.jpg").read_bytes() == Path("one.jpg").read_bytes()
    assert sorted(path.name for path in Path("out").iterdir()) == ["0.jpg", "1.jpg", "day.png"]


def test_resume_leaves_what_is_whole(haarmony, album):
    assert haarmony("transfer", "in/0.jpg", "dusk.png", "-o", "out/").code == 0
    before = Path("out/0.jpg").stat().st_mtime_ns
    result = haarmony("transfer", "in/[013].jpg", "dusk.png", "-o", "out/", "--resume")
    assert result.code == 0
    assert "1 of 3 were there" in result.out
    assert Path("out/0.jpg").stat().st_mtime_ns == before
    assert len(list(Path("out").iterdir())) == 3


def test_several_styles_and_several_contents(haarmony, album):
    result = haarmony(
        "transfer", "in/0.jpg", "in/1.jpg", "--style", "dusk.png", "--style", "day.png:2", "-o", "out/"
    )
    assert result.code == 0
    assert len(list(Path("out").iterdir())) == 2


@pytest.mark.parametrize(
    ("arguments", "saying"),
    [
        (["in/0.jpg", "in/1.jpg", "dusk.png", "-o", "out.jpg"], "need a folder"),
        (["in/*.tif", "dusk.png", "-o", "out/"], "no file matches"),
        (["in/*.jpg", "dusk.png", "-o", "in/"], "its own result"),
        (
            ["in/0.jpg", "in/1.jpg", "dusk.png", "-o", "out/", "--protect", "day.png"],
            "belongs to one picture",
        ),
        (["in/nowhere.jpg", "dusk.png", "-o", "out/"], "does not exist"),
        (["day.png", "dusk.png", "-o", "a.png", "--level-strength", "finest=1"], "finest"),
        (["day.png", "dusk.png", "-o", "a.png", "--level-strength", "fine"], "NAME=STRENGTH"),
        (["day.png", "dusk.png", "-o", "a.png", "--level-strength", "fine=2"], "between 0 and 1"),
        (["day.png", "dusk.png", "-o", "a.png", "--protect", "dusk.png"], "mask"),
        (["day.png", "dusk.png", "-o", "a.png", "--max-memory", "lots"], "400M"),
    ],
)
def test_what_makes_no_sense_is_one_line(haarmony, album, arguments, saying):
    result = haarmony("transfer", *arguments)
    assert result.code == 2
    assert saying in result.err
    assert result.err.count("\n") == 1
    assert not Path("a.png").exists()


@pytest.mark.parametrize(
    "command",
    [("transfer", "{}", "dusk.png", "-o", "new/out/"), ("lut", "apply", "l.cube", "{}", "-o", "new/out")],
)
def test_a_folder_that_nothing_went_to_is_not_left_behind(haarmony, album, command):
    haarmony("lut", "day.png", "dusk.png", "-o", "l.cube")
    for names in (["nowhere.jpg"], ["nowhere.jpg", "in/2.jpg"]):
        given = [one for word in command for one in (names if word == "{}" else [word])]
        assert haarmony(*given).code == 2
        assert not Path("new").exists()
    Path("new/out").mkdir(parents=True)
    assert haarmony(*given).code == 2
    assert Path("new/out").is_dir()


def test_a_picture_too_large_for_memory_is_a_line_of_its_own(haarmony, album, monkeypatch):
    def refuse(*_):
        raise RuntimeError("DefaultCPUAllocator: can't allocate memory: you tried to allocate 9 bytes")

    monkeypatch.setattr(WCT2, "field", refuse)
    result = haarmony("transfer", "in/[01].jpg", "dusk.png", "-o", "out/")
    assert result.code == 2
    assert result.err.splitlines()[:2] == [
        f"haarmony: 'in/{i}.jpg': out of memory, give a smaller picture" for i in (0, 1)
    ]


def test_controls_reach_the_picture(haarmony, here, photo):
    Image.new("L", (32, 24), 255).save("all.png")
    plain, protected, luminance, coarse = "plain.png", "protected.png", "luminance.png", "coarse.png"
    assert haarmony("transfer", "day.png", "dusk.png", "-o", plain).code == 0
    assert haarmony("transfer", "day.png", "dusk.png", "-o", protected, "--protect", "all.png").code == 0
    assert haarmony("transfer", "day.png", "dusk.png", "-o", luminance, "--preserve", "luminance").code == 0
    assert haarmony("transfer", "day.png", "dusk.png", "-o", coarse, "--level-strength", "fine=0").code == 0
    day = read_image("day.png").pixels
    weights = [0.3, 0.59, 0.11]
    assert abs(read_image(protected).pixels - day).max() < 1e-6
    assert abs((read_image(luminance).pixels - day) @ weights).max() < 0.01
    assert abs(read_image(luminance).pixels - day).max() > 0.1
    assert abs(read_image(coarse).pixels - read_image(plain).pixels).max() > 0.01
