"""``Library.describe``, ``ask`` and ``search_captions``, and their commands."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from cli_process import Run

import vidseek as vidseek_package
from vidseek.core.errors import (
    JobCancelledError,
    MissingExtraError,
    PathNotFoundError,
    QueryError,
    UnsupportedModelError,
    VideoError,
)
from vidseek.core.job import Job
from vidseek.core.types import TimeSpan


class BrightnessWords:
    """Says how bright pictures are: a captioner of one's own."""

    source = "brightness"

    def __init__(self, pictures_at_once: int = 1) -> None:
        self.pictures_at_once = pictures_at_once
        self.seen: list[int] = []

    def caption(self, frames: np.ndarray) -> str:
        self.seen.append(len(frames))
        return "a bright page" if frames.mean() > 150 else "a dark Thing"

    def answer(self, frames: np.ndarray, question: str) -> str:
        self.seen.append(len(frames))
        return "Yes" if frames.mean() > 150 else "no"


@pytest.fixture
def opened(library: Path):
    with vidseek_package.open(library) as opened:
        yield opened


def test_captions_are_stored_and_found(opened, footage_master: Path) -> None:
    errands = footage_master / "errands.mp4"  # a motorcycle, then a bright page
    found = opened.describe(errands, BrightnessWords(), labels=0)
    assert {each.text for each in found.captions} == {"a dark Thing", "a bright page"}
    assert all(each.source == "brightness" for each in found.captions)
    again = opened.describe(errands, labels=0)
    assert again.captions == found.captions
    result = opened.search_captions("bright PAGE")
    assert result.hits[0].video.path == errands
    assert result.hits[0].span.start_seconds >= 2.5
    assert result.hits[0].score == pytest.approx(1)
    assert result.hits[0].thumbnail is not None
    assert len(opened.search_captions("thing").hits) >= 1
    assert opened.search_captions("thin").hits == ()  # words, not parts of words
    assert opened.search_captions("100% _").hits == ()
    nowhere = vidseek_package.VideoFilter(path_glob="/nowhere/*")
    assert opened.search_captions("page", where=nowhere).hits == ()


def test_a_new_caption_replaces_that_of_its_part(opened, footage_master: Path) -> None:
    errands = footage_master / "errands.mp4"
    before = opened.describe(errands, BrightnessWords(), labels=0).captions

    class Other(BrightnessWords):
        source = "other"

    opened.describe(errands, Other(), labels=0, span=TimeSpan(3.2, 6.0))
    after = opened.describe(errands, labels=0).captions
    assert before[0] in after
    assert {each.source for each in after} == {"brightness", "other"}
    assert len(opened.describe(errands, Other(), labels=0, captions=1).captions) == 1


def test_captions_go_with_their_video(opened, footage_master: Path) -> None:
    cat = footage_master / "cat.mp4"
    opened.describe(cat, BrightnessWords(), labels=0)
    assert opened._store.captions.count() > 0
    opened.remove(cat)
    assert opened._store.captions.count() == 0
    result = opened.search_captions("thing")
    assert [warning.code for warning in result.warnings] == ["no_captions"]


def test_labels_come_from_the_library_model(opened, footage_master: Path) -> None:
    found = opened.describe(footage_master / "cat.mp4", labels=3)
    assert 0 < len(found.labels) <= 3
    confidences = [each.confidence for each in found.labels]
    assert confidences == sorted(confidences, reverse=True)
    assert found.captions == ()


def test_answers_rest_on_frames(opened, footage_master: Path) -> None:
    errands = footage_master / "errands.mp4"
    single = BrightnessWords()
    answer = opened.ask(errands, "a page of text?", single, span=TimeSpan(3.2, 6.0), frames=2)
    assert answer.text == "Yes"
    assert answer.votes == 1
    assert single.seen == [1, 1]
    assert len(answer.frames) == 2
    assert all(3.2 <= frame.seconds <= 6 for frame in answer.frames)
    together = BrightnessWords(pictures_at_once=3)
    answer = opened.ask(errands, "a motorcycle?", together, frames=8)
    assert together.seen == [3]
    assert len(answer.frames) == 3
    seconds = [frame.seconds for frame in answer.frames]
    assert seconds == sorted(seconds)


def test_votes_decide_where_frames_disagree(opened, footage_master: Path) -> None:
    answer = opened.ask(footage_master / "errands.mp4", "what?", BrightnessWords(), frames=50)
    assert answer.text in ("Yes", "no")
    assert 0.5 <= answer.votes < 1


def test_errors_are_told_by_type(opened, footage_master: Path, tmp_path: Path) -> None:
    cat, words = footage_master / "cat.mp4", BrightnessWords()
    with pytest.raises(PathNotFoundError):
        opened.describe(tmp_path / "absent.mp4", words)
    with pytest.raises(QueryError):
        opened.describe(cat, words, labels=-1)
    with pytest.raises(QueryError):
        opened.describe(cat, words, span=TimeSpan(100, 200))
    for question, frames in ((" ", 8), ("what?", 0)):
        with pytest.raises(QueryError):
            opened.ask(cat, question, words, frames=frames)
    for text in ("", "?!"):
        with pytest.raises(QueryError):
            opened.search_captions(text)
    with pytest.raises(QueryError):
        opened.search_captions("cat", 0)
    job = Job()
    job.cancel()
    with pytest.raises(JobCancelledError):
        opened.describe(cat, words, labels=0, job=job)
    assert opened._store.captions.count() == 0
    with pytest.raises((MissingExtraError, UnsupportedModelError)):
        opened.load_captioner("builtin")


def test_a_file_that_is_gone_is_told(opened, footage_master: Path, tmp_path: Path) -> None:
    copy = tmp_path / "copy.mp4"
    copy.write_bytes((footage_master / "cat.mp4").read_bytes())
    opened.index([copy])
    copy.unlink()
    with pytest.raises(VideoError):
        opened.describe(copy, BrightnessWords(), labels=0)


def test_the_command_describes(vidseek: Run, footage_master: Path) -> None:
    answer = vidseek("describe", footage_master / "cat.mp4", "--json")
    assert answer.returncode == 0, answer.stderr
    found = json.loads(answer.stdout)
    assert found["path"] == str(footage_master / "cat.mp4")
    assert all(set(each) == {"label", "confidence"} for each in found["labels"])
    assert found["captions"] == []


def test_captions_are_searched_from_the_shell(
    vidseek: Run, library: Path, footage_master: Path
) -> None:
    with vidseek_package.open(library) as opened:
        opened.describe(footage_master / "cat.mp4", BrightnessWords(), labels=0)
    answer = vidseek("search", "dark thing", "--captions", "--json")
    assert answer.returncode == 0, answer.stderr
    assert str(footage_master / "cat.mp4") in answer.stdout
    assert vidseek("search", "dark", "--captions", "--not", "cat").returncode != 0


def test_models_that_are_none_are_refused(
    vidseek: Run, footage_master: Path, tmp_path: Path
) -> None:
    cat = footage_master / "cat.mp4"
    for name in ("builtin", "no-such-model", str(tmp_path)):
        answer = vidseek("ask", cat, "what?", "--captioner", name)
        assert answer.returncode != 0
        assert answer.stderr
    assert vidseek("ask", cat, "what?").returncode != 0
