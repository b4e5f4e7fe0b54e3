"""What a film that was stopped may go on with: the same source and the same settings."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

from haarmony.errors import FilmError
from haarmony.media.files import StrPath
from haarmony.media.opening import is_picture, named, reading

_SAMPLE: Final = 1 << 20
_PICTURE_SAMPLE: Final = 1 << 16


def fingerprint(path: Path) -> str:
    """Return what tells a file from others by its size, beginning, middle and end; a folder by its pictures.

    Of a folder the names count too. What else lies in it does not: the film that is made may be there.

    Raises:
        ImageError: A picture in the folder cannot be read.
        OSError: The file cannot be read.
    """
    digest = hashlib.sha256()
    if not path.is_dir():
        digest.update(_parts(path, _SAMPLE))
        return digest.hexdigest()
    for picture in sorted(filter(is_picture, path.iterdir())):
        with reading(picture):
            digest.update(os.fsencode(f"{picture.name}\n") + _parts(picture, _PICTURE_SAMPLE))
    return digest.hexdigest()


def _parts(path: Path, length: int) -> bytes:
    """The size of a file, and so many bytes from its beginning, middle and end; all of a short one."""
    size = path.stat().st_size
    with path.open("rb") as file:
        if size <= 3 * length:
            return f"{size}\n".encode() + file.read()
        parts = [f"{size}\n".encode()]
        for start in (0, (size - length) // 2, size - length):
            file.seek(start)
            parts.append(file.read(length))
    return b"".join(parts)


def begun_with(kept: Path, output: StrPath) -> dict[str, Any] | None:
    """Return the settings that an output was begun with; None where there are none.

    Raises:
        FilmError: They are damaged.
    """
    try:
        return dict(json.loads(kept.read_text("utf-8")))
    except (FileNotFoundError, NotADirectoryError):
        return None
    except (TypeError, ValueError) as error:
        raise FilmError(
            f"{named(kept)} is damaged: remove it, and begin {named(output)} anew without --resume"
        ) from error


def refuse_change(output: StrPath, before: Mapping[str, Any], now: Mapping[str, Any]) -> None:
    """Compare the settings that an output was begun with to those of now.

    Raises:
        FilmError: One of them has changed.
    """
    for name in sorted({*before, *now}):
        if before.get(name) != now.get(name):
            raise FilmError(
                f"{named(output)} was begun with another {name} ({before.get(name)}, now {now.get(name)}): "
                "give the same, or begin anew without --resume"
            )
