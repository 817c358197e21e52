"""Copy descriptors are stored with each video, and computed once for videos that lack them."""

from __future__ import annotations

import os
import shutil
import sqlite3
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from colour_encoder import ColourEncoder
from counting_descriptor import CountingDescriptor, loaded
from library_samples import LABEL_TABLES

from vidseek.core.job import Job
from vidseek.core.types import CopyFrames, VideoState
from vidseek.encoders.copies.descriptor import CopyDescriptor, unpacked
from vidseek.indexer import Indexer, IndexOptions, IndexReport, add_model, video_pass
from vidseek.storage.catalog.schema import HEAD_REVISION
from vidseek.storage.store import LibraryStore
from vidseek.video import DecodeJob, DecodePool, SamplingPlan


@pytest.fixture
def descriptor() -> CountingDescriptor:
    return CountingDescriptor()


@pytest.fixture
def no_decoding(monkeypatch):
    """A function; after it is called, starting a decoder fails."""

    def refuse(**options):
        raise AssertionError("a decoder was started")

    def forbid() -> None:
        monkeypatch.setattr(video_pass, "DecodePool", refuse)

    return forbid


def index(store, encoder, descriptor, *paths: Path, job=None, **options) -> IndexReport:
    indexer = Indexer(
        store, encoder, options=IndexOptions(workers=1, **options), descriptor=descriptor
    )
    return indexer.run(list(paths), job=job)


def stored_descriptors(store: LibraryStore, descriptor: CopyDescriptor) -> dict[str, CopyFrames]:
    """Copy frames by file name."""
    names = {video.id: video.path.name for video in store.videos.select()}
    return {names[one.video_id]: one for one in store.copy_descriptors.read(descriptor.fingerprint)}


def clip_seconds(store: LibraryStore, name: str) -> list[float]:
    (video,) = (one for one in store.videos.select() if one.path.name == name)
    return sorted({at for clip in store.videos.clips(video.id) for at in clip.frame_seconds})


def assert_described(store: LibraryStore, descriptor: CopyDescriptor, path: Path) -> None:
    """The stored frames are those of the clips, with the descriptors of the file as it is now."""
    frames = stored_descriptors(store, descriptor)[path.name]
    assert frames.seconds == pytest.approx(clip_seconds(store, path.name), abs=0.001)
    with DecodePool(workers=1, short_side=ColourEncoder().spec.image_size) as pool:
        pictures = np.concatenate(
            [
                batch.data
                for decoded in pool.read([DecodeJob(path, SamplingPlan())])
                for batch in decoded.batches()
            ]
        )
    expected = loaded().describe(pictures)
    cosines = (unpacked(frames.vectors) * expected).sum(axis=1)
    assert cosines.min() >= 0.99


def write_black(path: Path) -> Path:
    import av

    with av.open(str(path), "w", format="mp4") as container:
        stream = container.add_stream("libx264", rate=5)
        stream.width, stream.height, stream.pix_fmt = 96, 64, "yuv420p"
        picture = np.zeros((64, 96, 3), np.uint8)
        for _ in range(10):
            frame = av.VideoFrame.from_ndarray(picture, format="rgb24")
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    return path


def test_every_frame_of_a_new_video_is_described(store, encoder, descriptor, footage):
    report = index(store, encoder, descriptor, footage)
    assert report.indexed == 3
    described = descriptor.frames_described
    assert described == encoder.frames_encoded
    for path in footage.rglob("*.mp4"):
        assert_described(store, descriptor, path)
    assert store.statistics().copy_videos == 3
    descriptor.frames_described = 0
    index(store, encoder, descriptor, footage)
    assert descriptor.frames_described == 0


def test_without_a_descriptor_nothing_is_stored_descriptors(store, encoder, descriptor, footage):
    index(store, encoder, None, footage)
    assert stored_descriptors(store, descriptor) == {}
    assert store.statistics().copy_videos == 0


def test_copies_and_moved_files_are_not_described_again(
    store, encoder, descriptor, footage, no_decoding
):
    shutil.copy(footage / "a.mp4", footage / "twin.mp4")
    index(store, encoder, descriptor, footage)
    once = descriptor.frames_described
    assert once == encoder.frames_encoded
    no_decoding()
    shutil.copy(footage / "b.mp4", footage / "later.mp4")
    (footage / "deep" / "c.mp4").rename(footage / "moved.mp4")
    assert index(store, encoder, descriptor, footage).failed == ()
    found = stored_descriptors(store, descriptor)
    assert set(found) == {"a.mp4", "twin.mp4", "b.mp4", "later.mp4", "moved.mp4"}
    for one, other in (("a.mp4", "twin.mp4"), ("b.mp4", "later.mp4")):
        assert np.array_equal(found[one].vectors, found[other].vectors)


def test_a_removed_video_takes_its_copy_frames_along(store, encoder, descriptor, footage):
    index(store, encoder, descriptor, footage)
    (footage / "a.mp4").unlink()
    index(store, encoder, descriptor, footage)
    assert set(stored_descriptors(store, descriptor)) == {"b.mp4", "c.mp4"}
    index(store, encoder, descriptor, footage, prune=True)
    with sqlite3.connect(store.folder / "library.db") as connection:
        assert connection.execute("SELECT count(*) FROM copy_frames").fetchone() == (2,)
    connection.close()


