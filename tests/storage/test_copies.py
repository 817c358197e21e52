"""Copy descriptors and matches: stored with their videos, read back unchanged."""

from __future__ import annotations

import sqlite3
from pathlib import Path

import numpy as np
import pytest
from library_samples import LABEL_TABLES, SPEC, clips, video

from vidseek.core.errors import LibraryDamagedError
from vidseek.core.types import CopyBlock, CopyFrames, CopyMatch, TimeSpan, VideoState
from vidseek.storage.catalog import copy_queries
from vidseek.storage.catalog.copy_queries import PAGE, insert_copy_frames
from vidseek.storage.catalog.schema import HEAD_REVISION
from vidseek.storage.catalog.video_queries import insert_video
from vidseek.storage.store import LibraryStore

pytestmark = pytest.mark.parametrize(
    "backend",
    ["sqlite", pytest.param("postgresql", marks=pytest.mark.full)],
    indirect=True,
)

DESCRIPTOR = "descriptor"
DIMENSION = 16


def frames(count: int, seed: int, *, video_id: int = 0) -> CopyFrames:
    random = np.random.default_rng(seed)
    return CopyFrames(
        video_id,
        np.arange(count) * 0.75,
        random.integers(-127, 128, (count, DIMENSION)).astype(np.int8),
    )


def add(store: LibraryStore, path: str, count: int | None = 4, *, seed: int = 1) -> int:
    return store.videos.add(
        video(path),
        clips(2, seed),
        fingerprint=SPEC.fingerprint,
        copies=None if count is None else frames(count, seed),
        copies_fingerprint=DESCRIPTOR,
    ).id


def stored(store: LibraryStore, fingerprint: str = DESCRIPTOR) -> dict[int, CopyFrames]:
    return {stored.video_id: stored for stored in store.copy_descriptors.read(fingerprint)}


def match(video_id: int, other_id: int, start: float = 1.0, **facts: object) -> CopyMatch:
    made: dict[str, object] = {"speed": 1.0, "score": 7.5, "mirrored": False, **facts}
    span, other_span = TimeSpan(start, start + 5), TimeSpan(start + 10, start + 15)
    return CopyMatch(video_id, other_id, span, other_span, **made)  # type: ignore[arg-type]


def test_frames_come_back_as_they_were_stored(store: LibraryStore) -> None:
    first, second = add(store, "/v/b.mp4", 5, seed=1), add(store, "/v/a.mp4", 3, seed=2)
    add(store, "/v/none.mp4", None)
    found = list(store.copy_descriptors.read(DESCRIPTOR))
    assert [each.video_id for each in found] == [first, second]
    for one, expected in zip(found, (frames(5, 1), frames(3, 2)), strict=True):
        assert np.array_equal(one.seconds, expected.seconds)
        assert one.seconds.dtype == np.float64
        assert np.array_equal(one.vectors, expected.vectors)
        assert one.vectors.dtype == np.int8
    assert store.find_problems() == []


def test_times_are_kept_to_the_millisecond(store: LibraryStore) -> None:
    seconds = np.array([0.1, 3599.96, 7200.04])
    made = CopyFrames(0, seconds, np.zeros((3, DIMENSION), np.int8))
    store.videos.add(
        video("/v/a.mp4"),
        clips(1, 1),
        fingerprint=SPEC.fingerprint,
        copies=made,
        copies_fingerprint=DESCRIPTOR,
    )
    (found,) = store.copy_descriptors.read(DESCRIPTOR)
    assert np.allclose(found.seconds, seconds, rtol=0, atol=0.001)


def test_a_video_of_which_no_frame_shows_anything_has_none(store: LibraryStore) -> None:
    video_id = add(store, "/v/black.mp4", 0)
    (found,) = store.copy_descriptors.read(DESCRIPTOR)
    assert (found.video_id, len(found), found.vectors.shape) == (video_id, 0, (0, DIMENSION))
    assert store.videos.without_copy_descriptors(DESCRIPTOR) == []
    assert store.statistics().copy_videos == 1
    assert store.find_problems() == []


def test_some_videos_are_read_in_order_of_their_ids(store: LibraryStore) -> None:
    ids = [add(store, f"/v/{number}.mp4", seed=number) for number in range(4)]
    wanted = [ids[3], ids[1], ids[3], 999]
    found = [each.video_id for each in store.copy_descriptors.read(DESCRIPTOR, video_ids=wanted)]
    assert found == [ids[1], ids[3]]
    assert list(store.copy_descriptors.read(DESCRIPTOR, video_ids=[])) == []


