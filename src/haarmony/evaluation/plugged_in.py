"""Functions of users: a classifier or a detector that a command is told the name of."""

from __future__ import annotations

import sys
from collections.abc import Callable
from importlib import import_module
from typing import Any

from haarmony.errors import InputError


def plugged_in(name: str, option: str) -> Callable[..., Any]:
    """Import `MODULE:FUNCTION`; the module may lie where the user is.

    Args:
        name: of the function.
        option: that it was given by.

    Raises:
        InputError: when there is no such function.
    """
    module, colon, function = name.partition(":")
    if not (module and colon and function):
        raise InputError(f"{option}: expected MODULE:FUNCTION, got {name!r}")
    sys.path.insert(0, "")
    try:
        found = getattr(import_module(module), function)
    except (ImportError, AttributeError) as error:
        raise InputError(f"{name!r} cannot be imported ({error}): run where the module is") from error
    finally:
        sys.path.remove("")
    if not callable(found):
        raise InputError(f"{name!r} is no function")
    made: Callable[..., Any] = found
    return made