def test_a_library_of_the_format_before_is_described_and_not_encoded(
    tmp_path, encoder, descriptor, footage, template, no_decoding
):
    library = Path(shutil.copytree(template.library, tmp_path / "old"))
    with sqlite3.connect(library / "library.db") as connection:
        for table in (*LABEL_TABLES, "copy_frames", "copy_matches", "dismissed_pairs"):
            connection.execute(f"DROP TABLE {table}")
        connection.execute("ALTER TABLE calibrations DROP COLUMN hubness")
        for column in ("failure_hint", "hdr", "has_sound"):
            connection.execute(f"ALTER TABLE videos DROP COLUMN {column}")
        connection.execute("UPDATE alembic_version SET version_num = '0003'")
    connection.close()
    with LibraryStore.open(library) as store:
        assert (library / f"library.db.before-{HEAD_REVISION}").is_file()
        store.videos.relocate(template.footage, footage)
        videos = store.videos.select()
        clips = [store.videos.clips(video.id) for video in videos]
        reports = []
        indexer = Indexer(store, encoder, options=IndexOptions(workers=1), descriptor=descriptor)
        report = indexer.run([footage], job=Job(on_progress=reports.append))
        assert (report.indexed, report.unchanged, report.failed) == (0, 3, ())
        assert (reports[-1].done, reports[-1].total) == (3, 3)
        assert encoder.frames_encoded == 0
        assert {video.has_sound for video in videos} == {None}
        # Read again, they are known to have no sound.
        assert store.videos.select() == [replace(video, has_sound=False) for video in videos]
        assert [store.videos.clips(video.id) for video in videos] == clips
        for path in footage.rglob("*.mp4"):
            assert_described(store, descriptor, path)
        no_decoding()
        assert index(store, encoder, descriptor, footage).unchanged == 3


def test_a_video_of_one_colour_has_no_frames_and_is_looked_at_once(
    store, encoder, descriptor, tmp_path, no_decoding
):
    path = write_black(tmp_path / "black.mp4")
    assert index(store, encoder, descriptor, path).indexed == 1
    frames = stored_descriptors(store, descriptor)["black.mp4"]
    assert frames.vectors.shape == (0, descriptor.dimension)
    newer = CountingDescriptor("newer")
    index(store, encoder, newer, path)
    assert len(stored_descriptors(store, newer)["black.mp4"]) == 0
    no_decoding()
    assert index(store, encoder, newer, path).unchanged == 1


def test_another_descriptor_replaces_the_stored_descriptors(store, encoder, descriptor, footage):
    index(store, encoder, descriptor, footage)
    newer = CountingDescriptor("newer")
    index(store, encoder, newer, footage)
    assert newer.frames_described == descriptor.frames_described
    assert stored_descriptors(store, descriptor) == {}
    assert set(stored_descriptors(store, newer)) == {"a.mp4", "b.mp4", "c.mp4"}


def test_files_with_the_same_bytes_are_read_once(store, encoder, descriptor, footage, indexed):
    for name in ("one.mp4", "two.mp4"):
        shutil.copy(footage / "a.mp4", footage / name)
    index(store, encoder, None, footage)
    index(store, encoder, descriptor, footage / "a.mp4")
    described = descriptor.frames_described
    assert described == len(stored_descriptors(store, descriptor)["a.mp4"])
    shutil.copy(footage / "b.mp4", footage / "three.mp4")
    index(store, encoder, descriptor, footage)
    found = stored_descriptors(store, descriptor)
    assert set(found) == {"a.mp4", "b.mp4", "c.mp4", "one.mp4", "two.mp4", "three.mp4"}
    expected = sum(len(found[name]) for name in ("a.mp4", "b.mp4", "c.mp4"))
    assert descriptor.frames_described == expected


def test_only_files_that_the_run_is_about_are_described(
    store, encoder, descriptor, footage, indexed
):
    index(store, encoder, descriptor, footage, exclude=("b.mp4",))
    assert set(stored_descriptors(store, descriptor)) == {"a.mp4", "c.mp4"}
    (footage / "b.mp4").unlink()
    index(store, encoder, descriptor, footage)
    assert set(stored_descriptors(store, descriptor)) == {"a.mp4", "c.mp4"}


def test_a_file_that_can_no_longer_be_read_is_reported_and_left(
    store, encoder, descriptor, footage, indexed, caplog
):
    path = footage / "a.mp4"
    status = path.stat()
    with path.open("r+b") as file:  # a bad disk: size and time are as they were
        file.write(bytes(status.st_size))
    os.utime(path, ns=(status.st_atime_ns, status.st_mtime_ns))
    report = index(store, encoder, descriptor, footage)
    assert report.failed == ()
    assert [str(path) in record.getMessage() for record in caplog.records] == [True]
    assert set(stored_descriptors(store, descriptor)) == {"b.mp4", "c.mp4"}
    assert {video.state for video in store.videos.select()} == {VideoState.INDEXED}


def test_a_cancelled_run_keeps_its_descriptors_and_the_next_continues(
    store, encoder, descriptor, footage, indexed
):
    def one_is_there() -> bool:
        return store.statistics().copy_videos >= 1

    report = index(store, encoder, descriptor, footage, job=Job(should_cancel=one_is_there))
    assert report.interrupted
    assert store.statistics().copy_videos == 1
    described = descriptor.frames_described
    assert not index(store, encoder, descriptor, footage).interrupted
    found = stored_descriptors(store, descriptor)
    assert set(found) == {"a.mp4", "b.mp4", "c.mp4"}
    assert descriptor.frames_described >= described
    assert encoder.frames_encoded == 0


def test_another_model_leaves_copy_frames_alone(store, encoder, descriptor, footage):
    index(store, encoder, descriptor, footage)
    before = stored_descriptors(store, descriptor)
    for one in before.values():
        store.copy_matches.add(one.video_id, [])
    report = add_model(store, ColourEncoder("second"), workers=1)
    assert report.switched
    after = stored_descriptors(store, descriptor)
    assert set(after) == set(before)
    for name, frames in after.items():
        assert np.array_equal(frames.vectors, before[name].vectors)
    assert store.copy_matches.videos_to_compare(descriptor.fingerprint) == []