def test_only_frames_of_that_descriptor_and_of_searchable_videos_are_read(
    store: LibraryStore,
) -> None:
    first, second = add(store, "/v/a.mp4"), add(store, "/v/b.mp4", seed=2)
    assert list(store.copy_descriptors.read("another")) == []
    store.videos.set_state([first], VideoState.MISSING)
    assert set(stored(store)) == {second}
    assert store.statistics().copy_videos == 1
    store.videos.relink(first, Path("/v/a.mp4"), 1, 1)
    assert set(stored(store)) == {first, second}


def test_what_is_read_can_be_written_about_meanwhile(store: LibraryStore) -> None:
    first = add(store, "/v/a.mp4")
    second = add(store, "/v/b.mp4", seed=2)
    for one in store.copy_descriptors.read(DESCRIPTOR):
        store.copy_matches.add(one.video_id, [])
    assert store.copy_matches.videos_to_compare(DESCRIPTOR) == []
    reading = store.copy_descriptors.read(DESCRIPTOR)
    assert next(reading).video_id == first
    store.videos.remove([second])  # an unfinished reader blocks nothing


def test_a_library_is_read_page_by_page(store: LibraryStore) -> None:
    count = 2 * PAGE + 200
    with store._transactions.writing() as change:  # one transaction: it is about reading
        for number in range(count):
            video_id = insert_video(change.connection, video(f"/v/{number}.mp4"))
            insert_copy_frames(change.connection, video_id, frames(170, number), DESCRIPTOR)
    found = [each.video_id for each in store.copy_descriptors.read(DESCRIPTOR)]
    assert sum(len(each) for each in store.copy_descriptors.blocks(DESCRIPTOR)) == 170 * count
    assert found == sorted(found)
    assert len(found) == count


@pytest.mark.parametrize(("max_videos", "max_frames"), [(500, 100_000), (2, 100_000), (500, 7)])
def test_blocks_hold_the_same_page_by_page(
    store: LibraryStore, monkeypatch: pytest.MonkeyPatch, max_videos: int, max_frames: int
) -> None:
    for number, count in enumerate((5, 3, 0, 9, 1, 1)):
        add(store, f"/v/{number}.mp4", count, seed=number)
    gone = add(store, "/v/gone.mp4", 4, seed=9)
    store.videos.set_state([gone], VideoState.MISSING)
    monkeypatch.setattr(copy_queries, "PAGE", max_videos)
    monkeypatch.setattr(copy_queries, "PAGE_FRAMES", max_frames)
    blocks = list(store.copy_descriptors.blocks(DESCRIPTOR))
    assert (len(blocks) == 1) == (max_videos == 500 and max_frames == 100_000)
    whole = CopyBlock.of(list(store.copy_descriptors.read(DESCRIPTOR)))
    assert np.array_equal(np.concatenate([each.video_ids for each in blocks]), whole.video_ids)
    assert np.array_equal(np.concatenate([each.seconds for each in blocks]), whole.seconds)
    assert np.array_equal(np.concatenate([each.vectors for each in blocks]), whole.vectors)
    assert len(whole) == 19
    assert list(store.copy_descriptors.blocks("another")) == []


def test_removing_and_replacing_a_video_removes_its_frames(store: LibraryStore) -> None:
    first, second = add(store, "/v/a.mp4"), add(store, "/v/b.mp4", seed=2)
    store.copy_matches.add(second, [match(second, first)])
    store.videos.remove([first])
    assert set(stored(store)) == {second}
    assert store.copy_matches.read() == []
    third = add(store, "/v/b.mp4", None)
    assert stored(store) == {}
    assert [each.id for each in store.videos.without_copy_descriptors(DESCRIPTOR)] == [third]


def test_a_second_file_with_the_same_content_has_the_same_frames(store: LibraryStore) -> None:
    first = add(store, "/v/a.mp4", 5)
    store.copy_matches.add(first, [])
    second = store.videos.add_copy(first, video("/v/b.mp4")).id
    found = stored(store)
    assert np.array_equal(found[first].vectors, found[second].vectors)
    assert np.array_equal(found[first].seconds, found[second].seconds)
    assert store.copy_matches.videos_to_compare(DESCRIPTOR) == [second]
    bare = add(store, "/v/c.mp4", None)
    copy = store.videos.add_copy(bare, video("/v/d.mp4")).id
    without = {each.id for each in store.videos.without_copy_descriptors(DESCRIPTOR)}
    assert without == {bare, copy}


