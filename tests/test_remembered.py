import gc
import threading

import pytest
import torch

from haarmony import remembered as module
from haarmony.networks.vgg19 import VGG19
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


@pytest.mark.parametrize("inference", [False, True], ids=["of a normal tensor", "of one of inference mode"])
def test_what_is_made_in_inference_mode_serves_gradients(inference: bool) -> None:
    with torch.inference_mode(inference):
        weight = torch.ones(3)
    x = torch.ones(3, requires_grad=True)
    with torch.inference_mode():
        made = remembered("double", (weight,), None, lambda: 2 * weight)
    assert remembered("double", (weight,), None, lambda: 2 * weight) is made
    (x * made).sum().backward()
    assert x.grad.tolist() == [2, 2, 2]


def test_no_gradient_is_kept() -> None:
    weight = torch.ones(3, requires_grad=True)
    assert not remembered("double", (weight,), None, lambda: 2 * weight).requires_grad


def test_a_network_that_was_used_in_inference_mode_still_has_gradients() -> None:
    network = VGG19("cat5").requires_grad_(False)
    picture = torch.rand(1, 3, 32, 40)
    with torch.inference_mode():
        network(picture)
    network(picture.requires_grad_()).sum().backward()
    assert picture.grad.any()
