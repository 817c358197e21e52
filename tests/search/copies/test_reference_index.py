"""A library's copy frames, read beside other work."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from library_samples import SPEC, clips, video

from vidseek.core.errors import LibraryDamagedError
from vidseek.core.job import Job
from vidseek.core.types import CopyFrames
from vidseek.encoders.copies.descriptor import CopyDescriptor, unpacked
from vidseek.search.copies import reference_index
from vidseek.search.copies.alignment.sequence import FrameSequence
from vidseek.search.copies.checker import CopyChecker, _Check
from vidseek.search.copies.reference_index import ReferenceDescriptors
from vidseek.search.copies.upload import Upload
from vidseek.storage.store import LibraryStore

FINGERPRINT = CopyDescriptor().fingerprint
COUNTS = (12, 9)


@pytest.fixture
def store(tmp_path: Path) -> Iterator[LibraryStore]:
    """Two videos whose frames are like nothing else."""
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


def lengths(library: ReferenceDescriptors) -> list[int]:
    return [len(block) for block in library]


@pytest.mark.parametrize("most", [2_000_000, 5])
def test_they_can_be_gone_through_twice(
    store: LibraryStore, monkeypatch: pytest.MonkeyPatch, most: int
) -> None:
    monkeypatch.setattr(reference_index, "MAX_HELD_FRAMES", most)
    with ReferenceDescriptors(store, FINGERPRINT) as library:
        assert lengths(library) == lengths(library) == [sum(COUNTS)]
        held = library._held
    assert (held is None) == (most == 5)


def test_what_cannot_be_read_is_told_where_it_is_wanted(store: LibraryStore) -> None:
    with sqlite3.connect(store.folder / "library.db") as connection:
        connection.execute("UPDATE copy_frames SET vectors = substr(vectors, 2)")
    connection.close()
    with (
        ReferenceDescriptors(store, FINGERPRINT) as library,
        pytest.raises(LibraryDamagedError, match="doctor"),
    ):
        lengths(library)


def test_they_can_be_given_up(store: LibraryStore) -> None:
    for _ in range(20):
        library = ReferenceDescriptors(store, FINGERPRINT)
        library.close()
        assert not library._reading.is_alive()
        assert library._held is None


def test_a_video_that_is_removed_meanwhile_is_no_match(store: LibraryStore) -> None:
    first, second = store.copy_descriptors.read(FINGERPRINT)
    checker = CopyChecker(store, CopyDescriptor())
    nothing = np.zeros((0, 1, 1, 3), np.uint8)

    def matches(library: ReferenceDescriptors, frames: CopyFrames) -> list[int]:
        sequence = FrameSequence(unpacked(frames.vectors), frames.seconds)
        upload = Upload(float(len(frames)), sequence, nothing, np.zeros(0))
        verdict = checker._compare(_Check(upload, 0.3, Job()), library, sure_score=0.3)
        return [one.video.id for one in verdict.matches]

    with ReferenceDescriptors(store, FINGERPRINT) as library:
        assert matches(library, first) == [first.video_id]
        assert matches(library, second) == [second.video_id]
        store.videos.remove([first.video_id])
        assert matches(library, first) == []
        assert matches(library, second) == [second.video_id]
