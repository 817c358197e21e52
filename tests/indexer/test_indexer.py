"""A library follows the files on the disk, and decodes only what it does not know yet."""

from __future__ import annotations

import io
import os
import shutil
from contextlib import nullcontext
from pathlib import Path

import av
import numpy as np
import pytest
from colour_encoder import ColourEncoder
from videos import make_sound

from vidseek.core.errors import (
    EncoderError,
    Hint,
    LibraryFullError,
    LibraryLockedError,
    PathNotFoundError,
    VideoError,
)
from vidseek.core.job import Job
from vidseek.core.types import VideoState
from vidseek.indexer import Indexer, IndexOptions, IndexReport, executor, video_pass
from vidseek.indexer.hashing import CHANGED
from vidseek.indexer.tasks import index as index_module
from vidseek.storage import thumbnails
from vidseek.storage.store import LibraryStore


def index(store, encoder, *paths: Path, **options) -> IndexReport:
    return Indexer(store, encoder, options=IndexOptions(workers=1, **options)).run(list(paths))


def counts(report: IndexReport) -> dict[str, int]:
    """The counters that are not zero."""
    every = {
        "indexed": report.indexed,
        "unchanged": report.unchanged,
        "moved": report.moved,
        "missing": report.missing,
        "failed": len(report.failed),
    }
    return {name: count for name, count in every.items() if count}


def states(store: LibraryStore) -> dict[str, str]:
    return {video.path.name: video.state.value for video in store.videos.select()}


def searchable(store: LibraryStore, encoder: ColourEncoder) -> dict[str, int]:
    """Clips that a search can find, by file name."""
    index = store.vector_index(encoder.spec)
    index.refresh()
    _, ids = index.search(encoder.encode_text(["anything"]), 1000)
    found: dict[str, int] = {}
    for clip in store.videos.clips_by_id([int(id) for id in ids[0] if id >= 0]).values():
        video = store.videos.get(clip.video_id)
        assert video is not None
        found[video.path.name] = found.get(video.path.name, 0) + 1
    return found


@pytest.fixture
def no_decoding(monkeypatch) -> None:
    """From here on, starting a decoder fails."""

    def refuse(**options):
        raise AssertionError("a decoder was started")

    monkeypatch.setattr(video_pass, "DecodePool", refuse)


def test_videos_become_clips_with_vectors_and_thumbnails(store, encoder, footage):
    report = index(store, encoder, footage)
    assert counts(report) == {"indexed": 3}
    assert report.video_seconds == pytest.approx(9.0, abs=0.7)
    assert not report.interrupted
    for video in store.videos.select():
        assert (video.width, video.height, video.codec) == (96, 64, "h264")
        clips = store.videos.clips(video.id)
        ids = [clip.id for clip in clips]
        assert clips[0].span.start_seconds == 0.0
        assert clips[-1].span.end_seconds == pytest.approx(video.duration_seconds)
        vectors = store.clip_vectors.read(ids, encoder.spec.fingerprint)
        assert np.linalg.norm(vectors, axis=1) == pytest.approx(1.0, abs=0.01)
        features = store.clip_vectors.frame_features(ids, encoder.spec.fingerprint)
        for clip, frames in zip(clips, features, strict=True):
            assert len(frames) == len(clip.frame_seconds) > 0
            middle = clip.middle_frame_seconds
            assert store.thumbnail_path(video.content_hash, middle).is_file()
    assert set(searchable(store, encoder)) == {"a.mp4", "b.mp4", "c.mp4"}


def test_each_clip_has_one_thumbnail(store, encoder, indexed):
    clips = store.statistics().clips
    assert len(list((store.folder / "thumbnails").rglob("*.jpg"))) == clips


def test_what_was_indexed_is_found_by_its_own_frames(store, encoder, footage, indexed):
    video = store.videos.at(footage / "b.mp4")
    assert video is not None
    (clip, *_) = store.videos.clips(video.id)
    vector = store.clip_vectors.read([clip.id], encoder.spec.fingerprint)
    scores, ids = store.vector_index(encoder.spec).search(vector, 3)
    assert ids[0][0] == clip.id
    assert scores[0][0] == pytest.approx(1.0, abs=0.01)


def test_a_second_run_decodes_nothing_and_reads_nothing(
    store, encoder, footage, indexed, no_decoding, monkeypatch
):
    monkeypatch.setattr(executor, "HashAhead", lambda files: nullcontext(files))
    before = store.sequence()
    assert counts(index(store, encoder, footage)) == {"unchanged": 3}
    assert store.sequence() == before


