"""Videos, clips, vectors and encoders in SQL, on SQLite and on PostgreSQL."""

from __future__ import annotations

import math
import os
import sqlite3
import threading
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pytest
from library_samples import SPEC, clips, encoder_spec, video

from vidseek.core.errors import Hint, LibraryDamagedError, LibraryError, QueryError
from vidseek.core.types import Calibration, Caption, TimeSpan, VideoFilter, VideoState
from vidseek.storage.store import LibraryStore
from vidseek.storage.vectors.protocol import START

pytestmark = pytest.mark.parametrize(
    "backend",
    ["sqlite", pytest.param("postgresql", marks=pytest.mark.full)],
    indirect=True,
)

FINGERPRINT = SPEC.fingerprint
EVERYTHING = VideoFilter()


def add(store: LibraryStore, path: str, count: int = 3, *, seed: int = 0, **facts: object) -> int:
    return store.videos.add(
        video(path, **facts),  # type: ignore[arg-type]
        clips(count, seed),
        fingerprint=FINGERPRINT,
    ).id


def test_video_and_clips_come_back_as_they_were_stored(store: LibraryStore) -> None:
    made = clips(4, seed=7, frames=3)
    stored = store.videos.add(video("/v/a.mp4", damaged=True), made, fingerprint=FINGERPRINT)
    assert store.videos.get(stored.id) == stored
    assert store.videos.at(Path("/v/a.mp4")) == stored
    kept = store.videos.clips(stored.id)
    assert [clip.span for clip in kept] == [clip.span for clip in made]
    assert [clip.frame_seconds for clip in kept] == [clip.frame_seconds for clip in made]
    assert {clip.video_id for clip in kept} == {stored.id}
    ids = [clip.id for clip in kept]
    assert np.array_equal(
        store.clip_vectors.read(ids, FINGERPRINT), np.stack([clip.vector for clip in made])
    )
    for clip, features in zip(
        made, store.clip_vectors.frame_features(ids, FINGERPRINT), strict=True
    ):
        assert np.array_equal(features.vectors, clip.frames.vectors)
        assert np.array_equal(features.tokens, clip.frames.tokens)


def test_vectors_come_in_the_order_asked_for(store: LibraryStore) -> None:
    ids = [clip.id for clip in store.videos.clips(add(store, "/v/a.mp4", 5))]
    order = [ids[3], ids[0], ids[4], ids[0]]
    every = store.clip_vectors.read(ids, FINGERPRINT)
    assert np.array_equal(store.clip_vectors.read(order, FINGERPRINT), every[[3, 0, 4, 0]])
    features = store.clip_vectors.frame_features(order, FINGERPRINT)
    assert np.array_equal(
        features[0].tokens, store.clip_vectors.frame_features(ids, FINGERPRINT)[3].tokens
    )
    vectors = store.clip_vectors.frame_vectors(order, FINGERPRINT)
    assert all(map(np.array_equal, vectors, [stored.vectors for stored in features]))


def test_clips_within_a_span_are_those_that_it_touches(store: LibraryStore) -> None:
    first = add(store, "/v/a.mp4", 5)
    add(store, "/v/b.mp4", 5, seed=9)
    every = store.videos.clips(first)
    middle = every[2].span
    assert store.videos.clips_within(first, middle) == every[2:3], "neighbours only share an edge"
    wider = TimeSpan(middle.start_seconds - 0.1, middle.end_seconds + 0.1)
    assert store.videos.clips_within(first, wider) == every[1:4]
    assert store.videos.clips_within(first, TimeSpan(0, 1e9)) == every
    assert store.videos.clips_within(first, TimeSpan(1e6, 1e9)) == []


def test_every_write_is_a_new_number_and_reading_is_none(store: LibraryStore) -> None:
    before = store.sequence()
    add(store, "/v/a.mp4")
    store.videos.set_state([1], VideoState.MISSING)
    assert store.sequence() == before + 2
    store.videos.select()
    assert store.sequence() == before + 2


