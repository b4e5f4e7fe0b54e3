"""Work side by side: several jobs at a time, each on a core of its own, and their results in order."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TypeVar

import torch

Item = TypeVar("Item")

_MOST = 4
"""Jobs at a time, at most: each holds a picture or two."""


def side_by_side(jobs: Iterable[Callable[[], Item]]) -> Iterator[Item]:
    """Yield what jobs give, in their order.

    Frames are shared out among cores better than the many small steps within each: torch's own threads, which
    wait for each other after every step, gain little there.

    Args:
        jobs: taken from the caller's thread, a few ahead of what is wanted. What one raises is raised here.
    """
    threads = torch.get_num_threads()
    workers = min(threads, _MOST)
    running: deque[Future[Item]] = deque()
    pool = ThreadPoolExecutor(workers, initializer=torch.set_num_threads, initargs=(1,))
    try:
        for job in jobs:
            running.append(pool.submit(torch.no_grad()(job)))
            if len(running) > workers:
                yield running.popleft().result()
        while running:
            yield running.popleft().result()
    finally:
        pool.shutdown(cancel_futures=True)
        torch.set_num_threads(threads)  # which those of the pool have changed for threads that come