def test_a_touched_file_is_not_decoded_again(store, encoder, footage, indexed, no_decoding):
    os.utime(footage / "a.mp4", ns=(1, 1_600_000_000_000_000_000))
    assert counts(index(store, encoder, footage)) == {"unchanged": 3}
    video = store.videos.at(footage / "a.mp4")
    assert video is not None
    assert video.modified_ns == 1_600_000_000_000_000_000


def test_moved_and_renamed_files_are_linked_again(store, encoder, footage, indexed, no_decoding):
    ids = {video.id for video in store.videos.select()}
    (footage / "a.mp4").rename(footage / "renamed.mp4")
    (footage / "deep" / "c.mp4").rename(footage / "c.mp4")
    assert counts(index(store, encoder, footage)) == {"moved": 2, "unchanged": 1}
    assert {video.id for video in store.videos.select()} == ids
    assert set(searchable(store, encoder)) == {"b.mp4", "renamed.mp4", "c.mp4"}


def test_a_copy_is_searchable_under_both_paths(store, encoder, footage, indexed, no_decoding):
    shutil.copy(footage / "a.mp4", footage / "copy.mp4")
    assert counts(index(store, encoder, footage)) == {"indexed": 1, "unchanged": 3}
    found = searchable(store, encoder)
    assert found["copy.mp4"] == found["a.mp4"]


def test_equal_files_of_one_run_are_decoded_once(store, encoder, footage):
    for name in ["copy1.mp4", "copy2.mp4", "deep/copy3.mp4"]:
        shutil.copy(footage / "a.mp4", footage / name)
    assert counts(index(store, encoder, footage)) == {"indexed": 6}
    assert len(searchable(store, encoder)) == 6
    reference = ColourEncoder()
    with LibraryStore.open(store.folder.parent / "other", create=True) as other:
        for name in ["copy1.mp4", "copy2.mp4", "deep/copy3.mp4"]:
            (footage / name).unlink()
        index(other, reference, footage)
    assert encoder.frames_encoded == reference.frames_encoded


def test_equal_files_that_cannot_be_read_fail_with_one_reason(store, encoder, footage):
    for name in ["bad1.mp4", "bad2.mp4", "bad3.mp4"]:
        (footage / name).write_bytes(b"no video" * 100)
    report = index(store, encoder, footage)
    assert counts(report) == {"indexed": 3, "failed": 3}
    assert len({failed.reason for failed in report.failed}) == 1


def test_a_changed_file_replaces_what_was_there(store, encoder, footage, indexed, make_video):
    old = store.videos.select()
    make_video(footage / "a.mp4", seed=99, seconds=12.0, scenes=4)
    assert counts(index(store, encoder, footage)) == {"indexed": 1, "unchanged": 2}
    video = store.videos.at(footage / "a.mp4")
    assert video is not None
    assert video.duration_seconds == pytest.approx(12.0, abs=0.3)
    assert len(store.videos.select()) == len(old)
    assert searchable(store, encoder)["a.mp4"] == len(store.videos.clips(video.id))


def test_a_file_moved_aside_for_a_new_version_keeps_its_vectors(
    store, encoder, footage, indexed, make_video
):
    old = store.videos.at(footage / "a.mp4")
    (footage / "a.mp4").rename(footage / "z_old.mp4")
    make_video(footage / "a.mp4", seed=99)
    assert counts(index(store, encoder, footage)) == {"indexed": 1, "moved": 1, "unchanged": 2}
    moved = store.videos.at(footage / "z_old.mp4")
    assert old is not None
    assert moved is not None
    assert moved.id == old.id
    assert set(searchable(store, encoder)) == {"a.mp4", "b.mp4", "c.mp4", "z_old.mp4"}


def test_two_files_that_swapped_names_stay_right(store, encoder, footage, indexed):
    hashes = {video.path.name: video.content_hash for video in store.videos.select()}
    (footage / "a.mp4").rename(footage / "x")
    (footage / "b.mp4").rename(footage / "a.mp4")
    (footage / "x").rename(footage / "b.mp4")
    # On a clock of coarse ticks the two may have had the same time.
    os.utime(footage / "a.mp4", ns=(1, 1_600_000_000_000_000_000))
    os.utime(footage / "b.mp4", ns=(1, 1_500_000_000_000_000_000))
    report = index(store, encoder, footage)
    assert report.failed == ()
    after = {video.path.name: video.content_hash for video in store.videos.select()}
    assert (after["a.mp4"], after["b.mp4"]) == (hashes["b.mp4"], hashes["a.mp4"])
    assert set(searchable(store, encoder)) == {"a.mp4", "b.mp4", "c.mp4"}


