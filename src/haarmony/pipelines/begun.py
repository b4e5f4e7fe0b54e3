"""Folders of results that work goes on in: begun with settings, and never gone on with under others."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

from haarmony.errors import InputError
from haarmony.media.files import beside

SETTINGS: Final = "settings.json"


def begin(folder: Path, settings: Mapping[str, Any]) -> None:
    """Make the folder of results, or find that it was begun with the same settings.

    Raises:
        InputError: when it was begun with others, or holds anything else.
    """
    path = folder / SETTINGS
    if not path.is_file():
        if folder.exists() and any(one.suffix != ".tmp" for one in folder.iterdir()):
            raise InputError(f"{str(folder)!r} holds other files: give a new folder")
        folder.mkdir(parents=True, exist_ok=True)
        with beside(path) as temporary:
            temporary.write_text(json.dumps(dict(settings), indent=1), "utf-8")
        return
    try:
        before = dict(json.loads(path.read_text("utf-8")))
    except (TypeError, ValueError) as error:
        raise InputError(f"{str(path)!r} is damaged: give a new folder") from error
    for name in sorted({*before, *settings}):
        if before.get(name) != settings.get(name):
            raise InputError(
                f"{str(folder)!r} was begun with another {name} ({before.get(name)}, now "
                f"{settings.get(name)}): give the same, or a new folder"
            )
