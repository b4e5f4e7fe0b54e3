"""Work ahead: a stage of a pipeline in a thread of its own, a few items in front of who takes them."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from queue import Full, Queue
from threading import Event, Thread
from typing import TypeVar

T = TypeVar("T")

_PATIENCE = 0.1
"""Seconds between two looks at whether anyone still waits."""


def ahead(items: Iterable[T], depth: int = 4) -> Iterator[T]:
    """Yield items that a thread takes from an iterable, at most `depth` of them beforehand.

    What the iterable raises is raised here, behind the items before it. Where the iterator is closed or
    thrown away, the thread ends with the item that it is at.
    """
    queue: Queue[tuple[T | None, BaseException | None]] = Queue(depth)
    abandoned = Event()

    def put(item: T | None, end: BaseException | None) -> bool:
        while not abandoned.is_set():
            try:
                queue.put((item, end), timeout=_PATIENCE)
            except Full:
                continue
            return True
        return False

    def work() -> None:
        end: BaseException = StopIteration()
        source = iter(items)
        try:
            for item in source:
                if not put(item, None):
                    break
        except BaseException as error:
            end = error
        finally:
            close = getattr(source, "close", None)
            if close is not None:
                close()
        put(None, end)

    thread = Thread(target=work, daemon=True)
    thread.start()
    try:
        while True:
            item, end = queue.get()
            if isinstance(end, StopIteration):
                return
            if end is not None:
                raise end
            yield item  # type: ignore[misc]
    finally:
        abandoned.set()
        thread.join()
