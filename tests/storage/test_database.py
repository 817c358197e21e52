"""Videos, clips and vectors in SQL: the same on SQLite and on PostgreSQL."""

from __future__ import annotations

import os
import sqlite3
import threading
import time
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pytest
from library_samples import SPEC, clips, encoder_spec, video

from vidseek.core.errors import LibraryDamagedError, LibraryError, QueryError
from vidseek.core.types import Calibration, TimeSpan, VideoFilter, VideoState
from vidseek.storage.catalog.database import Database
from vidseek.storage.vectors.protocol import START

pytestmark = pytest.mark.parametrize(
    "backend",
    ["sqlite", pytest.param("postgresql", marks=pytest.mark.full)],
    indirect=True,
)

FINGERPRINT = SPEC.fingerprint
EVERYTHING = VideoFilter()


def add(database: Database, path: str, count: int = 3, *, seed: int = 0, **facts: object) -> int:
    return database.add_video(
        video(path, **facts),  # type: ignore[arg-type]
        clips(count, seed),
        fingerprint=FINGERPRINT,
    ).id


def test_video_and_clips_come_back_as_they_were_stored(database: Database) -> None:
    made = clips(4, seed=7, frames=3)
    stored = database.add_video(video("/v/a.mp4", damaged=True), made, fingerprint=FINGERPRINT)
    assert database.video(stored.id) == stored
    assert database.video_at(Path("/v/a.mp4")) == stored
    kept = database.clips(stored.id)
    assert [clip.span for clip in kept] == [clip.span for clip in made]
    assert [clip.frame_seconds for clip in kept] == [clip.frame_seconds for clip in made]
    assert {clip.video_id for clip in kept} == {stored.id}
    ids = [clip.id for clip in kept]
    assert np.array_equal(
        database.clip_vectors(ids, FINGERPRINT), np.stack([clip.vector for clip in made])
    )
    for clip, features in zip(made, database.frame_features(ids, FINGERPRINT), strict=True):
        assert np.array_equal(features.vectors, clip.frames.vectors)
        assert np.array_equal(features.tokens, clip.frames.tokens)


def test_vectors_come_in_the_order_asked_for(database: Database) -> None:
    ids = [clip.id for clip in database.clips(add(database, "/v/a.mp4", 5))]
    order = [ids[3], ids[0], ids[4], ids[0]]
    every = database.clip_vectors(ids, FINGERPRINT)
    assert np.array_equal(database.clip_vectors(order, FINGERPRINT), every[[3, 0, 4, 0]])
    features = database.frame_features(order, FINGERPRINT)
    assert np.array_equal(features[0].tokens, database.frame_features(ids, FINGERPRINT)[3].tokens)
    vectors = database.frame_vectors(order, FINGERPRINT)
    assert all(map(np.array_equal, vectors, [found.vectors for found in features]))


def test_clips_within_a_span_are_those_that_it_touches(database: Database) -> None:
    first = add(database, "/v/a.mp4", 5)
    add(database, "/v/b.mp4", 5, seed=9)
    every = database.clips(first)
    middle = every[2].span
    assert database.clips_within(first, middle) == every[2:3], "neighbours only share an edge"
    wider = TimeSpan(middle.start_seconds - 0.1, middle.end_seconds + 0.1)
    assert database.clips_within(first, wider) == every[1:4]
    assert database.clips_within(first, TimeSpan(0, 1e9)) == every
    assert database.clips_within(first, TimeSpan(1e6, 1e9)) == []


def test_every_write_is_a_new_number_and_reading_is_none(database: Database) -> None:
    before = database.sequence()
    add(database, "/v/a.mp4")
    database.set_state([1], VideoState.MISSING)
    assert database.sequence() == before + 2
    database.videos()
    assert database.sequence() == before + 2


def test_adding_a_path_again_replaces_what_was_there(database: Database) -> None:
    first = add(database, "/v/a.mp4", 3, seed=1)
    old = {clip.id for clip in database.clips(first)}
    second = add(database, "/v/a.mp4", 2, seed=2)
    assert [found.id for found in database.videos()] == [second]
    assert database.clips(first) == []
    new = {clip.id for clip in database.clips(second)}
    assert not old & new
    assert set(database.clip_ids(EVERYTHING, FINGERPRINT)) == new


