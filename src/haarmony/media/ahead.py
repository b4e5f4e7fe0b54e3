"""Iterators that run in a thread of their own, so that reading, computing and writing overlap."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import suppress
from queue import Full, Queue
from threading import Event, Thread
from typing import Final, TypeVar

Item = TypeVar("Item")

_PATIENCE: Final = 0.1
"""Seconds after which a thread that waits looks whether anybody still wants what it has."""


class _End:
    """What comes after the last item, with what went wrong."""

    def __init__(self, error: BaseException | None = None) -> None:
        self.error = error


def ahead(items: Iterable[Item], *, size: int = 4) -> Iterator[Item]:
    """Yield the items of an iterable that runs ahead in a thread.

    Args:
        items: What to iterate over. What it raises is raised here, in its turn.
        size: How many items may wait; it bounds the memory.
    """
    waiting: Queue[Item | _End] = Queue(size)
    unwanted = Event()
    thread = Thread(target=_run, args=(items, waiting, unwanted), daemon=True)
    thread.start()
    try:
        while not isinstance(item := waiting.get(), _End):
            yield item
        if item.error is not None:
            raise item.error
    finally:
        unwanted.set()
        thread.join()


def _run(items: Iterable[Item], waiting: Queue[Item | _End], unwanted: Event) -> None:
    iterator = iter(items)
    end = _End()
    try:
        for item in iterator:
            if not _put(waiting, item, unwanted):
                break
    except BaseException as error:
        end = _End(error)
    finally:
        if isinstance(iterator, Iterator) and hasattr(iterator, "close"):
            iterator.close()
    _put(waiting, end, unwanted)


def _put(waiting: Queue[Item | _End], item: Item | _End, unwanted: Event) -> bool:
    while not unwanted.is_set():
        with suppress(Full):
            waiting.put(item, timeout=_PATIENCE)
            return True
    return False
