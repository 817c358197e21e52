"""VideoFilter as SQL conditions, on SQLite and on database servers.

>>> path_pattern("/films/*.mp4").regex
'^/films/.*[.]mp4$'
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from datetime import MINYEAR, datetime

from sqlalchemy import ColumnElement, func, or_, select

from vidseek.core.errors import QueryError
from vidseek.core.types import VideoFilter
from vidseek.storage.catalog.schema import (
    ClipLabelRow,
    ClipRow,
    LabelRow,
    VideoRow,
    encode_path,
)

_LONGEST_PATTERN = 4096
_MAX_HEIGHT, _MAX_INTEGER = 2**31 - 1, 2**63 - 1
"""PostgreSQL takes no larger number for a height, and no database for a time."""


def video_conditions(where: VideoFilter, dialect: str) -> list[ColumnElement[bool]]:
    """Return the conditions on VideoRow, all of which must hold.

    Args:
        where: the filter.
        dialect: SQLAlchemy's name of the database.
    """
    conditions: list[ColumnElement[bool]] = []
    if where.path_glob is not None:
        conditions.append(_matches_path(where.path_glob, dialect))
    if where.min_duration_seconds is not None:
        conditions.append(VideoRow.duration_seconds >= where.min_duration_seconds)
    if where.max_duration_seconds is not None:
        conditions.append(VideoRow.duration_seconds <= where.max_duration_seconds)
    if where.min_height is not None:
        conditions.append(VideoRow.height >= min(where.min_height, _MAX_HEIGHT))
    if where.after is not None:
        conditions.append(VideoRow.modified_ns >= _nanoseconds(where.after))
    if where.before is not None:
        conditions.append(VideoRow.modified_ns < _nanoseconds(where.before))
    conditions += [_has_label(label) for label in where.labels]
    return conditions


def _has_label(name: str) -> ColumnElement[bool]:
    labelled = (
        select(ClipRow.video_id)
        .join(ClipLabelRow, ClipLabelRow.clip_id == ClipRow.id)
        .join(LabelRow, LabelRow.id == ClipLabelRow.label_id)
        .where(LabelRow.name == name)
    )
    return VideoRow.id.in_(labelled)


def is_or_is_below(path: str) -> ColumnElement[bool]:
    """Condition: the path itself, or anything below it."""
    folder = path.rstrip(os.sep) + os.sep
    # Not LIKE: it has its own wildcards and ignores case on SQLite.
    below = func.substr(VideoRow.path, 1, len(folder)) == encode_path(folder)
    return or_(VideoRow.path == (path.rstrip(os.sep) or path), below)


def _matches_path(glob: str, dialect: str) -> ColumnElement[bool]:
    if len(glob) > _LONGEST_PATTERN:
        raise QueryError(f"The path pattern has {len(glob)} characters, the limit is 4096")
    named = is_or_is_below(glob)
    pattern = path_pattern(glob)
    if not pattern.has_wildcard:
        return _is_or_is_below_in_any_case(glob, dialect)
    # A file may be called "[1].mp4": the literal path always matches.
    if dialect == "sqlite":
        return or_(named, VideoRow.path.op("GLOB")(pattern.sqlite_glob))
    return or_(named, VideoRow.path.regexp_match(pattern.regex, flags="i"))


def _is_or_is_below_in_any_case(path: str, dialect: str) -> ColumnElement[bool]:
    """Like ``is_or_is_below``, and without regard to case, as patterns are."""
    folder = path.rstrip(os.sep)
    exact, below = path_pattern(folder or path), path_pattern(f"{folder}{os.sep}*")
    if dialect == "sqlite":
        return or_(
            VideoRow.path.op("GLOB")(exact.sqlite_glob), VideoRow.path.op("GLOB")(below.sqlite_glob)
        )
    return or_(
        VideoRow.path.regexp_match(exact.regex, flags="i"),
        VideoRow.path.regexp_match(below.regex, flags="i"),
    )


@dataclass(frozen=True)
class PathPattern:
    """A shell pattern, translated. It ignores case: cameras write .MXF, and people type .mxf."""

    has_wildcard: bool
    sqlite_glob: str
    """With both cases of every letter in a set: SQLite's own folding knows ASCII only."""
    regex: str
    """POSIX extended, to be matched without case; ``.`` matches a line feed there."""


def path_pattern(glob: str) -> PathPattern:
    """Translate a shell pattern as Python's fnmatch reads it: ``*`` also matches ``/``."""
    glob = encode_path(glob)
    wildcard = False
    sqlite: list[str] = []
    regex: list[str] = []
    at = 0
    while at < len(glob):
        character = glob[at]
        at += 1
        if character in "*?":
            wildcard = True
            sqlite.append(character)
            regex.append({"*": ".*", "?": "."}[character])
        elif character == "[" and (end := _end_of_set(glob, at)) is not None:
            wildcard = True
            negated = glob[at] == "!"
            members = glob[at + negated : end]
            at = end + 1
            sqlite.append(_sqlite_set(members, negated))
            regex.append(_regex_set(members, negated))
        else:
            cases = _cases(character)
            sqlite.append("[[]" if character == "[" else f"[{cases}]" if cases else character)
            regex.append(_literal(character))
    return PathPattern(wildcard, "".join(sqlite), "^" + "".join(regex) + "$")


def _cases(letter: str) -> str:
    """A letter in both cases; empty for a character without them."""
    cases = dict.fromkeys((letter.lower(), letter.upper()))
    return "".join(cases) if len(cases) == 2 and all(len(case) == 1 for case in cases) else ""


def _end_of_set(glob: str, at: int) -> int | None:
    """Position of the ``]`` that closes the set at ``at``; a leading ``]`` is a member."""
    start = at + (glob[at : at + 1] == "!")
    end = glob.find("]", start + 1)
    return None if end < 0 else end


def _sqlite_set(members: str, negated: bool) -> str:
    # In GLOB "^" negates, and a leading "]" is a member, as in fnmatch.
    if members.startswith("^") and not negated:
        if members == "^":
            return "^"
        members = f"{members[1:]}^"
    return f"[{'^' if negated else ''}{_with_both_cases(members)}]"


def _with_both_cases(members: str) -> str:
    """The members of a set and those in the other case; a "-" at the end stays there."""
    tail = "-" if members.endswith("-") else ""
    body = members.removesuffix("-")
    others = [other for other in (body.lower(), body.upper()) if other != body]
    return body + "".join(other.lstrip("]-") for other in others) + tail


def _regex_set(members: str, negated: bool) -> str:
    escaped = members.replace("\\", "\\\\").replace("[", "\\[").replace("]", "\\]")
    if escaped.startswith("^"):
        escaped = "\\" + escaped
    return f"[{'^' if negated else ''}{escaped}]"


def _literal(character: str) -> str:
    if character in ".|()*+?{}[$":
        return f"[{character}]"
    if character in "\\^]":
        return f"\\{character}"
    return character


def _nanoseconds(moment: datetime) -> int:
    """Nanoseconds since the epoch; of a time before 1678 or after 2261, the first or the last."""
    try:
        since = round(moment.timestamp() * 1_000_000_000)
    except (OverflowError, ValueError):  # a local time whose UTC is outside the calendar
        since = _MAX_INTEGER if moment.year > MINYEAR else -_MAX_INTEGER
    return min(max(since, -_MAX_INTEGER), _MAX_INTEGER)
