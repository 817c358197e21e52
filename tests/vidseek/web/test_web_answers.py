"""Answers are kept until the library changes, made once for all who wait, and bounded."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from web_server import running

import vidseek
from vidseek.core.errors import QueryError
from vidseek.web.answers import KeptAnswers


def test_an_answer_is_made_once_for_all_who_wait() -> None:
    answers = KeptAnswers[int]()
    begun, go_on, made = threading.Event(), threading.Event(), []

    def slow() -> int:
        begun.set()
        go_on.wait(30)
        made.append(1)
        return 7

    with ThreadPoolExecutor(4) as threads:
        waiting = [threads.submit(answers.get, "query", slow) for _ in range(4)]
        begun.wait(30)
        go_on.set()
        assert [each.result() for each in waiting] == [7] * 4
    assert len(made) == 1


def test_errors_are_not_kept_and_old_answers_go() -> None:
    answers = KeptAnswers[int](max_answers=2)

    def fail() -> int:
        raise QueryError("no")

    with pytest.raises(QueryError):
        answers.get("a", fail)
    assert answers.get("a", lambda: 1) == 1
    for key in ("b", "c"):
        answers.get(key, lambda: 2)
    assert answers.get("a", lambda: 3) == 3, "only two are kept"
    assert KeptAnswers[int](max_age_seconds=-1).get("a", lambda: 4) == 4


def test_a_change_by_another_process_is_seen_at_once(library: Path, footage_master: Path) -> None:
    with running(library, footage_master) as server:
        query = {"text": "a cat", "k": 3}
        before = server.post("/search", query).json["hits"]
        assert server.post("/search", query).json["hits"] == before
        with vidseek.open(library) as other:
            other.remove(footage_master / "cat.mp4")
        after = server.post("/search", query).json["hits"]
        assert Path(before[0]["path"]).name == "cat.mp4"
        assert "cat.mp4" not in {Path(hit["path"]).name for hit in after}
