"""Pages of hits, and the cursors between them."""

from __future__ import annotations

import base64
import hashlib
import json
from dataclasses import dataclass

from vidseek.core.errors import QueryError
from vidseek.core.types.search import MAX_HITS


@dataclass(frozen=True)
class Page:
    """A range of a query's hits."""

    offset: int
    """Hits before the page."""
    size: int
    library_state: str | None = None
    """State of the library when the first page was read; None for the first page."""

    @property
    def end(self) -> int:
        """Hits up to the end of the page."""
        return self.offset + self.size


def query_digest(*facts: object) -> str:
    """16 hexadecimal digits that identify a query.

    Args:
        facts: everything that determines the hits, as values with a distinct ``repr``.
    """
    return hashlib.sha256(repr(facts).encode()).hexdigest()[:16]


def read_page(cursor: str | None, *, size: int, query: str) -> Page:
    """The page that a cursor stands for.

    Args:
        cursor: from an earlier page of this query; None for the first page.
        size: hits per page; it may differ from page to page.
        query: digest of the query.

    Raises:
        QueryError: it is not a cursor, or belongs to another query.
    """
    if cursor is None:
        return Page(0, size)
    try:
        fields = json.loads(base64.urlsafe_b64decode(cursor.encode("ascii")))
        of_query, offset, state = fields["query"], fields["offset"], fields["library"]
        if not (isinstance(offset, int) and 0 <= offset <= MAX_HITS and isinstance(state, str)):
            raise TypeError(offset)
    except (ValueError, TypeError, KeyError, RecursionError) as error:
        raise QueryError("the cursor was not returned by a search") from error
    if of_query != query:
        raise QueryError("the cursor belongs to another query, model or filter")
    return Page(offset, size, state)


def make_cursor(page: Page, *, query: str, library_state: str) -> str:
    """The cursor of the page after this one."""
    state = library_state if page.library_state is None else page.library_state
    fields = {"query": query, "offset": page.end, "library": state}
    return base64.urlsafe_b64encode(json.dumps(fields).encode()).decode("ascii")