def test_clip_ids_are_never_used_again(database: Database) -> None:
    last = max(clip.id for clip in database.clips(add(database, "/v/a.mp4")))
    database.remove([1])
    assert min(clip.id for clip in database.clips(add(database, "/v/b.mp4"))) > last


def test_failed_file_keeps_its_reason_and_has_no_clips(database: Database) -> None:
    failed = video("/v/bad.mp4", state=VideoState.FAILED, failure="no video stream")
    stored = database.add_video(failed, [], fingerprint="unknown")
    assert database.videos(states=[VideoState.FAILED]) == [stored]
    assert stored.failure == "no video stream"
    database.set_state([stored.id], VideoState.MISSING)
    database.relink(stored.id, Path("/w/bad.mp4"), 5, 6)
    found = database.video(stored.id)
    assert found is not None
    assert found.state == VideoState.FAILED


def test_adding_is_all_or_nothing(database: Database) -> None:
    add(database, "/v/a.mp4", 2, seed=1)
    sequence = database.sequence()
    wrong = clips(3, seed=2)
    wrong[2] = replace(wrong[2], vector=np.ones(5, np.float32))
    with pytest.raises(ValueError, match="spec says"):
        database.add_video(video("/v/a.mp4"), wrong, fingerprint=FINGERPRINT)
    wrong[2] = replace(wrong[0], vector=np.full(SPEC.dimension, 1e6, np.float32))
    with pytest.raises(ValueError, match="65504"):
        database.add_video(video("/v/a.mp4"), wrong, fingerprint=FINGERPRINT)
    with pytest.raises(LibraryError, match="holds no vectors"):
        database.add_video(video("/v/a.mp4"), clips(1, 3), fingerprint="unknown")
    assert len(database.clips(1)) == 2
    assert database.sequence() == sequence
    assert database.check() == []


def test_copy_shares_what_was_encoded(database: Database) -> None:
    source = add(database, "/v/a.mp4", 4, content_hash="abc")
    copy = database.add_copy(source, video("/v/copy.mp4", content_hash="abc"))
    assert [found.id for found in database.videos_with_hash("abc")] == [source, copy.id]
    old, new = database.clips(source), database.clips(copy.id)
    assert [clip.span for clip in old] == [clip.span for clip in new]
    assert not {clip.id for clip in old} & {clip.id for clip in new}
    for table in (database.clip_vectors,):
        assert np.array_equal(
            table([clip.id for clip in old], FINGERPRINT),
            table([clip.id for clip in new], FINGERPRINT),
        )
    database.remove([source])
    features = database.frame_features([clip.id for clip in new], FINGERPRINT)
    assert np.array_equal(features[1].tokens, clips(4, 0)[1].frames.tokens)
    assert database.check() == []


def test_copy_over_another_video_replaces_it(database: Database) -> None:
    source = add(database, "/v/a.mp4", 2)
    other = add(database, "/v/b.mp4", 5, seed=9)
    copy = database.add_copy(source, video("/v/b.mp4"))
    assert database.video(other) is None
    assert len(database.clips(copy.id)) == 2


def test_missing_videos_are_not_searched_until_they_are_found_again(database: Database) -> None:
    first, second = add(database, "/v/a.mp4"), add(database, "/v/b.mp4", seed=5)
    database.set_state([first], VideoState.MISSING)
    searched = {clip.id for clip in database.clips(second)}
    assert set(database.clip_ids(EVERYTHING, FINGERPRINT)) == searched
    database.relink(first, Path("/w/moved.mp4"), 77, 88)
    found = database.video_at(Path("/w/moved.mp4"))
    assert found is not None
    assert (found.id, found.state) == (first, VideoState.INDEXED)
    assert (found.size_bytes, found.modified_ns) == (77, 88)
    assert len(database.clip_ids(EVERYTHING, FINGERPRINT)) == 6