def test_adding_a_path_again_replaces_what_was_there(store: LibraryStore) -> None:
    first = add(store, "/v/a.mp4", 3, seed=1)
    old = {clip.id for clip in store.videos.clips(first)}
    second = add(store, "/v/a.mp4", 2, seed=2)
    assert [stored.id for stored in store.videos.select()] == [second]
    assert store.videos.clips(first) == []
    new = {clip.id for clip in store.videos.clips(second)}
    assert not old & new
    assert set(store.clip_vectors.ids(EVERYTHING, FINGERPRINT)) == new


def test_clip_ids_are_never_used_again(store: LibraryStore) -> None:
    last = max(clip.id for clip in store.videos.clips(add(store, "/v/a.mp4")))
    store.videos.remove([1])
    assert min(clip.id for clip in store.videos.clips(add(store, "/v/b.mp4"))) > last


def test_failed_file_keeps_its_reason_and_has_no_clips(store: LibraryStore) -> None:
    failed = video("/v/bad.mp4", state=VideoState.FAILED, failure="no video stream")
    stored = store.videos.add(failed, [], fingerprint="unknown")
    assert store.videos.select(states=[VideoState.FAILED]) == [stored]
    assert stored.failure == "no video stream"
    store.videos.set_state([stored.id], VideoState.MISSING)
    store.videos.relink(stored.id, Path("/w/bad.mp4"), 5, 6)
    found = store.videos.get(stored.id)
    assert found is not None
    assert found.state == VideoState.FAILED


def test_adding_is_all_or_nothing(store: LibraryStore) -> None:
    add(store, "/v/a.mp4", 2, seed=1)
    sequence = store.sequence()
    wrong = clips(3, seed=2)
    wrong[2] = replace(wrong[2], vector=np.ones(5, np.float32))
    with pytest.raises(ValueError, match="spec says"):
        store.videos.add(video("/v/a.mp4"), wrong, fingerprint=FINGERPRINT)
    wrong[2] = replace(wrong[0], vector=np.full(SPEC.dimension, 1e6, np.float32))
    with pytest.raises(ValueError, match="65504"):
        store.videos.add(video("/v/a.mp4"), wrong, fingerprint=FINGERPRINT)
    with pytest.raises(LibraryError):
        store.videos.add(video("/v/a.mp4"), clips(1, 3), fingerprint="unknown")
    assert len(store.videos.clips(1)) == 2
    assert store.sequence() == sequence
    assert store.find_problems() == []


def test_copy_shares_what_was_encoded(store: LibraryStore) -> None:
    source = add(store, "/v/a.mp4", 4, content_hash="abc")
    copy = store.videos.add_copy(source, video("/v/copy.mp4", content_hash="abc"))
    assert [stored.id for stored in store.videos.with_hash("abc")] == [source, copy.id]
    old, new = store.videos.clips(source), store.videos.clips(copy.id)
    assert [clip.span for clip in old] == [clip.span for clip in new]
    assert not {clip.id for clip in old} & {clip.id for clip in new}
    for table in (store.clip_vectors.read,):
        assert np.array_equal(
            table([clip.id for clip in old], FINGERPRINT),
            table([clip.id for clip in new], FINGERPRINT),
        )
    store.videos.remove([source])
    features = store.clip_vectors.frame_features([clip.id for clip in new], FINGERPRINT)
    assert np.array_equal(features[1].tokens, clips(4, 0)[1].frames.tokens)
    assert store.find_problems() == []


def test_copy_over_another_video_replaces_it(store: LibraryStore) -> None:
    source = add(store, "/v/a.mp4", 2)
    other = add(store, "/v/b.mp4", 5, seed=9)
    copy = store.videos.add_copy(source, video("/v/b.mp4"))
    assert store.videos.get(other) is None
    assert len(store.videos.clips(copy.id)) == 2


