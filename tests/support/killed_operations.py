"""What the processes do that test_killed.py kills; importable, for they are started as its own."""

from __future__ import annotations

from multiprocessing.connection import Connection
from pathlib import Path

from later_version import later_migrations
from library_samples import SPEC, clips, video

from vidseek.storage import store as store_module
from vidseek.storage.store import LibraryStore
from vidseek.storage.vectors.faiss.index import FaissIndex, FaissOptions

VIDEOS = 10
CLIPS = 12
REMOVED = range(1, VIDEOS + 1, 2)
"""Numbers of the videos that are removed."""


def path_of(number: int) -> str:
    return f"/v/{number}.mp4"


def make_library(folder: Path) -> None:
    """The library as it is before each operation."""
    with LibraryStore.open(folder, create=True) as store:
        store.encoders.register(SPEC)
        for number in range(1, VIDEOS + 1):
            store.videos.add(
                video(path_of(number)), clips(CLIPS, number), fingerprint=SPEC.fingerprint
            )
        index_of(store).compact(force=True)


def index_of(store: LibraryStore) -> FaissIndex:
    """The index that the product uses, but quick to think that a new base is due."""
    return FaissIndex(
        store.folder / "vectors" / SPEC.fingerprint,
        store.clip_vectors,
        SPEC,
        options=FaissOptions(tail_at_least=1),
    )


def removing(folder: Path) -> None:
    """Remove every other video, those that are left of them; then fold the index."""
    with LibraryStore.open(folder) as store, store.lease():
        for number in REMOVED:
            there = store.videos.at(Path(path_of(number)))
            if there is not None:
                store.videos.remove([there.id])
                store.remove_orphans()
        index_of(store).compact()


def adding(folder: Path) -> None:
    """Replace some videos and add some, in any state of doing so."""
    with LibraryStore.open(folder) as store, store.lease():
        for number in (*range(7, VIDEOS + 1), *range(100, 105)):
            store.videos.add(
                video(path_of(number)), clips(CLIPS, 1000 + number), fingerprint=SPEC.fingerprint
            )
        index_of(store).compact()


def replacing_the_index(folder: Path) -> None:
    """Write one base after another."""
    with LibraryStore.open(folder) as store, store.lease():
        index = index_of(store)
        for _ in range(4):
            index.compact(force=True)


def migrating(folder: Path) -> None:
    """Open with a later version of vidseek."""
    store_module.MIGRATIONS = later_migrations(folder.parent / "migrations")
    with LibraryStore.open(folder):
        pass


OPERATIONS = {
    operation.__name__: operation
    for operation in (removing, adding, replacing_the_index, migrating)
}


def run(operation: str, folder: Path, started: Connection) -> None:
    """Run one operation, saying when it starts and when it has ended."""
    started.send("started")
    OPERATIONS[operation](folder)
    started.send("ended")