def test_a_deleted_file_is_marked_missing_and_comes_back(
    store, encoder, footage, indexed, no_decoding, tmp_path
):
    (footage / "a.mp4").rename(tmp_path / "away")
    assert counts(index(store, encoder, footage)) == {"unchanged": 2, "missing": 1}
    assert states(store)["a.mp4"] == "missing"
    assert set(searchable(store, encoder)) == {"b.mp4", "c.mp4"}
    assert counts(index(store, encoder, footage)) == {"unchanged": 2, "missing": 1}
    (tmp_path / "away").rename(footage / "a.mp4")
    assert counts(index(store, encoder, footage)) == {"unchanged": 2, "moved": 1}
    assert set(searchable(store, encoder)) == {"a.mp4", "b.mp4", "c.mp4"}


def test_prune_removes_what_is_gone(store, encoder, footage, indexed, no_decoding):
    (footage / "a.mp4").unlink()
    assert counts(index(store, encoder, footage, prune=True)) == {"unchanged": 2, "missing": 1}
    assert set(states(store)) == {"b.mp4", "c.mp4"}
    assert counts(index(store, encoder, footage, prune=True)) == {"unchanged": 2}


def test_prune_keeps_what_was_in_an_empty_folder_that_was_given(
    store, encoder, footage, indexed, no_decoding
):
    (footage / "a.mp4").unlink()
    (footage / "deep" / "c.mp4").unlink()
    indexer = Indexer(store, encoder, options=IndexOptions(workers=1, prune=True))
    report = indexer.run([footage / "deep", footage / "b.mp4", footage])
    assert counts(report) == {"unchanged": 1, "missing": 2}
    assert states(store) == {"b.mp4": "indexed", "c.mp4": "missing"}


def test_a_disk_that_is_not_mounted_loses_nothing_even_when_pruning(
    store, encoder, footage, indexed, no_decoding, tmp_path
):
    footage.rename(tmp_path / "unmounted")
    footage.mkdir()
    assert counts(index(store, encoder, footage, prune=True)) == {"missing": 3}
    footage.rmdir()
    (tmp_path / "unmounted").rename(footage)
    assert counts(index(store, encoder, footage)) == {"moved": 3}
    assert len(searchable(store, encoder)) == 3


def test_files_outside_the_given_paths_are_left_alone(store, encoder, footage, indexed):
    (footage / "a.mp4").unlink()
    assert counts(index(store, encoder, footage / "deep")) == {"unchanged": 1}
    assert states(store)["a.mp4"] == "indexed"


def test_files_that_are_now_excluded_are_not_missing(store, encoder, footage, indexed):
    assert counts(index(store, encoder, footage, exclude=("a.*",))) == {"unchanged": 2}
    assert states(store)["a.mp4"] == "indexed"


def test_bad_files_are_reported_and_the_rest_is_indexed(store, encoder, footage):
    (footage / "empty.mp4").write_bytes(b"")
    (footage / "noise.mp4").write_bytes(os.urandom(5000))
    (footage / "text.mp4").write_text("hello " * 100)
    report = index(store, encoder, footage)
    assert counts(report) == {"indexed": 3, "failed": 3}
    reasons = {failed.path.name: failed.reason for failed in report.failed}
    assert set(reasons) == {"empty.mp4", "noise.mp4", "text.mp4"}
    assert all(reason and "\n" not in reason for reason in reasons.values())
    assert "empty" in reasons["empty.mp4"]
    stored = store.videos.select(states={VideoState.FAILED})
    assert {video.path.name: video.failure for video in stored} == reasons


def test_failed_files_are_reported_again_but_only_retried_when_asked_or_changed(
    store, encoder, footage, make_video, monkeypatch
):
    (footage / "bad.mp4").write_bytes(b"no video at all")
    first = index(store, encoder, footage)
    pool = video_pass.DecodePool
    monkeypatch.setattr(video_pass, "DecodePool", None)
    second = index(store, encoder, footage)
    assert second.failed == first.failed
    monkeypatch.setattr(video_pass, "DecodePool", pool)
    assert counts(index(store, encoder, footage, retry_failed=True)) == {
        "unchanged": 3,
        "failed": 1,
    }
    make_video(footage / "bad.mp4", seed=5)
    assert counts(index(store, encoder, footage)) == {"unchanged": 3, "indexed": 1}
    assert states(store)["bad.mp4"] == "indexed"


def test_a_bad_file_that_is_deleted_is_forgotten(store, encoder, footage):
    (footage / "bad.mp4").write_bytes(b"no video at all")
    index(store, encoder, footage)
    (footage / "bad.mp4").unlink()
    assert counts(index(store, encoder, footage)) == {"unchanged": 3}
    assert "bad.mp4" not in states(store)