def test_relinking_onto_another_path_replaces_what_was_there(database: Database) -> None:
    first, second = add(database, "/v/a.mp4"), add(database, "/v/b.mp4", seed=5)
    database.relink(first, Path("/v/b.mp4"), 1, 2)
    assert [found.id for found in database.videos()] == [first]
    assert database.video(second) is None
    with pytest.raises(LibraryError, match="removed"):
        database.relink(second, Path("/v/c.mp4"), 1, 2)


def test_removing_leaves_nothing_behind(database: Database) -> None:
    first, second = add(database, "/v/a.mp4"), add(database, "/v/b.mp4", seed=5)
    gone = [clip.id for clip in database.clips(first)]
    assert database.remove([first, 12345]) == 1
    assert database.remove([]) == 0
    assert database.clips_by_id(gone) == {}
    with pytest.raises(LibraryError, match="removed"):
        database.clip_vectors(gone, FINGERPRINT)
    with pytest.raises(LibraryError, match="removed"):
        database.frame_features(gone, FINGERPRINT)
    with pytest.raises(LibraryError, match="removed"):
        database.frame_vectors(gone, FINGERPRINT)
    assert [found.id for found in database.videos()] == [second]
    assert database.check() == []


def test_file_stamps_tell_all_that_the_fast_pass_needs(database: Database) -> None:
    first = add(database, "/v/a.mp4", modified_ns=5)
    database.set_state([first], VideoState.MISSING)
    ((path, stamp),) = database.file_stamps().items()
    assert path == "/v/a.mp4"
    assert stamp == (first, 1008, 5, VideoState.MISSING)
    assert isinstance(stamp.state, VideoState)


def test_relocating_a_folder_moves_what_is_below_it(database: Database) -> None:
    for path in ("/v/a.mp4", "/v/sub/b.mp4", "/v2/c.mp4", "/v"):
        add(database, path, 1)
    assert database.relocate(Path("/v"), Path("/w")) == 3
    paths = {str(found.path) for found in database.videos()}
    assert paths == {"/w/a.mp4", "/w/sub/b.mp4", "/v2/c.mp4", "/w"}


def test_relocating_into_itself_and_out_of_it(database: Database) -> None:
    for path in ("/v/x/x", "/v/x", "/v/y"):
        add(database, path, 1)
    assert database.relocate(Path("/v"), Path("/v/x")) == 3
    assert {str(found.path) for found in database.videos()} == {"/v/x/x/x", "/v/x/x", "/v/x/y"}
    assert database.relocate(Path("/v/x"), Path("/")) == 3
    assert {str(found.path) for found in database.videos()} == {"/x/x", "/x", "/y"}


def test_relocating_onto_what_is_known_keeps_the_searchable_one(database: Database) -> None:
    old, new = add(database, "/v/a.mp4", 1), add(database, "/w/a.mp4", 2)
    gone, kept = add(database, "/v/b.mp4", 1), add(database, "/w/b.mp4", 2)
    database.set_state([kept], VideoState.MISSING)
    assert database.relocate(Path("/v"), Path("/w")) == 1
    assert {found.id for found in database.videos()} == {new, gone}
    assert database.video(old) is None


def test_clips_of_another_encoder_are_not_mixed_in(database: Database) -> None:
    other = encoder_spec("other", dimension=16)
    database.register_encoder(other)
    add(database, "/v/a.mp4", 2)
    second = database.add_video(
        video("/v/b.mp4"), clips(3, 4, spec=other), fingerprint=other.fingerprint
    )
    searched = {clip.id for clip in database.clips(second.id)}
    assert set(database.clip_ids(EVERYTHING, other.fingerprint)) == searched
    assert len(database.clip_ids(EVERYTHING, FINGERPRINT)) == 2
    assert len(database.clip_ids(EVERYTHING, "unknown")) == 0
    assert database.encoders() == [SPEC, other]
    assert database.active_encoder() == SPEC
    database.activate_encoder(other.fingerprint)
    assert database.active_encoder() == other
    with pytest.raises(LibraryError, match="holds no vectors"):
        database.activate_encoder("unknown")


def test_new_revision_of_an_encoder_is_the_same_encoder(database: Database) -> None:
    revised = replace(SPEC, revision="2", confidence_scale=3.0, confidence_bias=-1.0)
    database.register_encoder(revised)
    assert database.encoders() == [revised]


