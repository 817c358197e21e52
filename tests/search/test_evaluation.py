"""Evaluation with captions: ranks that can be worked out by hand, and their intervals."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from palette_encoder import HeadlessEncoder

from vidseek.core.captions import read_captions
from vidseek.core.errors import EvaluationError, JobCancelledError
from vidseek.core.job import Job
from vidseek.core.types import VideoState
from vidseek.search.evaluation.evaluate import evaluate
from vidseek.search.evaluation.report import retrieval_quality, wilson


@pytest.fixture
def films(make_shelf):
    """Four videos of one colour; the last clip of `mixed.mp4` is blue."""
    shelf = make_shelf(HeadlessEncoder())
    shelf.add("red.mp4", ["red"])
    shelf.add("green.mp4", ["green"])
    shelf.add("white.mp4", ["white"])
    shelf.add("mixed.mp4", ["yellow", "pink", "blue"])
    return shelf


def captions_of(shelf, rows: list[dict[str, object]]):
    file: Path = shelf.folder / "captions.jsonl"
    file.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    return read_captions(file, check_files=False)


def row(name: str, caption: str, start: float | None = None, end: float | None = None):
    span = {} if start is None else {"start_seconds": start, "end_seconds": end}
    return {"path": name, "caption": caption, **span}


def test_captions_that_say_what_is_shown_come_first(films) -> None:
    rows = [row("red.mp4", "red"), row("green.mp4", "green"), row("mixed.mp4", "blue")]
    report = evaluate(films.engine, captions_of(films, rows), video_to_text=True)
    for quality, candidates in ((report.text_to_video, 4), (report.video_to_text, 3)):
        assert quality is not None
        assert (quality.queries, quality.videos, quality.candidates) == (3, 3, candidates)
        assert quality.recall_at_1.value == 1.0
        assert quality.recall_at_1.low < 0.5  # three observations say little
        assert quality.median_rank.value == 1
    assert report.problems == ()
    assert report.fingerprint == films.encoder.spec.fingerprint


def test_a_wrong_caption_counts_the_videos_before_the_right_one(films) -> None:
    rows = [row("red.mp4", "red"), row("white.mp4", "green"), row("green.mp4", "red and pink")]
    quality = evaluate(films.engine, captions_of(films, rows)).text_to_video
    ranks = []
    for each in rows:
        hits = films.search(str(each["caption"]), k=50, per_video=1)
        names = [hit.video.path.name for hit in hits]
        ranks.append(names.index(str(each["path"])))
    assert ranks[0] == 0
    assert min(ranks[1:]) > 0
    assert quality.recall_at_1.value == pytest.approx(np.mean(np.array(ranks) < 1))
    assert quality.median_rank.value == np.median(ranks) + 1


def test_lines_without_a_video_of_the_library_are_named(films) -> None:
    (green,) = films.store.videos.select(under=films.folder / "green.mp4")
    films.store.videos.set_state([green.id], VideoState.MISSING)
    rows = [
        row("red.mp4", "red"),
        row("other.mp4", "blue"),
        row("green.mp4", "green"),
        row("mixed.mp4", "late", 100, 110),
        {"caption": "nowhere"},
    ]
    report = evaluate(films.engine, captions_of(films, rows))
    assert [problem.line for problem in report.problems] == [2, 3, 4, 5]
    assert "other.mp4" in report.problems[0].reason
    assert report.text_to_video.queries == 1
    assert report.text_to_video.candidates == 3
    with pytest.raises(EvaluationError):
        evaluate(films.engine, captions_of(films, rows[1:]))


def test_an_empty_library_cannot_be_evaluated(make_shelf) -> None:
    shelf = make_shelf(HeadlessEncoder())
    with pytest.raises(EvaluationError):
        evaluate(shelf.engine, captions_of(shelf, [row("red.mp4", "red")]))


def test_captioned_parts_are_candidates_of_their_own(films) -> None:
    rows = [
        row("mixed.mp4", "pink", 3.9, 8),
        row("mixed.mp4", "blue", 8, 12),
        row("red.mp4", "red"),
    ]
    report = evaluate(films.engine, captions_of(films, rows), video_to_text=True)
    quality = report.text_to_video
    assert (quality.queries, quality.videos) == (3, 2)
    assert quality.candidates == 3 + 3  # the other videos; two parts and the rest
    assert quality.recall_at_1.value == 1.0
    assert report.video_to_text is not None
    assert report.video_to_text.recall_at_1.value == 1.0
    swapped = [row("mixed.mp4", "pink", 8, 12), row("mixed.mp4", "blue", 4, 8)]
    assert evaluate(films.engine, captions_of(films, swapped)).text_to_video.recall_at_1.value == 0


def test_a_copy_of_the_right_video_is_right(films) -> None:
    """Another video that scores the same counts as before it; a copy does not."""
    rows = [row("red.mp4", "red"), row("green.mp4", "green")]
    before = evaluate(films.engine, captions_of(films, rows)).text_to_video
    films.add("stranger.mp4", ["red"])
    tied = evaluate(films.engine, captions_of(films, rows)).text_to_video
    assert (before.recall_at_1.value, tied.recall_at_1.value) == (1.0, 0.5)
    for name in ("sea.mp4", "twin.mp4"):
        films.add(name, ["blue", "grey"], content_hash="f" * 64)
    rows = [row("sea.mp4", "grey")]
    copied = evaluate(films.engine, captions_of(films, rows)).text_to_video
    assert copied.recall_at_1.value == 1.0


def test_a_caption_of_several_videos_is_one_query(films) -> None:
    films.add("poppy.mp4", ["red"])
    rows = [row("red.mp4", "Red"), row("poppy.mp4", "red"), row("green.mp4", "green")]
    report = evaluate(films.engine, captions_of(films, rows), video_to_text=True)
    assert (report.text_to_video.queries, report.merged_captions) == (2, 1)
    assert report.text_to_video.recall_at_1.value == 1.0
    assert report.video_to_text is not None
    assert (report.video_to_text.queries, report.video_to_text.candidates) == (3, 2)


def test_many_clips_are_fetched_until_the_right_one_comes(films, monkeypatch) -> None:
    monkeypatch.setattr("vidseek.search.evaluation.evaluate.FIRST_FETCH", 1)
    quality = evaluate(films.engine, captions_of(films, [row("white.mp4", "blue")])).text_to_video
    hits = films.search("blue", k=50, per_video=1)
    place = [hit.video.path.name for hit in hits].index("white.mp4")
    assert quality.median_rank.value == place + 1 > 1


def test_a_job_is_told_and_cancels(films) -> None:
    captions = captions_of(films, [row("red.mp4", "red")])
    reports = []
    evaluate(films.engine, captions, job=Job(on_progress=reports.append))
    assert [(each.done, each.total) for each in reports] == [(1, 1)]
    with pytest.raises(JobCancelledError):
        evaluate(films.engine, captions, job=Job(should_cancel=lambda: True))


@pytest.mark.parametrize(
    ("share", "count", "low", "high"),
    [(0.5, 10, 0.2366, 0.7634), (0.0, 20, 0.0, 0.1611), (1.0, 20, 0.8389, 1.0)],
)
def test_wilson_of_known_cases(share: float, count: int, low: float, high: float) -> None:
    estimate = wilson(share, count)
    assert estimate.value == share
    assert (estimate.low, estimate.high) == pytest.approx((low, high), abs=1e-3)


def test_captions_of_one_video_are_one_observation() -> None:
    ranks = np.array([0, 0, 0, 0, 9, 9, 9, 9])
    apart = retrieval_quality(ranks, np.arange(8), candidates=10)
    together = retrieval_quality(ranks, np.repeat([1, 2], 4), candidates=10)
    assert apart.recall_at_1.value == together.recall_at_1.value == 0.5
    assert together.recall_at_1.low < apart.recall_at_1.low
    assert (together.median_rank.low, together.median_rank.high) == (1, 10)
    assert together.median_rank.value == 5.5
