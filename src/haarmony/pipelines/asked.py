"""What a caller asks for beside pictures, found to be of its kind before any work."""

from __future__ import annotations

from math import nan

from haarmony.errors import InputError


def number(value: object) -> float:
    """A number of Python's, NumPy's or torch's as a float; NaN where it is none, or one too large."""
    if isinstance(value, (str, bytes)):
        return nan
    try:
        return float(value)  # type: ignore[arg-type]
    except (TypeError, ValueError, RuntimeError, OverflowError):
        return nan


def strength_of(value: object) -> float:
    """The strength of a transfer.

    Raises:
        InputError: for what is no number between 0 and 1.
    """
    strength = number(value)
    if not 0 <= strength <= 1:
        raise InputError(f"strength is between 0 and 1, got {value!r}")
    return strength


def must_be(kind: type, value: object, name: str) -> None:
    """Find out whether options are of their kind.

    Raises:
        InputError: when they are not.
    """
    if not isinstance(value, kind):
        raise InputError(
            f"{name} is a haarmony.{kind.__name__}, got {type(value).__name__}: make one, or leave it out"
        )