def test_moved_videos_keep_their_frames(store: LibraryStore) -> None:
    first, second = add(store, "/v/a.mp4"), add(store, "/v/b.mp4", seed=2)
    store.copy_matches.add(first, [match(first, second)])
    store.videos.relink(first, Path("/v/moved.mp4"), 1, 1)
    store.videos.relocate(Path("/v"), Path("/w"))
    assert set(stored(store)) == {first, second}
    assert store.copy_matches.read() == [match(first, second)]
    assert store.copy_matches.videos_to_compare(DESCRIPTOR) == [second]


def test_a_video_without_frames_gets_them_later(store: LibraryStore) -> None:
    video_id = add(store, "/v/a.mp4", None)
    assert [each.id for each in store.videos.without_copy_descriptors(DESCRIPTOR)] == [video_id]
    store.copy_descriptors.add(frames(3, 1, video_id=video_id), DESCRIPTOR)
    assert store.videos.without_copy_descriptors(DESCRIPTOR) == []
    assert len(stored(store)[video_id]) == 3
    assert not store.copy_descriptors.add(frames(3, 1, video_id=99), DESCRIPTOR)


def test_frames_by_another_descriptor_replace_them_and_what_they_matched(
    store: LibraryStore,
) -> None:
    first, second = add(store, "/v/a.mp4"), add(store, "/v/b.mp4", seed=2)
    store.copy_matches.add(first, [match(first, second)])
    assert [each.id for each in store.videos.without_copy_descriptors("newer")] == [first, second]
    store.copy_descriptors.add(frames(2, 3, video_id=second), "newer")
    assert set(stored(store)) == {first}
    assert set(stored(store, "newer")) == {second}
    assert store.copy_matches.read() == []
    assert store.copy_matches.videos_to_compare("newer") == [second]


def test_failed_and_missing_videos_are_not_waited_for(store: LibraryStore) -> None:
    failed = video("/v/a.mp4", state=VideoState.FAILED, failure="no video")
    store.videos.add(failed, [], fingerprint=SPEC.fingerprint)
    missing = add(store, "/v/b.mp4", None)
    store.videos.set_state([missing], VideoState.MISSING)
    assert store.videos.without_copy_descriptors(DESCRIPTOR) == []


def test_the_video_and_its_frames_are_one_transaction(store: LibraryStore) -> None:
    with pytest.raises(ValueError, match="fingerprint"):
        store.videos.add(
            video("/v/a.mp4"), clips(1, 1), fingerprint=SPEC.fingerprint, copies=frames(2, 1)
        )
    assert store.videos.select() == []


def test_matches_come_back_and_mark_the_video_as_compared(store: LibraryStore) -> None:
    ids = [add(store, f"/v/{number}.mp4", seed=number) for number in range(3)]
    assert store.copy_matches.videos_to_compare(DESCRIPTOR) == ids
    made = [match(ids[0], ids[2], 4.0, mirrored=True, speed=1.25), match(ids[0], ids[2], 20.0)]
    store.copy_matches.add(ids[0], [match(ids[0], ids[1]), *made])
    store.copy_matches.add(ids[2], [])
    assert store.copy_matches.read() == [match(ids[0], ids[1]), *made]
    assert store.copy_matches.read(of_videos=[ids[1]]) == [match(ids[0], ids[1])]
    assert store.copy_matches.read(of_videos=[ids[2]]) == made
    assert store.copy_matches.read(of_videos=[]) == []
    assert store.copy_matches.videos_to_compare(DESCRIPTOR) == [ids[1]]
    store.videos.set_state([ids[1]], VideoState.MISSING)
    assert store.copy_matches.read() == made
    assert store.copy_matches.videos_to_compare(DESCRIPTOR) == []


def test_a_pair_is_stored_once(store: LibraryStore) -> None:
    first, second, third = (add(store, f"/v/{n}.mp4", seed=n) for n in range(3))
    store.copy_matches.add(first, [match(first, second), match(first, third)])
    store.copy_matches.add(second, [match(second, first)])
    assert store.copy_matches.read() == [match(first, third), match(second, first)]
    store.copy_matches.add(first, [match(first, third, 9.0)])
    assert store.copy_matches.read() == [match(first, third, 9.0), match(second, first)]


def test_a_video_that_comes_back_is_compared_again(store: LibraryStore) -> None:
    first, second = add(store, "/v/a.mp4"), add(store, "/v/b.mp4", seed=2)
    for video_id in (first, second):
        store.copy_matches.add(video_id, [])
    store.videos.set_state([first, second], VideoState.MISSING)
    store.videos.relink(first, Path("/v/a.mp4"), 1, 1)
    assert store.copy_matches.videos_to_compare(DESCRIPTOR) == [first]
    store.videos.set_state([second], VideoState.INDEXED)
    assert store.copy_matches.videos_to_compare(DESCRIPTOR) == [first, second]
    store.copy_matches.add(first, [])
    store.videos.relink(first, Path("/v/c.mp4"), 1, 1)  # it was not away
    assert store.copy_matches.videos_to_compare(DESCRIPTOR) == [second]


