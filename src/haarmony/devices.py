"""Devices: where tensors are computed, by the name that torch has for it."""

import torch

from haarmony.errors import InputError


def usable(name: str) -> torch.device:
    """The device of a name such as cpu, cuda, cuda:1 or mps, which has been tried.

    Raises:
        InputError: for a name that torch does not know, and for a device that it cannot use here.
    """
    try:
        device = torch.device(name)
        torch.zeros(1, device=device).cpu()
    except (RuntimeError, AssertionError, NotImplementedError, ImportError):
        raise InputError(
            f"torch {torch.__version__} cannot compute on {name!r} here: choose cpu, or a device that it finds"
        ) from None
    return device
