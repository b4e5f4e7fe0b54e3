import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

av = pytest.importorskip("av")

from films import encode, packets_of, times_of  # noqa: E402
from haarmony.media.film import open_film  # noqa: E402
from haarmony.media.film_codecs import SEGMENT  # noqa: E402

LONG = 4 * SEGMENT


@pytest.fixture
def clip(here):
    encode("clip.mp4", frames=30, audio=1.2)
    return here


def started(*arguments):
    return subprocess.Popen(
        [sys.executable, "-m", "haarmony", "video", *arguments],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def until(there, process):
    """Wait for a file that a process makes."""
    for _ in range(1200):
        if Path(there).exists():
            return
        assert process.poll() is None, process.stderr.read()
        time.sleep(0.05)
    raise AssertionError(f"{there} did not come")


@pytest.mark.parametrize("path", ["carry", "lut"])
def test_a_film_gets_the_light_of_a_photo(haarmony, clip, path):
    result = haarmony("video", "clip.mp4", "dusk.png", "-o", "out.mp4", "--path", path)
    assert result.code == 0
    assert result.out.startswith("out.mp4: 30 frames of 64 x 48 in ")
    assert result.err == ""
    assert times_of("out.mp4") == times_of("clip.mp4")
    assert packets_of("out.mp4", "audio") == packets_of("clip.mp4", "audio")
    before, after = (next(iter(open_film(name).frames())).pixels for name in ("clip.mp4", "out.mp4"))
    assert after[..., 2].mean() - after[..., 0].mean() > before[..., 2].mean() - before[..., 0].mean() + 20


def test_styles_pass_into_each_other(haarmony, clip):
    haarmony("style", "save", "day.png", "-o", "day.safetensors")
    given = {
        "both.mp4": ["--style", "0:00=day.safetensors", "--style", "0:01=dusk.png"],
        "day.mp4": ["day.png"],
        "dusk.mp4": ["dusk.png"],
    }
    for output, style in given.items():
        result = haarmony("video", "clip.mp4", "-o", output, "-q", *style)
        assert (result.code, result.out, result.err) == (0, "", "")
    both, day, dusk = ([frame.pixels.mean() for frame in open_film(name).frames()] for name in given)
    assert abs(both[0] - day[0]) < 0.2 * abs(both[0] - dusk[0])
    low, high = sorted([day[15], dusk[15]])
    assert low < both[15] < high


def test_regions_are_found_and_followed(haarmony, here):
    encode("long.mp4", frames=12, size=(96, 64))
    result = haarmony("video", "long.mp4", "dusk.png", "-o", "out.mp4", "-q", "--auto-masks", "2")
    assert (result.code, result.out) == (0, "")
    assert len(result.err.splitlines()) <= 1
    assert times_of("out.mp4") == times_of("long.mp4")


def test_frames_in_a_folder(haarmony, clip):
    assert haarmony("video", "clip.mp4", "dusk.png", "-o", "frames/").code == 0
    assert len(list(Path("frames").iterdir())) == 30
    assert haarmony("video", "frames", "day.png", "-o", "back.mp4").code == 0
    assert len(times_of("back.mp4")) == 30


def test_a_folder_of_names_that_are_no_text(haarmony, here):
    Path("frames").mkdir()
    try:
        for name in (b"frames/caf\xe9-1.png", b"frames/caf\xe9-2.png"):
            shutil.copy("day.png", os.fsdecode(name))
    except OSError:
        pytest.skip("this file system takes only names in UTF-8")
    assert haarmony("video", "frames", "dusk.png", "-o", "out.mp4").code == 0
    assert len(times_of("out.mp4")) == 2


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (["nowhere.mp4", "dusk.png"], "'nowhere.mp4' does not exist"),
        (["empty.mp4", "dusk.png"], "'empty.mp4' cannot be read (it is empty)"),
        (["clip.mp4", "nowhere.png"], "'nowhere.png' does not exist"),
        (["clip.mp4"], "required: STYLE"),
        (["clip.mp4", "dusk.png", "--style", "0=day.png"], "the style is given twice"),
        (["clip.mp4", "--style", "dusk.png"], "expected TIME=PATH such as 0:10=dusk.jpg"),
        (["clip.mp4", "--style", "0:00=day.png", "--style", "0=dusk.png"], "two styles are given for"),
        (["clip.mp4", "dusk.png", "--device", "nowhere"], "cannot compute on 'nowhere'"),
        (["clip.mp4", "dusk.png", "--precision", "bfloat16"], "bfloat16 is for the large convolutions of"),
        (["clip.mp4", "dusk.png", "--quality", "best"], "a CRF from 0 to 51"),
        (["clip.mp4", "dusk.png", "--window", "inf"], "a number of seconds above 0, got inf"),
        (["clip.mp4", "dusk.png", "--codec", "prores"], "is not written with prores"),
        (["clip.mp4", "dusk.png", "--auto-masks", "1"], "in 2 to 8 kinds, got 1"),
        (["clip.mp4", "dusk.png", "--auto-masks", "2", "--path", "lut"], "or the path lut"),
        (["clip.mp4", "dusk.png", "--auto-masks", "2", "--content-mask", "day.png"], "either found or given"),
    ],
)
def test_what_is_wrong_is_told_in_a_line(haarmony, clip, arguments, told):
    Path("empty.mp4").touch()
    result = haarmony("video", *arguments, "-o", "out.mp4")
    assert result.code == 2
    assert told in result.err
    assert len(result.err.splitlines()) == 1
    assert not Path("out.mp4").exists()
    assert [path.name for path in Path().iterdir() if path.name.startswith(".")] == []