def test_missing_videos_are_not_searched_until_they_are_found_again(store: LibraryStore) -> None:
    first, second = add(store, "/v/a.mp4"), add(store, "/v/b.mp4", seed=5)
    store.videos.set_state([first], VideoState.MISSING)
    searched = {clip.id for clip in store.videos.clips(second)}
    assert set(store.clip_vectors.ids(EVERYTHING, FINGERPRINT)) == searched
    store.videos.relink(first, Path("/w/moved.mp4"), 77, 88)
    found = store.videos.at(Path("/w/moved.mp4"))
    assert found is not None
    assert (found.id, found.state) == (first, VideoState.INDEXED)
    assert (found.size_bytes, found.modified_ns) == (77, 88)
    assert len(store.clip_vectors.ids(EVERYTHING, FINGERPRINT)) == 6


def test_relinking_onto_another_path_replaces_what_was_there(store: LibraryStore) -> None:
    first, second = add(store, "/v/a.mp4"), add(store, "/v/b.mp4", seed=5)
    store.videos.relink(first, Path("/v/b.mp4"), 1, 2)
    assert [stored.id for stored in store.videos.select()] == [first]
    assert store.videos.get(second) is None
    assert not store.videos.relink(second, Path("/v/c.mp4"), 1, 2)
    assert store.videos.add_copy(second, video("/v/c.mp4")) is None
    assert store.videos.at(Path("/v/c.mp4")) is None


def test_what_is_done_to_a_path_leaves_a_video_that_has_moved_alone(store: LibraryStore) -> None:
    first, second = add(store, "/v/a.mp4"), add(store, "/v/b.mp4", seed=5)
    store.videos.relocate(Path("/v/a.mp4"), Path("/w/a.mp4"))
    store.videos.mark_missing(["/v/a.mp4", "/v/b.mp4"])
    assert [stored.id for stored in store.videos.select(states=[VideoState.MISSING])] == [second]
    assert store.videos.remove_at(["/v/a.mp4", "/v/b.mp4"]) == 1
    assert [stored.id for stored in store.videos.select()] == [first]


def test_removing_leaves_nothing_behind(store: LibraryStore) -> None:
    first, second = add(store, "/v/a.mp4"), add(store, "/v/b.mp4", seed=5)
    gone = [clip.id for clip in store.videos.clips(first)]
    assert store.videos.remove([first, 12345]) == 1
    assert store.videos.remove([]) == 0
    assert store.videos.clips_by_id(gone) == {}
    with pytest.raises(LibraryError, match="removed"):
        store.clip_vectors.read(gone, FINGERPRINT)
    with pytest.raises(LibraryError, match="removed"):
        store.clip_vectors.frame_features(gone, FINGERPRINT)
    with pytest.raises(LibraryError, match="removed"):
        store.clip_vectors.frame_vectors(gone, FINGERPRINT)
    assert [stored.id for stored in store.videos.select()] == [second]
    assert store.find_problems() == []


def test_file_stamps_tell_all_that_the_fast_pass_needs(store: LibraryStore) -> None:
    first = add(store, "/v/a.mp4", modified_ns=5)
    store.videos.set_state([first], VideoState.MISSING)
    ((path, stamp),) = store.videos.file_stamps().items()
    assert path == "/v/a.mp4"
    assert stamp == (first, 1008, 5, VideoState.MISSING)
    assert isinstance(stamp.state, VideoState)


def test_relocating_a_folder_moves_what_is_below_it(store: LibraryStore) -> None:
    for path in ("/v/a.mp4", "/v/sub/b.mp4", "/v2/c.mp4", "/v"):
        add(store, path, 1)
    assert store.videos.relocate(Path("/v"), Path("/w")) == 3
    paths = {str(stored.path) for stored in store.videos.select()}
    assert paths == {"/w/a.mp4", "/w/sub/b.mp4", "/v2/c.mp4", "/w"}


