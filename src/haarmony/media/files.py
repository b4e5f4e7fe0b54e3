"""Files that are whole or absent."""

import errno
import os
import secrets
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import BinaryIO, Final, TypeAlias

from haarmony.errors import InputError

StrPath: TypeAlias = str | os.PathLike[str]

_FULL: Final = frozenset([errno.ENOSPC, errno.EDQUOT, errno.EFBIG])
"""What only writing can end with: no space on the disk, or none for this user or this file."""


@contextmanager
def beside(path: StrPath) -> Iterator[Path]:
    """Yield the name of a new file that takes the place of ``path`` once the block has ended well.

    It is a hidden file beside the target, which is renamed over it at the end. Whatever stops the block, an
    interrupt from the keyboard included, leaves the target as it was and no other file. A symbolic link is
    followed: its target is replaced and the link stays.

    Args:
        path: The file to write. Its folder must exist.

    Raises:
        OSError: The file cannot be renamed. One about the hidden file names the target in its place, and so
            does one of a full disk, which names none.
    """
    target = Path(os.path.realpath(path))
    temporary = target.with_name(f".haarmony-{secrets.token_hex(8)}.tmp")
    try:
        with _named_for(path, temporary):
            yield temporary
            temporary.replace(target)
    except BaseException:
        with suppress(OSError):
            temporary.unlink()
        raise


@contextmanager
def replacing(path: StrPath) -> Iterator[BinaryIO]:
    """Yield a new binary file that takes the place of ``path`` once the block has ended well.

    Args:
        path: The file to write, as :func:`beside` does.

    Raises:
        OSError: The folder is missing or cannot be written, or the disk is full.
    """
    with beside(path) as temporary, temporary.open("xb") as file:
        yield file


def probe(path: StrPath) -> None:
    """Find out, by trying, whether :func:`replacing` could write ``path`` now.

    Permission bits say little about network shares, quotas and read-only mounts, so a file is made and
    removed.

    Raises:
        OSError: As :func:`replacing`, or ``path`` is there and is no regular file.
    """
    target = Path(os.path.realpath(path))
    if target.is_dir():
        raise IsADirectoryError(f"{target} is a folder")
    if target.exists() and not target.is_file():
        raise OSError(f"{target} is not a regular file")
    temporary = target.with_name(f".haarmony-{secrets.token_hex(8)}.tmp")
    try:
        with _named_for(path, temporary):
            temporary.open("xb").close()
    finally:
        with suppress(FileNotFoundError):
            temporary.unlink()


@contextmanager
def made_folder(folder: StrPath) -> Iterator[None]:
    """Make a folder, with those above it, for the block to write in.

    What was made and is empty at the end of the block is removed again.

    Raises:
        OSError: It cannot be made.
    """
    place = Path(folder)
    missing = [one for one in (place, *place.parents) if not one.exists()]
    place.mkdir(parents=True, exist_ok=True)
    try:
        yield
    finally:
        with suppress(OSError):
            for one in missing:
                one.rmdir()


def refuse_replacing(output: StrPath, inputs: Iterable[object]) -> None:
    """Let an output replace a file, but never one of the inputs.

    Args:
        output: The file or folder to be written.
        inputs: What is read; those that are no paths do not count.

    Raises:
        InputError: The output is one of the inputs, by whatever name.
    """
    for path in inputs:
        if isinstance(path, (str, os.PathLike)) and _is_same(output, path):
            raise InputError(
                f"{str(output)!r} is also an input and would be lost: give the output another name"
            )


def _is_same(one: StrPath, other: StrPath) -> bool:
    """Whether two paths are of one file that is there."""
    try:
        return Path(one).samefile(other)
    except (OSError, ValueError):
        return False


@contextmanager
def _named_for(path: StrPath, temporary: Path) -> Iterator[None]:
    """Let an error about the hidden file, or of a full disk, name the file that the caller knows."""
    try:
        yield
    except OSError as error:
        is_full = error.filename is None and error.errno in _FULL
        if not is_full and str(error.filename) != str(temporary):
            raise
        raise OSError(error.errno, error.strerror, os.fspath(path)) from error
