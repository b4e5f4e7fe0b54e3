import csv
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from PIL import Image

from haarmony.evaluation.study.study import INVITATIONS, Study
from haarmony.evaluation.study.votes import Vote, cast


@pytest.fixture
def results(here, photo):
    """Two pairs, and two folders of results for them."""
    for name in ("a", "b"):
        for place in (Path("pairs") / name, Path("one"), Path("two")):
            place.mkdir(parents=True, exist_ok=True)
        Image.fromarray(photo()).save(f"pairs/{name}/content.png")
        Image.fromarray(photo(20, 28)).save(f"pairs/{name}/style.png")
        Image.fromarray(photo(tint=(0.5, 0.7, 1))).save(f"one/{name}.png")
        Image.fromarray(photo(tint=(1, 0.7, 0.5))).save(f"two/{name}.jpg")
    return ("--outputs", "one=one", "--outputs", "two=two")


def test_a_study_from_pairs_to_its_table(haarmony, results):
    assert haarmony("study", "build", "pairs", *results, "-o", "s", "--voters", 3).code == 0
    assert len(Path("s", INVITATIONS).read_text().split()) == 3
    assert Path("s/secret").stat().st_mode & 0o077 == 0
    assert "no votes yet" in haarmony("study", "report", "s").out
    study = Study.load(Path("s"))
    voters = [study.signer.voter(line.split("=")[1]) for line in Path("s", INVITATIONS).read_text().split()]
    for voter, method in zip(voters, ("one", "one", "two"), strict=True):
        output = next(name for name, made_by in study.items[0].outputs.items() if made_by == method)
        cast(study.votes, Vote(voter, study.items[0].name, "preference", output), welcome=False)
    result = haarmony("study", "report", "s", "--csv", "t.csv")
    assert "66.7% [20.8%, 93.9%] 2" in result.out
    assert "[0.0%, 100.0%]" in result.out  # of three voters, those who are drawn again can be of one mind
    assert "3 invited voters" in result.out
    rows = list(csv.DictReader(Path("t.csv").read_text().splitlines()))
    assert [(row["question"], row["method"], row["votes"], row["of"]) for row in rows][4:] == [
        ("preference", "one", "2", "3"),
        ("preference", "two", "1", "3"),
    ]
    assert [(row["low_by_voters"], row["high_by_voters"]) for row in rows][4:] == [("0.0000", "1.0000")] * 2
    assert {path.name for path in Path().iterdir() if path.name.startswith(".")} == set()


def test_pictures_are_reduced_alike_and_tell_nothing(haarmony, results):
    Image.new("RGB", (64, 48)).save("one/a.png")
    assert haarmony("study", "build", "pairs", *results, "-o", "s", "-q").out == ""
    study = Study.load(Path("s"))
    for item in study.items:
        assert item.size == (32, 24)
        for name in (item.content, *item.outputs):
            with Image.open(study.picture(name)) as image:
                assert image.size == (32, 24)
                assert not image.getexif()


@pytest.mark.parametrize(
    ("spoil", "saying"),
    [
        (lambda: Path("two/b.jpg").unlink(), "nothing for pair b"),
        (lambda: Path("one/a.png").write_bytes(b"no picture"), "one/a.png"),
        (lambda: Image.new("RGB", (40, 90)).save("one/a.png"), "another shape"),
        (lambda: (Path("s").mkdir(), Path("s/votes.sqlite").touch()), "may hold votes"),
    ],
)
def test_what_does_not_fit_is_one_line_and_leaves_nothing(haarmony, results, spoil, saying):
    spoil()
    before = {path.name for path in Path().iterdir()}
    result = haarmony("study", "build", "pairs", *results, "-o", "s")
    assert result.code == 2
    assert saying in result.err
    assert result.err.count("\n") == 1
    assert {path.name for path in Path().iterdir()} == before


def test_other_mistakes_are_one_line(haarmony, results):
    for arguments, saying in (
        (("build", "pairs", "--outputs", "one=one", "-o", "s"), "2 to 9"),
        (("build", "pairs", "--outputs", "one", "-o", "s"), "NAME=DIR"),
        (("build", "pairs", *results, "--outputs", "one=two", "-o", "s"), "same name"),
        (("serve", "nowhere"), "holds no study"),
        (("report", "nowhere"), "holds no study"),
    ):
        result = haarmony("study", *arguments)
        assert (result.code, result.err.count("\n")) == (2, 1)
        assert saying in result.err
    haarmony("study", "build", "pairs", *results, "-o", "s")
    assert "cannot listen" in haarmony("study", "serve", "s", "--port", 99999).err
    Path("s/votes.sqlite").write_bytes(b"no database, but long enough to be told apart" * 40)
    assert "no database" in haarmony("study", "report", "s").err
    secret = Path("s/secret").read_bytes()
    for cut in (b"", secret[:31]):
        Path("s/secret").write_bytes(cut)
        assert "its secret has" in haarmony("study", "report", "s").err
    Path("s/secret").write_bytes(secret)
    known = json.loads(Path("s/study.json").read_text("utf-8"))
    known["items"][0]["outputs"] = 7
    for damaged in ("{}", "[" * 100_000, json.dumps(known)):
        Path("s/study.json").write_text(damaged)
        result = haarmony("study", "report", "s")
        assert result.code == 2
        assert "damaged" in result.err


def test_the_table_replaces_nothing_of_the_study(haarmony, results):
    haarmony("study", "build", "pairs", *results, "-o", "s", "--voters", "2")
    before = {path: path.read_bytes() for path in Path("s").rglob("*") if path.is_file()}
    assert {path.name for path in before} >= {"study.json", "votes.sqlite", "secret", "invitations.txt"}
    for path in before:
        result = haarmony("study", "report", "s", "--csv", path)
        assert (result.code, result.out) == (2, "")
        assert "would be lost" in result.err
    assert {path: path.read_bytes() for path in Path("s").rglob("*") if path.is_file()} == before
    for _ in range(2):
        assert haarmony("study", "report", "s", "--csv", "s/table.csv").code == 0


def test_a_stream_that_cannot_encode_the_methods_loses_nothing(haarmony, results):
    haarmony("study", "build", "pairs", "--outputs", "하나=one", "--outputs", "둘=two", "-o", "s")
    study = Study.load(Path("s"))
    choice = next(iter(study.items[0].outputs))
    cast(study.votes, Vote("me", study.items[0].name, "preference", choice), welcome=True)
    result = subprocess.run(
        [sys.executable, "-m", "haarmony", "study", "report", "s", "--csv", "t.csv"],
        capture_output=True,
        text=True,
        env={**os.environ, "PYTHONIOENCODING": "cp1252"},
    )
    assert (result.returncode, result.stderr) == (0, "")
    assert "\\ud558\\ub098" in result.stdout
    rows = csv.DictReader(Path("t.csv").read_text("utf-8").splitlines())
    assert {row["method"] for row in rows} == {"하나", "둘"}
