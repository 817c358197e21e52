"""Several encoders in one library: their coverage, and that their vectors never mix."""

from __future__ import annotations

import sqlite3
from pathlib import Path

import numpy as np
import pytest
from library_samples import LABEL_TABLES, SPEC, clips, encoder_spec, unit_vectors, video

from vidseek.core.errors import LibraryError
from vidseek.core.types import Calibration, EncodedClip, EncoderSpec, VideoState
from vidseek.storage.catalog.schema import HEAD_REVISION
from vidseek.storage.store import LibraryStore

OTHER = encoder_spec("other", dimension=16)
THIRD = encoder_spec("third", dimension=16)
BACKENDS = ["sqlite", pytest.param("postgresql", marks=pytest.mark.full)]
on_every_backend = pytest.mark.parametrize("backend", BACKENDS, indirect=True)


def add(store: LibraryStore, path: str, count: int, *, seed: int) -> int:
    stored = store.videos.add(video(path), clips(count, seed), fingerprint=SPEC.fingerprint)
    return stored.id


def encode(store: LibraryStore, video_id: int, spec: EncoderSpec, *, seed: int) -> None:
    """Store made-up vectors of a video's clips by another encoder."""
    there = store.videos.clips(video_id)
    made = clips(len(there), seed, spec=spec)
    store.clip_vectors.add(
        video_id,
        {
            clip.id: EncodedClip(clip.span, clip.frame_seconds, one.vector, one.frames)
            for clip, one in zip(there, made, strict=True)
        },
        fingerprint=spec.fingerprint,
    )


def coverage(store: LibraryStore) -> dict[str, tuple[int, int, bool]]:
    return {
        model.spec.source: (model.encoded_videos, model.videos, model.is_active)
        for model in store.encoders.models()
    }


@on_every_backend
def test_each_model_tells_how_much_it_covers(store: LibraryStore) -> None:
    first = add(store, "/v/a.mp4", 3, seed=1)
    second = add(store, "/v/b.mp4", 2, seed=2)
    store.encoders.register(OTHER)
    assert coverage(store) == {"sample": (2, 2, True), "other": (0, 2, False)}
    assert [each.id for each in store.videos.not_encoded_by(OTHER.fingerprint)] == [first, second]
    assert [each.id for each in store.videos.not_encoded_by("never heard of")] == [first, second]
    encode(store, first, OTHER, seed=3)
    assert coverage(store) == {"sample": (2, 2, True), "other": (1, 2, False)}
    assert [each.id for each in store.videos.not_encoded_by(OTHER.fingerprint)] == [second]
    # A copy brings what every model made of its source; a new video only what one did.
    store.videos.add_copy(first, video("/v/copy.mp4"))
    add(store, "/v/c.mp4", 2, seed=4)
    assert coverage(store) == {"sample": (4, 4, True), "other": (2, 4, False)}
    store.videos.set_state([second], VideoState.MISSING)  # is not searched, so it is not missed
    assert coverage(store) == {"sample": (3, 3, True), "other": (2, 3, False)}
    assert store.find_problems() == []


@on_every_backend
def test_storing_the_same_again_replaces_it(store: LibraryStore) -> None:
    video_id = add(store, "/v/a.mp4", 2, seed=1)
    store.encoders.register(OTHER)
    encode(store, video_id, OTHER, seed=3)
    encode(store, video_id, OTHER, seed=9)
    ids = [clip.id for clip in store.videos.clips(video_id)]
    vectors = store.clip_vectors.read(ids, OTHER.fingerprint)
    assert np.array_equal(vectors, unit_vectors(2, 9, dimension=16))
    assert np.array_equal(store.clip_vectors.read(ids, SPEC.fingerprint), unit_vectors(2, 1))


def test_vectors_for_clips_that_are_gone_are_refused(store: LibraryStore) -> None:
    video_id = add(store, "/v/a.mp4", 2, seed=1)
    store.encoders.register(OTHER)
    (one, _) = clips(2, 3, spec=OTHER)
    assert not store.clip_vectors.add(video_id, {1: one}, fingerprint=OTHER.fingerprint)
    assert coverage(store)["other"] == (0, 1, False)


