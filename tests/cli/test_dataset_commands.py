import csv
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from PIL import Image

from haarmony.cli.main import main

CHEAP = ("--method", "reinhard")


@pytest.fixture
def classes(here, photo):
    """Two classes of photos, one of them broken; two styles; textures of two classes."""
    for name, heights in (("cat", (20, 21, 22)), ("dog", (23, 24))):
        Path("set", name).mkdir(parents=True)
        for number, height in enumerate(heights):
            Image.fromarray(photo(height, 30)).save(f"set/{name}/{number}.jpg")
    Path("set/cat/broken.jpg").write_bytes(Path("set/cat/0.jpg").read_bytes()[:200])
    for name in ("styles", "textures/cat", "textures/dog"):
        Path(name).mkdir(parents=True)
        Image.fromarray(photo(16, 16, (0.3, 0.6, 1))).save(f"{name}/a.png")
        Image.fromarray(photo(16, 16, (1, 0.6, 0.3))).save(f"{name}/b.png")
    return ("stylize-dataset", "set", "--styles", "styles", "-o", "out")


def contents(folder):
    return {path.relative_to(folder): path.read_bytes() for path in sorted(Path(folder).rglob("*.[jp][pn]g"))}


def rows(path):
    return list(csv.DictReader(Path(path).read_text().splitlines()))


def test_a_copy_keeps_classes_and_a_broken_picture_stops_no_other(haarmony, classes):
    result = haarmony(*classes, "--workers", 2)
    assert result.code == 2
    assert "set/cat/broken.jpg" in result.err.splitlines()[0]
    assert (
        result.err.splitlines()[1] == "haarmony: 1 of 6 pictures failed, as listed above; the rest is there"
    )
    made = contents("out")
    assert sorted(map(str, made)) == ["cat/0.jpg", "cat/1.jpg", "cat/2.jpg", "dog/0.jpg", "dog/1.jpg"]
    table = rows("out/manifest.csv")
    assert [row["output"] for row in table] == sorted(map(str, made))
    assert {row["shape"] for row in table} == {"cat", "dog"}
    for row in table[:2]:
        single = haarmony("transfer", f"set/{row['source']}", f"styles/{row['style']}", "-o", "one.jpg")
        assert single.code == 0
        assert Path("one.jpg").read_bytes() == made[Path(row["output"])]


def test_shards_and_workers_and_a_stop_change_nothing(haarmony, classes):
    Path("set/cat/broken.jpg").unlink()
    assert haarmony(*classes, *CHEAP, "--seed", 3, "--workers", 3).code == 0
    whole = contents("out")
    shards = (*classes[:-1], "parts", *CHEAP, "--seed", 3)
    for number in (2, 1):
        assert haarmony(*shards, "--shard", f"{number}/2", "--workers", 1).code == 0
    assert contents("parts") == whole
    halves = [rows(f"parts/manifest-{number}-of-2.csv") for number in (1, 2)]
    assert sorted(halves[0] + halves[1], key=lambda row: row["output"]) == rows("out/manifest.csv")
    Path("out/cat/1.jpg").unlink()
    before = Path("out/cat/0.jpg").stat().st_mtime_ns
    result = haarmony(*classes, *CHEAP, "--seed", 3)
    assert "5 pictures, 4 of them were there before" in result.out
    assert contents("out") == whole
    assert Path("out/cat/0.jpg").stat().st_mtime_ns == before


@pytest.mark.parametrize(
    ("changed", "saying"),
    [
        (("--method", "reinhard", "--seed", 1), "another seed"),
        (("--method", "monge_kantorovich"), "another method"),
        (("--method", "reinhard", "--set", "strength=0.5"), "another settings"),
    ],
)
def test_a_copy_goes_on_with_the_same_settings_alone(haarmony, classes, changed, saying):
    Path("set/cat/broken.jpg").unlink()
    assert haarmony(*classes, *CHEAP).code == 0
    result = haarmony(*classes, *changed)
    assert result.code == 2
    assert saying in result.err


@pytest.mark.parametrize(
    ("arguments", "saying"),
    [
        (("set", "--styles", "styles", "-o", "set/out"), "lie in each other"),
        (("set", "--styles", "styles", "-o", "styles"), "lie in each other"),
        (("set", "--styles", "nowhere", "-o", "out"), "no folder"),
        (("set", "--styles", "styles", "-o", "textures"), "other files"),
        (("set", "--styles", "styles", "-o", "out", "--shard", "3/2"), "3/2"),
        (("set", "--styles", "styles", "-o", "out", "--shard", "half"), "1/4"),
        (("set", "--styles", "styles", "-o", "out", "--workers", "0"), "1 or more"),
        (("set", "--styles", "styles", "-o", "out", "--workers", "100000"), "up to 1024, got 100000"),
        (("set", "--styles", "styles", "-o", "out", "--set", "stage=1"), "stage"),
        (("set", "--styles", "styles", "-o", "out", "--set", "strength=2"), "strength"),
        (("set", "--styles", "styles", "-o", "out", "--method", "nothing"), "unknown method"),
        (("set", "--styles", "styles", "-o", "out", "--device", "nowhere"), "compute on 'nowhere'"),
        (("set", "--styles", "styles", "-o", "out", "--method", "texture_synthesis"), "another method"),
        (("set", "--styles", "styles", "-o", "out", "--cue-conflict"), "no class"),
    ],
)
def test_what_makes_no_sense_is_one_line_and_leaves_nothing(haarmony, classes, arguments, saying):
    result = haarmony("stylize-dataset", *arguments)
    assert (result.code, result.err.count("\n")) == (2, 1)
    assert saying in result.err
    assert not Path("out").exists()


