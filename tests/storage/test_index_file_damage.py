"""Files of the vector index that are missing, truncated, damaged, stale or of another library."""

from __future__ import annotations

import errno
import json
import logging
import os
import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from library_samples import SPEC, clips, unit_vectors, video

from vidseek.core.errors import LibraryFullError
from vidseek.core.types import VideoFilter
from vidseek.storage.store import LibraryStore
from vidseek.storage.vectors.faiss import index_file
from vidseek.storage.vectors.faiss.index import FaissIndex, FaissOptions

FINGERPRINT = SPEC.fingerprint
QUERIES = unit_vectors(3, 42)


@pytest.fixture
def filled(store: LibraryStore) -> LibraryStore:
    for number in range(3):
        store.videos.add(
            video(f"/v/{number}.mp4"), clips(100, number, frames=1), fingerprint=FINGERPRINT
        )
    store.vector_index(SPEC).compact()
    return store


def folder_of(store: LibraryStore) -> Path:
    return store.folder / "vectors" / FINGERPRINT


def base_of(store: LibraryStore) -> Path:
    (base,) = folder_of(store).glob("base-*")
    return base


def manifest_of(store: LibraryStore) -> Path:
    return folder_of(store) / "manifest.json"


def fresh_index(store: LibraryStore, *, read_only: bool = False) -> FaissIndex:
    return FaissIndex(folder_of(store), store.clip_vectors, SPEC, read_only=read_only)


def assert_right(store: LibraryStore, index: FaissIndex) -> None:
    ids = store.clip_vectors.ids(VideoFilter(), FINGERPRINT)
    scores = QUERIES @ store.clip_vectors.read(ids, FINGERPRINT).T
    expected = ids[np.argsort(-scores, axis=1, kind="stable")[:, :10]]
    assert np.array_equal(index.search(QUERIES, 10)[1], expected)


