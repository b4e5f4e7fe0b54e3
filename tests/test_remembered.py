import gc
import threading

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


def test_changes_that_torch_does_not_count_are_seen() -> None:
    weight = torch.nn.Parameter(torch.ones(64, 32, 3, 3).to(memory_format=torch.channels_last))
    made = [remembered("sum", (weight,), None, lambda: weight.sum().item())]
    weight.data.mul_(2)
    made.append(remembered("sum", (weight,), None, lambda: weight.sum().item()))
    assert made == [64 * 32 * 9, 2 * 64 * 32 * 9]
    with torch.inference_mode():
        known = torch.ones(3)
        assert remembered("sum", (known,), None, lambda: float(known.sum())) == 3
        known += 1
        assert remembered("sum", (known,), None, lambda: float(known.sum())) == 6


def test_threads_that_want_different_states_get_their_own() -> None:
    weight = torch.ones(3)
    wrong: list[object] = []

    def ask(state: int) -> None:
        for _ in range(3000):
            try:
                if remembered("state", (weight,), state, lambda: state) != state:
                    wrong.append(state)
            except KeyError as error:
                wrong.append(error)

    threads = [threading.Thread(target=ask, args=(state,)) for state in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert wrong == []