def test_an_unexpected_error_costs_one_file(store, footage):
    class Stumbling(ColourEncoder):
        def encode_frames(self, frames):
            self.calls = getattr(self, "calls", 0) + 1
            if self.calls == 1:
                raise ZeroDivisionError("odd picture")
            return super().encode_frames(frames)

    report = index(store, Stumbling(), footage)
    assert counts(report) == {"indexed": 2, "failed": 1}
    assert report.failed[0].reason == "unexpected ZeroDivisionError: odd picture"
    assert report.failed[0].path.name == "a.mp4"


def test_a_file_that_changes_while_it_is_read_is_not_stored_half(store, footage):
    class Meddling(ColourEncoder):
        def encode_frames(self, frames):
            if self.frames_encoded == 0:
                with (footage / "a.mp4").open("ab") as file:
                    file.write(b"more")
            return super().encode_frames(frames)

    report = index(store, Meddling(), footage)
    assert counts(report) == {"indexed": 2, "failed": 1}
    assert report.failed[0].reason == CHANGED
    assert states(store)["a.mp4"] == "failed"
    assert counts(index(store, ColourEncoder(), footage)) == {"indexed": 1, "unchanged": 2}


def test_a_file_that_vanishes_while_it_is_read_is_reported_and_not_stored(store, footage):
    class Removing(ColourEncoder):
        def encode_frames(self, frames):
            (footage / "a.mp4").unlink(missing_ok=True)
            return super().encode_frames(frames)

    report = index(store, Removing(), footage)
    assert counts(report) == {"indexed": 2, "failed": 1}
    assert "vanished" in report.failed[0].reason
    assert "a.mp4" not in states(store)


def test_an_unreadable_file_keeps_its_earlier_vectors_and_is_tried_every_time(
    store, encoder, footage, indexed, make_video, monkeypatch
):
    make_video(footage / "a.mp4", seed=50)
    make_video(footage / "new.mp4", seed=51)
    opened = io.open

    def deny(path, *args, **kwargs):
        # Root may read everything: permissions cannot be taken away from a test that is root.
        if Path(path).name in ("a.mp4", "new.mp4"):
            raise PermissionError(13, "Permission denied", path)
        return opened(path, *args, **kwargs)

    monkeypatch.setattr(io, "open", deny)
    report = index(store, encoder, footage)
    assert counts(report) == {"unchanged": 2, "failed": 2}
    assert {failed.reason for failed in report.failed} == {"permission denied"}
    assert states(store) == {
        "a.mp4": "indexed",
        "b.mp4": "indexed",
        "c.mp4": "indexed",
        "new.mp4": "failed",
    }
    monkeypatch.undo()
    assert counts(index(store, encoder, footage)) == {"unchanged": 2, "indexed": 2}


def test_a_full_disk_ends_the_run_clearly_and_keeps_what_was_done(
    store, encoder, footage, monkeypatch
):
    write = thumbnails.write_thumbnail
    written = []

    def full(path, jpeg):
        written.append(path.parent)
        if len(set(written)) > 2:
            raise OSError(28, "No space left on device")
        write(path, jpeg)

    monkeypatch.setattr(thumbnails, "write_thumbnail", full)
    with pytest.raises(LibraryFullError):
        index(store, encoder, footage)
    monkeypatch.undo()
    assert states(store) == {"a.mp4": "indexed", "b.mp4": "indexed"}
    assert counts(index(store, encoder, footage)) == {"indexed": 1, "unchanged": 2}


def test_a_cancelled_run_keeps_whole_videos_and_the_next_continues(store, encoder, footage):
    asked = []

    def one_is_indexed() -> bool:
        asked.append(True)
        return store.statistics().indexed >= 1

    indexer = Indexer(store, encoder, options=IndexOptions(workers=1))
    report = indexer.run([footage], job=Job(should_cancel=one_is_indexed))
    assert report.interrupted
    assert counts(report) == {"indexed": 1}
    assert store.find_problems() == []
    report = indexer.run([footage])
    assert counts(report) == {"indexed": 2, "unchanged": 1}
    assert not report.interrupted
    assert len(searchable(store, encoder)) == 3


def test_a_cancelled_run_leaves_files_that_are_back_for_the_next(
    store, encoder, footage, indexed, no_decoding, tmp_path
):
    (footage / "a.mp4").rename(tmp_path / "away")
    index(store, encoder, footage)
    (tmp_path / "away").rename(footage / "a.mp4")
    indexer = Indexer(store, encoder, options=IndexOptions(workers=1))
    report = indexer.run([footage], job=Job(should_cancel=lambda: True))
    assert report.interrupted
    assert states(store)["a.mp4"] == "missing"
    assert counts(index(store, encoder, footage)) == {"unchanged": 2, "moved": 1}