def test_calibration_is_kept_per_encoder_and_replaced(database: Database) -> None:
    other = encoder_spec("other")
    database.register_encoder(other)
    assert database.calibration(FINGERPRINT) is None
    first = Calibration(12.5, -4.25, "queries", 245, "1")
    assert not database.set_calibration(FINGERPRINT, first)
    assert database.calibration(FINGERPRINT) == first
    assert database.calibration(other.fingerprint) is None
    second = Calibration(7.0, -1.5, "captions", 300, "1")
    assert database.set_calibration(FINGERPRINT, second)
    # A revised encoder is registered again: what was measured in this library stays.
    database.register_encoder(replace(SPEC, revision="2", confidence_scale=1.0))
    assert database.calibration(FINGERPRINT) == second
    assert database.set_calibration(FINGERPRINT, None)
    assert database.calibration(FINGERPRINT) is None
    assert not database.set_calibration(FINGERPRINT, None)
    assert database.calibration("unknown") is None
    with pytest.raises(LibraryError, match="holds no vectors"):
        database.set_calibration("unknown", first)
    assert database.check() == []


@pytest.mark.parametrize(
    ("where", "expected"),
    [
        (VideoFilter(), {"a", "b", "c", "d"}),
        (VideoFilter(path_glob="/v/films"), {"a", "b"}),
        (VideoFilter(path_glob="/v/films/"), {"a", "b"}),
        (VideoFilter(path_glob="/v/films/a_1.mp4"), {"a"}),
        (VideoFilter(path_glob="/v/film"), set()),
        (VideoFilter(path_glob="/v/*1.mp4"), {"a", "c"}),
        (VideoFilter(path_glob="*.MP4"), set()),
        (VideoFilter(path_glob="*/[ac]*"), {"a", "c"}),
        (VideoFilter(path_glob="*/[!ac]*.mp4"), {"a", "b", "c", "d"}),
        (VideoFilter(path_glob="/v/films/%"), set()),
        (VideoFilter(path_glob="/v/films/a?1.mp4"), {"a"}),
        (VideoFilter(path_glob="/v/films/a%1.mp4"), set()),
        (VideoFilter(path_glob="/v/d[1].mp4"), {"d"}),
        (VideoFilter(path_glob="/v/d[[]1].mp4"), {"d"}),
        (VideoFilter(min_duration_seconds=20), {"b", "c", "d"}),
        (VideoFilter(max_duration_seconds=20), {"a", "b"}),
        (VideoFilter(min_duration_seconds=20, max_duration_seconds=20), {"b"}),
        (VideoFilter(min_height=720), {"c", "d"}),
        (VideoFilter(after=datetime(2024, 1, 1, tzinfo=UTC)), {"b", "c", "d"}),
        (VideoFilter(before=datetime(2024, 1, 1, tzinfo=UTC)), {"a"}),
        (VideoFilter(path_glob="/v/films/*", min_duration_seconds=15), {"b"}),
    ],
)
def test_filters(database: Database, where: VideoFilter, expected: set[str]) -> None:
    new_year = datetime(2024, 1, 1, tzinfo=UTC).timestamp()
    made = {
        name: add(
            database,
            path,
            1,
            duration_seconds=10.0 * number,
            height=360 * number,
            modified_ns=round((new_year + number - 2) * 1e9),
        )
        for number, (name, path) in enumerate(
            {
                "a": "/v/films/a_1.mp4",
                "b": "/v/films/b.mp4",
                "c": "/v/c1.mp4",
                "d": "/v/d[1].mp4",
            }.items(),
            start=1,
        )
    }
    by_video = {video_id: name for name, video_id in made.items()}
    found = database.clips_by_id(database.clip_ids(where, FINGERPRINT).tolist())
    if where.min_height == 720:
        expected = expected | {"b"}  # 720 itself passes
    assert {by_video[clip.video_id] for clip in found.values()} == expected


def test_naive_dates_are_local(database: Database) -> None:
    moment = datetime(2024, 6, 1, 12, 0)
    add(database, "/v/a.mp4", 1, modified_ns=round(moment.timestamp() * 1e9))
    assert len(database.clip_ids(VideoFilter(after=moment), FINGERPRINT)) == 1
    assert len(database.clip_ids(VideoFilter(before=moment), FINGERPRINT)) == 0


