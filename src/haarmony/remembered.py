"""What is made of a tensor once, and kept as long as the tensor lives and is not changed."""

from collections.abc import Callable, Hashable
from typing import Any, TypeVar

from torch import Tensor
from torch.utils.weak import WeakTensorKeyDictionary

Made = TypeVar("Made")

_KNOWN: Any = WeakTensorKeyDictionary()


def remembered(name: str, tensors: tuple[Tensor, ...], state: Hashable, make: Callable[[], Made]) -> Made:
    """What `make` gives; what it gave before where nothing has changed.

    Args:
        name: of what is made.
        tensors: that it is made of; it is kept with the first.
        state: of all else that it is made of.
        make: called where it is not known; what was known of another state is forgotten before.
    """
    known = _KNOWN.setdefault(tensors[0], {})
    now = [(one.data_ptr(), _version(one)) for one in tensors], state
    if name not in known or known[name][0] != now:
        known.pop(name, None)
        known[name] = now, make()
    made: Made = known[name][1]
    return made


def _version(tensor: Tensor) -> int:
    return 0 if tensor.is_inference() else tensor._version
