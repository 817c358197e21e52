"""Queries share what they read of the catalog, until the library changes."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import numpy as np
from sqlalchemy import event
from sqlalchemy.engine import Engine

from vidseek.core.types import VideoState
from vidseek.search.moments import catalog_rows
from vidseek.search.moments.catalog_rows import CatalogRows, KeptRows


def test_a_query_asked_again_reads_no_clip_video_or_copy(shelf) -> None:
    for number in range(3):
        shelf.add(f"{number}.mp4", ["red", "grey"])
    first = shelf.search("red")
    read: list[str] = []

    def note(connection, cursor, statement: str, *rest: object) -> None:
        read.append(statement)

    event.listen(Engine, "before_cursor_execute", note)
    try:
        again = shelf.search("red")
    finally:
        event.remove(Engine, "before_cursor_execute", note)
    assert again == first
    assert read
    assert not [each for each in read if "FROM clips " in each or "FROM videos " in each], read
    assert not [each for each in read if "copy_matches" in each], read


def test_changes_are_seen_by_the_next_query(shelf) -> None:
    video = shelf.add("red.mp4", ["red"])
    shelf.add("grey.mp4", ["grey"])
    assert shelf.search("red", k=1)[0].video.path == video.path
    moved = shelf.folder / "moved.mp4"
    shelf.store.videos.relocate(video.path, moved)
    assert shelf.search("red", k=1)[0].video.path == moved
    other = shelf.add("red, too.mp4", ["red"])
    assert {hit.video.id for hit in shelf.search("red", k=2)} == {video.id, other.id}
    shelf.store.videos.set_state([video.id], VideoState.MISSING)
    assert video.id not in {hit.video.id for hit in shelf.search("red")}
    shelf.store.remove_videos([other.id])
    assert [hit.video.path.name for hit in shelf.search("red")] == ["grey.mp4"]


def test_frame_vectors_are_read_once_and_bounded(shelf, monkeypatch) -> None:
    video = shelf.add("film.mp4", ["red", "grey", "blue"])
    ids = [clip.id for clip in shelf.store.videos.clips(video.id)]
    fingerprint = shelf.encoder.spec.fingerprint
    expected = shelf.store.clip_vectors.frame_vectors(ids, fingerprint)
    limit = sum(each.nbytes for each in expected[:-1])
    monkeypatch.setattr(catalog_rows, "MAX_KEPT_FRAME_BYTES", limit)
    rows = CatalogRows(shelf.store)
    first = rows.frame_vectors(ids[:1], fingerprint)[0]
    assert rows.frame_vectors(ids[:1], fingerprint)[0] is first
    assert rows.frame_vectors(ids[1:2], fingerprint)[0] is not first
    for _ in range(2):  # more than are kept
        for given in (ids, ids[::-1], [ids[0], *ids]):
            found = rows.frame_vectors(given, fingerprint)
            wanted = [expected[ids.index(i)] for i in given]
            assert all(np.array_equal(a, b) for a, b in zip(found, wanted, strict=True))


def test_a_snapshot_from_before_a_change_keeps_its_rows(shelf) -> None:
    shelf.add("red.mp4", ["red"])
    kept = KeptRows(shelf.store)
    with shelf.store.snapshot():
        before = kept.now()
        with ThreadPoolExecutor(1) as other:  # a snapshot belongs to its thread
            other.submit(shelf.add, "grey.mp4", ["grey"]).result()
        assert kept.now() is before
    with shelf.store.snapshot():
        after = kept.now()
        assert after is not before
        assert kept.now() is after


def test_queries_of_many_threads_agree(shelf) -> None:
    for number in range(20):
        shelf.add(f"{number:02}.mp4", ["red", "grey", "blue"])
    expected = {colour: shelf.search(colour) for colour in ("red", "grey", "blue")}
    shelf.add("black.mp4", ["black"])  # so that they begin without rows
    colours = ["red", "grey", "blue"] * 8
    with ThreadPoolExecutor(8) as pool:
        found = list(pool.map(shelf.search, colours))
    for colour, hits in zip(colours, found, strict=True):
        assert [(hit.video.path, hit.span) for hit in hits] == [
            (hit.video.path, hit.span) for hit in expected[colour]
        ]