def test_endless_pattern_is_refused(database: Database) -> None:
    with pytest.raises(QueryError, match="4096"):
        database.clip_ids(VideoFilter(path_glob="*a" * 3000), FINGERPRINT)


@pytest.mark.parametrize(
    "name",
    ["grüße 日本.mp4", 'quote\'s "x" %_*.mp4', "line\nfeed.mp4", os.fsdecode(b"bad\xff\xfe")],
)
def test_odd_names(database: Database, name: str) -> None:
    video_id = add(database, f"/v/{name}", 1)
    found = database.video_at(Path(f"/v/{name}"))
    assert found is not None
    assert found.id == video_id
    assert found.path == Path(f"/v/{name}")
    assert list(database.file_stamps()) == [f"/v/{name}"]
    assert len(database.videos(under=Path("/v"))) == 1
    assert len(database.clip_ids(VideoFilter(path_glob=f"/v/{name}"), FINGERPRINT)) == 1
    assert len(database.clip_ids(VideoFilter(path_glob=f"/v/{name[:3]}*"), FINGERPRINT)) == 1
    assert database.relocate(Path("/v"), Path("/w")) == 1
    assert database.video_at(Path(f"/w/{name}")) is not None


def test_videos_under_a_folder_are_not_those_of_its_namesakes(database: Database) -> None:
    for path in ("/v/a_b/1.mp4", "/v/axb/2.mp4", "/v/a_bc.mp4", "/V/a_b/3.mp4"):
        add(database, path, 1)
    assert [str(found.path) for found in database.videos(under=Path("/v/a_b"))] == ["/v/a_b/1.mp4"]
    assert len(database.videos(under=Path("/"))) == 4


def test_statistics_count_what_is_there(database: Database) -> None:
    add(database, "/v/a.mp4", 3, damaged=True)
    add(database, "/v/b.mp4", 2)
    missing = add(database, "/v/c.mp4", 4)
    database.set_state([missing], VideoState.MISSING)
    bad = video("/v/d.mp4", state=VideoState.FAILED, failure="bad")
    database.add_video(bad, [], fingerprint="")
    statistics = database.statistics()
    assert (statistics.indexed, statistics.missing, statistics.failed) == (2, 1, 1)
    assert (statistics.damaged, statistics.clips) == (1, 5)
    assert statistics.video_seconds == 20.0
    assert statistics.video_bytes == 2016
    assert statistics.vectors == {FINGERPRINT: 5}


def test_snapshot_reads_one_state_while_others_write(database: Database) -> None:
    first = add(database, "/v/a.mp4")
    ids = [clip.id for clip in database.clips(first)]
    with database.snapshot():
        assert len(database.videos()) == 1
        other = threading.Thread(target=database.remove, args=([first],))
        other.start()
        other.join()
        assert len(database.frame_features(ids, FINGERPRINT)) == 3
        with pytest.raises(RuntimeError, match="snapshot"):
            database.remove([first])
    assert database.videos() == []


def test_threads_write_one_after_another(database: Database) -> None:
    def write(thread: int) -> None:
        for number in range(5):
            add(database, f"/v/{thread}/{number}.mp4", 2)

    threads = [threading.Thread(target=write, args=(number,)) for number in range(4)]
    before = database.sequence()
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(database.videos()) == 20
    assert database.sequence() == before + 20
    assert database.check() == []


