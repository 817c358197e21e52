"""Engines for the library's database, and translation of its errors.

engine = sqlite_engine(folder / "library.db")
with library_errors(str(folder)), writer(engine).begin() as connection: ...
"""

from __future__ import annotations

import errno
import os
import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from sqlalchemy import Connection, Engine, create_engine, event, make_url
from sqlalchemy.exc import DBAPIError
from sqlalchemy.pool import NullPool, QueuePool

from vidseek.core.errors import (
    Hint,
    LibraryDamagedError,
    LibraryDiskError,
    LibraryError,
    LibraryFullError,
    LibraryLockedError,
    LibraryReadOnlyError,
    MissingExtraError,
)
from vidseek.storage.filesystem import network_share

BUSY_TIMEOUT_SECONDS = 30.0
"""How long a transaction waits for those of other processes, which take milliseconds."""

_WRITES = "vidseek_writes"


def database_engine(url: str, *, read_only: bool = False) -> Engine:
    """Make an engine for any SQLAlchemy URL.

    Raises:
        LibraryError: the URL is invalid, or its driver is not installed.
        MissingExtraError: psycopg is not installed.
    """
    try:
        parsed = make_url(url)
        if parsed.get_backend_name() == "sqlite" and parsed.database:
            return sqlite_engine(Path(parsed.database).absolute(), read_only=read_only)
        if parsed.drivername == "postgresql" and find_spec("psycopg2") is None:
            parsed = parsed.set(drivername="postgresql+psycopg")
        return create_engine(parsed, pool_pre_ping=True)
    except Exception as error:
        if isinstance(error, ModuleNotFoundError) and error.name == "psycopg":
            raise MissingExtraError(
                "a library in PostgreSQL needs psycopg",
                hint=Hint("install_extra", {"extra": "postgres"}),
            ) from error
        if isinstance(error, LibraryError):
            raise
        raise LibraryError(f"Cannot use the database URL: {error}") from error


def sqlite_engine(
    path: Path, *, read_only: bool = False, foreign_keys: bool = True, pooled: bool = True
) -> Engine:
    """Make an engine for a SQLite file, which must exist.

    Every transaction starts with an explicit BEGIN, because the sqlite3 module starts none for
    reading or DDL. So all reads of a transaction see the same state, and DDL rolls back.
    """
    mode = "mode=rw"
    if read_only:
        mode = _read_only_mode(path)
    uri = f"{path.absolute().as_uri()}?{mode}"

    def connect() -> sqlite3.Connection:
        connection = sqlite3.connect(
            uri,
            uri=True,
            timeout=BUSY_TIMEOUT_SECONDS,
            isolation_level=None,
            check_same_thread=False,
        )
        connection.execute(f"PRAGMA foreign_keys = {'ON' if foreign_keys else 'OFF'}")
        # One fsync per video takes milliseconds, decoding it seconds. With FULL, videos reported as
        # indexed survive a power cut; NORMAL would only survive a killed process.
        connection.execute("PRAGMA synchronous = FULL")
        connection.execute("PRAGMA journal_size_limit = 67108864")
        return connection

    if pooled:
        engine = create_engine(
            "sqlite://", creator=connect, poolclass=QueuePool, pool_size=4, max_overflow=-1
        )
    else:
        engine = create_engine("sqlite://", creator=connect, poolclass=NullPool)

    @event.listens_for(engine, "begin")
    def begin(connection: Connection) -> None:
        # A transaction that will write takes the write lock at once: a transaction that has read
        # and then finds another writer cannot wait for it, SQLite fails it.
        writes = connection.get_execution_options().get(_WRITES, False)
        connection.exec_driver_sql("BEGIN IMMEDIATE" if writes else "BEGIN")

    return engine


def writer(engine: Engine) -> Engine:
    """Return the engine for transactions that write."""
    return engine.execution_options(**{_WRITES: True})


def reader(engine: Engine) -> Engine:
    """Return the engine for transactions whose reads all see the same state."""
    if engine.dialect.name == "sqlite":
        return engine
    return engine.execution_options(isolation_level="REPEATABLE READ")


def _read_only_mode(path: Path) -> str:
    """Choose SQLite's mode for a read-only database.

    A database in WAL mode needs its -shm file, which cannot be created in a read-only folder. If
    the log is empty, it is safe to open the database as immutable instead. On a network share
    another machine may write to it, so it is immutable there only if it cannot be read otherwise.
    """
    if network_share(path.parent) is not None and _can_be_read(path):
        return "mode=ro"
    log = path.with_name(path.name + "-wal")
    try:
        log_is_empty = not log.exists() or log.stat().st_size == 0
    except OSError:
        log_is_empty = False
    return "mode=ro&immutable=1" if log_is_empty else "mode=ro"


