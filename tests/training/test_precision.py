import pytest
import torch
from torch import nn

from haarmony.training.precision import half_precision


@pytest.mark.parametrize(
    ("capability", "expected"),
    [("AVX512", torch.bfloat16), ("AVX2", torch.float32), ("DEFAULT", torch.float32)],
)
def test_half_only_where_the_processor_is_quick_at_it(
    monkeypatch: pytest.MonkeyPatch, capability: str, expected: torch.dtype
) -> None:
    monkeypatch.setattr(torch.backends.cpu, "get_cpu_capability", lambda: capability)
    with half_precision("cpu"):
        assert nn.Conv2d(1, 1, 1)(torch.zeros(1, 1, 2, 2)).dtype == expected


def test_half_is_not_forced() -> None:
    with half_precision("cpu", wanted=False):
        assert nn.Conv2d(1, 1, 1)(torch.zeros(1, 1, 2, 2)).dtype == torch.float32
