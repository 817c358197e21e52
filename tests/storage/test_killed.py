"""kill -9 in each operation: whole videos, the right answers, and the next run completes."""

from __future__ import annotations

import contextlib
import multiprocessing
import random
import shutil
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from killed_operations import CLIPS, KILL_POINTS, OPERATIONS, index_of, make_library, run
from later_version import later_migrations
from library_samples import SPEC, unit_vectors

from vidseek.core.types import VideoFilter
from vidseek.storage import store as store_module
from vidseek.storage.store import LibraryStore

KILLS = 20
STORAGE = [
    "vidseek.storage.store",
    "vidseek.storage.vectors.faiss.index",
    "vidseek.storage.catalog.integrity",
]
QUERIES = unit_vectors(3, 7)

Hits = list[list[tuple[str, float, float]]]


def start(
    operation: str, folder: Path, kill_point: str | None = None
) -> tuple[multiprocessing.Process, object]:
    """Start an operation in a separate process; return when it has begun."""
    context = multiprocessing.get_context("forkserver")
    # Imported once, by the server that forks the processes, and not by each of them.
    context.set_forkserver_preload(["__main__", "alembic.command", "faiss", *STORAGE])
    here, there = context.Pipe(duplex=False)
    process = context.Process(target=run, args=(operation, folder, there, kill_point))
    process.start()
    there.close()
    assert here.poll(60)
    assert here.recv() == "started"
    return process, here  # type: ignore[return-value]


def hits_of(store: LibraryStore) -> Hits:
    """The hits of a search, without ids, which differ between two runs."""
    index = index_of(store)
    scores, ids = index.search(QUERIES, 10)
    found = store.videos.clips_by_id(ids.ravel().tolist())
    paths = {video.id: str(video.path) for video in store.videos.select()}
    return [
        [
            (paths[found[clip].video_id], found[clip].span.start_seconds, round(score, 5))
            for clip, score in zip(row_ids, row_scores, strict=True)
        ]
        for row_ids, row_scores in zip(ids.tolist(), scores.tolist(), strict=True)
    ]


def assert_whole(store: LibraryStore) -> None:
    """Videos are whole, and searches give the same as the database."""
    assert store.find_problems() == []
    for found in store.videos.select():
        kept = store.videos.clips(found.id)
        assert len(kept) == CLIPS
        features = store.clip_vectors.frame_features([clip.id for clip in kept], SPEC.fingerprint)
        assert [len(part) for part in features] == [2] * CLIPS
    ids = store.clip_vectors.ids(VideoFilter(), SPEC.fingerprint)
    scores = QUERIES @ store.clip_vectors.read(ids, SPEC.fingerprint).T
    index = index_of(store)
    assert len(index) == len(ids) == CLIPS * len(store.videos.select())
    expected = np.sort(scores, axis=1)[:, ::-1][:, :10]
    assert np.allclose(index.search(QUERIES, 10)[0], expected, atol=1e-5)


@pytest.fixture(scope="module")
def template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("template") / "library"
    make_library(folder)
    return folder


@pytest.fixture
def undisturbed(
    template: Path, tmp_path: Path, request: pytest.FixtureRequest
) -> Iterator[tuple[Hits, float]]:
    """Hits after an undisturbed operation, and its seconds."""
    operation = str(request.getfixturevalue("operation"))
    folder = tmp_path / "undisturbed" / "library"
    shutil.copytree(template, folder)
    if operation == "migrating":
        later = later_migrations(folder.parent / "migrations")
        store_module.MIGRATIONS = later
    try:
        process, here = start(operation, folder)
        begun = time.perf_counter()
        assert here.poll(60)  # type: ignore[attr-defined]
        seconds = time.perf_counter() - begun
        process.join()
        with LibraryStore.open(folder) as store:
            hits = hits_of(store)
        yield hits, seconds
    finally:
        store_module.MIGRATIONS = store_module.Migrations()


@pytest.mark.parametrize(
    ("operation", "kill_point"),
    [(operation, point) for operation, points in KILL_POINTS.items() for point in points],
)
def test_killed_at_named_points(
    operation: str, kill_point: str, template: Path, tmp_path: Path
) -> None:
    folder = tmp_path / "killed" / "library"
    expected = tmp_path / "undisturbed" / "library"
    for copy in (folder, expected):
        shutil.copytree(template, copy)
    with later_version(operation, tmp_path):
        OPERATIONS[operation](expected)
        process, _ = start(operation, folder, kill_point)
        process.join()
        assert process.exitcode == -9
        with LibraryStore.open(expected) as store:
            hits = hits_of(store)
        assert_recovers(operation, folder, hits)


def assert_recovers(operation: str, folder: Path, expected: Hits) -> None:
    """The library is whole after a kill, and complete after the next run."""
    with LibraryStore.open(folder) as store, store.lease():
        assert_whole(store)
    OPERATIONS[operation](folder)
    with LibraryStore.open(folder) as store:
        assert_whole(store)
        assert hits_of(store) == expected
        assert index_of(store).verify(repair=False) == []
    assert not [path.name for path in folder.rglob("*unfinished*")]


@contextlib.contextmanager
def later_version(operation: str, folder: Path) -> Iterator[None]:
    """Act as a later version of vidseek, for the operation that migrates to it."""
    if operation == "migrating":
        (folder / "killed").mkdir(exist_ok=True)
        store_module.MIGRATIONS = later_migrations(folder / "migrations")
    try:
        yield
    finally:
        store_module.MIGRATIONS = store_module.Migrations()


@pytest.mark.long
@pytest.mark.parametrize("operation", list(OPERATIONS))
def test_killed_at_random_moments(
    operation: str, template: Path, tmp_path: Path, undisturbed: tuple[Hits, float]
) -> None:
    expected, seconds = undisturbed
    moments = random.Random(operation)
    outcome: Counter[str] = Counter()
    while outcome["killed"] < KILLS:
        folder = tmp_path / str(outcome.total()) / "library"
        shutil.copytree(template, folder)
        if operation == "migrating":
            store_module.MIGRATIONS = later_migrations(folder.parent / "migrations")
        process, here = start(operation, folder)
        time.sleep(moments.uniform(0, seconds))
        process.kill()
        process.join()
        if here.poll() and _ended(here):
            outcome["too late"] += 1
            seconds *= 0.9
            assert outcome["too late"] < 2 * KILLS
            continue
        outcome["killed"] += 1
        assert_recovers(operation, folder, expected)
        shutil.rmtree(folder.parent)
    print(f"{operation}: {dict(outcome)}")


def _ended(here: object) -> bool:
    try:
        return here.recv() == "ended"  # type: ignore[attr-defined]
    except EOFError:
        return False
