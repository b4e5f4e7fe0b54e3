import threading

import pytest

from haarmony.media.ahead import ahead


def test_the_items_come_in_their_order():
    assert list(ahead(iter(range(100)), size=3)) == list(range(100))
    assert list(ahead([])) == []


def test_they_are_made_in_another_thread_and_never_too_many():
    made = []

    def numbers():
        for number in range(50):
            made.append(threading.current_thread())
            yield number

    for taken, _ in enumerate(ahead(numbers(), size=3), start=1):
        assert len(made) <= taken + 4  # those that wait, and the one in hand
    assert threading.current_thread() not in made


def test_an_error_comes_after_what_was_before_it():
    def numbers():
        yield 1
        raise OSError("disk")

    items = ahead(numbers())
    assert next(items) == 1
    with pytest.raises(OSError, match="disk"):
        next(items)


def test_what_is_left_early_is_closed():
    closed = threading.Event()

    def numbers():
        try:
            while True:
                yield 1
        finally:
            closed.set()

    items = ahead(numbers())
    next(items)
    items.close()
    assert closed.is_set()
