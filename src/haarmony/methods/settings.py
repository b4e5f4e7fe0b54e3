"""Options of methods: declared once as fields, checked when set, and read from text."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import MISSING, Field, field, fields
from math import inf, isfinite
from types import NoneType, UnionType
from typing import Any, Literal, NamedTuple, TypeVar, Union, get_args, get_origin, get_type_hints

from haarmony.errors import InputError

T = TypeVar("T")

_TRUTHS = {"true": True, "yes": True, "on": True, "false": False, "no": False, "off": False}


def option(default: T, text: str, *, least: float = -inf, most: float = inf) -> T:
    """A field of a class of options.

    Args:
        default: its value where nothing is said.
        text: one line for the user.
        least: the smallest number that it, or any entry of it, may be.
        most: the largest.
    """
    found: T = field(default=default, metadata={"text": text, "least": least, "most": most})
    return found


def seed_option(text: str) -> int:
    """The seed of what a method draws at random, 0 where nothing is said."""
    return option(0, text, least=0, most=2**32 - 1)


class Setting(NamedTuple):
    """What a user may know of an option."""

    name: str
    default: str
    values: str
    text: str


def settings_of(options: type[Any]) -> list[Setting]:
    """The options of a class, in their order."""
    return [
        Setting(
            one.name, _shown(one.default), _described(kind, one.metadata), str(one.metadata.get("text", ""))
        )
        for one, kind in _kinds(options)
    ]


def check_settings(options: Any) -> None:
    """Hold the values of a dataclass of options to what their fields declare.

    Raises:
        InputError: for a value of another kind or out of range.
    """
    for one, kind in _kinds(type(options)):
        value = getattr(options, one.name)
        if not _fits(kind, value, one.metadata):
            raise InputError(_complaint(one.name, kind, one.metadata, value))


def refuse_unused(options: Any, names: Sequence[str], why: str) -> None:
    """See that options which count for nothing were left alone.

    Args:
        options: of a dataclass.
        names: of its options.
        why: they count for nothing.

    Raises:
        InputError: for one that has another value than by itself.
    """
    for one in fields(options):
        if one.name in names and getattr(options, one.name) != one.default:
            raise InputError(f"{one.name} counts for nothing {why}: leave it out")


def read_settings(options: type[Any], given: Mapping[str, str]) -> dict[str, Any]:
    """Options as text: numbers, words, `true` and `false`, `none`, lists with commas, sizes such as 640x480.

    Raises:
        InputError: for a name or a value that there is not; the line lists what there is.
    """
    kinds = {one.name: (one, kind) for one, kind in _kinds(options)}
    values = {}
    for name, text in given.items():
        if name not in kinds:
            raise InputError(f"{options.__name__} has no option {name!r}: choose {', '.join(kinds)}")
        one, kind = kinds[name]
        try:
            values[name] = _read(kind, text.strip())
        except ValueError:
            raise InputError(_complaint(name, kind, one.metadata, text)) from None
    return values


def _kinds(options: type[Any]) -> Iterator[tuple[Field[Any], Any]]:
    hints = get_type_hints(options)
    return ((one, hints[one.name]) for one in fields(options))


def _complaint(name: str, kind: Any, limits: Mapping[str, Any], value: Any) -> str:
    if isinstance(value, tuple) and len(value) == 2 and _is_size(kind):
        value = "x".join(map(str, value[::-1]))
    return f"{name} is {_described(kind, limits)}, got {value!r}"


def _is_size(kind: Any) -> bool:
    """Whether a kind is a height and a width, or those and none."""
    if get_origin(kind) in (Union, UnionType):
        return any(map(_is_size, get_args(kind)))
    return get_origin(kind) is tuple and get_args(kind)[-1] is not Ellipsis


def _read(kind: Any, text: str) -> Any:
    origin, within = get_origin(kind), get_args(kind)
    if origin in (Union, UnionType):
        if text.lower() == "none" and NoneType in within:
            return None
        return _read(next(one for one in within if one is not NoneType), text)
    if origin is tuple:
        parts = text.lower().split("x")[::-1] if _is_size(kind) else text.split(",")
        return tuple(_read(within[0], part.strip()) for part in parts if part.strip())
    if kind is bool:
        if text.lower() not in _TRUTHS:
            raise ValueError
        return _TRUTHS[text.lower()]
    return kind(text) if kind in (int, float) else text


def _fits(kind: Any, value: Any, limits: Mapping[str, Any]) -> bool:
    origin, within = get_origin(kind), get_args(kind)
    if origin in (Union, UnionType):
        return any(_fits(one, value, limits) for one in within)
    if origin is Literal:
        return value in within
    if origin is tuple:
        if not isinstance(value, tuple) or not value:
            return False
        wanted = len(value) if within[-1] is Ellipsis else len(within)
        return len(value) == wanted and all(_fits(within[0], one, limits) for one in value)
    if kind in (int, float):
        known = isinstance(value, int if kind is int else (int, float)) and not isinstance(value, bool)
        in_range = known and limits.get("least", -inf) <= value <= limits.get("most", inf)
        return bool(in_range and isfinite(value))
    return isinstance(value, kind)


def _described(kind: Any, limits: Mapping[str, Any]) -> str:
    origin, within = get_origin(kind), get_args(kind)
    if origin in (Union, UnionType):
        return " or ".join("none" if one is NoneType else _described(one, limits) for one in within)
    if origin is Literal:
        return " or ".join((", ".join(map(str, within[:-1])), str(within[-1]))[len(within) == 1 :])
    if origin is tuple:
        if _is_size(kind):
            least, most = limits.get("least", -inf), limits.get("most", inf)
            sides = f", sides from {least:g} to {most:g}" if isfinite(most) else ""
            return f"a size such as 640x480{sides}"
        return f"a list with commas, each {_described(within[0], limits)}"
    if kind is bool:
        return "true or false"
    if kind in (int, float):
        noun = "a whole number" if kind is int else "a number"
        least, most = limits.get("least", -inf), limits.get("most", inf)
        if isfinite(least) and isfinite(most):
            return f"{noun} from {least:.10g} to {most:.10g}"
        if isfinite(least):
            return f"{noun}, {least:g} or more"
        return noun
    return "text"


def _shown(value: Any) -> str:
    if value is MISSING:
        return ""
    if isinstance(value, tuple):
        return ",".join(map(str, value))
    if isinstance(value, bool) or value is None:
        return str(value).lower()
    return f"{value:g}" if isinstance(value, float) else str(value)