@on_every_backend
def test_encoding_with_a_second_model_leaves_the_first_ones_index_alone(
    store: LibraryStore,
) -> None:
    video_id = add(store, "/v/a.mp4", 40, seed=1)
    index = store.vector_index(SPEC)
    queries = unit_vectors(3, 8)
    before = index.search(queries, 5)
    at = store.clip_vectors.position()
    store.encoders.register(OTHER)
    other = store.vector_index(OTHER)
    assert len(other) == 0
    encode(store, video_id, OTHER, seed=3)

    changes = store.clip_vectors.changes(SPEC.fingerprint, at)
    assert changes is not None
    assert changes.ranges.tolist() == []
    index.refresh()
    after = index.search(queries, 5)
    assert np.array_equal(after[0], before[0])
    assert np.array_equal(after[1], before[1])
    assert index.verify(repair=False) == []

    other.refresh()
    assert len(other) == 40
    scores, _ = other.search(unit_vectors(40, 3, dimension=16), 1)
    assert scores == pytest.approx(1.0, abs=1e-3)
    # What concerns every model reaches every index.
    store.videos.remove([video_id])
    for each in (index, other):
        each.refresh()
        assert len(each) == 0


@on_every_backend
def test_dropping_a_model_leaves_nothing_of_it(store: LibraryStore) -> None:
    ids = [add(store, f"/v/{number}.mp4", 20, seed=number) for number in range(5)]
    store.encoders.register(OTHER)
    for number, video_id in enumerate(ids):
        encode(store, video_id, OTHER, seed=50 + number)
    reader = store.vector_index(OTHER)  # another process has this open
    assert len(reader) == 100
    store.vector_index(OTHER).compact(force=True)
    store.vector_index(SPEC).compact(force=True)
    folder = store.folder / "vectors" / OTHER.fingerprint
    assert folder.is_dir()

    with store.lease():
        assert store.drop_model(OTHER.fingerprint) > 0
    assert not folder.exists()
    assert (store.folder / "vectors" / SPEC.fingerprint).is_dir()
    assert [spec.source for spec in store.encoders.specs()] == ["sample"]
    for table in ("clip_vectors", "clip_frames"):
        with store._transactions._engine.connect() as connection:
            rows = connection.exec_driver_sql(f"SELECT count(*) FROM {table}").scalar()
        assert rows == 100  # the first model's
    assert store.find_problems() == []
    reader.refresh()
    assert len(reader) == 0
    with pytest.raises(LibraryError):
        store.clip_vectors.read([1], OTHER.fingerprint)
    with pytest.raises(LibraryError):
        store.encoders.drop(OTHER.fingerprint)
    assert len(store.vector_index(SPEC)) == 100

    # Taken in again, also under an id that the dropped one had, it begins from nothing.
    store.encoders.register(THIRD)
    store.encoders.register(OTHER)
    encode(store, ids[0], THIRD, seed=80)
    assert coverage(store)["other"] == (0, 5, False)
    reader.refresh()
    assert len(reader) == 0
    encode(store, ids[1], OTHER, seed=81)
    reader.refresh()
    assert len(reader) == 20


@on_every_backend
def test_dropping_a_model_drops_its_calibration_and_no_other(store: LibraryStore) -> None:
    add(store, "/v/a.mp4", 2, seed=1)
    store.encoders.register(OTHER)
    kept, dropped = (Calibration(scale, -1.0, "queries", 20, "1") for scale in (2.0, 3.0))
    store.encoders.set_calibration(SPEC.fingerprint, kept)
    store.encoders.set_calibration(OTHER.fingerprint, dropped)
    store.encoders.drop(OTHER.fingerprint)
    assert store.encoders.calibration(OTHER.fingerprint) is None
    assert store.encoders.calibration(SPEC.fingerprint) == kept
    # Neither the next one, which may have its id, nor itself when it comes back.
    for spec in (THIRD, OTHER):
        store.encoders.register(spec)
        assert store.encoders.calibration(spec.fingerprint) is None


