import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress

import pytest
import torch

from haarmony.devices import full_precision, usable
from haarmony.errors import InputError


def test_the_processor_is_a_device():
    assert usable("cpu") == torch.device("cpu")


@pytest.mark.parametrize("name", ["nowhere", "", "cuda:99", "meta", "mps"])
def test_what_cannot_compute_is_refused_in_one_line(name):
    with pytest.raises(InputError) as caught:
        usable(name)
    assert repr(name) in str(caught.value)
    assert "choose cpu" in str(caught.value)
    assert "\n" not in str(caught.value)


def precision():
    cudnn = torch.backends.cudnn
    return cudnn.conv.fp32_precision if hasattr(cudnn, "conv") else cudnn.allow_tf32


def test_convolutions_are_precise_for_a_while():
    before = precision()
    with full_precision():
        assert precision() in ("ieee", False)
    assert precision() == before
    with suppress(InputError), full_precision():
        raise InputError("a mistake")
    assert precision() == before


def test_convolutions_are_precise_until_the_last_thread_leaves():
    before = precision()
    first, second = full_precision(), full_precision()
    first.__enter__()
    second.__enter__()
    first.__exit__(None, None, None)
    assert precision() in ("ieee", False)
    second.__exit__(None, None, None)
    assert precision() == before


def test_many_threads_leave_the_precision_as_it_was():
    def compute(_: int) -> bool:
        with full_precision():
            time.sleep(0)
            return precision() in ("ieee", False)

    before = precision()
    with ThreadPoolExecutor(8) as pool:
        assert all(pool.map(compute, range(4000)))
    assert precision() == before
