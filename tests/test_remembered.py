import gc

import torch

from haarmony import remembered as module
from haarmony.remembered import remembered


def test_it_is_made_once_until_something_changes() -> None:
    weight, bias = torch.ones(3), torch.zeros(3)
    made: list[float] = []

    def make() -> float:
        made.append(float((weight + bias).sum()))
        return made[-1]

    assert [remembered("sum", (weight, bias), "small", make) for _ in range(3)] == [3, 3, 3]
    assert len(made) == 1
    bias += 1
    assert remembered("sum", (weight, bias), "small", make) == 6
    remembered("sum", (weight, bias), "large", make)
    remembered("other", (weight, bias), "large", make)
    assert len(made) == 4


def test_it_goes_with_its_weight() -> None:
    weight = torch.ones(2)
    gc.collect()
    before = len(module._KNOWN)
    remembered("one", (weight,), None, lambda: torch.ones(1))
    assert len(module._KNOWN) == before + 1
    del weight
    gc.collect()
    assert len(module._KNOWN) == before
