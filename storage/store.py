"""A library: one folder with its database, vector indexes and thumbnails.

with LibraryStore.open(folder, create=True) as store, store.lease():
    store.videos.add(video, clips, fingerprint=spec.fingerprint)
"""

from __future__ import annotations

import logging
import os
import secrets
import shutil
import sqlite3
import threading
from collections.abc import Collection, Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Self

import numpy as np
from numpy.typing import NDArray
from sqlalchemy import Engine, inspect, make_url

from vidseek.core.errors import (
    Hint,
    LibraryError,
    LibraryLockedError,
    LibraryReadOnlyError,
    NotALibraryError,
)
from vidseek.core.job import Job
from vidseek.core.paths import absolute_path
from vidseek.core.types import EncoderSpec, LibraryStatistics
from vidseek.storage import thumbnails
from vidseek.storage.catalog.captions import Captions
from vidseek.storage.catalog.clip_vectors import ClipVectors
from vidseek.storage.catalog.connection import (
    database_engine,
    library_errors,
    set_journal,
    sqlite_engine,
)
from vidseek.storage.catalog.copy_descriptors import CopyDescriptors
from vidseek.storage.catalog.copy_matches import CopyMatches
from vidseek.storage.catalog.encoders import Encoders
from vidseek.storage.catalog.labels import Labels
from vidseek.storage.catalog.statistics import count_contents
from vidseek.storage.catalog.transactions import Transactions
from vidseek.storage.catalog.video_queries import all_content_hashes, chunks, content_hashes
from vidseek.storage.catalog.videos import Videos
from vidseek.storage.filesystem import Mount, locks_exclude, network_share
from vidseek.storage.lease import FOLDER_LEASE, FileLease, Lease, lease_of
from vidseek.storage.migrations.runner import (
    Migrations,
    create_tables,
    is_current,
    migrate_server,
    migrate_sqlite,
    read_revision,
)
from vidseek.storage.vectors.protocol import VectorIndex

if TYPE_CHECKING:
    from vidseek.storage.reference_index import ReferenceIndex

_logger = logging.getLogger(__name__)

MIGRATIONS = Migrations()

_DATABASE = "library.db"
_SERVER = "library.server"
"""File with the URL, without its password, of a database that is not in the folder."""

_VECTORS = "vectors"
_THUMBNAILS = "thumbnails"
_HASHES_AT_ONCE = 200
"""Contents whose thumbnails are deleted in one transaction, which others wait for."""
_WAIT_SECONDS = 30.0
"""How long opening waits for another process that is creating or migrating the library."""


