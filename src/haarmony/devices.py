"""Devices: where tensors are computed, by the name that torch has for it."""

from collections.abc import Iterator
from contextlib import contextmanager
from threading import Lock
from typing import Any

import torch

from haarmony.errors import InputError


def usable(name: str) -> torch.device:
    """The device of a name such as cpu, cuda or cuda:1, which has been tried.

    Raises:
        InputError: for a name that torch does not know, and for a device that it cannot use here or that has
            no float64, in which moments are added up.
    """
    try:
        device = torch.device(name)
        torch.zeros(1, dtype=torch.float64, device=device).cpu()
    except (RuntimeError, AssertionError, TypeError, ImportError):
        count = torch.cuda.device_count()
        found = f"choose cpu, or cuda:0 to cuda:{count - 1}" if count else "it finds no CUDA GPU, choose cpu"
        raise InputError(f"torch {torch.__version__} cannot compute on {name!r} here: {found}") from None
    return device


class _Precision:
    """That of cuDNN's convolutions, which is full while anyone wants it so."""

    def __init__(self) -> None:
        cudnn: Any = torch.backends.cudnn
        since_2_9 = hasattr(cudnn, "conv")
        self._place, self._name = (cudnn.conv, "fp32_precision") if since_2_9 else (cudnn, "allow_tf32")
        self._full: Any = "ieee" if since_2_9 else False
        self._before: Any = None
        self._wanted = 0
        self._lock = Lock()

    def want(self) -> None:
        with self._lock:
            if not self._wanted:
                self._before = getattr(self._place, self._name)
                setattr(self._place, self._name, self._full)
            self._wanted += 1

    def release(self) -> None:
        with self._lock:
            self._wanted -= 1
            if not self._wanted:
                setattr(self._place, self._name, self._before)


_PRECISION = _Precision()


@contextmanager
def full_precision() -> Iterator[None]:
    """Convolutions with all bits of float32, of which CUDA by default keeps ten (TF32).

    A matching amplifies what is faint, and with it such rounding. It is a setting of the whole process: the
    first of several threads makes it, and the last one brings back what was before.
    """
    _PRECISION.want()
    try:
        yield
    finally:
        _PRECISION.release()
