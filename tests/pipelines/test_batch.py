import os
import threading
import time
import weakref
from pathlib import Path

import numpy as np
import pytest
import torch

from haarmony.errors import ImageError, InputError
from haarmony.pipelines.batch import expanded, outputs, refuse_clashes, run


def files(folder: Path, *names: str) -> list[Path]:
    folder.mkdir(exist_ok=True)
    for name in names:
        (folder / name).write_text(name)
    return [folder / name for name in names]


def copy(content: Path, target: Path) -> None:
    target.write_text(content.read_text().upper())


def test_every_file_is_done_in_order(tmp_path: Path) -> None:
    contents = files(tmp_path, *(f"{i}.jpg" for i in range(9)))
    (tmp_path / "out").mkdir()
    targets = outputs(contents, tmp_path / "out")
    done = list(run(contents, targets, copy))
    assert [one.content for one in done] == contents
    assert [one.output.read_text() for one in done] == [f"{i}.JPG" for i in range(9)]
    assert not any(one.error or one.skipped for one in done)


def test_a_file_that_fails_stops_no_other(tmp_path: Path) -> None:
    contents = files(tmp_path, "a.jpg", "b.jpg", "c.jpg", "d.jpg")
    (tmp_path / "out").mkdir()

    def fails(content: Path, target: Path) -> None:
        if content.name == "b.jpg":
            raise ImageError("it is torn")
        if content.name == "c.jpg":
            raise OSError(28, "No space left on device")
        copy(content, target)

    done = list(run(contents, outputs(contents, tmp_path / "out"), fails))
    assert [str(one.error) if one.error else None for one in done] == [
        None,
        "it is torn",
        "[Errno 28] No space left on device",
        None,
    ]
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == ["a.jpg", "d.jpg"]


def test_a_failure_keeps_none_of_the_pixels(tmp_path: Path) -> None:
    kept: list[weakref.ref[np.ndarray]] = []

    def decode() -> None:
        pixels = np.zeros((9, 9))
        kept.append(weakref.ref(pixels))
        raise ValueError("a marker is missing")

    def fails(content: Path, target: Path) -> None:
        try:
            decode()
        except ValueError as error:
            raise ImageError("it is torn") from error

    done = list(run([tmp_path / "a.jpg"] * 3, [tmp_path / "b.jpg"] * 3, fails))
    assert [str(one.error) for one in done] == ["it is torn"] * 3
    assert [str(one.error.__cause__) for one in done if one.error] == ["a marker is missing"] * 3
    assert [pixels() for pixels in kept] == [None] * 3


@pytest.mark.parametrize("text", [None, "CUDA out of memory. Tried to allocate 2.00 TiB", "unable to map"])
def test_a_picture_too_large_for_memory_stops_no_other(tmp_path: Path, text: str | None) -> None:
    contents = files(tmp_path, "a.jpg", "b.jpg", "c.jpg")
    (tmp_path / "out").mkdir()

    def fails(content: Path, target: Path) -> None:
        if content.name == "b.jpg":
            if text is None:
                torch.empty(1 << 60, dtype=torch.uint8)
            raise MemoryError(text) if text == "unable to map" else torch.OutOfMemoryError(text)
        copy(content, target)

    done = list(run(contents, outputs(contents, tmp_path / "out"), fails))
    assert [isinstance(one.error, MemoryError) for one in done] == [False, True, False]
    assert str(done[1].error) == f"{str(contents[1])!r}: out of memory, give a smaller picture"
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == ["a.jpg", "c.jpg"]


def test_a_defect_is_not_hidden(tmp_path: Path) -> None:
    def broken(content: Path, target: Path) -> None:
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        list(run([tmp_path / "a.jpg"], [tmp_path / "b.jpg"], broken))


def test_resume_skips_what_is_there(tmp_path: Path) -> None:
    contents = files(tmp_path, "a.jpg", "b.jpg")
    files(tmp_path / "out", "a.jpg")
    targets = outputs(contents, tmp_path / "out")
    done = list(run(contents, targets, copy, resume=True))
    assert [one.skipped for one in done] == [True, False]
    assert [one.output.read_text() for one in done] == ["a.jpg", "B.JPG"]
    assert [one.output.read_text() for one in run(contents, targets, copy)] == ["A.JPG", "B.JPG"]


