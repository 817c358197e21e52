"""The lease of a library: long runs, such as indexing, happen one at a time.

with FileLease(folder / "library.lock", name=str(folder)).held():
    ...

Short transactions need no lease and work beside a run. A lease is released automatically when its
process dies, however it dies.
"""

from __future__ import annotations

import errno
import os
import socket
import sys
import threading
import time
from abc import ABC, abstractmethod
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import Protocol

from sqlalchemy import Connection, Engine, make_url, text

from vidseek.core.errors import Hint, LibraryLockedError
from vidseek.core.job import Job, Progress

FOLDER_LEASE = "library.lock"
"""The lock file in a library's folder."""

LOCKED_BYTE = 1 << 30
"""The byte that is locked lies behind the text, which others read (Windows locks bytes)."""

_ADVISORY_CLASS = 0x7669_6473  # "vids"
"""First key of the advisory lock; the second one is the hash of the schema's name."""


class Lease(Protocol):
    """Permission to do a long run on a library, given to one thread of one process at a time."""

    def held(
        self, *, wait_seconds: float = 0.0, job: Job | None = None
    ) -> AbstractContextManager[None]:
        """Hold the lease. The thread that holds it may enter again.

        Args:
            wait_seconds: how long to wait for the present holder; may be infinite.
            job: reports the wait, and cancels it.

        Raises:
            LibraryLockedError: another process or thread holds it; the message names it.
            JobCancelledError: the job was cancelled while waiting.
        """


def lease_of(folder: Path, engine: Engine, database_url: str | None) -> Lease:
    """Choose the lease of a library: of its database, which several folders may use.

    Args:
        folder: the library's.
        engine: of the library's database.
        database_url: None for the database in the folder.
    """
    if engine.dialect.name == "postgresql":
        return PostgresLease(engine, name=str(folder))
    path = folder / FOLDER_LEASE
    if database_url is not None and engine.dialect.name == "sqlite":
        file = make_url(database_url).database
        if file:
            path = Path(f"{Path(file).absolute()}.lock")
    return FileLease(path, name=str(folder))


class _ThreadLease(ABC):
    """Waiting, and entering again from the same thread."""

    def __init__(self, *, name: str) -> None:
        self._name = name
        self._guard = threading.Lock()
        self._owner: int | None = None
        self._depth = 0

    @contextmanager
    def held(self, *, wait_seconds: float = 0.0, job: Job | None = None) -> Iterator[None]:
        """Hold the lease; see ``Lease``."""
        self._acquire(wait_seconds, job)
        try:
            yield
        finally:
            self._leave()

    def _acquire(self, wait_seconds: float, job: Job | None) -> None:
        started = time.monotonic()
        deadline = started + wait_seconds
        while (holder := self._enter()) is not None:
            if time.monotonic() >= deadline:
                raise LibraryLockedError(
                    f"{self._name} is in use by {holder}",
                    path=self._name,
                    hint=Hint("wait_for_run"),
                )
            if job is not None:
                job.check()
                waited = round(time.monotonic() - started)
                job.report(Progress(stage=f"waiting for {holder}", done=waited, unit="seconds"))
            time.sleep(0.05)

    def _enter(self) -> str | None:
        """Enter, or name the holder."""
        thread = threading.get_ident()
        with self._guard:
            if self._owner is None:
                holder = self._take()
                if holder is not None:
                    return holder
                self._owner = thread
            elif self._owner != thread:
                return _this_process()
            self._depth += 1
            return None

    def _leave(self) -> None:
        with self._guard:
            self._depth -= 1
            if self._depth == 0:
                self._owner = None
                self._give_back()

    @abstractmethod
    def _take(self) -> str | None:
        """Take the lease from the system, or name its holder."""

    @abstractmethod
    def _give_back(self) -> None:
        """Undo ``_take``."""


_files_held_here: set[Path] = set()
_files_held_here_guard = threading.Lock()


