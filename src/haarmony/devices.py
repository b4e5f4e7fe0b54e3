"""Devices: where tensors are computed, by the name that torch has for it."""

from collections.abc import Iterator
from contextlib import contextmanager
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


@contextmanager
def full_precision() -> Iterator[None]:
    """Convolutions with all bits of float32, of which CUDA by default keeps ten (TF32).

    A matching amplifies what is faint, and with it such rounding. It is a setting of the whole process.
    """
    cudnn: Any = torch.backends.cudnn
    since_2_9 = hasattr(cudnn, "conv")
    place, name, full = (cudnn.conv, "fp32_precision", "ieee") if since_2_9 else (cudnn, "allow_tf32", False)
    before = getattr(place, name)
    setattr(place, name, full)
    try:
        yield
    finally:
        setattr(place, name, before)