def truncate(store: LibraryStore) -> None:
    os.truncate(base_of(store), base_of(store).stat().st_size // 2)


def empty(store: LibraryStore) -> None:
    base_of(store).write_bytes(b"")


def garbage(store: LibraryStore) -> None:
    base_of(store).write_bytes(os.urandom(base_of(store).stat().st_size))


def flipped_bit_same_size_and_time(store: LibraryStore) -> None:
    path = base_of(store)
    status = path.stat()
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    path.write_bytes(data)
    os.utime(path, ns=(status.st_atime_ns, status.st_mtime_ns))


def base_gone(store: LibraryStore) -> None:
    base_of(store).unlink()


def manifest_gone(store: LibraryStore) -> None:
    manifest_of(store).unlink()


def manifest_garbage(store: LibraryStore) -> None:
    manifest_of(store).write_bytes(b"\xff{]")


def manifest_list(store: LibraryStore) -> None:
    manifest_of(store).write_text("[1, 2]")


def manifest_half(store: LibraryStore) -> None:
    text = manifest_of(store).read_text()
    manifest_of(store).write_text(text[: len(text) // 2])


def manifest_names_another_file(store: LibraryStore) -> None:
    facts = json.loads(manifest_of(store).read_text())
    manifest_of(store).write_text(json.dumps({**facts, "file": "../../../etc/passwd"}))


def manifest_of_a_later_format(store: LibraryStore) -> None:
    facts = json.loads(manifest_of(store).read_text())
    manifest_of(store).write_text(json.dumps({**facts, "format": 99}))


def manifest_wrong_count(store: LibraryStore) -> None:
    facts = json.loads(manifest_of(store).read_text())
    manifest_of(store).write_text(json.dumps({**facts, "count": 7}))


def manifest_from_the_future(store: LibraryStore) -> None:
    facts = json.loads(manifest_of(store).read_text())
    manifest_of(store).write_text(json.dumps({**facts, "position": [10**6, 5]}))


def folder_gone(store: LibraryStore) -> None:
    shutil.rmtree(store.folder / "vectors")


DAMAGE: list[Callable[[LibraryStore], None]] = [
    truncate,
    empty,
    garbage,
    flipped_bit_same_size_and_time,
    base_gone,
    manifest_gone,
    manifest_garbage,
    manifest_list,
    manifest_half,
    manifest_names_another_file,
    manifest_of_a_later_format,
    manifest_wrong_count,
    manifest_from_the_future,
    folder_gone,
]


@pytest.mark.parametrize("damage", DAMAGE)
def test_damage_heals_itself(
    filled: LibraryStore, damage: Callable[[LibraryStore], None], caplog: pytest.LogCaptureFixture
) -> None:
    before = manifest_of(filled).read_bytes()
    damage(filled)
    assert_right(filled, fresh_index(filled))
    assert base_of(filled).exists()
    assert manifest_of(filled).read_bytes() != before
    caplog.clear()
    healed = fresh_index(filled)
    assert_right(filled, healed)
    assert healed.verify(repair=False) == []
    assert not [record for record in caplog.records if record.levelno >= logging.WARNING]


@pytest.mark.parametrize("damage", DAMAGE)
def test_damage_in_a_read_only_folder_is_searched_around(
    filled: LibraryStore, damage: Callable[[LibraryStore], None]
) -> None:
    damage(filled)
    before = sorted(folder_of(filled).glob("*"))
    index = fresh_index(filled, read_only=True)
    assert_right(filled, index)
    index.compact(force=False)
    assert_right(filled, index)
    assert sorted(folder_of(filled).glob("*")) == before


def test_damage_behind_an_open_index_does_not_matter(filled: LibraryStore) -> None:
    index = fresh_index(filled)
    assert_right(filled, index)
    manifest_garbage(filled)
    index.refresh()
    assert_right(filled, index)
    assert index.needs_compaction
    index.compact()
    assert fresh_index(filled).verify(repair=False) == []


def test_verify_names_what_is_wrong_and_repairs_it(filled: LibraryStore) -> None:
    index = fresh_index(filled)
    index.refresh()
    flipped_bit_same_size_and_time(filled)
    (problem,) = index.verify(repair=True)
    assert str(filled.folder) in problem
    assert index.verify(repair=False) == []
    assert_right(filled, fresh_index(filled))


def test_vectors_that_are_not_the_databases_are_found(filled: LibraryStore) -> None:
    """An intact base, of a library whose database was changed by hand."""
    from sqlalchemy import text

    with filled._transactions._writer.begin() as connection:
        connection.execute(
            text("UPDATE clip_vectors SET vector = :vector WHERE clip_id = 5"),
            {"vector": unit_vectors(1, 9).astype("<f2").tobytes()},
        )
    index = fresh_index(filled)
    (problem,) = index.verify(repair=True)
    assert ": 1 vectors " in problem
    assert index.verify(repair=False) == []
    assert_right(filled, index)


def test_library_restored_from_a_backup_does_not_use_the_newer_index(
    filled: LibraryStore, tmp_path: Path
) -> None:
    """After a restore ids are reused: the old base would find the wrong clips."""
    filled.close()
    shutil.copy(filled.folder / "library.db", tmp_path / "backup.db")
    with LibraryStore.open(filled.folder) as store:
        store.videos.add(video("/v/x.mp4"), clips(50, 77), fingerprint=FINGERPRINT)
        store.vector_index(SPEC).compact(force=True)
    shutil.copy(tmp_path / "backup.db", filled.folder / "library.db")
    with LibraryStore.open(filled.folder) as store:
        store.videos.add(video("/v/y.mp4"), clips(50, 78), fingerprint=FINGERPRINT)
        index = fresh_index(store)
        assert_right(store, index)
        assert index.verify(repair=False) == []


def test_library_that_was_copied_is_hashed_once(
    filled: LibraryStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(index_file, "ALWAYS_HASHED_BYTES", 0)
    os.utime(base_of(filled))
    hashed: list[Path] = []
    real = index_file.hash_file
    monkeypatch.setattr(index_file, "hash_file", lambda path: (hashed.append(path), real(path))[1])
    assert_right(filled, fresh_index(filled))
    assert len(hashed) == 1
    assert_right(filled, fresh_index(filled))
    assert len(hashed) == 1


def test_disk_that_is_full_while_compacting_leaves_the_old_base(
    filled: LibraryStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    filled.videos.add(video("/v/new.mp4"), clips(20, 8), fingerprint=FINGERPRINT)
    before = sorted(folder_of(filled).iterdir())

    def full(descriptor: int) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(index_file.os, "fsync", full)
    index = fresh_index(filled)
    with pytest.raises(LibraryFullError):
        index.compact(force=True)
    monkeypatch.undo()
    assert sorted(folder_of(filled).iterdir()) == before
    assert_right(filled, index)
    assert_right(filled, fresh_index(filled))


def test_unfinished_files_of_killed_processes_are_cleaned_up(filled: LibraryStore) -> None:
    left = folder_of(filled) / "base-3-abcd.faiss.unfinished"
    left.write_bytes(b"half")
    fresh_index(filled).compact(force=True)
    assert not left.exists()


def test_kind_of_index_follows_the_size(filled: LibraryStore) -> None:
    options = FaissOptions(flat_up_to=200, hnsw_up_to=100_000)
    index = FaissIndex(folder_of(filled), filled.clip_vectors, SPEC, options=options)
    assert index.factory == "Flat"
    assert index.needs_compaction
    index.compact()
    assert index.factory == "HNSW32"
    assert not index.needs_compaction
    options = FaissOptions(flat_up_to=100, hnsw_up_to=200)
    lists = FaissIndex(folder_of(filled), filled.clip_vectors, SPEC, options=options)
    lists.compact()
    assert lists.factory == "IVF4,SQ8"
    assert len(lists) == 300


def test_short_tail_is_not_worth_a_new_base(filled: LibraryStore) -> None:
    before = base_of(filled)
    filled.videos.add(video("/v/new.mp4"), clips(20, 8), fingerprint=FINGERPRINT)
    index = fresh_index(filled)
    index.compact()
    assert base_of(filled) == before
    assert len(index) == 320
    for number in range(10):
        filled.videos.add(
            video(f"/w/{number}.mp4"), clips(100, 20 + number, frames=1), fingerprint=FINGERPRINT
        )
    index.compact()
    assert base_of(filled) != before
    assert_right(filled, fresh_index(filled))


def test_graph_grows_without_being_built_again(filled: LibraryStore) -> None:
    options = FaissOptions(factory="HNSW32", tail_at_least=1)
    index = FaissIndex(folder_of(filled), filled.clip_vectors, SPEC, options=options)
    index.compact()
    filled.videos.remove([1])
    filled.videos.add(video("/v/new.mp4"), clips(60, 8), fingerprint=FINGERPRINT)
    index.compact()
    facts = json.loads(manifest_of(filled).read_text())
    assert facts["trained_count"] == 300
    assert facts["count"] == 360  # the removed ones stay in the graph, without an id
    assert len(index) == 260
    assert index.verify(repair=False) == []
    again = FaissIndex(folder_of(filled), filled.clip_vectors, SPEC, options=options)
    assert len(again) == 260
    assert not np.isin(again.search(QUERIES, 260)[1], np.arange(1, 101)).any()
    filled.videos.remove([2])
    index.compact()  # more than 30 % would be dead
    facts = json.loads(manifest_of(filled).read_text())
    assert (facts["trained_count"], facts["count"]) == (160, 160)
