from pathlib import Path

import pytest
import torch

from haarmony.errors import InputError
from haarmony.training.checkpoint import load_checkpoint, resume, save_checkpoint

STATE = {"step": 3, "settings": {"size": 48, "seed": 0}, "network": {"weight": torch.arange(3.0)}}


def test_a_state_there_and_back(tmp_path: Path) -> None:
    assert load_checkpoint(tmp_path / "a.pt") is None
    save_checkpoint(tmp_path / "new" / "a.pt", STATE)
    state = resume(tmp_path / "new" / "a.pt", {"size": 48, "seed": 0})
    assert state is not None
    assert torch.equal(state["network"]["weight"], torch.arange(3.0))
    assert [path.name for path in (tmp_path / "new").iterdir()] == ["a.pt"]


def test_a_run_of_other_settings_is_refused_and_told(tmp_path: Path) -> None:
    assert resume(tmp_path / "a.pt", {"size": 48, "seed": 1}) is None
    save_checkpoint(tmp_path / "a.pt", STATE)
    with pytest.raises(InputError, match="a run with seed 0: give"):
        resume(tmp_path / "a.pt", {"size": 48, "seed": 1})
