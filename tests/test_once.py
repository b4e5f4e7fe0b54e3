from concurrent.futures import ThreadPoolExecutor
from time import sleep

import pytest

from haarmony.once import Once


def test_it_is_made_once_when_it_is_asked_for() -> None:
    calls: list[int] = []

    def make() -> str:
        calls.append(1)
        sleep(0.05)
        return "made"

    once = Once(make)
    assert not calls
    with ThreadPoolExecutor(4) as pool:
        assert list(pool.map(lambda _: once(), range(8))) == ["made"] * 8
    assert len(calls) == 1


def test_what_fails_is_tried_again() -> None:
    answers = iter([ValueError("no"), None])

    def make() -> None:
        answer = next(answers)
        if answer is not None:
            raise answer

    once = Once(make)
    with pytest.raises(ValueError, match="no"):
        once()
    assert once() is None