class LibraryStore:
    """An open library folder. Many processes may use it at once; one at a time holds the lease."""

    def __init__(self, folder: Path, engine: Engine, *, lease: Lease, read_only: bool) -> None:
        """Use ``LibraryStore.open``."""
        self.folder = folder
        self.read_only = read_only
        self._transactions = Transactions(engine, name=str(folder), read_only=read_only)
        self.encoders = Encoders(self._transactions)
        self.videos = Videos(self._transactions)
        self.clip_vectors = ClipVectors(self._transactions)
        self.copy_descriptors = CopyDescriptors(self._transactions)
        self.copy_matches = CopyMatches(self._transactions)
        self.labels = Labels(self._transactions)
        self.captions = Captions(self._transactions)
        self._lease = lease
        self._indexes: dict[str, VectorIndex] = {}
        self._references: dict[str, ReferenceIndex] = {}
        self._indexes_guard = threading.Lock()

    @classmethod
    def open(
        cls, folder: Path, *, create: bool = False, database_url: str | None = None
    ) -> LibraryStore:
        """Open a library; an older one is backed up and migrated first.

        A library in a read-only folder is opened for reading.

        Args:
            folder: the library's folder.
            create: create the library if the folder is missing or empty.
            database_url: any SQLAlchemy URL, for metadata and vectors on a database server;
                None for library.db in the folder.

        Raises:
            NotALibraryError: the folder does not exist, or is not a library.
            LibraryTooNewError: a newer vidseek wrote it.
            LibraryReadOnlyError: it needs to be created or migrated, and is read-only.
            LibraryDamagedError: its database cannot be read.
        """
        folder = absolute_path(folder)
        with library_errors(str(folder)):
            if create:
                _make_folder(folder, in_folder=database_url is None)
            elif not folder.is_dir():
                raise NotALibraryError(f"{folder} does not exist", hint=Hint("create_library"))
            if database_url is None:
                return cls._open_file(folder, create=create)
            return cls._open_server(folder, database_url, create=create)

    @staticmethod
    def is_new(folder: Path, database_url: str | None) -> bool:
        """Whether ``open`` would create a library in this folder."""
        return not (folder / (_DATABASE if database_url is None else _SERVER)).exists()

    @classmethod
    def _open_file(cls, folder: Path, *, create: bool) -> LibraryStore:
        path = folder / _DATABASE
        lease = FileLease(folder / FOLDER_LEASE, name=str(folder))
        if not path.exists():
            if (folder / _SERVER).exists():
                server = (folder / _SERVER).read_text(encoding="utf-8").strip()
                raise LibraryError(
                    f"The database of {folder} is on a server: {server}",
                    hint=Hint("give_database_url", {"url": server}),
                )
            if not create:
                raise NotALibraryError(
                    f"{folder} is not a vidseek library: {_DATABASE} is missing",
                    hint=Hint("create_library"),
                )
            with lease.held(wait_seconds=_WAIT_SECONDS):
                if not path.exists():
                    _make_database(path)
        read_only = not (os.access(path, os.W_OK) and os.access(folder, os.W_OK))
        share = network_share(folder)
        if share is not None and not read_only:
            _prepare_share(path, share, lease)
        engine = sqlite_engine(path, read_only=read_only)
        try:
            with engine.begin() as connection:
                revision = read_revision(connection, str(folder))
            if not is_current(revision, MIGRATIONS, str(folder)):
                if read_only:
                    raise LibraryReadOnlyError(
                        f"{folder} was written by an older vidseek and cannot be migrated: it is "
                        "read-only",
                        hint=Hint("make_writable"),
                    )
                engine.dispose()
                with lease.held(wait_seconds=_WAIT_SECONDS):
                    migrate_sqlite(path, MIGRATIONS)
            if share is None and not read_only:
                _restore_log(path)
        except BaseException:
            engine.dispose()
            raise
        return cls(folder, engine, lease=lease, read_only=read_only)

    @classmethod
    def _open_server(cls, folder: Path, url: str, *, create: bool) -> LibraryStore:
        engine = database_engine(url)
        lease = lease_of(folder, engine, url)
        name = str(folder)
        try:
            if create and _is_empty(engine):
                with lease.held(wait_seconds=_WAIT_SECONDS):
                    if _is_empty(engine):
                        create_tables(engine)
            if create and not (folder / _SERVER).exists():
                shown = make_url(url).render_as_string(hide_password=True)
                (folder / _SERVER).write_text(f"{shown}\n", encoding="utf-8")
            with engine.begin() as connection:
                revision = read_revision(connection, name)
            if not is_current(revision, MIGRATIONS, name):
                with lease.held(wait_seconds=_WAIT_SECONDS):
                    migrate_server(engine, MIGRATIONS, name)
        except BaseException:
            engine.dispose()
            raise
        return cls(folder, engine, lease=lease, read_only=not os.access(folder, os.W_OK))

    @contextmanager
    def lease(self, *, wait_seconds: float = 0.0, job: Job | None = None) -> Iterator[None]:
        """Hold the library for a long run: indexing, adding or dropping a model, repairing.

        Short transactions, such as removing or relocating videos, need no lease and work beside a
        run. The thread that holds the lease may enter again.

        Args:
            wait_seconds: how long to wait for another run to end; may be infinite.
            job: reports the wait, and cancels it.

        Raises:
            LibraryLockedError: another process or thread holds the lease; the message names it.
            JobCancelledError: the job was cancelled while waiting.
            LibraryReadOnlyError: the folder cannot be written to.
        """
        self._transactions.check_writable()
        with ExitStack() as stack:
            # Only errors of the lease itself are library errors, not those of the caller's block.
            with library_errors(str(self.folder)):
                stack.enter_context(self._lease.held(wait_seconds=wait_seconds, job=job))
            yield

    def check_writable(self) -> None:
        """Refuse a library that cannot be written to.

        Raises:
            LibraryReadOnlyError: it is read-only.
        """
        self._transactions.check_writable()

    def snapshot(self) -> AbstractContextManager[None]:
        """Let all reads of this thread inside the ``with`` block see one state of the database."""
        return self._transactions.snapshot()

    def sequence(self) -> int:
        """Number of the last committed change."""
        return self._transactions.sequence()

    def statistics(self) -> LibraryStatistics:
        """Count the videos, clips and vectors of the library."""
        with self._transactions.reading() as connection:
            return count_contents(connection)

    def find_problems(self) -> list[str]:
        """Check the database for damage; return one line for each problem."""
        from vidseek.storage.catalog.integrity import find_problems

        with self._transactions.reading() as connection:
            return find_problems(connection)

    def vector_index(self, spec: EncoderSpec) -> VectorIndex:
        """Return the vector index of an encoder, the same object each time."""
        from vidseek.storage.vectors.faiss.index import FaissIndex

        with self._indexes_guard:
            index = self._indexes.get(spec.fingerprint)
            if index is None:
                index = FaissIndex(
                    self.folder / _VECTORS / spec.fingerprint,
                    self.clip_vectors,
                    spec,
                    read_only=self.read_only,
                )
                self._indexes[spec.fingerprint] = index
            return index

    def reference_index(self, fingerprint: str) -> ReferenceIndex:
        """Return the index of one copy descriptor's output, the same object each time."""
        with self._indexes_guard:
            index = self._references.get(fingerprint)
            if index is None:
                from vidseek.storage.reference_index import ReferenceIndex

                index = ReferenceIndex(self._transactions, fingerprint)
                self._references[fingerprint] = index
            return index

    def thumbnail_path(self, content_hash: str, seconds: float) -> Path:
        """Return the path of a frame's thumbnail, which may not exist."""
        return thumbnails.thumbnail_path(self.folder / _THUMBNAILS, content_hash, seconds)

    def write_thumbnail(self, content_hash: str, seconds: float, jpeg: bytes) -> None:
        """Keep a frame of a video as a small JPEG.

        Args:
            content_hash: of the video's file.
            seconds: the frame's time.
            jpeg: the file's content.
        """
        with library_errors(str(self.folder)):
            thumbnails.write_thumbnail(self.thumbnail_path(content_hash, seconds), jpeg)

    def read_thumbnail(self, content_hash: str, seconds: float) -> NDArray[np.uint8] | None:
        """Read the (H, W, 3) uint8 RGB thumbnail of a frame; None if it is missing or damaged."""
        return thumbnails.read_thumbnail(self.thumbnail_path(content_hash, seconds))

    def remove_videos(self, video_ids: Collection[int]) -> int:
        """Forget videos, and delete the thumbnails that no remaining video shares.

        Needs no lease: a run that is indexing the same content meanwhile writes its thumbnails
        again.

        Returns:
            How many videos were forgotten.
        """
        hashes = {video.content_hash for video in self.videos.by_id(video_ids).values()}
        removed = self.videos.remove(video_ids)
        for chunk in chunks(hashes, _HASHES_AT_ONCE):
            # In a transaction that writes, so that no video with these bytes is added between
            # the look-up and the deletion.
            with self._transactions.writing() as change:
                unused = set(chunk) - content_hashes(change.connection, chunk)
                thumbnails.remove_thumbnails(self.folder / _THUMBNAILS, unused)
        return removed

    def drop_model(self, fingerprint: str) -> int:
        """Delete a model's vectors and its index. Needs the lease.

        If the process is killed, the model is either dropped or intact; ``remove_orphans`` deletes
        the remains of its index.

        Returns:
            Bytes freed on this disk.

        Raises:
            LibraryError: no such model, or it is the active one.
        """
        folder = self.folder / _VECTORS / fingerprint
        index_bytes = sum(path.stat().st_size for path in folder.glob("*") if path.is_file())
        before = self.statistics().database_bytes or 0
        self.encoders.drop(fingerprint)
        with self._indexes_guard:
            self._indexes.pop(fingerprint, None)
        with library_errors(str(self.folder)):
            shutil.rmtree(folder, ignore_errors=True)
        try:
            self._transactions.shrink()
        except LibraryError as error:
            # Shrinking needs as much space again. New videos will use the freed pages.
            _logger.warning("The model is dropped, but library.db could not be shrunk: %s", error)
        after = self.statistics().database_bytes or 0
        return index_bytes + max(before - after, 0)

    def remove_orphans(self) -> int:
        """Delete the thumbnails of removed videos and the indexes of dropped models.

        Needs the lease: a run writes thumbnails before it adds their video.

        Returns:
            Number of files deleted.
        """
        with self._transactions.reading() as connection:
            hashes = all_content_hashes(connection)
        with library_errors(str(self.folder)):
            return (
                thumbnails.remove_orphans(self.folder / _THUMBNAILS, hashes)
                + self._remove_orphaned_indexes()
            )

    def _remove_orphaned_indexes(self) -> int:
        known = {spec.fingerprint for spec in self.encoders.specs()}
        removed = 0
        for folder in (self.folder / _VECTORS).glob("*"):
            if folder.name not in known and folder.is_dir():
                removed += sum(path.is_file() for path in folder.glob("*"))
                shutil.rmtree(folder, ignore_errors=True)
        return removed

    def close(self) -> None:
        """Close the database; the store cannot be used afterwards."""
        for references in self._references.values():
            references.close()
        self._references.clear()
        self._transactions.close()
        self._indexes.clear()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def _is_empty(engine: Engine) -> bool:
    with engine.begin() as connection:
        return not inspect(connection).get_table_names()


