"""Sequences: several texts, each answered after the one before in the same video."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from linked_videos import add, copies_of, link, places
from palette_encoder import HeadlessEncoder, PaletteEncoder

from vidseek.core.errors import QueryError
from vidseek.core.types import QueryTerms, SearchHit, SearchOptions, TimeSpan, VideoFilter
from vidseek.encoders.hubness import HubnessCorrection
from vidseek.search.moments.chains import best_chain, score_of_evidence, step_evidence
from vidseek.search.moments.confidence import confidence_of


def steps_of(hit: SearchHit) -> list[tuple[float, float]]:
    return [(step.start_seconds, step.end_seconds) for step in hit.steps]


def sequences(shelf, text: str, *then: str, within: float | None = None, **options):
    terms = QueryTerms(then=then, within_seconds=within)
    return shelf.search(text, terms=terms, **options)


@pytest.fixture
def filled(shelf):
    shelf.add("right.mp4", ["grey", "red", "white", "blue", "grey"])
    shelf.add("turned.mp4", ["grey", "blue", "white", "red", "grey"])
    shelf.add("half.mp4", ["red", "red", "white", "red"])
    return shelf


def test_the_video_with_the_steps_in_order_comes_first(filled) -> None:
    best = sequences(filled, "red", "blue")[0]
    assert places([best]) == [("right.mp4", 4, 16)]
    assert steps_of(best) == [(4, 8), (12, 16)]
    best = sequences(filled, "blue", "red")[0]
    assert places([best]) == [("turned.mp4", 4, 16)]
    best = sequences(filled, "red", "white", "blue")[0]
    assert steps_of(best) == [(4, 8), (8, 12), (12, 16)]


def test_frames_are_those_of_the_steps(filled) -> None:
    best = sequences(filled, "red", "blue")[0]
    assert {int(frame.seconds // 4) for frame in best.frames} == {1, 3}
    assert all(hit.steps == () and hit.frames for hit in filled.search("red"))


def test_steps_begin_within_the_time_after_the_step_before(shelf) -> None:
    shelf.add("far.mp4", ["red", *["white"] * 9, "blue"])
    shelf.add("near.mp4", ["red", "white", "blue"])
    found = sequences(shelf, "red", "blue", within=4, copies=True)
    assert places(found[:1]) == [("near.mp4", 0, 12)]
    for hit in found:
        for earlier, later in itertools.pairwise(hit.steps):
            assert 0 <= later.start_seconds - earlier.end_seconds <= 4.01
    by_video = {hit.video.path.name: hit for hit in reversed(sequences(shelf, "red", "blue"))}
    assert steps_of(by_video["far.mp4"]) == [(0, 4), (40, 44)]


def test_a_step_counts_once_and_takes_a_clip_of_its_own(shelf) -> None:
    shelf.add("twice.mp4", ["white", "red", "white", "red"])
    best = sequences(shelf, "red", "red")[0]
    assert steps_of(best) == [(4, 8), (12, 16)]


def test_sequences_of_a_video_do_not_overlap(shelf) -> None:
    shelf.add("loop.mp4", ["red", "blue"] * 6)
    hits = sequences(shelf, "red", "blue", k=50)
    spans = sorted(hit.span for hit in hits)
    assert all(b.start_seconds >= a.end_seconds for a, b in itertools.pairwise(spans))
    assert [steps_of(hit) for hit in hits[:6]] == [
        [(start, start + 4), (start + 4, start + 8)] for start in range(0, 48, 8)
    ]
    assert len(sequences(shelf, "red", "blue", k=50, per_video=2)) == 2


def test_a_chain_longer_than_every_video_is_said_to_be(filled) -> None:
    result = filled.engine.search("red", terms=QueryTerms(then=("blue",) * 5))
    assert list(result) == []
    assert [warning.code for warning in result.warnings] == ["no_sequence"]
    assert not filled.engine.search("red", terms=QueryTerms(then=("blue",) * 4)).warnings


@pytest.mark.parametrize(
    "terms",
    [
        QueryTerms(then=("",)),
        QueryTerms(then=("blue", "  ")),
        QueryTerms(then=("blue",) * 16),
        QueryTerms(then=("blue",), within_seconds=0),
        QueryTerms(then=("blue",), within_seconds=-1),
        QueryTerms(within_seconds=5),
        QueryTerms(like_weight=0),
    ],
)
def test_wrong_sequences_are_refused(filled, terms: QueryTerms) -> None:
    with pytest.raises(QueryError):
        filled.engine.search("red", terms=terms)


def test_types_are_checked() -> None:
    with pytest.raises(TypeError):
        QueryTerms(then="blue")  # type: ignore[arg-type]
    with pytest.raises(TypeError):
        QueryTerms(within_seconds="5")  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="NaN"):
        QueryTerms(within_seconds=float("nan"))


def test_spans_of_sequences_are_not_refined(filled) -> None:
    with pytest.raises(QueryError):
        filled.engine.search("red", terms=QueryTerms(then=("blue",)), refine_spans=True)


def test_filters_apply_to_sequences(filled) -> None:
    where = VideoFilter(path_glob="*/turned.mp4")
    assert {hit.video.path.name for hit in sequences(filled, "red", "blue", where=where)} == {
        "turned.mp4"
    }
    nothing = filled.engine.search(
        "red",
        SearchOptions(where=VideoFilter(min_height=9999)),
        terms=QueryTerms(then=("blue",)),
    )
    assert (list(nothing), nothing.warnings) == ([], ())


def test_pages_together_are_the_whole_answer(filled) -> None:
    terms = QueryTerms(then=("blue",))
    whole = list(filled.engine.search("red", SearchOptions(k=100), terms=terms))
    paged, cursor = [], None
    while True:
        page = filled.engine.search("red", SearchOptions(k=1, cursor=cursor), terms=terms)
        paged += page
        cursor = page.next_cursor
        if cursor is None:
            break
    assert paged == whole
    assert [hit.score for hit in whole] == sorted((hit.score for hit in whole), reverse=True)
    first = filled.engine.search("red", SearchOptions(k=1), terms=terms)
    with pytest.raises(QueryError):
        filled.engine.search("red", SearchOptions(k=1, cursor=first.next_cursor))


def test_the_best_come_first_although_few_clips_are_fetched(shelf, monkeypatch) -> None:
    random = np.random.default_rng(3)
    for number in range(30):
        colours = random.choice(["red", "blue", "white", "grey", "pink", "green"], 8).tolist()
        shelf.add(f"{number}.mp4", colours)
    terms = QueryTerms(then=("blue", "green"), within_seconds=10)
    options = SearchOptions(k=20, copies=True)
    whole = list(shelf.engine.search("red", options, terms=terms))
    monkeypatch.setattr("vidseek.search.moments.engine.FIRST_FETCH", 1)
    small = list(shelf.engine.search("red", SearchOptions(k=1, copies=True), terms=terms))
    assert small == whole[:1]
    assert list(shelf.engine.search("red", options, terms=terms)) == whole
    for hit in whole:
        assert [step.duration_seconds for step in hit.steps] == [4.0] * 3


@pytest.fixture
def corrected(make_shelf):
    """Thirty videos of eight clips, with an encoder that takes red, pink and white for hubs."""
    encoder = HeadlessEncoder()
    bank = encoder.encode_text(["red", "pink", "white", "red white"])
    encoder.hubness = HubnessCorrection(bank, neighbours=2, weight=0.5, usual=0.5)
    shelf = make_shelf(encoder)
    random = np.random.default_rng(4)
    for number in range(30):
        colours = random.choice(["red", "blue", "white", "grey", "pink", "green"], 8).tolist()
        shelf.add(f"{number}.mp4", colours)
    return shelf


def best_scores(shelf, texts: list[str], *, is_corrected: bool) -> dict[int, float]:
    """For each video the score of its best chain, by trying all."""
    directions = shelf.encoder.encode_text(texts)
    found = {}
    for video in shelf.store.videos.select():
        clips = shelf.store.videos.clips(video.id)
        vectors = shelf.store.clip_vectors.read(
            [clip.id for clip in clips], shelf.encoder.spec.fingerprint
        )
        scores = directions @ vectors.T
        if is_corrected:
            scores = scores + shelf.encoder.hubness.corrections(vectors)
        total = brute_force(scores, [clip.span for clip in clips], None)
        found[video.id] = total / len(texts)
    return found


@pytest.mark.parametrize("is_corrected", [True, False])
def test_hubs_are_corrected_in_every_step(corrected, is_corrected: bool) -> None:
    terms = QueryTerms(then=("blue",))
    options = SearchOptions(k=30, per_video=1, copies=True)
    hits = corrected.engine.search("pink", options, terms=terms, rerank=is_corrected)
    expected = best_scores(corrected, ["pink", "blue"], is_corrected=is_corrected)
    assert len(hits) == len(expected)
    for hit in hits:
        assert hit.score == pytest.approx(expected[hit.video.id], abs=1e-3)
    scores = [hit.score for hit in hits]
    assert scores == sorted(scores, reverse=True)
    assert scores[0] == pytest.approx(max(expected.values()), abs=1e-3)


@pytest.mark.parametrize("limit", ["RERANK_DEPTH", "MAX_CORRECTED_CLIPS"])
def test_only_the_best_videos_are_corrected(corrected, limit: str, monkeypatch) -> None:
    depth = 4
    number = depth if limit == "RERANK_DEPTH" else depth * 8
    monkeypatch.setattr(f"vidseek.search.moments.sequences.{limit}", number)
    terms = QueryTerms(then=("blue",))
    plain = corrected.engine.search(
        "pink", SearchOptions(k=depth, per_video=1, copies=True), terms=terms, rerank=False
    )
    best = {hit.video.id for hit in plain}
    hits = corrected.engine.search("pink", SearchOptions(k=100, copies=True), terms=terms)
    first = {video_id: number for number, video_id in reversed(list(enumerate(videos_of(hits))))}
    assert len(first) == 30
    others = [place for video_id, place in first.items() if video_id not in best]
    assert max(first[video_id] for video_id in best) < min(others)
    scores = [hit.score for hit in hits]
    assert scores == sorted(scores, reverse=True)
    expected = best_scores(corrected, ["pink", "blue"], is_corrected=True)
    for video_id in best:
        assert hits[first[video_id]].score == pytest.approx(expected[video_id], abs=1e-3)

    paged, cursor = [], None
    while len(paged) < len(hits):
        options = SearchOptions(k=7, copies=True, cursor=cursor)
        page = corrected.engine.search("pink", options, terms=terms)
        paged += page
        cursor = page.next_cursor
        if cursor is None:
            break
    assert paged[: len(hits)] == list(hits)


def videos_of(hits) -> list[int]:
    return [hit.video.id for hit in hits]


def test_confidence_is_the_geometric_mean_of_the_steps(make_shelf) -> None:
    shelf = make_shelf(HeadlessEncoder(scale=10, bias=-5))
    shelf.add("film.mp4", ["red", "white", "blue"])
    (hit,) = sequences(shelf, "red", "blue")
    spec = shelf.encoder.spec
    best = [confidence_of(shelf.search(text, k=1)[0].score, spec) for text in ("red", "blue")]
    assert hit.confidence == pytest.approx(np.sqrt(best[0] * best[1]), abs=1e-3)


def test_a_missing_step_is_not_made_up_for(make_shelf) -> None:
    spec = make_shelf(PaletteEncoder(scale=30, bias=-10)).encoder.spec
    even = step_evidence(np.array([0.4, 0.4]), spec).mean()
    uneven = step_evidence(np.array([0.9, 0.1]), spec).mean()
    assert even > uneven
    for score in (-1.0, 0.1, 0.33, 0.9, 1.0):
        (evidence,) = step_evidence(np.array([score]), spec)
        assert score_of_evidence(float(evidence), spec) == pytest.approx(score, abs=1e-6)


def brute_force(evidence, spans, within) -> float | None:
    best = None
    for chain in itertools.combinations(range(evidence.shape[1]), len(evidence)):
        gaps = (spans[b].start_seconds - spans[a].end_seconds for a, b in itertools.pairwise(chain))
        if within is None or all(gap <= within for gap in gaps):
            total = sum(evidence[step, clip] for step, clip in enumerate(chain))
            best = total if best is None else max(best, total)
    return best


@pytest.mark.parametrize("within", [None, 0.5, 3.0, 7.0])
def test_the_best_chain_is_that_of_trying_all(within: float | None) -> None:
    random = np.random.default_rng(5)
    for _ in range(60):
        clips, steps = int(random.integers(1, 9)), int(random.integers(1, 5))
        edges = np.cumsum(random.integers(1, 6, clips + 1))
        cut = random.random(clips) < 0.3
        spans = [
            TimeSpan(float(start), float(end) - (0.9 if short else 0))
            for start, end, short in zip(edges[:-1], edges[1:], cut, strict=True)
        ]
        evidence = random.normal(size=(steps, clips))
        chain = best_chain(evidence, spans, within)
        expected = brute_force(evidence, spans, within)
        if expected is None:
            assert chain is None
            continue
        assert chain is not None
        assert all(b > a for a, b in itertools.pairwise(chain))
        found = sum(evidence[step, clip] for step, clip in enumerate(chain))
        assert found == pytest.approx(expected)


def test_copies_of_a_sequence_are_one_hit(shelf) -> None:
    film = add(shelf, "film.mp4", ["grey", "red", "white", "blue"])
    sharp = add(shelf, "sharp.mp4", ["grey", "red", "white", "blue"], width=1920, height=1080)
    link(shelf, sharp, film, (0, 16), (0, 16))
    hits = sequences(shelf, "red", "blue", k=1)
    assert places(hits) == [("sharp.mp4", 4, 16)]
    assert steps_of(hits[0]) == [(4, 8), (12, 16)]
    assert copies_of(hits[0]) == [("film.mp4", 4, 16)]
    every = sequences(shelf, "red", "blue", k=2, copies=True)
    assert [place[0] for place in places(every)] == ["film.mp4", "sharp.mp4"]


def test_a_video_with_one_step_only_is_no_copy_of_the_sequence(shelf) -> None:
    film = add(shelf, "film.mp4", ["red", "white", "blue"])
    other = add(shelf, "other.mp4", ["red", "white", "green"], width=1920, height=1080)
    link(shelf, other, film, (0, 8), (0, 8))
    hits = sequences(shelf, "red", "blue")
    assert places(hits[:1]) == [("film.mp4", 0, 12)]
    assert hits[0].copies == ()
    assert "other.mp4" in {hit.video.path.name for hit in hits}
