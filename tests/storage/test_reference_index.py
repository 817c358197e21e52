"""The copy descriptors in memory: always equal to the database, and read only once."""

from __future__ import annotations

import sqlite3
import threading
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from library_samples import SPEC, clips, video
from sqlalchemy import event

from vidseek.core.errors import LibraryDamagedError, LibraryError
from vidseek.core.types import CopyBlock, CopyFrames, VideoState
from vidseek.storage import reference_index
from vidseek.storage.store import LibraryStore

DESCRIPTOR, NEWER = "descriptor", "newer"
BACKENDS = ["sqlite", pytest.param("postgresql", marks=pytest.mark.full)]
on_every_backend = pytest.mark.parametrize("backend", BACKENDS, indirect=True)


def frames(count: int, seed: int) -> CopyFrames:
    random = np.random.default_rng(seed)
    return CopyFrames(0, np.arange(count) * 1.0, random.integers(-20, 21, (count, 16), np.int8))


def add(store: LibraryStore, path: str, count: int, seed: int = 0) -> int:
    return store.videos.add(
        video(path),
        clips(2, seed),
        fingerprint=SPEC.fingerprint,
        copies=frames(count, seed),
        copies_fingerprint=DESCRIPTOR,
    ).id


def contents(blocks: Sequence[CopyBlock]) -> list[tuple[bytes, bytes, bytes]]:
    return [
        (block.video_ids.tobytes(), block.seconds.tobytes(), block.vectors.tobytes())
        for block in blocks
    ]


def assert_current(store: LibraryStore) -> None:
    """The blocks in memory equal those read from the database."""
    blocks = list(store.reference_index(DESCRIPTOR).blocks())
    assert contents(blocks) == contents(list(store.copy_descriptors.blocks(DESCRIPTOR)))


def videos_read(store: LibraryStore) -> Callable[[], list[int]]:
    """Record whose descriptors are read; the function returns the ids since its last call."""
    read: list[int] = []

    @event.listens_for(store._transactions._engine, "before_cursor_execute")
    def note(_connection, _cursor, statement, parameters, *_) -> None:  # type: ignore[no-untyped-def]
        if "copy_frames.vectors" in statement:
            values = parameters.values() if isinstance(parameters, dict) else parameters
            read.extend(value for value in values if isinstance(value, int))

    def ids() -> list[int]:
        noted = sorted(read)
        read.clear()
        return noted

    return ids


@on_every_backend
def test_only_what_changed_is_read_again(
    store: LibraryStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("vidseek.storage.catalog.copy_queries.PAGE", 3)
    ids = [add(store, f"/v/{number}.mp4", 5 + number, number) for number in range(7)]
    read = videos_read(store)
    references = store.reference_index(DESCRIPTOR)
    assert store.reference_index(DESCRIPTOR) is references
    assert sum(len(block) for block in references.blocks()) == sum(range(5, 12))
    assert read() == ids
    list(references.blocks())
    assert read() == []
    added = add(store, "/v/new.mp4", 4, 20)
    list(references.blocks())
    assert read() == [added]
    store.videos.remove([ids[1]])
    store.videos.set_state([ids[4]], VideoState.MISSING)
    list(references.blocks())
    assert read() == []
    assert_current(store)
    read()
    store.videos.set_state([ids[4]], VideoState.INDEXED)
    store.videos.relocate(Path("/v/0.mp4"), Path("/w/0.mp4"))
    store.copy_matches.add(ids[0], [])
    list(references.blocks())
    assert read() == [ids[4]]
    # The same descriptor again, on the same number of frames.
    store.copy_descriptors.add(replace(frames(5, 99), video_id=ids[0]), DESCRIPTOR)
    list(references.blocks())
    assert read() == [ids[0]]
    assert_current(store)
    store.copy_descriptors.add(replace(frames(5, 98), video_id=ids[0]), NEWER)
    assert ids[0] not in {i for block in references.blocks() for i in block.video_ids}
    assert_current(store)
    (newer,) = store.reference_index(NEWER).blocks()
    assert set(newer.video_ids) == {ids[0]}


operations = st.lists(
    st.tuples(
        st.sampled_from(["add", "remove", "missing", "found", "replace", "newer", "read"]),
        st.integers(0, 7),
        st.integers(0, 6),
    ),
    max_size=25,
)


@settings(
    max_examples=25,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
@given(steps=operations)
def test_it_always_equals_the_database(
    tmp_path_factory: pytest.TempPathFactory,
    monkeypatch: pytest.MonkeyPatch,
    steps: list[tuple[str, int, int]],
) -> None:
    monkeypatch.setattr("vidseek.storage.catalog.copy_queries.PAGE", 3)
    with LibraryStore.open(tmp_path_factory.mktemp("any") / "library", create=True) as store:
        store.encoders.register(SPEC)
        for step, (name, number, count) in enumerate(steps):
            there = store.videos.at(Path(f"/v/{number}"))
            if name == "add":
                add(store, f"/v/{number}", count, step)
            elif name == "read":
                assert_current(store)
            elif there is None:
                continue
            elif name == "remove":
                store.videos.remove([there.id])
            elif name in {"missing", "found"}:
                store.videos.set_state(
                    [there.id], VideoState.MISSING if name == "missing" else VideoState.INDEXED
                )
            else:
                fingerprint = DESCRIPTOR if name == "replace" else NEWER
                made = replace(frames(count, step), video_id=there.id)
                store.copy_descriptors.add(made, fingerprint)
        assert_current(store)


def test_a_large_library_is_read_each_time(
    store: LibraryStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(reference_index, "MAX_FRAMES_IN_MEMORY", 10)
    first = add(store, "/v/a.mp4", 8, 1)
    read = videos_read(store)
    references = store.reference_index(DESCRIPTOR)
    assert [len(block) for block in references.blocks()] == [8]
    second = add(store, "/v/b.mp4", 8, 2)
    read()
    blocks = references.blocks()
    for _ in range(2):
        assert [len(block) for block in blocks] == [16]
        assert read() == [first, second]


def test_many_threads_read_a_change_once(store: LibraryStore) -> None:
    ids = [add(store, f"/v/{number}.mp4", 50, number) for number in range(20)]
    read = videos_read(store)
    references = store.reference_index(DESCRIPTOR)
    lengths: list[int] = []

    def check() -> None:
        lengths.append(sum(len(block) for block in references.blocks()))

    threads = [threading.Thread(target=check) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert lengths == [1000] * 8
    assert read() == ids


def test_damage_is_reported_where_the_blocks_are_used(store: LibraryStore) -> None:
    add(store, "/v/a.mp4", 5)
    with sqlite3.connect(store.folder / "library.db") as connection:
        connection.execute("UPDATE copy_frames SET vectors = substr(vectors, 2)")
    connection.close()
    blocks = store.reference_index(DESCRIPTOR).blocks()
    for _ in range(2):
        with pytest.raises(LibraryDamagedError):
            list(blocks)


def test_closing_stops_a_refresh(store: LibraryStore) -> None:
    add(store, "/v/a.mp4", 5)
    references = store.reference_index(DESCRIPTOR)
    references.close()
    with pytest.raises(LibraryError):
        list(references.blocks())
