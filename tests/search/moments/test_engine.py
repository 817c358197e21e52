"""Text queries against a library whose every clip is known."""

from __future__ import annotations

import itertools
import threading
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pytest
from palette_encoder import HeadlessEncoder, PaletteEncoder, colour_vectors

from vidseek.core.errors import EncoderError, Hint, QueryError
from vidseek.core.types import (
    SearchHit,
    SearchOptions,
    SearchResult,
    TimeSpan,
    VideoFilter,
    VideoState,
)
from vidseek.encoders.hubness import HubnessCorrection
from vidseek.search import SearchEngine, filter_confident
from vidseek.search.moments.confidence import confidence_of
from vidseek.search.moments.merging import MAX_MOMENT_SECONDS
from vidseek.storage.store import LibraryStore


def places(hits: list[SearchHit]) -> list[tuple[str, float, float]]:
    return [(hit.video.path.name, hit.span.start_seconds, hit.span.end_seconds) for hit in hits]


@pytest.fixture
def filled(shelf):
    shelf.add("a.mp4", ["grey", "grey", "red", "grey"], thumbnails=True)
    shelf.add("b.mp4", ["blue", "blue", "green", "black"])
    shelf.add("c.mp4", ["white", "yellow", "black", "white"])
    return shelf


def test_a_planted_excerpt_is_found_at_its_time(filled) -> None:
    assert places(filled.search("red", k=1)) == [("a.mp4", 8, 12)]
    assert places(filled.search("yellow", k=1)) == [("c.mp4", 4, 8)]
    assert places(filled.search("something green", k=1)) == [("b.mp4", 8, 12)]


def test_adjacent_clips_that_answer_alike_are_one_hit(filled) -> None:
    hits = filled.search("blue", k=2)
    assert places(hits)[0] == ("b.mp4", 0, 8)
    assert len(hits[0].frames) == 8


def test_a_long_even_video_is_not_one_hit(shelf) -> None:
    shelf.add("sea.mp4", ["blue"] * 100)
    hits = shelf.search("blue", k=5)
    assert len(hits) == 5
    assert all(0 < hit.span.duration_seconds <= MAX_MOMENT_SECONDS for hit in hits)
    spans = sorted(hit.span for hit in hits)
    assert all(one.overlap(other) == 0 for one, other in itertools.pairwise(spans))


def test_hits_come_best_first_and_as_many_as_asked_for(filled) -> None:
    for k in range(1, 7):
        hits = filled.search("green", k=k)
        assert len(hits) == k
        scores = [hit.score for hit in hits]
        assert scores == sorted(scores, reverse=True)


def test_asking_for_more_does_not_change_the_first(filled) -> None:
    everything = filled.search("green", k=1_000_000)
    clips = sum(len(hit.frames) for hit in everything) / 4
    assert clips == 12, "every clip is part of one hit"
    for k in (1, 3, 6):
        assert filled.search("green", k=k) == everything[:k]


def test_asking_for_more_does_not_change_the_first_in_a_library_beyond_one_fetch(shelf) -> None:
    colours = ["red", "green", "blue", "yellow", "pink", "white", "grey", "black"]
    for index in range(60):
        start = index % len(colours)
        shelf.add(f"{index:02}.mp4", (colours[start:] + colours[:start]) * 2)
    everything = shelf.search("yellow", k=10_000)
    assert len(everything) > 512, "more than are looked at first"
    for k in (5, 50, 300):
        assert shelf.search("yellow", k=k) == everything[:k]


def test_per_video_limit_still_gives_k_hits(shelf) -> None:
    """The best thousand clips are all of one video, so more must be fetched."""
    shelf.add("long.mp4", ["red", "black"] * 1000)
    for name in "abcd":
        shelf.add(f"{name}.mp4", ["pink"])
    hits = shelf.search("red", k=5, per_video=1)
    assert [hit.video.path.name for hit in hits] == [
        "long.mp4",
        "a.mp4",
        "b.mp4",
        "c.mp4",
        "d.mp4",
    ]


def test_equal_scores_are_ordered_by_path_not_by_storing(shelf) -> None:
    for name in ("m.mp4", "z.mp4", "a.mp4", "k.mp4"):
        shelf.add(name, ["red", "black", "red"])
    expected = [(name, at, at + 4) for name in "akmz" for at in (0, 8)]
    hits = shelf.search("red", k=8)
    assert [(place[0][0], *place[1:]) for place in places(hits)] == expected


def test_a_text_to_leave_out_pushes_down_what_shows_it(shelf) -> None:
    shelf.add("both.mp4", [("red", "red", "blue", "blue")])
    shelf.add("red.mp4", [("red", "red", "grey", "grey")])
    shelf.add("grey.mp4", ["grey"])
    shelf.add("blue.mp4", ["blue"])
    plain = {hit.video.path.name: hit.score for hit in shelf.search("red")}
    hits = shelf.search("red", not_text="blue")
    scores = {hit.video.path.name: hit.score for hit in hits}
    assert scores["red.mp4"] > scores["both.mp4"]
    assert hits[-1].video.path.name == "blue.mp4"
    assert len(hits) == 4, "what is unwanted sinks, and is still there"
    # Only the unwanted loses: what has nothing to do with it keeps its score.
    assert scores["red.mp4"] == pytest.approx(plain["red.mp4"], abs=0.1)
    assert scores["both.mp4"] < plain["both.mp4"] - 0.2


