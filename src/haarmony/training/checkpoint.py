"""Checkpoints that are whole or absent, so that a killed run goes on where it was."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch

from haarmony.errors import InputError


def save_checkpoint(path: Path, state: dict[str, Any]) -> None:
    """Write beside the target and rename; the folder is made where it is missing."""
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(path.name + ".part")
    torch.save(state, temporary)
    temporary.replace(path)


def load_checkpoint(path: Path) -> dict[str, Any] | None:
    """The state saved last, or None when there is none; tensors and plain values only, never pickled code."""
    if not path.exists():
        return None
    state: dict[str, Any] = torch.load(path, map_location="cpu", weights_only=True)
    return state


def resume(path: Path, settings: dict[str, Any]) -> dict[str, Any] | None:
    """The state saved last by a run of these settings, or None when there is none.

    Raises:
        InputError: when the checkpoint is of other settings.
    """
    state = load_checkpoint(path)
    if state is None or state["settings"] == settings:
        return state
    others = ", ".join(
        f"{name} {state['settings'].get(name)}"
        for name in settings
        if state["settings"].get(name) != settings[name]
    )
    raise InputError(f"{path} is of a run with {others}: give these settings, or another folder")
