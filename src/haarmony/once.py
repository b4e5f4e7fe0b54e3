"""What is computed when it is first asked for, and once, whatever threads ask."""

from collections.abc import Callable
from threading import Lock
from typing import Generic, TypeVar

T = TypeVar("T")


class Once(Generic[T]):
    """Call it for the value; the first call makes it, and the others wait for that."""

    def __init__(self, make: Callable[[], T]) -> None:
        """Of what makes the value."""
        self._make = make
        self._lock = Lock()
        self._made: list[T] = []

    def __call__(self) -> T:
        """The value."""
        with self._lock:
            if not self._made:
                self._made.append(self._make())
            return self._made[0]
