"""Many text queries at once give what each gives by itself."""

from __future__ import annotations

import numpy as np
import pytest
from palette_encoder import HeadlessEncoder, PaletteEncoder

from vidseek.core.errors import JobCancelledError, QueryError
from vidseek.core.job import Job
from vidseek.core.types import SearchOptions, VideoFilter
from vidseek.search.moments import retrieval
from vidseek.search.moments.batch import search_many

TEXTS = ["red", "blue and green", "white", "red", "nothing of these", "pink"]


class CountingEncoder(HeadlessEncoder):
    calls = 0

    def encode_text(self, texts):
        self.calls += 1
        return super().encode_text(texts)


def fill(shelf) -> None:
    shelf.add("traffic.mp4", ["red", "red", "green", "yellow"])
    shelf.add("sea.mp4", ["blue", "white", ("blue", "green", "blue", "green")])
    shelf.add("evening/sky.mp4", ["pink", "red", "black"])
    shelf.add("evening/night.mp4", ["black", "grey", "blue"])


@pytest.fixture
def filled(shelf):
    fill(shelf)
    return shelf


def assert_equal(many, single) -> None:
    assert [hit.video.path for hit in many] == [hit.video.path for hit in single]
    assert [hit.span for hit in many] == [hit.span for hit in single]
    np.testing.assert_allclose(
        [hit.score for hit in many], [hit.score for hit in single], atol=1e-6
    )
    assert [w.code for w in many.warnings] == [w.code for w in single.warnings]
    assert many.next_cursor == single.next_cursor


@pytest.mark.parametrize(
    ("options", "how"),
    [
        (SearchOptions(k=3), {}),
        (SearchOptions(k=2, per_video=1), {"not_text": "black"}),
        (SearchOptions(k=5, where=VideoFilter(path_glob="*/evening/*")), {"rerank": False}),
        (SearchOptions(k=4), {"refine_spans": True}),
    ],
)
def test_each_result_is_that_of_a_single_search(filled, options, how) -> None:
    results = search_many(filled.engine, TEXTS, options, **how)
    assert len(results) == len(TEXTS)
    for text, result in zip(TEXTS, results, strict=True):
        assert_equal(result, filled.engine.search(text, options, **how))


def test_texts_are_encoded_and_looked_up_together(make_shelf, monkeypatch) -> None:
    encoder = CountingEncoder()
    shelf = make_shelf(encoder)
    fill(shelf)
    index = shelf.store.vector_index(encoder.spec)
    looked_up = []
    search = index.search
    monkeypatch.setattr(
        index,
        "search",
        lambda *args, **kw: (looked_up.append(len(args[0])), search(*args, **kw))[1],
    )
    search_many(shelf.engine, TEXTS, SearchOptions(k=3))
    assert (encoder.calls, looked_up) == (1, [len(TEXTS)])


def test_many_texts_go_in_batches(filled, monkeypatch) -> None:
    monkeypatch.setattr("vidseek.search.moments.batch.TEXTS_PER_BATCH", 4)
    reports = []
    job = Job(on_progress=lambda progress: reports.append(progress.done))
    results = search_many(filled.engine, TEXTS, SearchOptions(k=3), job=job)
    assert reports == [4, 6]
    assert results[5][0].video.path.name == "sky.mp4"


def test_an_empty_text_is_refused_before_anything_is_searched(filled) -> None:
    with pytest.raises(QueryError, match="place 2 of 3"):
        search_many(filled.engine, ["red", " ", "blue"], SearchOptions())
    assert filled.encoder.texts == []


def test_no_texts_an_empty_library_and_a_cancelled_job(make_shelf) -> None:
    shelf = make_shelf(PaletteEncoder())
    assert search_many(shelf.engine, [], SearchOptions()) == []
    (nothing,) = search_many(shelf.engine, ["red"], SearchOptions())
    assert [warning.code for warning in nothing.warnings] == ["empty_library"]
    fill(shelf)
    with pytest.raises(JobCancelledError):
        search_many(shelf.engine, TEXTS, SearchOptions(), job=Job(should_cancel=lambda: True))


def test_the_batch_is_as_large_as_the_docs_say() -> None:
    assert retrieval.TEXTS_PER_BATCH == 256
