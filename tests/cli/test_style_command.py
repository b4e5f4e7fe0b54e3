import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from safetensors.torch import load_file, save_file

from haarmony.cli.inputs import weighted
from haarmony.cli.main import main
from haarmony.media.image import read_image
from haarmony.style import Style

SCRIPT = Path(sys.executable).with_name("haarmony")


@pytest.fixture
def photos(here, photo):
    """A folder with day.png, dusk.png and noon.png, and halves of each as masks."""
    Image.fromarray(photo(26, 22, tint=(0.6, 1.0, 0.5))).save("noon.png")
    for name in ("day", "dusk", "noon"):
        width, height = Image.open(f"{name}.png").size
        halves = Image.new("RGB", (width, height), (255, 0, 0))
        halves.paste((0, 0, 255), (0, 0, width // 2, height))
        halves.save(f"{name}-mask.png")
    return here


def levels(a, b):
    """The largest difference of two files, in levels of 8 bits."""
    return np.abs(read_image(a).pixels - read_image(b).pixels).max() * 255


def one_line(result, saying):
    assert (result.code, result.out) == (2, "")
    assert result.err.startswith("haarmony: ")
    assert result.err.count("\n") == 1
    assert saying in result.err


class TestSave:
    def test_another_process_gets_what_the_picture_gives(self, photos):
        def run(*arguments):
            done = subprocess.run([SCRIPT, *arguments], cwd=photos, capture_output=True, text=True)
            assert (done.returncode, done.stderr) == (0, "")
            return done.stdout

        said = run("style", "save", "dusk.png", "-o", "dusk.safetensors")
        assert said.startswith("dusk.safetensors: 1 picture for compact, ")
        run("transfer", "day.png", "dusk.safetensors", "-o", "saved.png")
        run("transfer", "day.png", "dusk.png", "-o", "picture.png")
        assert levels("saved.png", "picture.png") <= 1.001
        assert levels("saved.png", "day.png") > 30

    def test_several_pictures_are_one_style(self, haarmony, photos):
        assert haarmony("style", "save", "dusk.png", "noon.png", "-o", "both.safetensors").code == 0
        assert haarmony("style", "save", "dusk.png", "-o", "dusk.safetensors").code == 0
        both, dusk = (Style.load(f"{name}.safetensors").moments() for name in ("both", "dusk"))
        assert float(both["encoder1"]["whole"].count) > 1.5 * float(dusk["encoder1"]["whole"].count)

    def test_masks_go_along(self, haarmony, photos):
        saved = haarmony(
            *("style", "save", "dusk.png", "noon.png", "-o", "both.safetensors", "-q"),
            *("--mask", "dusk-mask.png", "--mask", "noon-mask.png"),
        )
        assert saved == (0, "", "")
        assert Style.load("both.safetensors").areas == {"red": 14 * 20 + 11 * 26, "blue": 14 * 20 + 11 * 26}
        done = haarmony(
            *("transfer", "day.png", "both.safetensors", "-o", "out.png"), *("--content-mask", "day-mask.png")
        )
        assert (done.code, done.err) == (0, "")

    def test_stages_reach_the_style(self, haarmony, here):
        haarmony("style", "save", "dusk.png", "-o", "dusk.safetensors", "--stages", "encoder,decoder")
        assert "decoder1" in Style.load("dusk.safetensors").sites

    @pytest.mark.parametrize(
        ("arguments", "saying"),
        [
            ([], "WHAT"),
            (["save"], "PICTURE"),
            (["save", "dusk.png"], "-o"),
            (["save", "nowhere.png", "-o", "out.safetensors"], "'nowhere.png' does not exist"),
            (["save", "broken.png", "-o", "out.safetensors"], "broken.png"),
            (["save", "dusk.png", "-o", "out.style"], "end it in .safetensors"),
            (["save", "dusk.png", "-o", "no/such/out.safetensors"], "cannot write the style"),
            (["save", "dusk.png", "-o", "folder.safetensors"], "cannot write the style"),
            (["save", "dusk.png", "-o", "out.safetensors", "--model", "vgg20"], "'vgg20'"),
            (["save", "dusk.png", "-o", "out.safetensors", "--stages", "end"], "'end'"),
            (
                ["save", "dusk.png", "day.png", "-o", "out.safetensors", "--mask", "dusk-mask.png"],
                "1 style masks",
            ),
            (["save", "dusk.png", "-o", "out.safetensors", "--mask", "day-mask.png"], "28 x 20"),
            (["show"], "STYLE"),
            (["show", "nowhere.safetensors"], "nowhere.safetensors"),
            (["show", "dusk.png"], "dusk.png"),
        ],
    )
    def test_a_mistake_is_one_line_and_nothing_is_written(self, haarmony, photos, arguments, saying):
        Path("broken.png").write_bytes(Path("day.png").read_bytes()[:200])
        Path("folder.safetensors").mkdir()
        before = set(photos.rglob("*"))
        one_line(haarmony("style", *arguments), saying)
        assert set(photos.rglob("*")) == before

    def test_a_failure_leaves_the_old_file(self, haarmony, here):
        haarmony("style", "save", "dusk.png", "-o", "dusk.safetensors")
        before = Path("dusk.safetensors").read_bytes()
        one_line(haarmony("style", "save", "nowhere.png", "-o", "dusk.safetensors"), "nowhere.png")
        assert Path("dusk.safetensors").read_bytes() == before


class TestShow:
    def test_in_a_pipe_it_is_a_line_a_site_and_region(self, haarmony, photos):
        haarmony("style", "save", "dusk.png", "--mask", "dusk-mask.png", "-o", "dusk.safetensors")
        lines = [line.split("\t") for line in haarmony("style", "show", "dusk.safetensors").out.splitlines()]
        assert lines[0] == ["model", "weights", "haarmony", "site", "channels", "label", "area", "pixels"]
        model = Style.load("dusk.safetensors").model.split()
        assert {tuple(line[:2]) for line in lines[1:]} == {tuple(model)}
        assert {line[3] for line in lines[1:]} == {*(f"encoder{level}" for level in (1, 2, 3, 4)), "texture"}
        assert {line[5]: line[6] for line in lines[1:]} == {"red": "280", "blue": "280"}

    def test_on_a_terminal_it_is_a_table(self, here, capfd, monkeypatch):
        main(["style", "save", "dusk.png", "-o", "dusk.safetensors", "-q"])
        monkeypatch.setattr(sys.stdout, "isatty", lambda: True)
        assert main(["style", "show", "dusk.safetensors"]) == 0
        assert "encoder4" in capfd.readouterr().out

    def test_control_characters_of_a_stranger_s_file_do_not_reach_the_terminal(self, haarmony, here):
        haarmony("style", "save", "dusk.png", "-o", "dusk.safetensors")
        evil = {name.replace("whole", "\x1b[2J"): x for name, x in load_file("dusk.safetensors").items()}
        about = '{"model": "compact \\u001b[2J", "version": "0\\n1", "areas": null}'
        save_file(evil, "evil.safetensors", {"haarmony style 1": about})
        result = haarmony("style", "show", "evil.safetensors")
        assert result.code == 0
        assert "\x1b" not in result.out
        assert result.out.count("\n") == 1 + 5  # a head, and a line a site
        refused = haarmony("transfer", "day.png", "evil.safetensors", "-o", "out.png")
        one_line(refused, "made by compact \\x1b[2J")
        assert "\x1b" not in refused.err


class TestMixing:
    def test_styles_and_pictures_mix(self, haarmony, photos):
        def written(*options):
            done = haarmony("transfer", "day.png", "-o", "out.png", *options)
            assert (done.code, done.err) == (0, "")
            return read_image("out.png").pixels

        haarmony("style", "save", "noon.png", "-o", "noon.safetensors")
        dusk, noon = written("dusk.png"), written("--style", "noon.safetensors")
        assert np.array_equal(written("--style", "dusk.png:0.3"), dusk)
        assert np.array_equal(written("--style", "dusk.png", "--style", "noon.png:0"), dusk)
        mixes = [
            written("--style", "dusk.png:0.7", "--style", "noon.safetensors:0.3", *options)
            for options in ((), ("--mix", "maps"), ("--mix", "barycentre"))
        ]
        assert np.array_equal(mixes[0], mixes[1])
        assert np.abs(mixes[1] - mixes[2]).max() > 0
        for mixed in mixes:
            assert 0.01 < np.abs(mixed - dusk).mean() < 0.6 * np.abs(noon - dusk).mean()
        assert np.array_equal(written("--style", "dusk.png:7", "--style", "noon.safetensors:3"), mixes[0])

    def test_masks_go_with_pictures_in_their_order(self, haarmony, photos):
        done = haarmony(
            *("transfer", "day.png", "-o", "out.png", "--content-mask", "day-mask.png"),
            *("--style", "dusk.png", "--style-mask", "dusk-mask.png"),
            *("--style", "noon.png", "--style-mask", "noon-mask.png"),
        )
        assert (done.code, done.err) == (0, "")

    @pytest.mark.parametrize(
        ("arguments", "saying"),
        [
            ([], "STYLE"),
            (["dusk.png", "--style", "noon.png"], "either STYLE or --style"),
            (["--style", "dusk.png:-1"], "got -1"),
            (["--style", "dusk.png:0", "--style", "noon.png:0"], "got 0, 0"),
            (["--style", "dusk.png", "--mix", "magic"], "'magic'"),
            (["--style", "nowhere.png:2"], "'nowhere.png' does not exist"),
            (["--style", "dusk.png", "--style", "nowhere.safetensors:2"], "nowhere.safetensors"),
            (["--style", "dusk.png", "--style", "broken.safetensors"], "broken.safetensors"),
            (["--style", "dusk.png", "--style", "foreign.safetensors"], "one model"),
            (["foreign.safetensors"], "choose the model vgg19"),
            (["old.safetensors"], "make the style anew"),
            (
                ["--style", "dusk.png", "--style", "noon.png", "--style-mask", "dusk-mask.png"],
                "1 style masks",
            ),
        ],
    )
    def test_a_mistake_is_one_line_and_nothing_is_written(self, haarmony, photos, arguments, saying):
        haarmony("style", "save", "noon.png", "-o", "noon.safetensors")
        noon = Style.load("noon.safetensors")
        Style("vgg19 0123456789abcdef", noon.sites).save("foreign.safetensors")
        Style("compact 0123456789abcdef", noon.sites).save("old.safetensors")
        Path("broken.safetensors").write_bytes(Path("noon.safetensors").read_bytes()[:5000])
        before = set(photos.rglob("*"))
        one_line(haarmony("transfer", "day.png", "-o", "out.png", *arguments), saying)
        assert set(photos.rglob("*")) == before

    def test_no_style_is_ever_overwritten(self, haarmony, here):
        Path("out.png").write_bytes(Path("dusk.png").read_bytes())
        one_line(haarmony("transfer", "day.png", "--style", "out.png:0.5", "-o", "out.png"), "would be lost")

    @pytest.mark.parametrize(
        ("text", "path", "weight"),
        [
            ("a.jpg", "a.jpg", 1),
            ("a.jpg:0.7", "a.jpg", 0.7),
            ("a.jpg:.5", "a.jpg", 0.5),
            ("a.jpg:2e-1", "a.jpg", 0.2),
            (r"C:\photos\a.jpg", r"C:\photos\a.jpg", 1),
            (r"C:\photos\a.jpg:3", r"C:\photos\a.jpg", 3),
            ("12:30.jpg", "12:30.jpg", 1),
            ("at 12:30:0.5", "at 12:30", 0.5),
            ("a.jpg:half", "a.jpg:half", 1),
            ("a.jpg:nan", "a.jpg:nan", 1),
            (":1", ":1", 1),
        ],
    )
    def test_only_a_number_behind_the_last_colon_is_a_weight(self, text, path, weight):
        assert weighted(text) == (path, weight)

    @pytest.mark.skipif(os.name == "nt", reason="no colon in a file name on Windows")
    def test_a_name_with_a_colon_is_a_name(self, haarmony, here):
        Path("dusk.png").rename("a:b.png")
        assert haarmony("transfer", "day.png", "--style", "a:b.png:2", "-o", "out.png").code == 0
        assert haarmony("transfer", "day.png", "a:b.png", "-o", "out.png").code == 0

    def test_the_style_may_stand_behind_the_options(self, haarmony, here):
        assert haarmony("transfer", "day.png", "-o", "out.png", "dusk.png").code == 0
        assert haarmony("transfer", "--style", "dusk.png", "-o", "out.png", "day.png").code == 0
