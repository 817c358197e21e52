"""A second model: encoding the same clips, resuming, and searching undisturbed meanwhile."""

from __future__ import annotations

import random
import shutil
import signal
import sqlite3
import time
from pathlib import Path

import numpy as np
import pytest
from add_model_in_process import SECOND
from colour_encoder import ColourEncoder
from kill_points import VIDEOS_STORED
from runs import kill_at, start, wait_for_end_of_decoders
from videos import numbered, write_video

from vidseek.core.errors import EncoderError, Hint, LibraryError, LibraryLockedError
from vidseek.core.job import Job
from vidseek.core.types import LibraryModel, VideoState
from vidseek.indexer import Indexer, IndexOptions, ModelReport, add_model
from vidseek.storage.store import LibraryStore
from vidseek.video import SamplingPlan

VIDEOS = 20


def index(store, encoder, *paths: Path, **options):
    return Indexer(store, encoder, options=IndexOptions(workers=1, **options)).run(list(paths))


def add(store, encoder, **options) -> ModelReport:
    return add_model(store, encoder, workers=1, **options)


def model_of(store, encoder) -> LibraryModel:
    (model,) = [
        one for one in store.encoders.models() if one.spec.fingerprint == encoder.spec.fingerprint
    ]
    return model


def assert_same_vectors(store, one: ColourEncoder, other: ColourEncoder) -> None:
    """Both see with the same eyes, so both must have made the same of every clip."""
    for video in store.videos.select(states=[VideoState.INDEXED]):
        ids = [clip.id for clip in store.videos.clips(video.id)]
        vectors = [
            store.clip_vectors.read(ids, encoder.spec.fingerprint) for encoder in (one, other)
        ]
        assert np.array_equal(vectors[0], vectors[1])
        features = [
            store.clip_vectors.frame_features(ids, encoder.spec.fingerprint)
            for encoder in (one, other)
        ]
        for ours, theirs in zip(*features, strict=True):
            assert np.array_equal(ours.vectors, theirs.vectors)
            assert np.array_equal(ours.tokens, theirs.tokens)


@pytest.fixture
def second() -> ColourEncoder:
    return ColourEncoder(SECOND)


def test_the_same_frames_of_the_same_clips_are_encoded(store, encoder, second, footage, indexed):
    clips = store.statistics().clips
    thumbnails = sorted((store.folder / "thumbnails").rglob("*.jpg"))
    reports = []
    report = add(store, second, job=Job(on_progress=reports.append))
    assert (report.encoded, report.failed, report.switched) == (3, (), True)
    assert report.video_seconds == pytest.approx(9.0, abs=0.7)
    assert reports[-1].done == reports[-1].total == 3
    assert model_of(store, second).is_complete
    assert store.encoders.active() == second.spec
    assert_same_vectors(store, encoder, second)
    assert store.statistics().clips == clips
    assert sorted((store.folder / "thumbnails").rglob("*.jpg")) == thumbnails
    assert store.find_problems() == []
    manifest = store.folder / "vectors" / second.spec.fingerprint / "manifest.json"
    assert manifest.is_file()  # the first search does not have to build the index
    again = ColourEncoder(SECOND)
    report = add(store, again)
    assert (report.encoded, report.switched, again.frames_encoded) == (0, False, 0)


def test_files_that_are_read_again_tell_whether_they_have_sound(store, encoder, second, tmp_path):
    expected = {}
    for name, has_sound in (("sound.mp4", True), ("silent.mp4", False)):
        path = write_video(tmp_path / name, numbered(10), frame_rate=5, sound=has_sound)
        expected[path] = has_sound
    index(store, encoder, tmp_path)
    assert {video.path: video.has_sound for video in store.videos.select()} == expected
    with sqlite3.connect(store.folder / "library.db") as connection:  # as libraries of 0.3
        connection.execute("UPDATE videos SET has_sound = NULL")
    connection.close()
    assert {video.has_sound for video in store.videos.select()} == {None}
    add(store, second)
    assert {video.path: video.has_sound for video in store.videos.select()} == expected


def test_frames_of_a_dense_plan_are_found_again(store, encoder, second, footage):
    plan = SamplingPlan("dense", every_seconds=0.4)
    index(store, encoder, footage, plan=plan)
    assert add(store, second).encoded == 3
    assert second.frames_encoded == encoder.frames_encoded
    assert_same_vectors(store, encoder, second)


def test_the_switch_can_be_left_for_later(store, encoder, second, indexed):
    report = add(store, second, switch=False)
    assert report.model.is_complete
    assert not report.switched
    assert store.encoders.active() == encoder.spec