def test_cue_conflicts_and_the_bias_of_a_tiny_classifier(haarmony, classes, monkeypatch):
    Path("set/cat/broken.jpg").unlink()
    conflict = ("stylize-dataset", "set", "--styles", "textures", "-o", "out", "--cue-conflict", *CHEAP)
    assert haarmony(*conflict).code == 0
    assert sorted(path.name for path in Path("out/dog").iterdir())[0] in ("dog1-cat1.png", "dog1-cat2.png")
    table = rows("out/manifest.csv")
    assert all(row["shape"] != row["texture"] for row in table)
    # a network that goes by height alone: the dogs are the pictures of 23 rows and more
    Path("tiny.py").write_text("def of(picture):\n    return 'dog' if picture.shape[2] >= 22 else 'cat'\n")
    result = haarmony("shape-bias", "out", "--classifier", "tiny:of", "--csv", "bias.csv")
    assert result.code == 0
    assert "80.0%" in result.out
    by_class = {row["class"]: (row["shape"], row["texture"], row["other"]) for row in rows("bias.csv")}
    assert by_class == {"cat": ("2", "1", "0"), "dog": ("2", "0", "0"), "all": ("4", "1", "0")}
    lines = [f"out/{row['output']},{row['texture']}" for row in table]
    Path("said.csv").write_text("path,predicted\n" + "\n".join(lines))
    assert "0.0% [0.0%, 43.4%]" in haarmony("shape-bias", "out", "--predictions", "said.csv").out
    Path("said.csv").write_text("\n".join(lines[1:]))
    Path("torn.py").write_text("def of(")
    Path("cross.py").write_text("def of(picture):\n    raise ValueError('of no class')\n")
    for arguments, saying in (
        (("--predictions", "said.csv"), "no prediction"),
        (("--predictions", "tiny.py"), "two columns"),
        (("--classifier", "tiny"), "MODULE:FUNCTION"),
        (("--classifier", "tiny:nothing"), "cannot be imported"),
        (("--classifier", "torn:of"), "'torn' failed when it was imported (SyntaxError"),
        (("--classifier", "cross:of"), "'cross:of' failed (ValueError: of no class)"),
    ):
        result = haarmony("shape-bias", "out", *arguments)
        assert (result.code, result.err.count("\n")) == (2, 1)
        assert saying in result.err
        sys.modules.pop("tiny", None)


def test_help_has_one_percent_sign(capsys):
    with pytest.raises(SystemExit):
        main(["shape-bias", "--help"])
    assert "%%" not in capsys.readouterr().out


def test_predictions_are_not_replaced_by_the_table(haarmony, here):
    Path("said.csv").write_text("a,b")
    result = haarmony("shape-bias", "out", "--predictions", "said.csv", "--csv", "./said.csv")
    assert (result.code, Path("said.csv").read_text()) == (2, "a,b")
    assert "also an input" in result.err


def test_a_device_that_is_not_there_is_one_line_and_no_folder(haarmony, classes):
    for given in (classes, ("transfer", "set/dog", "styles/a.png", "-o", "out/")):
        result = haarmony(*given, *CHEAP, "--device", "cuda:99")
        assert (result.code, result.err.count("\n")) == (2, 1)
        assert "cuda:99" in result.err
        assert not Path("out").exists()


def test_names_that_are_no_text_keep_their_bytes(haarmony, classes):
    try:
        shutil.copy("set/cat/0.jpg", os.fsdecode(b"set/cat/caf\xe9.jpg"))
    except OSError:
        pytest.skip("this file system takes only names in UTF-8")
    Path("set/cat/broken.jpg").unlink()
    assert haarmony(*classes, *CHEAP).code == 0
    assert b"\ncat/caf\xe9.jpg,cat/caf\xe9.jpg," in Path("out/manifest.csv").read_bytes()
    assert haarmony(*classes, *CHEAP).out.endswith(" 6 of them were there before\n")


def test_damaged_settings_are_one_line(haarmony, classes):
    Path("out").mkdir()
    for text in ("{", "5", "\0"):
        Path("out/settings.json").write_text(text)
        result = haarmony(*classes, *CHEAP)
        assert (result.code, result.err.count("\n")) == (2, 1)
        assert "settings.json' is damaged" in result.err


@pytest.mark.parametrize("where", ["", ">/dev/full"])
def test_a_stream_that_does_not_take_the_table_keeps_it_from_no_file(here, where):
    Path("out/고양이").mkdir(parents=True)
    Path("out/고양이/고양이1-개1.png").touch()
    Path("said.csv").write_text("고양이/고양이1-개1.png,개", encoding="utf-8")
    result = subprocess.run(
        f"'{sys.executable}' -m haarmony shape-bias out --predictions said.csv --csv bias.csv {where}",
        shell=True,
        capture_output=True,
        text=True,
        env={**os.environ, "PYTHONIOENCODING": "cp1252"},
    )
    assert Path("bias.csv").read_text("utf-8").splitlines()[1].startswith("고양이,0,1,0,")
    if not where:
        assert (result.returncode, result.stderr) == (0, "")
        assert "\\uace0\\uc591\\uc774" in result.stdout