class FileLease(_ThreadLease):
    """A lease by an advisory lock of the operating system on a file.

    POSIX record locks (lockf), not flock: a forked child, such as a decoding process that outlives
    its parent by a moment, would inherit a flock and keep the library. Record locks belong to the
    process and fall when it closes *any* descriptor of the file, so ``_files_held_here`` keeps this
    process from opening a file twice.
    """

    def __init__(self, path: Path, *, name: str) -> None:
        """Use a lock file, which is created if needed.

        Args:
            path: the file.
            name: what the file protects, for messages.
        """
        super().__init__(name=name)
        self._path = path
        self._key: Path | None = None
        """The file that is held, with links resolved: it may be reached by several paths."""
        self._descriptor = -1

    def _take(self) -> str | None:
        key = self._path.resolve()
        with _files_held_here_guard:
            if key in _files_held_here:
                return _this_process()
            descriptor = os.open(self._path, os.O_RDWR | os.O_CREAT | _BINARY, 0o644)
            if not _lock(descriptor):
                holder = os.read(descriptor, 32).decode("ascii", "replace").strip()
                os.close(descriptor)
                return f"process {holder}" if holder else "another process"
            os.ftruncate(descriptor, 0)
            os.write(descriptor, f"{os.getpid()}\n".encode())
            self._descriptor, self._key = descriptor, key
            _files_held_here.add(key)
            return None

    def _give_back(self) -> None:
        with _files_held_here_guard:
            descriptor, self._descriptor = self._descriptor, -1
            # The file stays: if it were removed, two processes could lock two files of one name.
            os.close(descriptor)
            if self._key is not None:
                _files_held_here.discard(self._key)


class PostgresLease(_ThreadLease):
    """A lease by an advisory lock of a PostgreSQL server, for all folders that use its database.

    The server releases the lock when the connection ends, which is the lease's own and idle
    meanwhile: no transaction stays open for the hours of a run.
    """

    def __init__(self, engine: Engine, *, name: str) -> None:
        """Use a database.

        Args:
            engine: connects to it.
            name: what the lease protects, for messages.
        """
        super().__init__(name=name)
        self._engine = engine.execution_options(isolation_level="AUTOCOMMIT")
        self._connection: Connection | None = None

    def _take(self) -> str | None:
        connection = self._engine.connect()
        connection.detach()  # ends the session, which reliably releases the lock
        try:
            connection.execute(_SET_UP, {"name": f"vidseek {os.getpid()} on {_host_name()}"})
            if connection.execute(_TRY_LOCK, {"class": _ADVISORY_CLASS}).scalar_one():
                self._connection = connection
                return None
            holder = connection.execute(_HOLDER, {"class": _ADVISORY_CLASS}).scalar()
        finally:
            if self._connection is None:
                connection.close()
        return "another process" if not holder else f"process {holder.removeprefix('vidseek ')}"

    def _give_back(self) -> None:
        connection, self._connection = self._connection, None
        assert connection is not None
        connection.close()


_SET_UP = text(
    "SELECT set_config('application_name', :name, false) UNION ALL "
    "SELECT set_config('idle_session_timeout', '0', false) FROM pg_settings "
    "WHERE name = 'idle_session_timeout'"  # since PostgreSQL 14
)
_TRY_LOCK = text("SELECT pg_try_advisory_lock(:class, hashtext(current_schema()))")
_HOLDER = text(
    "SELECT application_name FROM pg_locks JOIN pg_stat_activity USING (pid) "
    "WHERE locktype = 'advisory' AND granted AND pg_locks.database = "
    "(SELECT oid FROM pg_database WHERE datname = current_database()) "
    "AND classid = CAST(:class AS oid) "
    "AND objid = CAST(hashtext(current_schema())::bigint & 4294967295 AS oid)"
)


def _host_name() -> str:
    return socket.gethostname()[:40]


def _this_process() -> str:
    return f"this process ({os.getpid()})"


if sys.platform == "win32":
    import msvcrt

    _BINARY = os.O_BINARY

    def _lock(descriptor: int) -> bool:
        os.lseek(descriptor, LOCKED_BYTE, os.SEEK_SET)
        try:
            msvcrt.locking(descriptor, msvcrt.LK_NBLCK, 1)
        except OSError:
            return False
        finally:
            os.lseek(descriptor, 0, os.SEEK_SET)
        return True

else:
    import fcntl

    _BINARY = 0

    def _lock(descriptor: int) -> bool:
        try:
            fcntl.lockf(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB, 1, LOCKED_BYTE)
        except OSError as error:
            if error.errno in {errno.EACCES, errno.EAGAIN}:
                return False
            raise
        return True