def _make_folder(folder: Path, *, in_folder: bool) -> None:
    """Create the folder of a new library, or refuse a folder with other contents."""
    if folder.exists() and not folder.is_dir():
        raise NotALibraryError(
            f"{folder} is a file, not a folder", hint=Hint("choose_library_folder")
        )
    if folder.is_dir() and in_folder and not (folder / _DATABASE).exists():
        # A process killed while it creates a library leaves only these.
        ours = {FOLDER_LEASE, _SERVER, _VECTORS, _THUMBNAILS, ".DS_Store"}
        others = [
            entry.name
            for entry in folder.iterdir()
            if entry.name not in ours and not entry.name.startswith(_DATABASE)
        ]
        if others:
            raise NotALibraryError(
                f"{folder} is not a vidseek library and not empty: it has {sorted(others)[0]}",
                hint=Hint("choose_library_folder"),
            )
    folder.mkdir(parents=True, exist_ok=True)


def _make_database(path: Path) -> None:
    """Create an empty library.db; it appears complete or not at all."""
    for left in path.parent.glob(f"{path.name}.*.unfinished*"):
        left.unlink(missing_ok=True)
    unfinished = path.with_name(f"{path.name}.{secrets.token_hex(4)}.unfinished")
    unfinished.touch(mode=0o644)
    engine = sqlite_engine(unfinished, pooled=False)
    create_tables(engine)
    engine.dispose()
    if network_share(path.parent) is None:
        set_journal(unfinished, wal=True)
    unfinished.replace(path)


