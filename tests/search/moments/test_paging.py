"""Pages of hits: a page's cursor leads to the next page, and is refused elsewhere."""

from __future__ import annotations

import base64
import json

import pytest
from palette_encoder import PaletteEncoder

from vidseek.core.errors import QueryError
from vidseek.core.types import SearchHit, SearchOptions, SearchResult, VideoFilter
from vidseek.search import SearchEngine
from vidseek.search.moments.paging import read_page

COLOURS = ["red", "green", "blue", "yellow", "pink", "white", "grey", "black"]


@pytest.fixture
def filled(shelf):
    for index in range(12):
        start = index % len(COLOURS)
        shelf.add(f"{index:02}.mp4", COLOURS[start:] + COLOURS[:start])
    return shelf


def pages(
    filled, text: str, size: int, *, at_most: int = 1000, **options: object
) -> list[SearchResult]:
    results, cursor = [], None
    while len(results) < at_most:
        paging = SearchOptions(k=size, cursor=cursor)
        results.append(filled.engine.search(text, paging, **options))
        cursor = results[-1].next_cursor
        if cursor is None:
            break
    return results


@pytest.mark.parametrize("refine_spans", [False, True])
@pytest.mark.parametrize("size", [11, 50])
def test_pages_together_are_the_whole_answer(filled, size: int, refine_spans: bool) -> None:
    everything = filled.search("yellow", k=10_000, refine_spans=refine_spans)
    results = pages(filled, "yellow", size, refine_spans=refine_spans)
    hits: list[SearchHit] = [hit for result in results for hit in result]
    assert hits == everything
    assert len(results) == -(-len(everything) // size)
    assert not any(result.warnings for result in results)


def test_pages_of_one_hit_are_the_beginning_of_the_answer(filled) -> None:
    results = pages(filled, "yellow", 1, at_most=12)
    assert [hit for result in results for hit in result] == filled.search("yellow", k=12)


def test_a_page_may_have_another_size(filled) -> None:
    everything = filled.search("blue", k=10)
    first = filled.engine.search("blue", SearchOptions(k=3))
    second = filled.engine.search("blue", SearchOptions(k=5, cursor=first.next_cursor))
    assert [*first, *second] == everything[:8]


def test_the_same_cursor_gives_the_same_page(filled) -> None:
    cursor = filled.engine.search("blue", SearchOptions(k=3)).next_cursor
    options = SearchOptions(k=3, cursor=cursor)
    assert filled.engine.search("blue", options) == filled.engine.search("blue", options)


def test_similar_has_pages_too(filled) -> None:
    path = filled.folder / "00.mp4"
    first = filled.engine.similar(path, SearchOptions(k=4))
    second = filled.engine.similar(path, SearchOptions(k=4, cursor=first.next_cursor))
    assert [*first, *second] == filled.similar(path, k=8)
    with pytest.raises(QueryError):
        filled.engine.similar(
            filled.folder / "01.mp4", SearchOptions(k=4, cursor=first.next_cursor)
        )


def test_a_cursor_of_another_query_is_refused(filled) -> None:
    cursor = filled.engine.search("blue", SearchOptions(k=3)).next_cursor
    for options in (
        SearchOptions(cursor=cursor, per_video=1),
        SearchOptions(cursor=cursor, where=VideoFilter(min_height=1)),
    ):
        with pytest.raises(QueryError):
            filled.engine.search("blue", options)
    with pytest.raises(QueryError):
        filled.engine.search("red", SearchOptions(cursor=cursor))
    with pytest.raises(QueryError):
        filled.engine.search("blue", SearchOptions(cursor=cursor), rerank=False)
    with pytest.raises(QueryError):
        filled.engine.similar(filled.folder / "00.mp4", SearchOptions(cursor=cursor))


@pytest.mark.parametrize("cursor", ["", "x", "é", "bnVsbA==", "W10=", "e30=", "MQ==", "a" * 9999])
def test_what_is_no_cursor_is_refused(filled, cursor: str) -> None:
    with pytest.raises(QueryError):
        filled.engine.search("blue", SearchOptions(cursor=cursor))


@pytest.mark.parametrize("offset", [-1, 10**30, 1.5, None])
def test_a_forged_offset_is_refused(offset: object) -> None:
    page = json.dumps({"query": "q", "offset": offset, "library": "s"})
    with pytest.raises(QueryError):
        read_page(base64.urlsafe_b64encode(page.encode()).decode(), size=5, query="q")


def test_a_cursor_nested_too_deeply_is_refused() -> None:
    with pytest.raises(QueryError):
        read_page(base64.urlsafe_b64encode(b"[" * 100_000).decode(), size=5, query="q")


def test_a_library_that_changed_since_is_warned_of(filled) -> None:
    cursor = filled.engine.search("blue", SearchOptions(k=3)).next_cursor
    filled.add("new.mp4", ["blue"])
    result = filled.engine.search("blue", SearchOptions(k=3, cursor=cursor))
    assert [warning.code for warning in result.warnings] == ["library_changed"]
    following = filled.engine.search("blue", SearchOptions(k=3, cursor=result.next_cursor))
    assert [warning.code for warning in following.warnings] == ["library_changed"]


def test_a_text_that_the_encoder_cannot_read_is_warned_of(filled) -> None:
    class EnglishEncoder(PaletteEncoder):
        def understands(self, text: str) -> bool:
            return text.isascii()

    engine = SearchEngine(filled.store, EnglishEncoder())
    assert not engine.search("red").warnings
    result = engine.search("красный", not_text="blue")
    assert [warning.code for warning in result.warnings] == ["english_only"]
    assert len(result) == 10


def test_a_text_of_which_the_encoder_reads_the_beginning_is_warned_of_once(filled) -> None:
    class BriefEncoder(PaletteEncoder):
        def reads_whole(self, text: str) -> bool:
            return len(text.split()) <= 3

    engine = SearchEngine(filled.store, BriefEncoder())

    def codes(text: str, not_text: str | None = None) -> list[str]:
        return [warning.code for warning in engine.search(text, not_text=not_text).warnings]

    assert codes("red and blue", not_text="green") == []
    assert codes("red or blue or pink") == ["query_truncated"]
    assert codes("red", not_text="green or black or white") == ["query_truncated"]
    assert codes("red " * 999) == ["query_truncated"]  # too many characters as well
