"""What a person asks, checked before anything is computed.

>>> clean_text("  a   dog ")
'a dog'
"""

from __future__ import annotations

import logging
import math
import unicodedata
from datetime import datetime

from vidseek.core.errors import QueryError
from vidseek.core.types import VideoFilter

logger = logging.getLogger(__name__)

MAX_QUERY_CHARACTERS = 1_000
"""Longer queries are cut: no encoder here reads more than a few dozen words, and tokenising a
pasted book would only take time."""


def clean_text(text: str, *, what: str = "query") -> str:
    """Normalise a query text: composed Unicode, single spaces, no control characters.

    Args:
        text: as typed; other alphabets and emoji are kept.
        what: its name in messages.

    Raises:
        QueryError: nothing is left to search for.
    """
    # An argument that is no valid UTF-8 arrives with lone surrogates, which tokenizers refuse.
    text = text.encode("utf-8", "replace").decode("utf-8")
    text = unicodedata.normalize("NFC", text)
    text = "".join(" " if unicodedata.category(letter) == "Cc" else letter for letter in text)
    text = " ".join(text.split())
    if not text:
        raise QueryError(f'The {what} is empty: say what to look for, as in "a dog on a beach".')
    if len(text) > MAX_QUERY_CHARACTERS:
        logger.warning(
            "The %s has %d characters; only the first %d are used.",
            what,
            len(text),
            MAX_QUERY_CHARACTERS,
        )
        text = text[:MAX_QUERY_CHARACTERS].rstrip()
    return text


def check_limits(*, k: int, per_video: int | None) -> None:
    """Refuse numbers of hits that cannot be meant.

    Raises:
        QueryError: ``k`` or ``per_video`` is under 1.
    """
    if k < 1:
        raise QueryError(f"The number of hits must be at least 1, got {k}.")
    if per_video is not None and per_video < 1:
        raise QueryError(f"The number of hits a video must be at least 1, got {per_video}.")


def check_filter(where: VideoFilter) -> None:
    """Refuse a filter that contradicts itself: no video could ever pass.

    Raises:
        QueryError: naming the two ends that contradict each other.
    """
    low, high = where.min_duration_seconds, where.max_duration_seconds
    for name, seconds in (("shortest", low), ("longest", high)):
        if seconds is not None and (math.isnan(seconds) or seconds < 0):
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


def _aware(time: datetime) -> datetime:
    """Naive times are local (see ``VideoFilter``)."""
    return time.astimezone() if time.tzinfo is None else time
