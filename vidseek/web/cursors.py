"""Pages of lists, and the cursors between them."""

from __future__ import annotations

import base64
import json
from collections.abc import Callable, Sequence
from typing import TypeVar

from vidseek.core.errors import QueryError

_Item = TypeVar("_Item")

Key = tuple[str | int | float, ...]


def page_after(
    items: Sequence[_Item], key: Callable[[_Item], Key], *, cursor: str | None, limit: int
) -> tuple[list[_Item], str | None]:
    """The items after a cursor, and the cursor of the page that follows.

    A cursor holds the key of the last item of its page, so that items that come or go between two
    pages make no other item appear twice or not at all.

    Args:
        items: ordered by ``key``, which no two of them share.
        key: numbers and strings, alike for all items.
        cursor: of the page before; None for the first page.
        limit: items of a page.

    Raises:
        QueryError: the cursor is none of this list.
    """
    rest = items
    if cursor is not None:
        last = _read(cursor)
        try:
            rest = [item for item in items if key(item) > last]
        except TypeError as error:
            raise QueryError("the cursor belongs to another list") from error
    page = list(rest[:limit])
    following = _write(key(page[-1])) if len(rest) > limit else None
    return page, following


def _write(key: Key) -> str:
    # Not escaped to ASCII: a path in another script would take twice the room.
    text = json.dumps(key, ensure_ascii=False)
    return base64.urlsafe_b64encode(text.encode()).decode("ascii")


def _read(cursor: str) -> Key:
    try:
        key = json.loads(base64.urlsafe_b64decode(cursor.encode("ascii")))
        if not isinstance(key, list) or not all(
            isinstance(each, str | int | float) for each in key
        ):
            raise TypeError(key)
    except (ValueError, TypeError, RecursionError) as error:
        raise QueryError("the cursor was not returned by this list") from error
    return tuple(key)