def test_a_database_that_another_process_changes_never_takes_one_model_for_another(
    store: LibraryStore,
) -> None:
    video_id = add(store, "/v/a.mp4", 2, seed=1)
    store.encoders.register(OTHER)
    encode(store, video_id, OTHER, seed=2)
    ids = [clip.id for clip in store.videos.clips(video_id)]
    with LibraryStore.open(store.folder) as second:
        assert second.clip_vectors.read(ids, OTHER.fingerprint).shape == (2, 16)
        store.encoders.drop(OTHER.fingerprint)
        store.encoders.register(THIRD)  # SQLite gives it the id that the other one had
        encode(store, video_id, THIRD, seed=3)
        with pytest.raises(LibraryError):
            second.clip_vectors.read(ids, OTHER.fingerprint)


@on_every_backend
def test_the_active_model_is_not_dropped(store: LibraryStore) -> None:
    add(store, "/v/a.mp4", 2, seed=1)
    with pytest.raises(LibraryError):
        store.encoders.drop(SPEC.fingerprint)
    assert coverage(store) == {"sample": (1, 1, True)}


def test_dropping_gives_space_back_to_the_disk(store: LibraryStore) -> None:
    ids = [add(store, f"/v/{number}.mp4", 200, seed=number) for number in range(5)]
    alone = store.statistics().database_bytes
    large = encoder_spec("large", dimension=512)
    store.encoders.register(large)
    for video_id in ids:
        encode(store, video_id, large, seed=video_id)
    store.vector_index(large).compact(force=True)
    both = store.statistics().database_bytes
    assert alone is not None
    assert both is not None
    with store.lease():
        freed = store.drop_model(large.fingerprint)
    after = store.statistics().database_bytes
    assert after is not None
    assert after < alone + (both - alone) / 4
    assert freed >= both - after


def test_an_index_that_a_killed_drop_left_is_removed_later(store: LibraryStore) -> None:
    video_id = add(store, "/v/a.mp4", 5, seed=1)
    store.encoders.register(OTHER)
    encode(store, video_id, OTHER, seed=2)
    for spec in (SPEC, OTHER):
        store.vector_index(spec).compact(force=True)
    store.encoders.drop(OTHER.fingerprint)  # and killed here
    with store.lease():
        assert store.remove_orphans() >= 2
        assert store.remove_orphans() == 0
    assert [folder.name for folder in (store.folder / "vectors").iterdir()] == [SPEC.fingerprint]


def test_a_library_of_the_first_format_takes_a_second_model(tmp_path: Path) -> None:
    folder = tmp_path / "library"
    with LibraryStore.open(folder, create=True) as store:
        store.encoders.register(SPEC)
        video_id = add(store, "/v/a.mp4", 30, seed=1)
        store.vector_index(SPEC).compact(force=True)
        add(store, "/v/b.mp4", 3, seed=2)
        expected = store.vector_index(SPEC).search(unit_vectors(2, 5), 5)
    with sqlite3.connect(folder / "library.db") as connection:
        connection.execute("ALTER TABLE changes DROP COLUMN fingerprint")
        for table in (
            *LABEL_TABLES,
            "calibrations",
            "copy_frames",
            "copy_matches",
            "dismissed_pairs",
        ):
            connection.execute(f"DROP TABLE {table}")
        connection.execute("ALTER TABLE videos DROP COLUMN failure_hint")
        connection.execute("ALTER TABLE videos DROP COLUMN hdr")
        connection.execute("ALTER TABLE videos DROP COLUMN has_sound")
        connection.execute("UPDATE alembic_version SET version_num = '0001'")
    connection.close()

    with LibraryStore.open(folder) as store:
        assert (folder / f"library.db.before-{HEAD_REVISION}").is_file()
        found = store.vector_index(SPEC).search(unit_vectors(2, 5), 5)
        assert np.array_equal(found[1], expected[1])
        store.encoders.register(OTHER)
        encode(store, video_id, OTHER, seed=3)
        assert coverage(store) == {"sample": (2, 2, True), "other": (1, 2, False)}
        assert len(store.vector_index(OTHER)) == 30
        assert store.vector_index(SPEC).verify(repair=False) == []
        assert store.find_problems() == []