def set_journal(path: Path, *, wal: bool) -> None:
    """Let a SQLite file use the write-ahead log, or the rollback journal.

    Through SQLite even where nothing changes: reading the file's header ourselves and closing it
    would release the locks that other connections of this process hold on it.

    Raises:
        sqlite3.OperationalError: another process keeps the file from being changed.
    """
    wanted = "wal" if wal else "delete"
    uri = f"{path.absolute().as_uri()}?mode=rw"
    with closing(sqlite3.connect(uri, uri=True, timeout=2.0)) as connection:
        if not wal:
            # A log is then read without shared memory, which a network share does not have.
            connection.execute("PRAGMA locking_mode = EXCLUSIVE")
        if connection.execute("PRAGMA journal_mode").fetchone()[0] != wanted:
            connection.execute(f"PRAGMA journal_mode = {wanted}").fetchall()


def _can_be_read(path: Path) -> bool:
    """True if SQLite can read a database without writing beside it: it has no log."""
    uri = f"{path.absolute().as_uri()}?mode=ro"
    try:
        with closing(sqlite3.connect(uri, uri=True)) as connection:
            connection.execute("SELECT count(*) FROM sqlite_master").fetchone()
    except sqlite3.OperationalError:
        return False
    return True


@contextmanager
def library_errors(name: str) -> Iterator[None]:
    """Translate errors of the database and the disk into library errors.

    Args:
        name: the library's folder, for messages.
    """
    try:
        yield
    except LibraryError as error:
        if error.path is None:
            error.path = Path(name)
        raise
    except (DBAPIError, sqlite3.Error, OSError) as error:
        translated = _translated(error, name)
        translated.path = Path(name)
        raise translated from error


def _translated(error: DBAPIError | sqlite3.Error | OSError, name: str) -> LibraryError:
    if isinstance(error, OSError):
        return _translated_os(error, name)
    if isinstance(error, sqlite3.Error):
        return _translated_sqlite(error, name)
    return _translated_server(error, name)


def _translated_server(error: DBAPIError, name: str) -> LibraryError:
    if isinstance(error.orig, sqlite3.Error):
        return _translated_sqlite(error.orig, name)
    reason = str(error.orig).strip().splitlines()[0] if str(error.orig).strip() else str(error)
    state = str(getattr(error.orig, "sqlstate", "") or "")
    if state == "53100":
        return LibraryFullError(
            f"The database server of {name} has no space left: {reason}", hint=Hint("free_space")
        )
    if state in {"25006", "42501"}:
        return LibraryReadOnlyError(f"The database of {name} cannot be written to: {reason}")
    if state in {"55P03", "40P01", "40001"}:
        return LibraryLockedError(
            f"The database of {name} is in use: {reason}", hint=Hint("wait_for_run")
        )
    return LibraryError(f"The database of {name} failed: {reason}")


def _translated_sqlite(error: Any, name: str) -> LibraryError:
    code = getattr(error, "sqlite_errorcode", 0) & 0xFF
    if code == sqlite3.SQLITE_FULL:
        return LibraryFullError(f"No space left on the device of {name}", hint=Hint("free_space"))
    if code in {sqlite3.SQLITE_READONLY, sqlite3.SQLITE_PERM}:
        return LibraryReadOnlyError(f"{name} is read-only: {error}")
    if code in {sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB}:
        return LibraryDamagedError(
            f"The database of {name} is damaged ({error})", hint=Hint("restore_database")
        )
    if code in {sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED}:
        return LibraryLockedError(
            f"The database of {name} is locked by another process", hint=Hint("wait_for_run")
        )
    if code == sqlite3.SQLITE_CANTOPEN:
        return LibraryDiskError(
            f"The database of {name} cannot be opened", hint=Hint("check_permissions")
        )
    if code == sqlite3.SQLITE_IOERR:
        return LibraryDiskError(
            f"Reading or writing {name} failed ({error})", hint=Hint("check_disk")
        )
    return LibraryError(f"The database of {name} failed: {error}")


def _translated_os(error: OSError, name: str) -> LibraryError:
    if error.errno in {errno.ENOSPC, errno.EDQUOT, errno.EFBIG}:
        return LibraryFullError(f"No space left on the device of {name}", hint=Hint("free_space"))
    if error.errno in {errno.EROFS, errno.EACCES, errno.EPERM}:
        return LibraryReadOnlyError(f"{name} cannot be written to: {os.strerror(error.errno)}")
    if error.errno in {errno.ENOLCK, errno.ENOTSUP, errno.EOPNOTSUPP}:
        return LibraryError(
            f"{name} is on a file system without locks: {os.strerror(error.errno)}",
            hint=Hint("move_library"),
        )
    return LibraryDiskError(f"Reading or writing {name} failed ({error})", hint=Hint("check_disk"))
