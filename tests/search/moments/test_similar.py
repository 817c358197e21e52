"""Queries by picture and by video, from the library's vectors and from real files."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from colour_videos import write_colours
from palette_encoder import PALETTE
from PIL import Image

from vidseek.core.errors import JobCancelledError, PathNotFoundError, QueryError, VideoError
from vidseek.core.job import Job, Progress
from vidseek.core.types import SearchHit, TimeSpan, VideoFilter
from vidseek.search.moments.visual_query import MAX_QUERY_CLIPS, read_visual_query


def places(hits: list[SearchHit]) -> list[tuple[str, float, float]]:
    return [(hit.video.path.name, hit.span.start_seconds, hit.span.end_seconds) for hit in hits]


def names(hits: list[SearchHit]) -> list[str]:
    return [hit.video.path.name for hit in hits]


@pytest.fixture
def filled(shelf):
    shelf.add("a.mp4", ["grey", "red", "blue", "yellow"])
    shelf.add("b.mp4", ["blue", "green", "green", "black"])
    shelf.add("c.mp4", ["white", "yellow", "black", "pink"])
    return shelf


def test_a_picture_finds_the_moment_that_shows_it(filled, tmp_path: Path) -> None:
    picture = tmp_path / "still.png"
    Image.new("RGB", (300, 200), PALETTE["red"]).save(picture)
    hits = filled.similar(picture, k=3)
    assert places(hits)[0] == ("a.mp4", 4, 8)
    assert len(hits) == 3
    assert hits[0].score == pytest.approx(1.0, abs=1e-2)
    assert hits[0].confidence is None


def test_a_picture_prefers_the_clip_with_that_very_frame(shelf, tmp_path: Path) -> None:
    """Its clip vector is a mixture, further away than that of a uniformly similar clip."""
    shelf.add("moment.mp4", [("grey", "white", "pink", "black")])
    shelf.add("rosy.mp4", [((235, 130, 150),)])
    picture = tmp_path / "still.png"
    Image.new("RGB", (30, 20), PALETTE["pink"]).save(picture)
    (best, _) = shelf.similar(picture)
    assert best.video.path.name == "moment.mp4"
    frame = max(best.frames, key=lambda match: match.score)
    assert frame.seconds == 2.5
    assert frame.score == pytest.approx(1.0, abs=1e-2)


def test_a_video_of_the_library_is_not_decoded_and_answers_first(filled) -> None:
    """The shelf's files are not videos: decoding them would fail."""
    hits = filled.similar(filled.folder / "b.mp4", k=20)
    assert places(hits)[0] == ("b.mp4", 0, 16)
    assert hits[0].score == pytest.approx(1.0, abs=1e-2)
    assert hits[1].score < 0.9
    assert filled.similar(filled.folder / "b.mp4", k=1) == hits[:1]


def test_the_copy_of_a_video_comes_before_one_that_shares_a_scene(filled) -> None:
    filled.add("shares.mp4", ["green", "pink", "pink", "pink"])
    filled.add("z-copy.mp4", ["blue", "green", "green", "black"])
    hits = filled.similar(filled.folder / "b.mp4", k=2, per_video=1)
    assert names(hits) == ["b.mp4", "z-copy.mp4"]


def test_a_query_can_leave_itself_out(filled) -> None:
    hits = filled.similar(filled.folder / "b.mp4", k=3, exclude_itself=True)
    assert "b.mp4" not in names(hits)
    assert len(hits) == 3
    part = filled.similar(filled.folder / "b.mp4", span=TimeSpan(4, 8), k=1, exclude_itself=True)
    assert places(part) == [("b.mp4", 8, 12)], "the rest of the same video may still answer"


def test_the_only_video_has_nothing_like_it(shelf) -> None:
    shelf.add("only.mp4", ["red"])
    assert shelf.similar(shelf.folder / "only.mp4", exclude_itself=True) == []
    assert len(shelf.similar(shelf.folder / "only.mp4")) == 1


def test_a_part_of_a_stored_video_asks_for_that_part_only(filled) -> None:
    hits = filled.similar(filled.folder / "a.mp4", span=TimeSpan(12, 16), k=2)
    assert sorted(places(hits)) == [("a.mp4", 12, 16), ("c.mp4", 4, 8)]


def test_a_part_that_cuts_through_a_clip_is_made_of_its_frames(shelf) -> None:
    shelf.add("mixed.mp4", [("red", "red", "blue", "blue")])
    shelf.add("red.mp4", ["red"])
    shelf.add("blue.mp4", ["blue"])
    query = shelf.folder / "mixed.mp4"
    assert names(shelf.similar(query, span=TimeSpan(0, 2), k=1)) == ["red.mp4"]
    assert names(shelf.similar(query, span=TimeSpan(2, 4), k=1)) == ["blue.mp4"]


