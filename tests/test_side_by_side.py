import threading
import time

import pytest
import torch

from haarmony.side_by_side import learns, shared_out, side_by_side


def test_results_come_in_order_from_several_threads_of_one_core_each() -> None:
    threads = torch.get_num_threads()
    torch.set_num_threads(2)
    both = threading.Barrier(2, timeout=10)

    def job(number: int) -> tuple[int, int, int]:
        both.wait()
        time.sleep(0.01 * (number % 2 == 0))
        return number, threading.get_ident(), torch.get_num_threads()

    try:
        found = list(side_by_side((lambda number=number: job(number)) for number in range(6)))
        assert torch.get_num_threads() == 2
    finally:
        torch.set_num_threads(threads)
    assert [number for number, _, _ in found] == list(range(6))
    assert len({thread for _, thread, _ in found}) == 2
    assert {known for _, _, known in found} == {1}


def test_no_gradients_are_kept() -> None:
    weight = torch.ones(1, requires_grad=True)
    assert not next(side_by_side([lambda: weight * 2])).requires_grad


def test_what_goes_wrong_is_raised_in_its_turn() -> None:
    made = side_by_side([lambda: 1, lambda: 1 // 0, lambda: 3])
    assert next(made) == 1
    with pytest.raises(ZeroDivisionError):
        next(made)


def test_jobs_are_taken_only_a_few_ahead_and_not_after_the_end() -> None:
    taken = []

    def jobs():
        for number in range(100):
            taken.append(number)
            yield lambda: None

    made = side_by_side(jobs())
    next(made)
    made.close()
    assert len(taken) < 10


@pytest.mark.parametrize("threads", [1, 2, 3])
@pytest.mark.parametrize("count", [1, 2, 7])
def test_consecutive_items_are_shared_out_evenly(threads: int, count: int) -> None:
    before = torch.get_num_threads()
    try:
        torch.set_num_threads(threads)
        shares = shared_out(list, range(count))
    finally:
        torch.set_num_threads(before)
    assert [item for share in shares for item in share] == list(range(count))
    sizes = [len(share) for share in shares]
    assert len(sizes) == min(threads, count)
    assert max(sizes) - min(sizes) <= 1


def test_in_inference_mode_jobs_are_too() -> None:
    with torch.inference_mode():
        made = torch.zeros(4)
        shared_out(lambda places: [made[place].add_(1) for place in places], range(4))
    assert made.tolist() == [1, 1, 1, 1]


def test_what_learns_is_known() -> None:
    weight, fixed = torch.ones(1, requires_grad=True), torch.ones(1)
    assert learns(fixed, weight)
    assert not learns(fixed, None)
    with torch.no_grad():
        assert not learns(weight)
