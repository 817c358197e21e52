"""The operations that test_killed.py kills, in a module that their processes can import."""

from __future__ import annotations

from dataclasses import dataclass
from multiprocessing.connection import Connection
from pathlib import Path

from kill_points import kill_at_call
from later_version import later_migrations
from library_samples import SPEC, clips, video

from vidseek.storage import store as store_module
from vidseek.storage.catalog.changes import Change
from vidseek.storage.catalog.videos import Videos
from vidseek.storage.migrations import runner
from vidseek.storage.store import LibraryStore
from vidseek.storage.vectors.faiss import index_file
from vidseek.storage.vectors.faiss.index import FaissIndex, FaissOptions

VIDEOS = 10
CLIPS = 12
REMOVED = range(1, VIDEOS + 1, 2)
"""Numbers of the videos that are removed."""


def path_of(number: int) -> str:
    return f"/v/{number}.mp4"


def make_library(folder: Path) -> None:
    """Create the library that each operation starts with."""
    with LibraryStore.open(folder, create=True) as store:
        store.encoders.register(SPEC)
        for number in range(1, VIDEOS + 1):
            store.videos.add(
                video(path_of(number)), clips(CLIPS, number), fingerprint=SPEC.fingerprint
            )
        index_of(store).compact(force=True)


def index_of(store: LibraryStore) -> FaissIndex:
    """The store's index, except that every change causes a new base."""
    return FaissIndex(
        store.folder / "vectors" / SPEC.fingerprint,
        store.clip_vectors,
        SPEC,
        options=FaissOptions(tail_at_least=1),
    )


def removing(folder: Path) -> None:
    """Remove every second video that an earlier run has not removed; then compact the index."""
    with LibraryStore.open(folder) as store, store.lease():
        for number in REMOVED:
            there = store.videos.at(Path(path_of(number)))
            if there is not None:
                store.videos.remove([there.id])
                store.remove_orphans()
        index_of(store).compact()


def adding(folder: Path) -> None:
    """Replace some videos and add some, whether or not an earlier run has done a part."""
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


@dataclass(frozen=True)
class KillPoint:
    """A call at which a process kills itself, before or after it."""

    owner: object
    name: str
    passages: int = 1
    is_after: bool = False

    def arm(self) -> None:
        kill_at_call(self.owner, self.name, self.passages, is_after=self.is_after)


IN_A_TRANSACTION = KillPoint(Change, "log", passages=2)
BEFORE_THE_MANIFEST = KillPoint(index_file, "_write_manifest")

KILL_POINTS: dict[str, dict[str, KillPoint]] = {
    "removing": {
        "in a transaction": IN_A_TRANSACTION,
        "after a transaction": KillPoint(Videos, "remove", passages=2, is_after=True),
        "before the manifest": BEFORE_THE_MANIFEST,
    },
    "adding": {
        "in a transaction": IN_A_TRANSACTION,
        "after a transaction": KillPoint(Videos, "add", passages=2, is_after=True),
        "before the manifest": BEFORE_THE_MANIFEST,
    },
    "replacing_the_index": {
        "after the base": KillPoint(index_file, "_write_index", passages=2, is_after=True),
        "before the manifest": KillPoint(index_file, "_write_manifest", passages=2),
        "before old bases are removed": KillPoint(index_file, "_remove_others", passages=2),
    },
    "migrating": {
        "after the backup": KillPoint(runner, "_back_up", is_after=True),
        "in the migration": KillPoint(runner, "_keep_counting"),
        "after the migration": KillPoint(runner, "_upgrade", is_after=True),
    },
}
"""Named points of each operation."""


def run(operation: str, folder: Path, started: Connection, kill_point: str | None = None) -> None:
    """Run an operation; send a message when it starts and when it has ended.

    Args:
        operation: name of one of ``OPERATIONS``.
        folder: the library.
        started: where the messages go.
        kill_point: one of the operation's ``KILL_POINTS``, or None.
    """
    if kill_point is not None:
        KILL_POINTS[operation][kill_point].arm()
    started.send("started")
    OPERATIONS[operation](folder)
    started.send("ended")