def test_files_overlap_and_share_the_threads(tmp_path: Path) -> None:
    together = threading.Barrier(2, timeout=20)
    before = torch.get_num_threads()
    shares: list[int] = []

    def meets(content: Path, target: Path) -> None:
        shares.append(torch.get_num_threads())
        together.wait()

    list(run([tmp_path / "a.jpg"] * 4, [tmp_path / "b.jpg"] * 4, meets, workers=2))
    assert shares == [max(1, before // 2)] * 4
    assert torch.get_num_threads() == before


def test_each_worker_may_have_threads_of_its_own(tmp_path: Path) -> None:
    before = torch.get_num_threads()
    shares: list[int] = []

    def ask(content: Path, target: Path) -> None:
        shares.append(torch.get_num_threads())

    list(run([tmp_path / "a.jpg"] * 4, [tmp_path / "b.jpg"] * 4, ask, workers=2, threads=before + 1))
    assert shares == [before + 1] * 4
    assert torch.get_num_threads() == before


def test_an_interrupt_starts_no_further_file(tmp_path: Path) -> None:
    started: list[Path] = []

    def slow(content: Path, target: Path) -> None:
        started.append(content)
        time.sleep(0.05)

    batch = run([tmp_path / f"{i}.jpg" for i in range(50)], [tmp_path / "x"] * 50, slow, workers=1)
    next(batch)
    with pytest.raises(KeyboardInterrupt):
        batch.throw(KeyboardInterrupt)
    assert len(started) < 5


def test_patterns_name_their_files_once(tmp_path: Path) -> None:
    a, b, odd = files(tmp_path, "a.jpg", "b.jpg", "[x].jpg")
    assert expanded([str(tmp_path / "?.jpg"), b]) == [a, b]
    assert expanded([odd]) == [odd]
    assert expanded(["nowhere.jpg"]) == [Path("nowhere.jpg")]
    with pytest.raises(InputError, match=r"\*\.tif"):
        expanded([str(tmp_path / "*.tif")])


def test_outputs_are_named_after_their_contents(tmp_path: Path) -> None:
    names = ["a.TIF", "b.heic", "c.webp"]
    found = outputs([Path("in") / name for name in names], tmp_path)
    assert [path.name for path in found] == ["a.TIF", "b.jpg", "c.webp"]
    with pytest.raises(InputError, match="both be written"):
        outputs([Path("x/a.jpg"), Path("y/a.jpg")], tmp_path)
    with pytest.raises(InputError, match="its own result"):
        outputs(files(tmp_path, "a.jpg"), tmp_path)


@pytest.mark.parametrize(
    "names", [("IMG_1.HEIC", "IMG_1.JPG"), ("IMG_1.JPG", "IMG_1.HEIC"), ("ß.png", "SS.png")]
)
def test_no_two_outputs_are_one_where_case_does_not_count(tmp_path: Path, names: tuple[str, str]) -> None:
    with pytest.raises(InputError, match="on a disk where case does not count"):
        outputs([Path("in") / name for name in names], tmp_path)


def test_targets_are_told_from_inputs_and_each_other(tmp_path: Path) -> None:
    a, b = files(tmp_path, "a.jpg", "b.jpg")
    os.link(a, tmp_path / "hard.jpg")
    (tmp_path / "soft.jpg").symlink_to("b.jpg")
    (tmp_path / "back").symlink_to(".")
    new = tmp_path / "new.jpg"
    refuse_clashes([new, tmp_path / "A.jpg"], [a, b, None, np.zeros(3), "nowhere.jpg"])
    for targets in (["hard.jpg"], ["soft.jpg"], ["back/a.jpg"], ["nowhere.jpg"], ["new.jpg", "back/NEW.jpg"]):
        with pytest.raises(InputError, match="is also an input, or another output"):
            refuse_clashes([tmp_path / one for one in targets], [str(a), b, tmp_path / "nowhere.jpg"])