@pytest.mark.parametrize("max_ranges", [1, 1000])
def test_changes_are_what_happened_since(
    database: Database, max_ranges: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("vidseek.storage.catalog.vector_queries._MAX_RANGES", max_ranges)
    first = add(database, "/v/a.mp4", 2)
    position = database.position()
    second = add(database, "/v/b.mp4", 3, seed=5)
    database.remove([first])
    changes = database.vector_changes(FINGERPRINT, position)
    assert changes is not None
    assert changes.ids.tolist() == [clip.id for clip in database.clips(second)]
    assert changes.ranges.tolist() == [[1, 5]]
    assert np.array_equal(changes.vectors, database.clip_vectors(changes.ids, FINGERPRINT))
    since_start = database.vector_changes(FINGERPRINT, START)
    assert since_start is not None
    assert since_start.ids.tolist() == changes.ids.tolist()
    third = add(database, "/v/c.mp4", 2, seed=6)
    fourth = add(database, "/v/d.mp4", 2, seed=7)
    position = database.position()
    database.set_state([second, fourth], VideoState.MISSING)
    database.relink(second, Path("/v/b.mp4"), 1, 1)
    changes = database.vector_changes(FINGERPRINT, position)
    assert changes is not None
    assert changes.ranges.tolist() == [[3, 5], [8, 9]]  # the third did not change
    assert changes.ids.tolist() == [clip.id for clip in database.clips(second)]
    assert database.clips(third)
    assert database.vector_changes(FINGERPRINT, position._replace(stamp=1)) is None
    later = position._replace(sequence=position.sequence + 1000)
    assert database.vector_changes(FINGERPRINT, later) is None


@pytest.mark.parametrize(
    ("damage", "problem"),
    [
        ("UPDATE clip_vectors SET vector = substr(vector, 1, 4) WHERE clip_id = 2", "wrong length"),
        ("UPDATE clip_frames SET frame_count = 9 WHERE clip_id = 2", "frames of 1 clips"),
        ("DELETE FROM clip_vectors WHERE clip_id = 2", "1 clips have no vector"),
        ("DELETE FROM clip_frames WHERE clip_id = 2", "1 clips have no frames"),
        ("DELETE FROM clips", "1 indexed videos have no clips"),
        ("DELETE FROM library", "exactly one row"),
    ],
)
def test_check_finds_what_should_not_be(database: Database, damage: str, problem: str) -> None:
    add(database, "/v/a.mp4", 3)
    assert database.check() == []
    with database._writer.begin() as connection:
        connection.exec_driver_sql(damage)
    (found,) = database.check()
    assert problem in found
    if "vector =" in damage:
        with pytest.raises(LibraryDamagedError, match="doctor"):
            database.clip_vectors([2], FINGERPRINT)


def test_check_finds_rows_that_belong_to_nothing(database: Database, backend: str) -> None:
    if backend != "sqlite":
        return  # a server does not let them arise
    add(database, "/v/a.mp4", 3)
    with sqlite3.connect(database_file(database)) as connection:
        connection.execute("DELETE FROM videos")
    connection.close()
    (problem,) = database.check()
    assert "3 rows of clips belong to nothing" in problem


def database_file(database: Database) -> str:
    with database._reading() as connection:
        row = connection.exec_driver_sql("PRAGMA database_list").one()
        return str(row[2])


def test_large_libraries_are_quick(database: Database, backend: str) -> None:
    """100,000 stamps in a second, a video of 100 clips in 50 ms; with room for a busy machine."""
    if backend != "sqlite":
        return
    add(database, "/v/a.mp4", 1)
    with database._writer.begin() as connection:
        connection.exec_driver_sql(
            "WITH RECURSIVE n(value) AS (SELECT 1 UNION ALL SELECT value + 1 FROM n "
            "WHERE value < 99999) INSERT INTO videos SELECT value + 1, '/v/' || (value % 100) || "
            "'/' || value, content_hash, size_bytes, modified_ns, duration_seconds, frame_rate, "
            "width, height, codec, state, damaged, failure FROM videos, n"
        )
    start = time.perf_counter()
    stamps = database.file_stamps()
    stamps_seconds = time.perf_counter() - start
    assert len(stamps) == 100_000
    made = clips(100, 1)
    start = time.perf_counter()
    for number in range(5):
        database.add_video(video(f"/w/{number}.mp4"), made, fingerprint=FINGERPRINT)
    add_seconds = (time.perf_counter() - start) / 5
    start = time.perf_counter()
    database.clip_ids(VideoFilter(path_glob="*/7/*"), FINGERPRINT)
    filter_seconds = time.perf_counter() - start
    print(f"stamps {stamps_seconds:.3f} s, add {add_seconds:.3f} s, filter {filter_seconds:.3f} s")
    assert stamps_seconds < 3
    assert add_seconds < 0.15
    assert filter_seconds < 1