def test_relocating_into_itself_and_out_of_it(store: LibraryStore) -> None:
    for path in ("/v/x/x", "/v/x", "/v/y"):
        add(store, path, 1)
    assert store.videos.relocate(Path("/v"), Path("/v/x")) == 3
    assert {str(each.path) for each in store.videos.select()} == {
        "/v/x/x/x",
        "/v/x/x",
        "/v/x/y",
    }
    assert store.videos.relocate(Path("/v/x"), Path("/")) == 3
    assert {str(stored.path) for stored in store.videos.select()} == {"/x/x", "/x", "/y"}


def test_relocating_onto_what_is_known_keeps_the_searchable_one(store: LibraryStore) -> None:
    same = "a" * 64
    old = add(store, "/v/a.mp4", 1, content_hash=same)
    new = add(store, "/w/a.mp4", 2, content_hash=same)
    gone, kept = add(store, "/v/b.mp4", 1), add(store, "/w/b.mp4", 2)
    store.videos.set_state([kept], VideoState.MISSING)
    assert store.videos.relocate(Path("/v"), Path("/w")) == 2
    assert {stored.id for stored in store.videos.select()} == {new, gone}
    assert store.videos.get(old) is None


def test_relocating_onto_another_video_changes_nothing(store: LibraryStore) -> None:
    for path in ("/v/a.mp4", "/v/b.mp4", "/w/b.mp4"):
        add(store, path, 1)
    before = store.videos.select()
    with pytest.raises(LibraryError, match=r"/w/b\.mp4") as error:
        store.videos.relocate(Path("/v"), Path("/w"))
    assert error.value.hint == Hint("remove_first", {"path": "/w/b.mp4"})
    assert store.videos.select() == before


def test_clips_of_another_encoder_are_not_mixed_in(store: LibraryStore) -> None:
    other = encoder_spec("other", dimension=16)
    store.encoders.register(other)
    add(store, "/v/a.mp4", 2)
    second = store.videos.add(
        video("/v/b.mp4"), clips(3, 4, spec=other), fingerprint=other.fingerprint
    )
    searched = {clip.id for clip in store.videos.clips(second.id)}
    assert set(store.clip_vectors.ids(EVERYTHING, other.fingerprint)) == searched
    assert len(store.clip_vectors.ids(EVERYTHING, FINGERPRINT)) == 2
    assert len(store.clip_vectors.ids(EVERYTHING, "unknown")) == 0
    assert store.encoders.specs() == [SPEC, other]
    assert store.encoders.active() == SPEC
    store.encoders.activate(other.fingerprint)
    assert store.encoders.active() == other
    with pytest.raises(LibraryError):
        store.encoders.activate("unknown")


def test_new_revision_of_an_encoder_is_the_same_encoder(store: LibraryStore) -> None:
    revised = replace(SPEC, revision="2", confidence_scale=3.0, confidence_bias=-1.0)
    store.encoders.register(revised)
    assert store.encoders.specs() == [revised]


def test_calibration_is_kept_per_encoder_and_replaced(store: LibraryStore) -> None:
    other = encoder_spec("other")
    store.encoders.register(other)
    assert store.encoders.calibration(FINGERPRINT) is None
    first = Calibration(12.5, -4.25, "queries", 245, "1")
    assert not store.encoders.set_calibration(FINGERPRINT, first)
    assert store.encoders.calibration(FINGERPRINT) == first
    assert store.encoders.calibration(other.fingerprint) is None
    second = Calibration(7.0, -1.5, "captions", 300, "1")
    assert store.encoders.set_calibration(FINGERPRINT, second)
    # A revised encoder is registered again: what was measured in this library stays.
    store.encoders.register(replace(SPEC, revision="2", confidence_scale=1.0))
    assert store.encoders.calibration(FINGERPRINT) == second
    assert store.encoders.set_calibration(FINGERPRINT, None)
    assert store.encoders.calibration(FINGERPRINT) is None
    assert not store.encoders.set_calibration(FINGERPRINT, None)
    assert store.encoders.calibration("unknown") is None
    with pytest.raises(LibraryError):
        store.encoders.set_calibration("unknown", first)
    assert store.find_problems() == []


