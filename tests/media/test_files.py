import errno
from contextlib import suppress
from pathlib import Path

import pytest

from haarmony.errors import InputError
from haarmony.media.files import beside, made_folder, probe, refuse_replacing, replacing


def test_an_error_names_the_file_that_the_caller_knows(tmp_path: Path) -> None:
    wanted = tmp_path / "nowhere" / "out.png"
    for attempt in (lambda: replacing(wanted).__enter__(), lambda: probe(wanted)):
        with pytest.raises(FileNotFoundError) as caught:
            attempt()
        assert (caught.value.errno, caught.value.filename) == (errno.ENOENT, str(wanted))
        assert str(caught.value).endswith(f"{str(wanted)!r}")


def test_a_folder_in_the_place_of_the_file_is_named(tmp_path: Path) -> None:
    def write() -> None:
        with beside(tmp_path / "folder") as temporary:
            temporary.write_bytes(b"text")

    (tmp_path / "folder").mkdir()
    with pytest.raises(IsADirectoryError) as caught:
        write()
    assert caught.value.filename == str(tmp_path / "folder")
    assert list(tmp_path.iterdir()) == [tmp_path / "folder"]


def test_an_error_about_another_file_is_left_as_it_is(tmp_path: Path) -> None:
    def write() -> None:
        with replacing(tmp_path / "out.png"):
            (tmp_path / "other").read_bytes()

    with pytest.raises(FileNotFoundError) as caught:
        write()
    assert caught.value.filename == str(tmp_path / "other")


def test_a_full_disk_names_the_file(tmp_path: Path) -> None:
    def write() -> None:
        with replacing(tmp_path / "out.png"):
            raise OSError(errno.ENOSPC, "No space left on device")  # as writing does, which names none

    with pytest.raises(OSError, match="No space left") as caught:
        write()
    assert (caught.value.errno, caught.value.filename) == (errno.ENOSPC, str(tmp_path / "out.png"))
    assert list(tmp_path.iterdir()) == []


def test_a_folder_is_made_and_stays_if_something_is_in_it(tmp_path: Path) -> None:
    for stop in (None, KeyboardInterrupt):
        with suppress(KeyboardInterrupt), made_folder(tmp_path / "new/empty"):
            assert (tmp_path / "new/empty").is_dir()
            if stop:
                raise stop
        assert list(tmp_path.iterdir()) == []
    with made_folder(tmp_path / "new/full"):
        (tmp_path / "new/full/file").touch()
    with made_folder(tmp_path / "new/empty"), made_folder(tmp_path / "new/full"):
        pass
    assert list((tmp_path / "new").iterdir()) == [tmp_path / "new/full"]


def test_an_output_that_is_an_input_is_refused(tmp_path: Path) -> None:
    here, link, other = (tmp_path / name for name in ("day.png", "link.png", "other.png"))
    here.touch()
    link.symlink_to(here)
    for output in (here, link, str(here)):
        with pytest.raises(InputError, match="is also an input and would be lost"):
            refuse_replacing(output, [other, None, 3, here])
    refuse_replacing(other, [here, link])
    refuse_replacing("x" * 5000, [here])
    refuse_replacing(here, ["a\0b"])