def _restore_log(path: Path) -> None:
    """Use the write-ahead log again in a library that was on a network share.

    With the log, searches do not wait for a video that is being stored.
    """
    # In use: whoever opens it next tries again.
    with suppress(sqlite3.OperationalError):
        set_journal(path, wal=True)


def _prepare_share(path: Path, share: Mount, lease: Lease) -> None:
    """Try the locks of a network share, and use the rollback journal there.

    Two machines do not share the memory that a log needs, and would damage the database.

    Raises:
        LibraryLockedError: another process has a database with a log on a share open.
        LibraryError: locks on the share do not exclude other processes.
    """
    _try_locking(path.parent, share, lease)
    set_journal(path, wal=False)


def _try_locking(folder: Path, share: Mount, lease: Lease) -> None:
    try:
        with lease.held():
            excludes = locks_exclude(folder / FOLDER_LEASE)
    except LibraryLockedError:
        return  # another process holds it: locks work
    if not excludes:
        raise LibraryError(
            f"{folder} is on a network share ({share.kind}) whose locks do not exclude other "
            "processes",
            hint=Hint("move_library"),
        )
    if share.locks_are_local:
        _logger.warning(
            "%s is on a network share (%s) mounted with locks for this machine only: no other "
            "machine may use the library at the same time",
            folder,
            share.kind,
        )
