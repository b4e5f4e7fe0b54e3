"""`haarmony evaluate` as a user runs it, on two small pairs."""

import csv
import errno
import json
import os
import re
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image
from torch import Tensor

from haarmony.cli.main import main
from haarmony.errors import WeightsError
from haarmony.evaluation.report import cost, figures
from haarmony.evaluation.report.results import Contender
from haarmony.evaluation.report.summary import spread
from haarmony.networks.vgg_features import VGGFeatures
from moving import scene

METHODS = "reinhard,wct2"


@pytest.fixture(scope="module")
def pairs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("pairs")
    for number, name in enumerate(("one", "two")):
        (folder / name).mkdir()
        for part, seed in (("content", number), ("style", 10 + number)):
            Image.fromarray(scene(seed)[:64, :80]).save(folder / name / f"{part}.png")
    for part in ("content", "style"):
        mask = np.zeros((64, 80), np.uint8)
        mask[:, 40:] = 255
        Image.fromarray(mask).save(folder / "two" / f"{part}_mask.png")
    return folder


@pytest.fixture(scope="module")
def report(pairs: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("made") / "report"
    assert main(["evaluate", str(pairs), "-o", str(folder), "--methods", METHODS, "--quiet"]) == 0
    return folder


def rows(report: Path, name: str) -> list[dict[str, str]]:
    with (report / name).open(newline="") as file:
        return list(csv.DictReader(file))


def test_every_figure_of_every_result_is_a_row(report: Path) -> None:
    table = rows(report, "table.csv")
    found = {(row["method"], row["pair"]) for row in table}
    assert found == {(who, pair) for who in ("untouched", "reinhard", "wct2") for pair in ("one", "two")}
    own = {row["metric"]: float(row["value"]) for row in table if row["method"] == "untouched"}
    assert own["ssim"] == 1
    assert own["gram_compact"] == pytest.approx(1)
    assert {row["masks"] for row in table if row["pair"] == "two"} == {"1"}
    summary = {(row["method"], row["metric"]): row for row in rows(report, "summary.csv")}
    values = [float(r["value"]) for r in table if (r["method"], r["metric"]) == ("reinhard", "ssim")]
    assert float(summary["reinhard", "ssim"]["median"]) == pytest.approx(np.median(values), rel=1e-4)


def test_the_page_needs_nothing_else(report: Path) -> None:
    page = (report / "report.html").read_text("utf-8")
    assert page.count("data:image/jpeg;base64,") == 2 * 4
    assert "<svg" in page
    assert not re.search(r'(src|href)="(?!data:)', page)


def test_it_goes_on_where_it_was_stopped(pairs: Path, report: Path) -> None:
    record = report / "measured/wct2/one.json"
    kept = report / "measured/reinhard/one.json"
    marked = json.loads(kept.read_text()) | {"note": "kept"}
    kept.write_text(json.dumps(marked))
    before = (report / "outputs/wct2/one.png").read_bytes()
    record.unlink()
    assert main(["evaluate", str(pairs), "-o", str(report), "--methods", METHODS, "--quiet"]) == 0
    assert (report / "outputs/wct2/one.png").read_bytes() == before
    assert record.is_file()
    notes = {
        row["note"]
        for row in rows(report, "table.csv")
        if (row["method"], row["pair"]) == ("reinhard", "one")
    }
    assert notes == {"kept"}


def test_others_results_and_what_fails(
    pairs: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    theirs = tmp_path / "theirs"
    theirs.mkdir()
    Image.open(pairs / "one/content.png").resize((76, 60)).save(theirs / "one.png")
    out = tmp_path / "report"
    code = main(
        [
            "evaluate",
            str(pairs),
            "-o",
            str(out),
            "--methods",
            "none",
            "--outputs",
            f"theirs={theirs}",
            "--quiet",
        ]
    )
    assert code == 2
    assert "theirs, two" in capsys.readouterr().err
    table = rows(out, "table.csv")
    assert {row["metric"] for row in table if (row["method"], row["pair"]) == ("theirs", "two")} == {"failed"}
    assert "resized to 80 x 64" in next(row["note"] for row in table if row["method"] == "theirs")
    page = (out / "report.html").read_text("utf-8")
    assert "Not there" in page
    assert "theirs, one: 76 x 60, resized to 80 x 64" in page


def test_a_part_of_the_picture_is_no_result(
    pairs: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "cut").mkdir()
    Image.open(pairs / "one/content.png").crop((0, 0, 40, 64)).save(tmp_path / "cut/one.png")
    command = ["evaluate", str(pairs), "-o", str(tmp_path / "out"), "--methods", "none", "--only", "one"]
    assert main([*command, "--outputs", f"cut={tmp_path / 'cut'}", "--quiet"]) == 2
    assert "is 40 x 64, of another shape than its content" in capsys.readouterr().err


def test_what_failed_is_tried_again_and_another_file_is_another_result(pairs: Path, tmp_path: Path) -> None:
    for name in ("theirs", "others"):
        (tmp_path / name).mkdir()
    out = tmp_path / "report"

    def run(folder: str) -> tuple[int, dict[str, str]]:
        given = ["--methods", "none", "--outputs", f"theirs={tmp_path / folder}", "--only", "one", "--quiet"]
        code = main(["evaluate", str(pairs), "-o", str(out), *given])
        return code, {r["metric"]: r["value"] for r in rows(out, "table.csv") if r["method"] == "theirs"}

    shutil.copy(pairs / "one/content.png", tmp_path / "others/one.png")
    assert run("theirs") == (2, {"failed": ""})
    Image.open(pairs / "one/content.png").convert("L").save(tmp_path / "theirs/one.png")
    code, grey = run("theirs")
    assert code == 0
    assert float(grey["lipschitz"]) != 1
    assert float(run("others")[1]["lipschitz"]) == 1
    (tmp_path / "others/one.png").unlink()
    assert run("others") == (2, {"failed": ""})


def test_figures_that_a_network_came_for_later_are_not_mixed_with_those_without(
    pairs: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, vgg: VGGFeatures
) -> None:
    def load(download: bool) -> dict[str, Tensor]:
        if weights is None:
            raise WeightsError("there are none")
        return weights

    out = tmp_path / "report"
    command = ["evaluate", str(pairs), "-o", str(out), "--only", "one", "--quiet", "--methods"]
    monkeypatch.setattr(figures, "oxford_vgg19", load)
    weights = None
    assert main([*command, "reinhard"]) == 0
    assert "gram" not in {row["metric"] for row in rows(out, "table.csv")}
    weights = vgg.state_dict()
    assert main([*command, "reinhard,histogram_matching"]) == 0
    assert len([row for row in rows(out, "table.csv") if row["metric"] == "gram"]) == 3


def test_a_pair_that_cannot_be_measured_keeps_no_other_from_the_page(
    pairs: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    known = tmp_path / "pairs"
    shutil.copytree(pairs, known)
    for name in ("a_broken", "a_tiny"):
        shutil.copytree(known / "one", known / name)
    (known / "a_broken/content.png").write_bytes((known / "a_broken/content.png").read_bytes()[:300])
    Image.fromarray(scene(0)[:5, :40]).save(known / "a_tiny/content.png")
    command = ["evaluate", str(known), "-o", str(tmp_path / "out"), "--methods", "reinhard", "--quiet"]
    assert main([*command, "--cost-sizes", "32"]) == 2
    said = capsys.readouterr().err
    assert "reinhard, a_broken" in said
    assert "under 8 pixels across" in said
    page = (tmp_path / "out/report.html").read_text("utf-8")
    assert "truncated" in page
    assert page.count("data:image/jpeg;base64,") == 2 * 3 + 1 + 2
    assert len(rows(tmp_path / "out", "cost.csv")) == 1


def test_a_full_disk_is_told_with_the_file(
    pairs: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    write, out = Path.write_text, tmp_path / "out"

    def full(self: Path, text: str, *given: Any) -> int:
        write(self, text[: len(text) // 2], *given)
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    command = ["evaluate", str(pairs), "-o", str(out), "--methods", "none", "--only", "one", "--quiet"]
    monkeypatch.setattr(Path, "write_text", full)
    assert main(command) == 2
    assert capsys.readouterr().err == f"haarmony: {str(out / 'settings.json')!r}: No space left on device\n"
    monkeypatch.undo()
    assert main(command) == 0
    (out / "measured/untouched/one.json").unlink()
    monkeypatch.setattr(Path, "write_text", full)
    assert main(command) == 2
    said = f"haarmony: {str(out / 'measured/untouched/one.json')!r}: No space left on device\n"
    assert capsys.readouterr().err == said


def test_self_reference(tmp_path: Path) -> None:
    photos = tmp_path / "photos"
    photos.mkdir()
    Image.fromarray(scene(5)[:64, :120]).save(photos / "a.png")
    out = tmp_path / "report"
    command = [
        "evaluate",
        "--self-reference",
        str(photos),
        "-o",
        str(out),
        "--methods",
        "reinhard",
        "--quiet",
    ]
    assert main(command) == 0
    figures = {(row["method"], row["metric"]): float(row["value"]) for row in rows(out, "table.csv")}
    assert figures["untouched", "delta_e"] > 1
    assert figures["reinhard", "delta_e"] < figures["untouched", "delta_e"]
    assert main([*command, "--seed", "1"]) == 2


def test_a_detector_of_edges_can_be_plugged_in(
    pairs: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "detectors.py").write_text("def red(picture):\n    return picture[..., 0] * 255\n")
    monkeypatch.syspath_prepend(tmp_path)
    command = ["evaluate", str(pairs), "-o", str(tmp_path / "out"), "--methods", "none", "--only", "one"]
    whole = [*command, "--outputs", f"red={_reds(pairs, tmp_path)}", "--edges", "detectors:red", "--quiet"]
    assert main(whole) == 0
    figures = {
        (row["method"], row["metric"]): float(row["value"]) for row in rows(tmp_path / "out", "table.csv")
    }
    assert figures["red", "edge_ssim"] == pytest.approx(1, abs=1e-6)
    assert figures["red", "ssim"] < 0.95


@pytest.mark.parametrize(
    ("detector", "why"),
    [
        ("raises", "failed (ValueError: no edges)"),
        ("colours", "gave float32 (64, 80, 3): expected numbers (64, 80)"),
        ("words", "gave <U5 ()"),
    ],
)
def test_a_detector_that_fails_is_told_for_every_result(
    pairs: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    detector: str,
    why: str,
) -> None:
    (tmp_path / "failing.py").write_text(
        "def raises(picture):\n    raise ValueError('no edges')\n"
        "def colours(picture):\n    return picture\n"
        "def words(picture):\n    return 'edges'\n"
    )
    monkeypatch.chdir(tmp_path)  # where a module is looked for
    command = ["evaluate", str(pairs), "-o", "out", "--methods", "none", "--only", "one", "--quiet"]
    assert main([*command, "--edges", f"failing:{detector}"]) == 2
    assert why in capsys.readouterr().err


def _reds(pairs: Path, place: Path) -> Path:
    """A folder of results that have the red of the content, and nothing else of it."""
    (place / "reds").mkdir()
    picture = np.array(Image.open(pairs / "one/content.png"))
    picture[..., 1:] = 255 - picture[..., 1:]
    Image.fromarray(picture).save(place / "reds/one.png")
    return place / "reds"


def test_the_cost_is_that_of_whole_commands(pairs: Path, tmp_path: Path) -> None:
    out = tmp_path / "report"
    command = ["evaluate", str(pairs), "-o", str(out), "--methods", "reinhard", "--only", "one", "--quiet"]
    assert main([*command, "--cost-sizes", "16", "--cost-limit", "0.01"]) == 0
    assert [row["said"] for row in rows(out, "cost.csv")] == ["over 0.01 s"]
    assert main([*command, "--cost-sizes", "32"]) == 0
    (row,) = rows(out, "cost.csv")
    assert float(row["seconds"]) > 0
    assert float(row["peak MiB"]) > 50
    whole = (out / "cost.csv").read_text()
    assert main(command) == 0
    assert row["said"] in (out / "report.html").read_text("utf-8")  # which was measured before
    assert main([*command, "--cost-sizes", "32,48"]) == 0
    assert (out / "cost.csv").read_text().startswith(whole)
    assert [row["side"] for row in rows(out, "cost.csv")] == ["32", "48"]


def test_costs_are_known_as_soon_as_they_are_measured(
    pairs: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def killed(contender: Contender, side: int, place: Path, limit: float) -> cost.Cost:
        if side == 48:
            raise KeyboardInterrupt
        return cost.Cost(contender.name, side, 1.0, 100.0, f"1.0 s at {side}")

    out = tmp_path / "report"
    command = ["evaluate", str(pairs), "-o", str(out), "--methods", "reinhard", "--only", "one", "--quiet"]
    monkeypatch.setattr(cost, "_cost", killed)
    assert main([*command, "--cost-sizes", "16,32,48"]) == 130
    assert [row["said"] for row in rows(out, "cost.csv")] == ["1.0 s at 16", "1.0 s at 32"]


@pytest.mark.parametrize(
    ("command", "said"),
    [
        ("kill -9 $$", "out of memory"),
        ("echo haarmony: out of memory: give a smaller picture >&2; exit 2", "out of memory"),
        ("echo haarmony: no weights >&2; exit 2", "failed: haarmony: no weights"),
    ],
)
def test_out_of_memory_is_said_as_such_and_no_larger_size_is_tried(
    pairs: Path, monkeypatch: pytest.MonkeyPatch, command: str, said: str
) -> None:
    instead = f"import sys\nsys.argv[2:] = ['sh', '-c', {command!r}]\n"
    monkeypatch.setattr(cost, "_WATCHER", instead + cost._WATCHER)
    files = pairs / "one/content.png", pairs / "one/style.png"
    found = list(cost.measure_costs([Contender.of_method("reinhard")], *files, [16, 32], limit=100))
    assert [(one.side, one.seconds, one.said) for one in found] == [(16, None, said)]


@pytest.mark.parametrize(
    ("arguments", "why"),
    [
        ([], "either PAIRS or"),
        (["nowhere"], "is no folder"),
        (["PAIRS", "--methods", "magic"], "unknown method 'magic'"),
        (["PAIRS", "--methods", "reinhard:speed=3"], "speed"),
        (["PAIRS", "--methods", "reinhard:speed"], "NAME=VALUE"),
        (["PAIRS", "--methods", "reinhard,reinhard"], "more than one contender"),
        (["PAIRS", "--only", "nine"], "no pair 'nine'"),
        (["PAIRS", "--outputs", "x"], "NAME=DIR"),
        (["PAIRS", "--outputs", "x=nowhere"], "expected one of results of x"),
        (["PAIRS", "--cost-limit", "nan"], "a limit is a number of seconds above 0, got nan"),
        (["PAIRS", "--outputs", "../x=y"], "leave slashes out"),
        (["PAIRS", "--outputs", "..=y"], "leave slashes out"),
        (["PAIRS", "--size", "3"], "32 pixels or more"),
        (["PAIRS", "--cost-sizes", "big"], "number of pixels"),
        (["PAIRS", "--cost-sizes", "128²"], "number of pixels"),
        (["PAIRS", "--edges", "sobel"], "expected MODULE:FUNCTION"),
        (["PAIRS", "--edges", "no.such:sobel"], "No module named 'no'"),
        (["PAIRS", "--edges", "math:sobel"], "no attribute 'sobel'"),
    ],
)
def test_mistakes_are_told_in_one_line(
    pairs: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], arguments: list[str], why: str
) -> None:
    given = [str(pairs) if one == "PAIRS" else one for one in arguments]
    assert main(["evaluate", *given, "-o", str(tmp_path / "out")]) == 2
    said = capsys.readouterr().err
    assert why in said
    assert said.count("\n") == 1
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    ("arguments", "why"),
    [
        (["--only", "b"], "no pair 'b'"),
        (["--edges", "sobel"], "expected MODULE:FUNCTION"),
        (["--seed", "-1"], "a seed is 0 or more, got -1"),
        (["--same"], "two photos are named a"),
    ],
)
def test_mistakes_about_photos_leave_nothing_behind(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], arguments: list[str], why: str
) -> None:
    (tmp_path / "photos").mkdir()
    for name in ("a.png", "a.jpg") if arguments == ["--same"] else ("a.png",):
        Image.fromarray(scene(5)[:64, :120]).save(tmp_path / "photos" / name)
    given = [] if arguments == ["--same"] else arguments
    out = tmp_path / "out"
    assert main(["evaluate", "--self-reference", str(tmp_path / "photos"), "-o", str(out), *given]) == 2
    said = capsys.readouterr().err
    assert why in said
    assert said.count("\n") == 1
    assert not out.exists()


def test_an_interval_holds_the_median_and_is_the_seeds() -> None:
    values = list(np.random.default_rng(0).normal(size=25))
    one = spread(values)
    assert one == spread(values)
    assert one.low <= one.median <= one.high
    assert one.quartiles[0] <= one.median <= one.quartiles[1]
    assert spread([2.0]).low == spread([2.0]).high == 2
