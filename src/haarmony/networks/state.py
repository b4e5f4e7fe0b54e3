"""State dicts of other projects: plain tensors by name, from a file that is not trusted."""

from __future__ import annotations

import os
from io import BytesIO
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load
from torch import Tensor

from haarmony.errors import WeightsError


def read_state(path: str | os.PathLike[str]) -> dict[str, Tensor]:
    """The tensors of a state dict in a file of another project, .safetensors or .pth; no code is run.

    A dict under `state_dict` or `model`, as training scripts save it, and the `module.` before every name of
    a network that was trained in parallel are unwrapped.

    Raises:
        WeightsError: for a file that holds no such thing.
    """
    try:
        content = Path(path).read_bytes()
    except OSError as error:
        raise WeightsError(f"cannot read {path}: {error.strerror}") from None
    try:
        if Path(path).suffix == ".safetensors":
            state: Any = load(content)
        else:
            state = torch.load(BytesIO(content), map_location="cpu", weights_only=True)
    except Exception:  # a damaged pickle makes the reader stumble in any way
        raise WeightsError(
            f"{path} is not a checkpoint of plain tensors: expected a .pth state dict or .safetensors"
        ) from None
    for wrapper in ("state_dict", "model"):
        if isinstance(state, dict) and isinstance(state.get(wrapper), dict):
            state = state[wrapper]
    if not isinstance(state, dict) or not all(
        isinstance(key, str) and isinstance(value, Tensor) for key, value in state.items()
    ):
        raise WeightsError(f"{path} holds no state dict: expected tensors by name")
    prefix = "module." if all(key.startswith("module.") for key in state) else ""
    return {key.removeprefix(prefix): value.float() for key, value in state.items()}
