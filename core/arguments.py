"""Checks of what callers pass to the public API: a wrong type is a ``TypeError`` at the call.

>>> whole_number("5", "k")
Traceback (most recent call last):
TypeError: k must be a whole number, got '5'
"""

from __future__ import annotations

import math
import operator
import os
from collections.abc import Collection, Iterable, Sequence
from pathlib import Path
from typing import Any, TypeVar

from vidseek.core.paths import AnyPath, absolute_path

_Value = TypeVar("_Value")


def wrong_type(name: str, expected: str, value: object) -> TypeError:
    """The error of an argument of the wrong type."""
    return TypeError(f"{name} must be {expected}, got {value!r:.100}")


def text(value: object, name: str) -> str:
    """A string."""
    if not isinstance(value, str):
        raise wrong_type(name, "a string", value)
    return value


def flag(value: object, name: str) -> bool:
    """True or False. Not any truthy value: the string "no" is one."""
    if not isinstance(value, bool):
        raise wrong_type(name, "True or False", value)
    return value


def whole_number(value: Any, name: str) -> int:
    """An int, also one of numpy's."""
    if isinstance(value, bool):
        raise wrong_type(name, "a whole number", value)
    try:
        return operator.index(value)
    except TypeError:
        raise wrong_type(name, "a whole number", value) from None


def number(value: Any, name: str) -> float:
    """An int or float, also one of numpy's; NaN is a ``ValueError``."""
    if isinstance(value, bool | str | bytes) or not hasattr(value, "__float__"):
        raise wrong_type(name, "a number", value)
    try:
        converted = float(value)
    except TypeError:
        raise wrong_type(name, "a number", value) from None
    if math.isnan(converted):
        raise ValueError(f"{name} must be a number, got NaN")
    return converted


def duration(value: Any, name: str) -> float:
    """A number of seconds, 0 or more; it may be infinite."""
    seconds = number(value, name)
    if seconds < 0:
        raise ValueError(f"{name} must be 0 or more, got {seconds:g}")
    return seconds


def function(value: object, name: str) -> None:
    """Something that can be called, or None."""
    if value is not None and not callable(value):
        raise wrong_type(name, "a function", value)


def instance(value: object, kind: type[_Value], name: str) -> _Value:
    """A value of a class."""
    if not isinstance(value, kind):
        raise wrong_type(name, f"a {kind.__name__}", value)
    return value


def path(value: AnyPath, name: str) -> Path:
    """A path, made absolute. An empty one is a ``ValueError``: it would be the current folder."""
    if not isinstance(value, str | os.PathLike):
        raise wrong_type(name, "a path", value)
    given = os.fspath(value)
    if not isinstance(given, str):
        raise wrong_type(name, "a path", value)
    if not given or "\0" in given:
        raise ValueError(f"{name} must be a path, got {given!r:.100}")
    return absolute_path(given)


def paths(value: AnyPath | Iterable[AnyPath], name: str) -> list[Path]:
    """One path or several, made absolute."""
    if isinstance(value, str | os.PathLike):
        return [path(value, name)]
    if isinstance(value, bytes) or not isinstance(value, Iterable):
        raise wrong_type(name, "a path or several", value)
    return [path(each, name) for each in value]


def texts(value: Sequence[str], name: str) -> tuple[str, ...]:
    """Several strings. One string is refused: it is a sequence of its letters."""
    if isinstance(value, str | bytes) or not isinstance(value, Iterable):
        raise wrong_type(name, "a list of strings", value)
    return tuple(text(each, name) for each in value)


def several(value: Collection[_Value], kind: type[_Value], name: str) -> tuple[_Value, ...]:
    """Several values of a class; an enumeration's values are converted to it."""
    if isinstance(value, str | bytes) or not isinstance(value, Iterable):
        raise wrong_type(name, f"several of {kind.__name__}", value)
    return tuple(
        kind(each)
        if isinstance(each, str) and issubclass(kind, str)
        else instance(each, kind, name)
        for each in value
    )