def test_copies_are_decoded_once(store, encoder, second, footage, indexed):
    shutil.copy(footage / "a.mp4", footage / "again.mp4")
    index(store, encoder, footage)
    assert add(store, second).encoded == 4
    assert model_of(store, second).is_complete
    assert_same_vectors(store, encoder, second)
    ones = sum(
        len(clip.frame_seconds)
        for video in store.videos.select()
        if video.path.name != "again.mp4"
        for clip in store.videos.clips(video.id)
    )
    assert second.frames_encoded == ones


class OtherTime(ColourEncoder):
    """Sees the frames of another encoder, and joins them in another way."""

    def __init__(self, shared: ColourEncoder) -> None:
        super().__init__(SECOND)
        self.shared = shared

    def shares_frames(self, fingerprint: str) -> bool:
        return fingerprint == self.shared.spec.fingerprint

    def encode_clips(self, frames, pts_seconds, clips):
        assert all(np.all(np.diff(pts_seconds[clip]) > 0) for clip in clips)
        return np.stack([frames.vectors[clip][-1] for clip in clips])


def test_where_only_clips_change_stored_frames_are_used_and_files_are_not(
    store, encoder, footage, indexed
):
    later = OtherTime(encoder)
    for video in store.videos.select(states=[VideoState.INDEXED])[:1]:
        video.path.unlink()
    report = add(store, later)
    assert (report.encoded, report.failed, report.switched) == (3, (), True)
    assert (later.frames_encoded, report.video_seconds) == (0, 0.0)
    fingerprint = later.spec.fingerprint
    for video in store.videos.select(states=[VideoState.INDEXED]):
        ids = [clip.id for clip in store.videos.clips(video.id)]
        before = store.clip_vectors.frame_features(ids, encoder.spec.fingerprint)
        after = store.clip_vectors.frame_features(ids, fingerprint)
        vectors = store.clip_vectors.read(ids, fingerprint)
        for ours, theirs, vector in zip(before, after, vectors, strict=True):
            assert np.array_equal(ours.vectors, theirs.vectors)
            assert np.array_equal(ours.tokens, theirs.tokens)
            np.testing.assert_allclose(vector, theirs.vectors[-1], atol=2e-3)


def test_frames_of_an_encoder_that_is_not_shared_are_not_used(store, encoder, indexed):
    later = OtherTime(ColourEncoder("third"))
    assert add(store, later).encoded == 3
    assert later.frames_encoded > 0


def test_a_changed_file_is_reported_and_keeps_the_old_model(
    store, encoder, second, footage, indexed, make_video
):
    (footage / "a.mp4").unlink()
    make_video(footage / "b.mp4", seed=77)
    report = add(store, second)
    reasons = {failed.path.name: failed.reason for failed in report.failed}
    assert set(reasons) == {"a.mp4", "b.mp4"}
    assert reasons["a.mp4"] != reasons["b.mp4"]
    hint = Hint("index_folder", {"folder": str(footage)})
    assert [failed.hint for failed in report.failed] == [hint, hint]
    assert (report.encoded, report.switched) == (1, False)
    assert store.encoders.active() == encoder.spec
    # Following the hints leads to the switch.
    index(store, encoder, footage)
    report = add(store, second)
    assert (report.encoded, report.failed, report.switched) == (1, (), True)


def test_new_videos_are_encoded_with_the_active_model_and_the_other_catches_up(
    store, encoder, second, footage, indexed, make_video
):
    add(store, second, switch=False)
    make_video(footage / "new.mp4", seed=9)
    assert index(store, encoder, footage).indexed == 1
    assert model_of(store, encoder).is_complete
    assert model_of(store, second).encoded_videos == 3
    with pytest.raises(EncoderError) as caught:
        index(store, second, footage)
    assert caught.value.hint == Hint("switch_model", {"model": SECOND})
    report = add(store, second)
    assert (report.encoded, report.switched) == (1, True)
    assert_same_vectors(store, encoder, second)


def test_a_video_that_was_away_is_encoded_when_it_returns(
    store, encoder, second, footage, indexed, tmp_path
):
    (footage / "a.mp4").rename(tmp_path / "away")
    index(store, encoder, footage)
    report = add(store, second)
    assert (report.encoded, report.switched) == (2, True)
    (tmp_path / "away").rename(footage / "a.mp4")
    report = index(store, second, footage)
    assert (report.moved, report.indexed, report.failed) == (1, 1, ())
    assert model_of(store, second).is_complete
    assert len(store.vector_index(second.spec)) == store.statistics().clips
    assert_same_vectors(store, encoder, second)