def test_filters_and_limits_hold_for_pictures_and_videos_too(filled) -> None:
    where = VideoFilter(path_glob="*c.mp4")
    assert set(names(filled.similar(filled.folder / "b.mp4", where=where))) == {"c.mp4"}
    hits = filled.similar(filled.folder / "b.mp4", k=9, per_video=1)
    assert sorted(names(hits)) == ["a.mp4", "b.mp4", "c.mp4"]
    with pytest.raises(QueryError):
        filled.similar(filled.folder / "b.mp4", k=0)


def test_a_file_outside_the_library_is_decoded(filled, tmp_path: Path) -> None:
    video = write_colours(tmp_path / "elsewhere" / "new.mp4", ["pink", "black"])
    assert places(filled.similar(video, k=1)) == [("c.mp4", 8, 16)]


def test_a_part_of_a_file_outside_the_library_is_decoded(filled, tmp_path: Path) -> None:
    video = write_colours(tmp_path / "elsewhere" / "new.mp4", ["pink", "green", "red"])
    hits = filled.similar(video, span=TimeSpan(4.5, 7.5), k=1)
    assert places(hits) == [("b.mp4", 4, 12)]


def test_a_changed_file_is_looked_at_again(filled, tmp_path: Path) -> None:
    write_colours(filled.folder / "a.mp4", ["green"])
    before = filled.encoder.frames_encoded
    hits = filled.similar(filled.folder / "a.mp4", k=1)
    assert places(hits) == [("b.mp4", 4, 12)]
    assert filled.encoder.frames_encoded > before


def test_a_file_that_cannot_be_read_says_so(filled, tmp_path: Path) -> None:
    text = tmp_path / "text.mp4"
    text.write_text("no video at all")
    with pytest.raises(VideoError) as caught:
        filled.similar(text)
    assert caught.value.path == text


@pytest.mark.parametrize("name", ["nothing.mp4", "."])
def test_a_query_that_is_no_file_is_refused(filled, tmp_path: Path, name: str) -> None:
    with pytest.raises(PathNotFoundError):
        filled.similar(tmp_path / name)


def test_a_job_reports_what_is_read_of_a_file_and_cancels(filled, tmp_path: Path) -> None:
    path = write_colours(tmp_path / "new.mp4", ["pink", "red"])
    seen: list[Progress] = []
    filled.engine.similar(path, job=Job(on_progress=seen.append))
    assert seen[-1].done > 0
    job = Job(on_progress=lambda _: job.cancel())
    with pytest.raises(JobCancelledError):
        filled.engine.similar(path, job=job)


def test_parts_that_do_not_exist_are_refused(filled, tmp_path: Path) -> None:
    with pytest.raises(QueryError):
        filled.similar(filled.folder / "a.mp4", span=TimeSpan(100, 110))
    with pytest.raises(QueryError):
        filled.similar(filled.folder / "a.mp4", span=TimeSpan(5, 5))
    video = write_colours(tmp_path / "new.mp4", ["pink"])
    with pytest.raises(QueryError):
        filled.similar(video, span=TimeSpan(100, 110))
    picture = tmp_path / "still.png"
    Image.new("RGB", (30, 20)).save(picture)
    with pytest.raises(QueryError):
        filled.similar(picture, span=TimeSpan(0, 1))


def test_an_hour_of_query_is_asked_by_some_of_its_clips(shelf) -> None:
    shelf.add("hour.mp4", ["red", "black", "blue"] * 300)
    query = read_visual_query(shelf.store, shelf.encoder, shelf.folder / "hour.mp4", None, Job())
    assert len(query.vectors) == len(query.weights) == MAX_QUERY_CLIPS
    assert len(query.own_clips) == 900
    np.testing.assert_allclose(np.linalg.norm(query.vectors, axis=1), 1, atol=2e-3)
    (hit,) = shelf.similar(shelf.folder / "hour.mp4", k=1)
    assert hit.score == pytest.approx(1.0, abs=1e-2)


def test_a_part_between_the_sampled_frames_is_decoded(shelf, tmp_path: Path) -> None:
    """No vectors are stored for it, so the file itself is read, which is not a video here."""
    shelf.add("a.mp4", ["red", "blue"])
    with pytest.raises(VideoError):
        shelf.similar(shelf.folder / "a.mp4", span=TimeSpan(0.6, 1.4))