def test_the_head_may_turn_the_first_stage_around(shelf) -> None:
    """The head of the palette encoder wants the colour in every frame."""
    shelf.add("flash.mp4", [("red", "red", "red", "black")])
    shelf.add("rosy.mp4", [((220, 90, 90),)])
    first_stage = shelf.search("red", rerank=False)
    reranked = shelf.search("red")
    assert [hit.video.path.name for hit in first_stage] == ["flash.mp4", "rosy.mp4"]
    assert [hit.video.path.name for hit in reranked] == ["rosy.mp4", "flash.mp4"]


def test_an_encoder_without_a_head_gives_cosines(make_shelf) -> None:
    shelf = make_shelf(HeadlessEncoder())
    shelf.add("red.mp4", ["red"])
    (hit,) = shelf.search("red")
    assert hit.score == pytest.approx(1.0, abs=1e-3)
    assert hit.score == shelf.search("red", rerank=False)[0].score


def test_a_hub_does_not_push_down_what_was_asked_for(make_shelf) -> None:
    """Half of all sentences ask for grey or black, which are close to a dim picture."""
    encoder = HeadlessEncoder()
    shelf = make_shelf(encoder)
    shelf.add("dim.mp4", [((170, 45, 45),)])
    shelf.add("red.mp4", [((250, 90, 60),)])
    plain = shelf.search("red")
    assert [hit.video.path.name for hit in plain] == ["dim.mp4", "red.mp4"]
    bank = colour_vectors(np.array([[120, 60, 60], [140, 40, 50], [90, 60, 50]]))
    encoder.hubness = HubnessCorrection(bank, neighbours=2, weight=0.5, usual=0.5)
    hits = shelf.search("red")
    assert [hit.video.path.name for hit in hits] == ["red.mp4", "dim.mp4"]
    vectors = {hit.video.path.name: hit.frames[0].score for hit in hits}
    assert vectors == {hit.video.path.name: hit.frames[0].score for hit in plain}
    colours = colour_vectors(np.array([[250, 90, 60], [170, 45, 45]]))
    corrections = encoder.hubness.corrections(colours)
    scores = {hit.video.path.name: hit.score for hit in plain}
    for hit, correction in zip(hits, corrections, strict=True):
        assert hit.score == pytest.approx(scores[hit.video.path.name] + correction, abs=2e-3)
    first_stage = shelf.search("red", rerank=False)
    assert [(h.video.path, h.score) for h in first_stage] == [
        (h.video.path, h.score) for h in plain
    ]


def test_frames_tell_where_in_the_moment_the_match_is(shelf) -> None:
    shelf.add("a.mp4", [("black", "black", "red", "black")])
    (hit,) = shelf.search("red")
    assert [frame.seconds for frame in hit.frames] == [0.5, 1.5, 2.5, 3.5]
    best = max(hit.frames, key=lambda frame: frame.score)
    assert best.seconds == 2.5
    assert best.score == pytest.approx(1.0, abs=1e-3)
    assert all(-1.001 <= frame.score <= 1.001 for frame in hit.frames)


def test_a_hit_shows_its_thumbnail_while_it_is_there(filled) -> None:
    (hit,) = filled.search("red", k=1)
    assert hit.thumbnail is not None
    assert hit.thumbnail.read_bytes()[:2] == b"\xff\xd8"
    hit.thumbnail.unlink()
    (hit,) = filled.search("red", k=1)
    assert hit.thumbnail is None


def test_confidence_follows_the_encoders_calibration(make_shelf) -> None:
    shelf = make_shelf(PaletteEncoder(scale=20.0, bias=-14.0))
    shelf.add("red.mp4", ["red"])
    shelf.add("black.mp4", ["black"])
    red, black = shelf.search("red")
    assert red.confidence == confidence_of(red.score, shelf.encoder.spec)
    assert red.confidence > 0.9 > 0.1 > black.confidence
    assert filter_confident([red, black]) == [red]
    assert filter_confident(shelf.search("pink"), threshold=0.999) == []


def test_an_uncalibrated_encoder_claims_nothing(filled) -> None:
    hits = filled.search("red", k=3)
    assert [hit.confidence for hit in hits] == [None] * 3
    assert filter_confident(hits) == hits


def test_a_hopeless_score_overflows_nothing(shelf) -> None:
    spec = replace(shelf.encoder.spec, confidence_scale=1e9, confidence_bias=0.0)
    assert confidence_of(-1.0, spec) < 1e-20
    assert confidence_of(1.0, spec) == pytest.approx(1.0)