def test_progress_counts_up_to_everything(store, encoder, footage):
    (footage / "bad.mp4").write_bytes(b"no video")
    reports = []
    indexer = Indexer(store, encoder, options=IndexOptions(workers=1))
    report = indexer.run([footage], job=Job(on_progress=reports.append))
    last = reports[-1]
    assert (last.done, last.total, last.failed) == (4, 4, 1)
    assert last.bytes_done == last.bytes_total > 0
    assert last.video_seconds == report.video_seconds > 0
    assert last.eta_seconds == 0.0
    assert [p.done for p in reports] == sorted(p.done for p in reports)


def test_a_second_encoder_is_refused_before_anything_is_done(store, footage, indexed):
    before = store.sequence()
    with pytest.raises(EncoderError) as caught:
        index(store, ColourEncoder("other"), footage)
    assert caught.value.hint == Hint("add_model", {"model": "other"})
    assert store.sequence() == before


def test_a_missing_path_is_refused_before_anything_is_done(store, encoder, footage):
    with pytest.raises(PathNotFoundError, match="nowhere"):
        index(store, encoder, footage, footage / "nowhere")
    assert store.videos.select() == []


def test_two_runs_at_once_are_refused(store, encoder, footage):
    with LibraryStore.open(store.folder) as other:
        with store.lease(), pytest.raises(LibraryLockedError):
            index(other, encoder, footage)
        assert counts(index(other, encoder, footage)) == {"indexed": 3}


def test_the_library_may_lie_among_the_footage(encoder, footage):
    with LibraryStore.open(footage / "library", create=True) as store:
        assert counts(index(store, encoder, footage)) == {"indexed": 3}
        assert counts(index(store, encoder, footage)) == {"unchanged": 3}


def test_any_file_name_is_indexed(store, encoder, tmp_path, make_video):
    folder = tmp_path / "names"
    odd = ['naïve – 视频 "quoted" #1.mp4', "new\nline.mp4", "%41*?[x].mp4"]
    for number, name in enumerate(odd):
        make_video(folder / name, seed=number)
    raw = Path(os.fsdecode(os.fsencode(folder) + b"/caf\xe9.mp4"))
    shutil.copy(make_video(tmp_path / "x.mp4", seed=9), raw)
    report = index(store, encoder, folder)
    assert report.failed == ()
    assert {video.path for video in store.videos.select()} == {
        *(folder / name for name in odd),
        raw,
    }
    assert counts(index(store, encoder, folder)) == {"unchanged": 4}


@pytest.mark.parametrize("error", [VideoError("broken"), MemoryError()])
def test_errors_of_the_decoder_are_reasons(store, encoder, footage, monkeypatch, error):
    def fail(decoded, encoder, **options):
        raise error

    monkeypatch.setattr(index_module, "encode_video", fail)
    report = index(store, encoder, footage)
    assert counts(report) == {"failed": 3}
    assert all(failed.reason for failed in report.failed)


def test_sound_and_other_files_are_skipped_and_counted(store, encoder, footage):
    make_sound(footage / "song.m4a")
    (footage / "notes.txt").write_text("words")
    for _ in range(2):  # the second run does not read the sound again
        report = index(store, encoder, footage)
        assert report.failed == ()
        assert report.skipped == {".m4a": 1, ".txt": 1}
        assert report.sound_only == 1
    assert {video.state for video in store.videos.select(states=list(VideoState))} == {
        VideoState.INDEXED,
        VideoState.SKIPPED,
    }
    (footage / "song.m4a").unlink()
    assert index(store, encoder, footage).missing == 0
    assert not store.videos.select(states=[VideoState.SKIPPED])


def test_a_second_film_in_a_file_is_reported(store, encoder, footage):
    path = footage / "lenses.360"
    with av.open(str(path), "w", format="mp4") as container:
        streams = [container.add_stream("libx264", rate=10) for _ in range(2)]
        for stream in streams:
            stream.width = stream.height = 64
            stream.pix_fmt = "yuv420p"
        for stream in streams:
            for number in range(10):
                frame = av.VideoFrame.from_ndarray(np.full((64, 64, 3), 90, np.uint8))
                frame.pts = number
                container.mux(stream.encode(frame))
            container.mux(stream.encode(None))
    report = index(store, encoder, footage)
    assert [note.path for note in report.notes] == [path]