def test_a_cancelled_run_keeps_complete_videos_and_does_not_switch(store, encoder, second, indexed):
    def one_is_encoded() -> bool:
        return model_of(store, second).encoded_videos == 1

    report = add(store, second, job=Job(should_cancel=one_is_encoded))
    assert (report.interrupted, report.encoded, report.switched) == (True, 1, False)
    assert store.encoders.active() == encoder.spec
    assert add(store, second).encoded == 2


def test_one_bad_file_costs_that_file(store, encoder, footage, indexed):
    class Stumbling(ColourEncoder):
        def encode_frames(self, frames):
            if not self.frames_encoded:
                self.frames_encoded = 1
                raise ZeroDivisionError("of all things")
            return super().encode_frames(frames)

    report = add(store, Stumbling(SECOND))
    assert report.encoded == 2
    (failed,) = report.failed
    assert "ZeroDivisionError" in failed.reason
    assert not report.switched


def test_a_library_without_a_model_says_how_to_begin(store, second):
    with pytest.raises(LibraryError) as caught:
        add(store, second)
    assert caught.value.hint == Hint("index_with_model")
    assert store.encoders.models() == []


def test_only_one_process_writes(store, second, indexed):
    with (
        LibraryStore.open(store.folder) as other,
        other.lease(),
        pytest.raises(LibraryLockedError),
    ):
        add(store, second)
    assert len(store.encoders.models()) == 1


@pytest.fixture
def many(tmp_path, make_video) -> Path:
    """The library of some videos."""
    folder = tmp_path / "footage"
    for number in range(VIDEOS):
        make_video(folder / f"{number:02}.mp4", seed=number, seconds=2)
    library = tmp_path / "library"
    with LibraryStore.open(library, create=True) as store:
        assert index(store, ColourEncoder(), folder).indexed == VIDEOS
    return library


def test_killed_at_each_point_it_keeps_whole_videos_and_the_next_run_continues(many):
    videos = 0
    for point, stored in VIDEOS_STORED.items():
        process = start("add_model_in_process.py", many, "--kill", point)
        process.communicate(timeout=120)
        assert process.returncode == -signal.SIGKILL
        videos += stored
        with LibraryStore.open(many) as store:
            assert store.find_problems() == []
            assert model_of(store, ColourEncoder()).is_active
            assert model_of(store, ColourEncoder(SECOND)).encoded_videos == videos
    wait_for_end_of_decoders(many)
    with LibraryStore.open(many) as store:
        report = add(store, ColourEncoder(SECOND))
        assert (report.encoded, report.switched) == (VIDEOS - videos, True)
        assert_same_vectors(store, ColourEncoder(), ColourEncoder(SECOND))


@pytest.mark.long
def test_killed_again_and_again_it_does_nothing_twice_and_loses_nothing(many):
    first, second, chance = ColourEncoder(), ColourEncoder(SECOND), random.Random(7)
    seen = in_the_act = 0
    for _ in range(3):
        process = start("add_model_in_process.py", many)
        in_the_act += kill_at(process, chance.randint(4, 7), chance.uniform(0.0, 0.03))
        with LibraryStore.open(many) as store:
            assert store.find_problems() == []
            assert model_of(store, first).is_complete
            assert model_of(store, first).is_active
            now = model_of(store, second).encoded_videos
            assert now >= seen
            seen = now
    wait_for_end_of_decoders(many)
    assert in_the_act == 3
    assert 0 < seen < VIDEOS
    with LibraryStore.open(many) as store:
        report = add(store, second)
        assert report.encoded == VIDEOS - seen
        assert report.switched
        frames = sum(
            len(clip.frame_seconds)
            for video in store.videos.select()
            for clip in store.videos.clips(video.id)
        )
        assert 0 < second.frames_encoded < frames
        assert_same_vectors(store, first, second)
        assert store.vector_index(second.spec).verify(repair=False) == []


def test_another_process_searches_with_the_old_model_meanwhile(many):
    searcher = start("search_in_process.py", many)
    assert searcher.stdout is not None
    assert searcher.stdout.readline() == f"found {VIDEOS}\n"
    with LibraryStore.open(many) as store:
        assert add(store, ColourEncoder(SECOND)).switched
    time.sleep(0.3)
    output, _ = searcher.communicate(timeout=60)
    assert searcher.returncode == 0, output  # no search failed, also after the switch
    # "found" is said when the number changes: it never did.
    assert [line.split()[0] for line in output.splitlines()] == ["searched"]
    assert int(output.split()[1]) > 3