@pytest.mark.parametrize(
    ("where", "expected"),
    [
        (VideoFilter(), {"a", "b", "c", "d"}),
        (VideoFilter(path_glob="/v/films"), {"a", "b"}),
        (VideoFilter(path_glob="/v/films/"), {"a", "b"}),
        (VideoFilter(path_glob="/v/films/a_1.mp4"), {"a"}),
        (VideoFilter(path_glob="/v/film"), set()),
        (VideoFilter(path_glob="/v/*1.mp4"), {"a", "c"}),
        (VideoFilter(path_glob="*.MP4"), {"a", "b", "c", "d"}),
        (VideoFilter(path_glob="/V/*/A?1.*"), {"a"}),
        (VideoFilter(path_glob="*/[A-B]*1.mp4"), {"a"}),
        (VideoFilter(path_glob="*/[!a-bC]*"), {"a", "b", "c", "d"}),
        (VideoFilter(path_glob="/V/FILMS"), {"a", "b"}),
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
def test_filters(store: LibraryStore, where: VideoFilter, expected: set[str]) -> None:
    new_year = datetime(2024, 1, 1, tzinfo=UTC).timestamp()
    made = {
        name: add(
            store,
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
    found = store.videos.clips_by_id(store.clip_vectors.ids(where, FINGERPRINT).tolist())
    if where.min_height == 720:
        expected = expected | {"b"}  # 720 itself passes
    assert {by_video[clip.video_id] for clip in found.values()} == expected


def test_naive_dates_are_local(store: LibraryStore) -> None:
    moment = datetime(2024, 6, 1, 12, 0)
    add(store, "/v/a.mp4", 1, modified_ns=round(moment.timestamp() * 1e9))
    assert len(store.clip_vectors.ids(VideoFilter(after=moment), FINGERPRINT)) == 1
    assert len(store.clip_vectors.ids(VideoFilter(before=moment), FINGERPRINT)) == 0


@pytest.mark.parametrize(
    ("where", "passes"),
    [
        (VideoFilter(after=datetime.min), True),
        (VideoFilter(before=datetime.min), False),
        (VideoFilter(after=datetime.max), False),
        (VideoFilter(before=datetime.max), True),
        (VideoFilter(before=datetime(9999, 12, 31, tzinfo=UTC)), True),
        (VideoFilter(after=datetime(1, 1, 1, tzinfo=UTC)), True),
        (VideoFilter(min_height=10**30), False),
        (VideoFilter(min_height=-(10**3)), True),
        (VideoFilter(max_duration_seconds=math.inf), True),
    ],
)
def test_bounds_beyond_what_a_database_can_hold(
    store: LibraryStore, where: VideoFilter, passes: bool
) -> None:
    add(store, "/v/a.mp4", 1)
    assert bool(store.videos.searchable(where)) == passes
    assert (len(store.clip_vectors.ids(where, FINGERPRINT)) > 0) == passes


@pytest.mark.parametrize("word", ["ätna", "ätn", "μαρία", "l’île"])
def test_words_of_captions_are_found_in_either_case(store: LibraryStore, word: str) -> None:
    video_id = add(store, "/v/a.mp4", 1)
    for text in ("Schnee am ÄTNA", "Ätna", "ΜΑΡΊΑ", "Sur L’Île"):
        start = float(store.captions.count())
        span = TimeSpan(start, start + 1)
        store.captions.replace(video_id, [Caption(video_id, span, text, "a model")], span)
    found = {caption.text for caption in store.captions.containing([word])}
    expected = {"ät": {"Schnee am ÄTNA", "Ätna"}, "μα": {"ΜΑΡΊΑ"}, "l’": {"Sur L’Île"}}
    assert found == expected[word[:2]]


def test_endless_pattern_is_refused(store: LibraryStore) -> None:
    with pytest.raises(QueryError, match="4096"):
        store.clip_vectors.ids(VideoFilter(path_glob="*a" * 3000), FINGERPRINT)


@pytest.mark.parametrize(
    "name",
    ["grüße 日本.mp4", 'quote\'s "x" %_*.mp4', "line\nfeed.mp4", os.fsdecode(b"bad\xff\xfe")],
)
def test_odd_names(store: LibraryStore, name: str) -> None:
    video_id = add(store, f"/v/{name}", 1)
    found = store.videos.at(Path(f"/v/{name}"))
    assert found is not None
    assert found.id == video_id
    assert found.path == Path(f"/v/{name}")
    assert list(store.videos.file_stamps()) == [f"/v/{name}"]
    assert len(store.videos.select(under=Path("/v"))) == 1
    assert len(store.clip_vectors.ids(VideoFilter(path_glob=f"/v/{name}"), FINGERPRINT)) == 1
    assert len(store.clip_vectors.ids(VideoFilter(path_glob=f"/v/{name[:3]}*"), FINGERPRINT)) == 1
    assert store.videos.relocate(Path("/v"), Path("/w")) == 1
    assert store.videos.at(Path(f"/w/{name}")) is not None


def test_videos_under_a_folder_are_not_those_of_its_namesakes(store: LibraryStore) -> None:
    for path in ("/v/a_b/1.mp4", "/v/axb/2.mp4", "/v/a_bc.mp4", "/V/a_b/3.mp4"):
        add(store, path, 1)
    assert [str(stored.path) for stored in store.videos.select(under=Path("/v/a_b"))] == [
        "/v/a_b/1.mp4"
    ]
    assert len(store.videos.select(under=Path("/"))) == 4


def test_statistics_count_what_is_there(store: LibraryStore) -> None:
    add(store, "/v/a.mp4", 3, damaged=True)
    add(store, "/v/b.mp4", 2)
    missing = add(store, "/v/c.mp4", 4)
    store.videos.set_state([missing], VideoState.MISSING)
    bad = video("/v/d.mp4", state=VideoState.FAILED, failure="bad")
    store.videos.add(bad, [], fingerprint="")
    statistics = store.statistics()
    assert (statistics.indexed, statistics.missing, statistics.failed) == (2, 1, 1)
    assert (statistics.damaged, statistics.clips) == (1, 5)
    assert statistics.video_seconds == 20.0
    assert statistics.video_bytes == 2016
    assert statistics.vectors == {FINGERPRINT: 5}


def test_snapshot_reads_one_state_while_others_write(store: LibraryStore) -> None:
    first = add(store, "/v/a.mp4")
    ids = [clip.id for clip in store.videos.clips(first)]
    with store.snapshot():
        assert len(store.videos.select()) == 1
        other = threading.Thread(target=store.videos.remove, args=([first],))
        other.start()
        other.join()
        assert len(store.clip_vectors.frame_features(ids, FINGERPRINT)) == 3
        with pytest.raises(RuntimeError, match="snapshot"):
            store.videos.remove([first])
    assert store.videos.select() == []


def test_threads_write_one_after_another(store: LibraryStore) -> None:
    def write(thread: int) -> None:
        for number in range(5):
            add(store, f"/v/{thread}/{number}.mp4", 2)

    threads = [threading.Thread(target=write, args=(number,)) for number in range(4)]
    before = store.sequence()
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(store.videos.select()) == 20
    assert store.sequence() == before + 20
    assert store.find_problems() == []


@pytest.mark.parametrize("max_ranges", [1, 1000])
def test_changes_are_what_happened_since(
    store: LibraryStore, max_ranges: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("vidseek.storage.catalog.vector_queries._MAX_RANGES", max_ranges)
    first = add(store, "/v/a.mp4", 2)
    position = store.clip_vectors.position()
    second = add(store, "/v/b.mp4", 3, seed=5)
    store.videos.remove([first])
    changes = store.clip_vectors.changes(FINGERPRINT, position)
    assert changes is not None
    assert changes.ids.tolist() == [clip.id for clip in store.videos.clips(second)]
    assert changes.ranges.tolist() == [[1, 5]]
    assert np.array_equal(changes.vectors, store.clip_vectors.read(changes.ids, FINGERPRINT))
    since_start = store.clip_vectors.changes(FINGERPRINT, START)
    assert since_start is not None
    assert since_start.ids.tolist() == changes.ids.tolist()
    third = add(store, "/v/c.mp4", 2, seed=6)
    fourth = add(store, "/v/d.mp4", 2, seed=7)
    position = store.clip_vectors.position()
    store.videos.set_state([second, fourth], VideoState.MISSING)
    store.videos.relink(second, Path("/v/b.mp4"), 1, 1)
    changes = store.clip_vectors.changes(FINGERPRINT, position)
    assert changes is not None
    assert changes.ranges.tolist() == [[3, 5], [8, 9]]  # the third did not change
    assert changes.ids.tolist() == [clip.id for clip in store.videos.clips(second)]
    assert store.videos.clips(third)
    assert store.clip_vectors.changes(FINGERPRINT, position._replace(stamp=1)) is None
    later = position._replace(sequence=position.sequence + 1000)
    assert store.clip_vectors.changes(FINGERPRINT, later) is None


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
def test_check_finds_what_should_not_be(store: LibraryStore, damage: str, problem: str) -> None:
    add(store, "/v/a.mp4", 3)
    assert store.find_problems() == []
    with store._transactions._writer.begin() as connection:
        connection.exec_driver_sql(damage)
    (found,) = store.find_problems()
    assert problem in found
    if "vector =" in damage:
        with pytest.raises(LibraryDamagedError):
            store.clip_vectors.read([2], FINGERPRINT)


def test_check_finds_rows_that_belong_to_nothing(store: LibraryStore, backend: str) -> None:
    if backend != "sqlite":
        return  # a server does not let them arise
    add(store, "/v/a.mp4", 3)
    with sqlite3.connect(database_file(store)) as connection:
        connection.execute("DELETE FROM videos")
    connection.close()
    (problem,) = store.find_problems()
    assert "3 rows of clips" in problem


def database_file(store: LibraryStore) -> str:
    with store._transactions.reading() as connection:
        row = connection.exec_driver_sql("PRAGMA database_list").one()
        return str(row[2])


def test_patterns_ignore_case_in_every_script(store: LibraryStore) -> None:
    for path in ("/v/ÉTÉ/A001.MXF", "/v/été/b-1.mxf", "/v/x]1.Mp4"):
        add(store, path, 1)

    def found(glob: str) -> set[str]:
        ids = store.clip_vectors.ids(VideoFilter(path_glob=glob), FINGERPRINT).tolist()
        videos = {clip.video_id for clip in store.videos.clips_by_id(ids).values()}
        return {str(video.path) for video in store.videos.by_id(videos).values()}

    assert found("*.mxf") == found("*.MXF") == {"/v/ÉTÉ/A001.MXF", "/v/été/b-1.mxf"}
    assert found("*/Été/*") == found("*.mxf")
    assert found("*/[ab][-0]*") == found("*.mxf")
    assert found("*/[É]t?/*") == found("*.mxf")
    assert found("*[a-]1.mxf") == {"/v/été/b-1.mxf"}
    assert found("*x[]Y]1.MP4") == {"/v/x]1.Mp4"}


def test_damaged_videos_are_selected(store: LibraryStore) -> None:
    add(store, "/v/whole.mp4", 1)
    add(store, "/v/torn.mp4", 1, damaged=True)
    names = {
        damaged: [video.path.name for video in store.videos.select(damaged=damaged)]
        for damaged in (True, False, None)
    }
    assert names == {
        True: ["torn.mp4"],
        False: ["whole.mp4"],
        None: ["torn.mp4", "whole.mp4"],
    }
