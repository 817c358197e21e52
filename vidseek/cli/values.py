"""Parse the text of options and arguments: times, dates, parts of videos."""

from __future__ import annotations

import math
import re
from collections.abc import Callable
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING

import typer

if TYPE_CHECKING:
    from vidseek.core.types import TimeSpan

_CLOCK = re.compile(r"(?:(?:(\d+):)?(\d+):)?(\d+(?:\.\d+)?)", re.ASCII)
_MOMENT = re.compile(r"(?P<path>.+)@(?P<start>[\d:.]+)-(?P<end>[\d:.]+)", re.DOTALL | re.ASCII)
_INSTANT = re.compile(r"(?P<path>.+)@(?P<at>[\d:.]+)", re.DOTALL | re.ASCII)
_WEIGHTED = re.compile(r"(?P<path>.+)@(?P<weight>\d+(?:\.\d+)?)", re.DOTALL | re.ASCII)


def parse_seconds(text: str) -> float:
    """Parse ``90``, ``1:30``, ``1:02:03`` or ``90.5`` as seconds.

    Raises:
        typer.BadParameter: the text is not a time.
    """
    found = _CLOCK.fullmatch(text.strip())
    if found is None:
        raise typer.BadParameter(f"{text!r} is not a time; write seconds (90) or minutes (1:30)")
    hours, minutes, seconds = found.groups()
    for number, unit, larger in ((seconds, "seconds", minutes), (minutes, "minutes", hours)):
        if larger is not None and float(number) >= 60:
            raise typer.BadParameter(f"{text!r} is not a time: it has {number} {unit}")
    return int(hours or 0) * 3600 + int(minutes or 0) * 60 + float(seconds)


def parse_timeout(text: str) -> float:
    """Parse a number of seconds above 0.

    Raises:
        typer.BadParameter: it is not a number, or not above 0.
    """
    seconds = number_between(0, math.inf)(text)
    if seconds == 0:
        raise typer.BadParameter("must be more than 0")
    return seconds


def whole_number(minimum: int) -> Callable[[str], int]:
    """Make the parser of an option that takes a whole number, at least ``minimum``."""

    def parse(text: str) -> int:
        try:
            number = int(text)
        except ValueError:
            raise typer.BadParameter(f"{text!r} is not a whole number") from None
        if number < minimum:
            raise typer.BadParameter(f"must be at least {minimum}, got {number}")
        return number

    return parse


def number_between(low: float, high: float) -> Callable[[str], float]:
    """Make the parser of an option that takes a number from ``low`` to ``high``."""

    def parse(text: str) -> float:
        try:
            number = float(text)
        except ValueError:
            number = math.nan
        if math.isnan(number):
            raise typer.BadParameter(f"{text!r} is not a number")
        if not low <= number <= high:
            limit = f"at least {low:g}" if math.isinf(high) else f"{low:g} to {high:g}"
            raise typer.BadParameter(f"must be {limit}, got {number:g}")
        return number

    return parse


def one_of(*choices: str) -> Callable[[str], str]:
    """Make the parser of an option that takes one of some words."""

    def parse(text: str) -> str:
        if text not in choices:
            raise typer.BadParameter(f"{text!r} is not one of {', '.join(choices)}")
        return text

    return parse


def parse_date(text: str) -> datetime:
    """Parse ``2026-01-31`` or ``2026-01-31T18:00`` as local time.

    Raises:
        typer.BadParameter: the text is not a date.
    """
    try:
        return datetime.fromisoformat(text.strip())
    except ValueError:
        raise typer.BadParameter(
            f"{text!r} is not a date; write 2026-01-31 or 2026-01-31T18:00"
        ) from None


def parse_moment(text: str) -> tuple[Path, TimeSpan | None]:
    """Parse ``FILE`` or ``FILE@START-END``.

    A file whose name really ends with ``@START-END`` is taken as that file.

    Raises:
        typer.BadParameter: the part ends before it starts.
    """
    from vidseek.core.types import TimeSpan

    whole = Path(text).expanduser()
    found = _MOMENT.fullmatch(text)
    if found is None or whole.exists():
        return whole, None
    start, end = parse_seconds(found["start"]), parse_seconds(found["end"])
    if end <= start:
        raise typer.BadParameter(f"the part {found['start']}-{found['end']} ends before it starts")
    return Path(found["path"]).expanduser(), TimeSpan(start, end)


def parse_weighted(text: str) -> tuple[Path, float]:
    """Parse ``FILE`` or ``FILE@WEIGHT``.

    A file whose name really ends with ``@WEIGHT`` is taken as that file.

    Raises:
        typer.BadParameter: the weight is not above 0.
    """
    from vidseek.core.types.search import DEFAULT_LIKE_WEIGHT

    whole = Path(text).expanduser()
    found = _WEIGHTED.fullmatch(text)
    if found is None or whole.exists():
        return whole, DEFAULT_LIKE_WEIGHT
    weight = float(found["weight"])
    if weight <= 0:
        raise typer.BadParameter("the weight of --like must be more than 0")
    return Path(found["path"]).expanduser(), weight


def parse_instant(text: str) -> tuple[Path, float | TimeSpan | None]:
    """Parse ``FILE``, ``FILE@TIME`` or ``FILE@START-END``.

    Raises:
        typer.BadParameter: the part ends before it starts.
    """
    path, span = parse_moment(text)
    found = _INSTANT.fullmatch(text)
    if span is not None or found is None or path.exists():
        return path, span
    return Path(found["path"]).expanduser(), parse_seconds(found["at"])


def absolute_pattern(pattern: str) -> str:
    """Make the value of ``--in`` a pattern against absolute paths.

    A file or folder is relative to the current folder; a pattern with wildcards that does not
    start at the root matches anywhere.
    """
    if pattern.startswith("~"):
        pattern = str(Path(pattern).expanduser())
    if pattern and not any(character in pattern for character in "*?["):
        from vidseek.core.paths import absolute_path

        return str(absolute_path(pattern))
    return (
        pattern
        if pattern.startswith(("/", "*")) or not pattern
        else f"*/{pattern.removeprefix('./')}"
    )
