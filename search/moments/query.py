"""Cleaning and checking of queries before anything is computed.

>>> clean_text("  a   dog ").text
'a dog'
"""

from __future__ import annotations

import unicodedata
from collections.abc import Collection
from dataclasses import dataclass
from datetime import UTC, datetime

from vidseek.core.errors import Hint, QueryError
from vidseek.core.types import QueryTerms, SearchWarning, VideoFilter

MAX_QUERY_CHARACTERS = 1_000
"""Longer queries are cut: no encoder reads more than a few dozen words, and tokenising a pasted
book would only take time."""


@dataclass(frozen=True)
class QueryText:
    """A cleaned query text, and warnings about it."""

    text: str
    warnings: tuple[SearchWarning, ...] = ()


def clean_text(text: str, *, what: str = "query") -> QueryText:
    """Normalise a query text: composed Unicode, single spaces, no control characters.

    A text beyond ``MAX_QUERY_CHARACTERS`` is cut, with a warning.

    Args:
        text: the text as typed; other scripts and emoji are kept.
        what: the name of the text in messages.

    Raises:
        QueryError: the text is empty.
    """
    # An argument that is not valid UTF-8 arrives with lone surrogates, which tokenizers refuse.
    text = text.encode("utf-8", "replace").decode("utf-8")
    text = unicodedata.normalize("NFC", text)
    text = "".join(" " if unicodedata.category(letter) == "Cc" else letter for letter in text)
    text = " ".join(text.split())
    if not text:
        example = ' Describe what to find, as in "a dog on a beach".' if what == "query" else ""
        raise QueryError(f"The {what} is empty.{example}")
    if len(text) > MAX_QUERY_CHARACTERS:
        warning = SearchWarning(
            "query_truncated",
            f"the {what} has {len(text)} characters; only the first {MAX_QUERY_CHARACTERS} are "
            "used",
        )
        return QueryText(text[:MAX_QUERY_CHARACTERS].rstrip(), (warning,))
    return QueryText(text)


MAX_STEPS = 16
"""Steps of a sequence; each is a search of its own."""
MAX_LIKE_WEIGHT = 100.0


def check_terms(terms: QueryTerms) -> None:
    """Refuse what a text cannot be combined with.

    Raises:
        QueryError: too many steps, a time or weight that is not above 0, a time without steps, a
            part of no video.
    """
    if len(terms.then) + 1 > MAX_STEPS:
        raise QueryError(f"A sequence has at most {MAX_STEPS} steps, got {len(terms.then) + 1}.")
    within = terms.within_seconds
    if within is not None and not terms.then:
        raise QueryError("A time between steps needs a second step.")
    if within is not None and within <= 0:
        raise QueryError(f"The time between steps must be more than 0 seconds, got {within:g}.")
    if terms.not_like_span is not None and terms.not_like is None:
        raise QueryError("A part that moments should not resemble needs a video.")
    if not 0 < terms.like_weight <= MAX_LIKE_WEIGHT:
        raise QueryError(
            f"The weight of a picture must be more than 0 and at most {MAX_LIKE_WEIGHT:g}, got "
            f"{terms.like_weight:g}."
        )


def check_limits(*, k: int, per_video: int | None) -> None:
    """Refuse impossible numbers of hits.

    Raises:
        QueryError: ``k`` or ``per_video`` is under 1.
    """
    if k < 1:
        raise QueryError(f"The number of hits must be at least 1, got {k}.")
    if per_video is not None and per_video < 1:
        raise QueryError(f"The number of hits per video must be at least 1, got {per_video}.")


def check_filter(where: VideoFilter) -> None:
    """Refuse a filter that no video can pass.

    Raises:
        QueryError: names the bounds that contradict each other.
    """
    low, high = where.min_duration_seconds, where.max_duration_seconds
    for name, seconds in (("shortest", low), ("longest", high)):
        if seconds is not None and seconds < 0:
            raise QueryError(f"The {name} duration must be 0 seconds or more, got {seconds:g}.")
    if low is not None and high is not None and low > high:
        raise QueryError(
            f"No video lasts at least {low:g} s and at most {high:g} s: swap the two durations."
        )
    if where.min_height is not None and where.min_height < 0:
        raise QueryError(f"The height must be 0 pixels or more, got {where.min_height}.")
    if where.path_glob is not None and not where.path_glob.strip():
        raise QueryError('The path pattern is empty: give one such as "*/holidays/*".')
    after, before = where.after, where.before
    if after is not None and before is not None and _aware(after) >= _aware(before):
        raise QueryError(f"No time is after {after} and before {before}: swap the two dates.")


def check_labels(wanted: Collection[str], known: Collection[str]) -> None:
    """Refuse a label that the library does not have.

    Raises:
        QueryError: names the label.
    """
    for label in wanted:
        if label not in known:
            raise QueryError(f"The library has no label {label!r}.", hint=Hint("list_labels"))


def _aware(time: datetime) -> datetime:
    """Naive times are local (see ``VideoFilter``)."""
    if time.tzinfo is not None:
        return time
    try:
        return time.astimezone()
    except (OverflowError, ValueError):  # its UTC is outside the calendar
        return time.replace(tzinfo=UTC)
