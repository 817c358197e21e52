"""Cursors of lists: whatever the key of an item, the next page can be asked for."""

from __future__ import annotations

import os

import pytest
from pydantic import TypeAdapter

from vidseek.core.errors import QueryError
from vidseek.web.cursors import page_after
from vidseek.web.schemas import Cursor


@pytest.mark.parametrize("letter", ["a", "ф", "映"])
def test_a_cursor_of_the_longest_path_is_accepted(letter: str) -> None:
    longest = 4_095 // len(os.fsencode(letter))
    paths = [f"{letter * (longest - 1)}{number}" for number in range(3)]

    def key(path: str) -> tuple[str, int]:
        return path, 7

    page, cursor = page_after(paths, key, cursor=None, limit=2)
    assert page == paths[:2]
    assert TypeAdapter(Cursor).validate_python(cursor) == cursor
    assert page_after(paths, key, cursor=cursor, limit=2) == (paths[2:], None)


@pytest.mark.parametrize("cursor", ["é", "W10", "bm90aGluZw==", "WzEsIDJd"])
def test_what_is_no_cursor_of_the_list_is_refused(cursor: str) -> None:
    with pytest.raises(QueryError):
        page_after(["a", "b"], lambda path: (path, 1), cursor=cursor, limit=1)
