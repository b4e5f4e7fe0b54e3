"""Work side by side: several jobs at a time, each on a core of its own, and their results in order.

Large things are shared out among cores better than the many small steps within each: torch's own threads wait
for each other after every step, and where another program holds one of the cores they wait long.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from functools import partial
from typing import TypeVar

import torch
from torch import Tensor

Item = TypeVar("Item")
Result = TypeVar("Result")


def side_by_side(jobs: Iterable[Callable[[], Item]], *, most: int | None = None) -> Iterator[Item]:
    """Yield what jobs give, in their order.

    Args:
        jobs: taken from the caller's thread, a few ahead of what is wanted. What one raises is raised here.
        most: jobs at a time, at most; as many as torch has threads if None.
    """
    threads = torch.get_num_threads()
    workers = threads if most is None else min(threads, most)
    grad_mode = torch.inference_mode if torch.is_inference_mode_enabled() else torch.no_grad
    running: deque[Future[Item]] = deque()
    pool = ThreadPoolExecutor(workers, initializer=torch.set_num_threads, initargs=(1,))
    try:
        for job in jobs:
            running.append(pool.submit(grad_mode()(job)))
            if len(running) > workers:
                yield running.popleft().result()
        while running:
            yield running.popleft().result()
    finally:
        pool.shutdown(cancel_futures=True)
        torch.set_num_threads(threads)  # which those of the pool have changed for threads that come


def learns(*tensors: Tensor | None) -> bool:
    """Whether a gradient goes through what is made of some tensors here; none does in the other threads."""
    return torch.is_grad_enabled() and any(one is not None and one.requires_grad for one in tensors)


def shared_out(work: Callable[[Sequence[Item]], Result], items: Sequence[Item]) -> list[Result]:
    """Give each of torch's threads its share of consecutive items.

    Args:
        work: what a thread does with its share.
        items: to be shared out evenly.

    Returns:
        What came of each share, in order.
    """
    threads = torch.get_num_threads()
    if threads == 1:
        return [work(items)]
    parts = min(threads, len(items))
    shares = [items[len(items) * k // parts : len(items) * (k + 1) // parts] for k in range(parts)]
    return list(side_by_side(partial(work, share) for share in shares))