def test_the_clip_itself_is_not_replaced(haarmony, clip):
    result = haarmony("video", "clip.mp4", "dusk.png", "-o", "clip.mp4")
    assert result.code == 2
    assert "would be lost" in result.err
    assert len(times_of("clip.mp4")) == 30


def test_what_can_be_decoded_is_kept_when_asked(haarmony, clip):
    encode("whole.mkv", frames=60)
    data = Path("whole.mkv").read_bytes()
    Path("cut.mkv").write_bytes(data[: len(data) // 2])
    refused = haarmony("video", "cut.mkv", "dusk.png", "-o", "out.mkv", "--strength", "0")
    assert refused.code == 2
    assert "cut off after" in refused.err
    assert "--keep-partial" in refused.err
    assert len(refused.err.splitlines()) == 1
    kept = haarmony("video", "cut.mkv", "dusk.png", "-o", "out.mkv", "--strength", "0", "--keep-partial")
    assert kept.code == 0
    assert "what can be decoded is kept" in kept.err
    assert 10 < len(times_of("out.mkv")) < 60


@pytest.mark.slow
@pytest.mark.parametrize("kill", [signal.SIGKILL, signal.SIGINT])
@pytest.mark.skipif(os.name == "nt", reason="signals of POSIX are sent")
def test_what_was_stopped_goes_on_as_if_it_had_not_been(here, kill):
    encode("long.mp4", frames=LONG, size=(160, 120), audio=LONG / 25, options={"preset": "ultrafast"})
    film = ["long.mp4", "dusk.png", "--strength", "0"]  # what is measured here is not the transfer
    assert started(*film, "-o", "whole.mp4").wait() == 0
    process = started(*film, "-o", "out.mp4")
    until(".out.mp4.haarmony/000000.json", process)
    process.send_signal(kill)
    _, err = process.communicate()
    if kill == signal.SIGINT:
        assert process.returncode == 130
        assert "frames that are done; --resume goes on" in err
        assert len(err.splitlines()) == 1
        assert SEGMENT <= len(times_of("out.mp4")) < LONG
    else:
        assert not Path("out.mp4").exists()
    other = started("long.mp4", "dusk.png", "-o", "out.mp4", "--resume", "--strength", "0.5")
    assert "begun with another strength" in other.communicate()[1]
    assert other.returncode == 2
    again = started(*film, "-o", "out.mp4", "--resume")
    assert again.wait() == 0
    assert Path("out.mp4").read_bytes() == Path("whole.mp4").read_bytes()
    assert [path.name for path in Path().iterdir() if path.name.startswith(".")] == []