def test_matches_of_videos_that_were_removed_meanwhile_are_left_out(store: LibraryStore) -> None:
    first, bare = add(store, "/v/a.mp4"), add(store, "/v/b.mp4", None)
    assert not store.copy_matches.add(bare, [match(bare, first)])
    with pytest.raises(ValueError, match=f"expected {first}"):
        store.copy_matches.add(first, [match(bare, first)])
    assert store.copy_matches.videos_to_compare(DESCRIPTOR) == [first]
    second = add(store, "/v/c.mp4", seed=2)
    assert store.copy_matches.add(first, [match(first, 99), match(first, second)])
    assert store.copy_matches.read() == [match(first, second)]
    assert store.copy_matches.videos_to_compare(DESCRIPTOR) == [second]


def test_truncated_frames_are_reported(store: LibraryStore, backend: str) -> None:
    if backend != "sqlite":
        return  # there is no file to damage
    add(store, "/v/a.mp4")
    with sqlite3.connect(store.folder / "library.db") as connection:
        connection.execute("UPDATE copy_frames SET vectors = substr(vectors, 2)")
    connection.close()
    assert store.find_problems() == ["the copy frames of 1 videos have the wrong length"]
    with pytest.raises(LibraryDamagedError, match="video 1"):
        list(store.copy_descriptors.read(DESCRIPTOR))
    with pytest.raises(LibraryDamagedError, match="video 1"):
        list(store.copy_descriptors.blocks(DESCRIPTOR))


def test_a_library_of_the_format_before_takes_copy_frames(tmp_path: Path, backend: str) -> None:
    if backend != "sqlite":
        return  # test_migrations.py migrates a server
    folder = tmp_path / "library"
    with LibraryStore.open(folder, create=True) as store:
        store.encoders.register(SPEC)
        video_id = add(store, "/v/a.mp4", None)
        kept = store.videos.clips(video_id)
    with sqlite3.connect(folder / "library.db") as connection:
        for table in ("copy_frames", "copy_matches"):
            connection.execute(f"DROP TABLE {table}")
        connection.execute("ALTER TABLE calibrations DROP COLUMN hubness")
        connection.execute("ALTER TABLE videos DROP COLUMN failure_hint")
        connection.execute("ALTER TABLE videos DROP COLUMN hdr")
        connection.execute("ALTER TABLE videos DROP COLUMN has_sound")
        connection.execute("DROP TABLE dismissed_pairs")
        for table in LABEL_TABLES:
            connection.execute(f"DROP TABLE {table}")
        connection.execute("UPDATE alembic_version SET version_num = '0003'")
    connection.close()
    with LibraryStore.open(folder) as store:
        assert (folder / f"library.db.before-{HEAD_REVISION}").is_file()
        assert store.videos.clips(video_id) == kept
        assert [each.id for each in store.videos.without_copy_descriptors(DESCRIPTOR)] == [video_id]
        store.copy_descriptors.add(frames(3, 1, video_id=video_id), DESCRIPTOR)
        assert set(stored(store)) == {video_id}
        assert store.find_problems() == []


@pytest.mark.parametrize(
    ("seconds", "vectors"),
    [
        (np.zeros(2), np.zeros((3, 4), np.int8)),
        (np.zeros(3), np.zeros((3, 4), np.float32)),
        (np.zeros(3, np.float32), np.zeros((3, 4), np.int8)),
        (np.zeros(3), np.zeros(3, np.int8)),
        (np.array([0.0, 2.0, 1.0]), np.zeros((3, 4), np.int8)),
        (np.array([0.0, np.nan, 1.0]), np.zeros((3, 4), np.int8)),
    ],
)
def test_frames_that_make_no_sense_are_refused(
    seconds: np.ndarray, vectors: np.ndarray, backend: str
) -> None:
    with pytest.raises(ValueError, match="CopyFrames"):
        CopyFrames(1, seconds, vectors)


def test_matches_that_make_no_sense_are_refused(backend: str) -> None:
    for facts in ({"speed": 0.0}, {"speed": float("nan")}, {"score": float("inf")}):
        with pytest.raises(ValueError, match="CopyMatch"):
            match(1, 2, **facts)
    with pytest.raises(ValueError, match="two videos"):
        match(1, 1)
