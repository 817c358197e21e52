"""Checking against descriptors in memory while the library changes."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path

import numpy as np
import pytest
from counting_descriptor import CountingDescriptor
from library_samples import SPEC, clips, video
from sqlalchemy import event
from videos import make_video, picture

from vidseek.core.job import Job
from vidseek.core.types import CopyBlock, CopyFrames
from vidseek.encoders.copies.descriptor import CopyDescriptor, unpacked
from vidseek.search.copies.alignment.sequence import FrameSequence
from vidseek.search.copies.checker import CopyChecker, _Check
from vidseek.search.copies.upload import Upload
from vidseek.storage.store import LibraryStore

FINGERPRINT = CopyDescriptor().fingerprint
COUNTS = (12, 9)


@pytest.fixture
def store(tmp_path: Path) -> Iterator[LibraryStore]:
    """Two videos whose frames resemble no other frames."""
    with LibraryStore.open(tmp_path / "library", create=True) as opened:
        opened.encoders.register(SPEC)
        add_videos(opened)
        yield opened


def add_videos(store: LibraryStore) -> None:
    random = np.random.default_rng(0)
    for number, count in enumerate(COUNTS):
        vectors = random.integers(-20, 21, (count, 128)).astype(np.int8)
        store.videos.add(
            video(f"/v/{number}.mp4"),
            clips(2, number),
            fingerprint=SPEC.fingerprint,
            copies=CopyFrames(0, np.arange(count) * 1.0, vectors),
            copies_fingerprint=FINGERPRINT,
        )


def test_a_video_that_is_removed_meanwhile_is_no_match(store: LibraryStore) -> None:
    first, second = store.copy_descriptors.read(FINGERPRINT)
    checker = CopyChecker(store, CopyDescriptor())
    nothing = np.zeros((0, 1, 1, 3), np.uint8)

    def matches(library: Iterable[CopyBlock], frames: CopyFrames) -> list[int]:
        sequence = FrameSequence(unpacked(frames.vectors), frames.seconds)
        upload = Upload(float(len(frames)), sequence, nothing, np.zeros(0))
        verdict = checker._compare(
            _Check(Path("upload.mp4"), upload, 0.3, Job()), library, sure_score=0.3
        )
        return [one.video.id for one in verdict.matches]

    library = store.reference_index(FINGERPRINT).blocks()
    assert matches(library, first) == [first.video_id]
    assert matches(library, second) == [second.video_id]
    store.videos.remove([first.video_id])
    assert matches(library, first) == []
    assert matches(library, second) == [second.video_id]
    assert matches(store.reference_index(FINGERPRINT).blocks(), second) == [second.video_id]


def test_a_second_check_reads_only_what_was_added(store: LibraryStore, tmp_path: Path) -> None:
    upload = make_video(tmp_path / "upload.mp4", [picture(seed) for seed in range(3)])
    statements: list[str] = []

    @event.listens_for(store._transactions._engine, "before_cursor_execute")
    def note(_connection, _cursor, statement, *_) -> None:  # type: ignore[no-untyped-def]
        if "copy_frames.vectors" in statement:
            statements.append(statement)

    checker = CopyChecker(store, CountingDescriptor())
    assert checker.check(upload).kind == "new"
    assert len(statements) == 1
    assert checker.check(upload).kind == "new"
    assert CopyChecker(store, CountingDescriptor()).check(upload).kind == "new"
    assert len(statements) == 1
