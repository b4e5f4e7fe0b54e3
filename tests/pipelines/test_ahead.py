import threading
from collections.abc import Iterator

import pytest

from haarmony.pipelines.ahead import ahead


def test_items_come_in_order() -> None:
    assert list(ahead(range(50), depth=3)) == list(range(50))
    assert list(ahead([])) == []


def test_an_error_comes_behind_the_items_before_it() -> None:
    def failing() -> Iterator[int]:
        yield 1
        raise ValueError("here")

    items = ahead(failing())
    assert next(items) == 1
    with pytest.raises(ValueError, match="here"):
        next(items)


def test_no_more_is_taken_than_the_depth_and_the_thread_ends_with_the_iterator() -> None:
    taken = []
    closed = threading.Event()

    def counted() -> Iterator[int]:
        try:
            for number in range(1000):
                taken.append(number)
                yield number
        finally:
            closed.set()

    items = ahead(counted(), depth=2)
    next(items)
    items.close()  # type: ignore[attr-defined]
    assert closed.is_set()
    assert len(taken) <= 5
