from __future__ import annotations

import unicodedata
from datetime import UTC, datetime

import pytest

from vidseek.core.errors import QueryError
from vidseek.core.types import VideoFilter
from vidseek.search.moments.query import (
    MAX_QUERY_CHARACTERS,
    check_filter,
    check_limits,
    clean_text,
)


@pytest.mark.parametrize("text", ["", " ", "\n\t", "\u3000", "\0\0"])
def test_nothing_to_look_for_is_refused(text: str) -> None:
    with pytest.raises(QueryError, match="empty"):
        clean_text(text)


def test_the_message_says_which_text_is_empty() -> None:
    with pytest.raises(QueryError, match="text to leave out"):
        clean_text(" ", what="text to leave out")


@pytest.mark.parametrize("text", ["🐕 on the 🏖️", "собака на пляже", "شاطئ", "海辺の犬", "Hündin"])
def test_other_alphabets_and_emoji_stay(text: str) -> None:
    assert clean_text(text).text == unicodedata.normalize("NFC", text)


def test_spelling_variants_of_one_text_become_the_same() -> None:
    assert clean_text("cafe\u0301") == clean_text("café")
    assert clean_text(" a\tdog\x00\n on  sand ").text == "a dog on sand"


def test_an_argument_that_is_no_unicode_is_still_searched() -> None:
    clean_text("dog \udcff").text.encode()


def test_a_pasted_book_is_cut_with_a_warning() -> None:
    query = clean_text("dog " * 2500)
    assert len(query.text) <= MAX_QUERY_CHARACTERS
    assert query.text.startswith("dog dog")
    assert [warning.code for warning in query.warnings] == ["query_truncated"]


@pytest.mark.parametrize("k", [0, -1, -(10**9)])
def test_fewer_than_one_hit_is_refused(k: int) -> None:
    with pytest.raises(QueryError, match=str(k)):
        check_limits(k=k, per_video=None)
    with pytest.raises(QueryError, match=str(k)):
        check_limits(k=5, per_video=k)


@pytest.mark.parametrize(
    "where",
    [
        VideoFilter(min_duration_seconds=10, max_duration_seconds=5),
        VideoFilter(min_duration_seconds=-1),
        VideoFilter(max_duration_seconds=-1),
        VideoFilter(min_height=-1),
        VideoFilter(path_glob="  "),
        VideoFilter(after=datetime(2024, 5, 2), before=datetime(2024, 5, 1)),
        VideoFilter(after=datetime(2024, 5, 1), before=datetime(2024, 5, 1)),
        VideoFilter(after=datetime(2024, 5, 3), before=datetime(2024, 5, 1, tzinfo=UTC)),
    ],
)
def test_a_filter_that_nothing_can_pass_is_refused(where: VideoFilter) -> None:
    with pytest.raises(QueryError):
        check_filter(where)


def test_a_sensible_filter_passes() -> None:
    check_filter(VideoFilter())
    check_filter(
        VideoFilter(
            path_glob="*",
            min_duration_seconds=5,
            max_duration_seconds=5,
            min_height=0,
            after=datetime(2024, 5, 1),
            before=datetime(2024, 5, 2, tzinfo=UTC),
        )
    )