def test_filters_choose_the_videos_and_there_are_still_k_hits(filled) -> None:
    filled.add("deep/d.mp4", ["red"] * 2, height=1080, modified_ns=10**18)
    inside = VideoFilter(path_glob=str(filled.folder / "deep"))
    assert places(filled.search("red", where=inside)) == [("d.mp4", 0, 8)]
    by_pattern = filled.search("red", k=50, where=VideoFilter(path_glob="*c.mp4"))
    assert {hit.video.path.name for hit in by_pattern} == {"c.mp4"}
    tall = filled.search("white", where=VideoFilter(min_height=720))
    assert places(tall) == [("d.mp4", 0, 8)]
    long = filled.search("red", k=50, where=VideoFilter(min_duration_seconds=10))
    assert {hit.video.path.name for hit in long} == {"a.mp4", "b.mp4", "c.mp4"}
    old = VideoFilter(before=datetime.fromtimestamp(10**9 + 1, UTC))
    assert {hit.video.path.name for hit in filled.search("blue", where=old)} == {"d.mp4"}


def test_a_pattern_that_matches_nothing_gives_no_hit(filled) -> None:
    assert filled.search("red", where=VideoFilter(path_glob="/nowhere/*")) == []


@pytest.mark.parametrize(
    ("text", "options"),
    [
        ("", {}),
        ("  \n", {}),
        ("red", {"k": 0}),
        ("red", {"k": -3}),
        ("red", {"per_video": 0}),
        ("red", {"not_text": " "}),
        ("red", {"where": VideoFilter(min_duration_seconds=9, max_duration_seconds=1)}),
    ],
)
def test_a_query_that_makes_no_sense_is_refused(filled, text: str, options: dict) -> None:
    with pytest.raises(QueryError):
        filled.search(text, **options)


@pytest.mark.parametrize("text", ["🚗 red", "красный red", "red " * 2500, "x" * 10_000])
def test_odd_texts_are_answered(filled, text: str) -> None:
    assert len(filled.search(text, k=4)) == 4


def test_an_empty_library_answers_nothing_and_says_so(shelf) -> None:
    result = shelf.engine.search("red")
    assert result == SearchResult((), result.warnings)
    assert [(warning.code, warning.hint) for warning in result.warnings] == [
        ("empty_library", Hint("index"))
    ]


def test_a_library_that_was_never_indexed_says_so_too(tmp_path: Path) -> None:
    with LibraryStore.open(tmp_path / "new", create=True) as store:
        result = SearchEngine(store, PaletteEncoder()).search("red")
    assert [warning.code for warning in result.warnings] == ["empty_library"]


def test_another_encoder_than_the_librarys_is_refused(filled) -> None:
    engine = SearchEngine(filled.store, PaletteEncoder("other"))
    with pytest.raises(EncoderError, match=r"palette.*other"):
        engine.search("red")
    with pytest.raises(EncoderError):
        engine.similar(filled.folder / "a.mp4")


def test_missing_and_removed_videos_do_not_answer(filled) -> None:
    store = filled.store
    video = store.videos.at(filled.folder / "a.mp4")
    with filled.store.lease():
        store.videos.set_state([video.id], VideoState.MISSING)
    assert "a.mp4" not in {hit.video.path.name for hit in filled.search("red", k=100)}
    with filled.store.lease():
        store.videos.relink(video.id, video.path, video.size_bytes, video.modified_ns)
    assert filled.search("red", k=1)[0].video.path.name == "a.mp4"
    with filled.store.lease():
        store.videos.remove([video.id])
    assert "a.mp4" not in {hit.video.path.name for hit in filled.search("red", k=100)}


def test_what_another_connection_adds_is_found_at_once(filled) -> None:
    with LibraryStore.open(filled.store.folder) as store:
        engine = SearchEngine(store, filled.encoder)
        assert engine.search("pink", SearchOptions(k=1))[0].span != TimeSpan(40, 44)
        filled.add("late.mp4", ["black"] * 10 + ["pink"])
        assert places(engine.search("pink", SearchOptions(k=1))) == [("late.mp4", 40, 44)]


def test_threads_share_an_engine_while_the_library_grows_and_shrinks(filled) -> None:
    expected = filled.search("red", k=1)
    wrong: list[object] = []
    done = threading.Event()

    def ask() -> None:
        try:
            while not done.is_set():
                if filled.search("red", k=1) != expected:
                    wrong.append("another answer")
                hits = filled.search("black", k=5)
                if len(hits) != 5:
                    wrong.append(hits)
        except Exception as error:
            wrong.append(error)

    threads = [threading.Thread(target=ask) for _ in range(4)]
    for thread in threads:
        thread.start()
    for index in range(25):
        video = filled.add(f"extra{index}.mp4", ["black", "white"])
        if index % 2:
            with filled.store.lease():
                filled.store.videos.remove([video.id])
    done.set()
    for thread in threads:
        thread.join()
    assert wrong == []
