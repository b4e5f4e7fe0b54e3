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
from haarmony.media.opening import is_picture, named

_SAMPLE: Final = 1 << 20


def fingerprint(path: Path) -> str:
    """Return what tells a file from others by its size, beginning and end; a folder by those of its pictures.

    Of a folder names and sizes count. What else lies in it does not: the film that is made may be there.
    """
    digest = hashlib.sha256()
    if path.is_dir():
        for picture in sorted(filter(is_picture, path.iterdir())):
            digest.update(os.fsencode(f"{picture.name} {picture.stat().st_size}\n"))
        return digest.hexdigest()
    size = path.stat().st_size
    with path.open("rb") as file:
        digest.update(str(size).encode() + file.read(_SAMPLE))
        file.seek(max(0, size - _SAMPLE))
        digest.update(file.read(_SAMPLE))
    return digest.hexdigest()


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
