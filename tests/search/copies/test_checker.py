"""Checks of an upload: progress, cancelling and refused arguments."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from library_samples import SPEC
from videos import numbered, write_video

from vidseek.core.errors import JobCancelledError, PathNotFoundError, QueryError
from vidseek.core.job import Job, Progress
from vidseek.encoders.copies.descriptor import CopyDescriptor
from vidseek.search.copies.checker import CopyChecker
from vidseek.search.copies.upload import decoding_ahead, upload_decoder
from vidseek.storage.store import LibraryStore

COMPARED = 7
"""Frames of the upload that are compared: eight, of which the first is flat."""


@pytest.fixture
def checker(tmp_path: Path) -> Iterator[CopyChecker]:
    """Of an empty library."""
    with LibraryStore.open(tmp_path / "library", create=True) as store:
        store.encoders.register(SPEC)
        yield CopyChecker(store, CopyDescriptor())


@pytest.fixture
def upload(tmp_path: Path) -> Path:
    return write_video(tmp_path / "video.mp4", numbered(100))


def test_progress_is_reported(checker: CopyChecker, upload: Path) -> None:
    seen: list[Progress] = []
    verdict = checker.check(upload, job=Job(on_progress=seen.append))
    assert (verdict.kind, verdict.matches) == ("new", ())
    assert seen[-1].done == COMPARED


def test_a_cancelled_check_ends(checker: CopyChecker, upload: Path) -> None:
    job = Job(on_progress=lambda _: job.cancel())
    with pytest.raises(JobCancelledError):
        checker.check(upload, job=job)
    assert checker.check(upload).kind == "new"


def test_a_check_takes_over_what_is_decoded_ahead(checker: CopyChecker, upload: Path) -> None:
    with decoding_ahead(upload):
        assert checker.check(upload).compared_frames == COMPARED
        # Each decoder serves one check; the next check decodes again.
        assert checker.check(upload).compared_frames == COMPARED


def test_what_is_decoded_ahead_is_dropped_at_the_end(upload: Path) -> None:
    with decoding_ahead(upload):
        pass
    with upload_decoder(upload) as decoder:
        assert sum(map(len, decoder.batches())) == 8


def test_no_file_and_no_threshold_are_refused(checker: CopyChecker, tmp_path: Path) -> None:
    with pytest.raises(PathNotFoundError):
        checker.check(tmp_path)
    with pytest.raises(PathNotFoundError):
        checker.check(tmp_path / "missing.mp4")
    with pytest.raises(QueryError):
        checker.check(tmp_path, threshold="sure")  # type: ignore[arg-type]
