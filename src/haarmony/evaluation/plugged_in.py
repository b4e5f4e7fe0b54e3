"""Functions of users: a classifier or a detector that a command is told the name of."""

from __future__ import annotations

import sys
from collections.abc import Callable
from importlib import import_module
from typing import Any

from haarmony.errors import InputError
from haarmony.media.opening import one_line


def plugged_in(name: str, option: str) -> Callable[..., Any]:
    """Import `MODULE:FUNCTION`; the module may lie where the user is.

    Args:
        name: of the function.
        option: that it was given by.

    Returns:
        The function; what it raises is an InputError, for it is not a defect of haarmony.

    Raises:
        InputError: when there is no such function, or its module fails.
    """
    module, colon, function = name.partition(":")
    if not (module and colon and function):
        raise InputError(f"{option}: expected MODULE:FUNCTION, got {name!r}")
    sys.path.insert(0, "")
    try:
        found = getattr(import_module(module), function)
    except (ImportError, AttributeError) as error:
        raise InputError(f"{name!r} cannot be imported ({error}): run where the module is") from error
    except Exception as error:
        raise InputError(f"{module!r} failed when it was imported ({_said(error)})") from error
    finally:
        sys.path.remove("")
    if not callable(found):
        raise InputError(f"{name!r} is no function")

    def called(*given: Any) -> Any:
        try:
            return found(*given)
        except Exception as error:
            raise InputError(f"{name!r} failed ({_said(error)})") from error

    return called


def _said(error: Exception) -> str:
    return f"{type(error).__name__}: {one_line(error)}"
