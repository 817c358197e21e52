"""Transactions on the library's database.

with transactions.writing() as change:
    change.connection.execute(...)
"""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager

from sqlalchemy import Connection, Engine, select, update

from vidseek.core.errors import (
    Hint,
    LibraryClosedError,
    LibraryError,
    LibraryReadOnlyError,
)
from vidseek.storage.catalog.changes import Change
from vidseek.storage.catalog.connection import library_errors, reader, writer
from vidseek.storage.catalog.encoder_queries import StoredEncoder, read_spec
from vidseek.storage.catalog.schema import EncoderRow, LibraryRow


class Transactions:
    """Opens the transactions of one library. Safe to use from several threads.

    A transaction happens completely or not at all, even if the process is killed. Every failure of
    the database is a ``LibraryError``.
    """

    def __init__(self, engine: Engine, *, name: str, read_only: bool = False) -> None:
        """Use the tables behind an engine, which must exist.

        Args:
            engine: see ``vidseek.storage.catalog.connection``.
            name: the library's folder, for messages.
            read_only: refuse to write.
        """
        self.name = name
        self._read_only = read_only
        self._engine = engine
        self._is_closed = False
        self._reader = reader(engine)
        self._writer = writer(engine)
        self._local = threading.local()

    def close(self) -> None:
        """Close all connections; nothing can be read or written any more."""
        self._is_closed = True
        self._engine.dispose()

    def check_open(self) -> None:
        """Refuse a library that was closed.

        Raises:
            LibraryClosedError: it was closed.
        """
        if self._is_closed:
            raise LibraryClosedError(f"{self.name} was closed", path=self.name)

    @contextmanager
    def snapshot(self) -> Iterator[None]:
        """Let all reads of this thread inside the ``with`` block see one state of the database."""
        if getattr(self._local, "connection", None) is not None:
            yield
            return
        self.check_open()
        with ExitStack() as stack:
            # Errors raised by the caller's block are not library errors.
            with library_errors(self.name):
                self._local.connection = stack.enter_context(self._reader.begin())
            self._local.encoders = {}
            try:
                yield
            finally:
                self._local.connection = self._local.encoders = None

    @contextmanager
    def reading(self) -> Iterator[Connection]:
        """Give the connection of this thread's snapshot, or of a new transaction."""
        with library_errors(self.name), self.snapshot():
            yield self._local.connection

    @contextmanager
    def writing(self) -> Iterator[Change]:
        """Begin a transaction that writes.

        Raises:
            LibraryReadOnlyError: the library cannot be written to.
            LibraryLockedError: another transaction did not end within 30 seconds.
        """
        self.check_open()
        self.check_writable()
        if getattr(self._local, "connection", None) is not None:
            raise RuntimeError("cannot write inside a snapshot")
        with library_errors(self.name), self._writer.begin() as connection:
            connection.execute(update(LibraryRow).values(sequence=LibraryRow.sequence + 1))
            sequence = connection.execute(select(LibraryRow.sequence)).scalar_one()
            yield Change.begin(connection, sequence)

    def check_writable(self) -> None:
        """Refuse a library that cannot be written to.

        Raises:
            LibraryReadOnlyError: it is read-only.
        """
        if self._read_only:
            raise LibraryReadOnlyError(
                f"{self.name} cannot be written to", path=self.name, hint=Hint("make_writable")
            )

    def sequence(self) -> int:
        """Number of the last committed change."""
        with self.reading() as connection:
            return connection.execute(select(LibraryRow.sequence)).scalar_one()

    def encoder(self, connection: Connection, fingerprint: str) -> StoredEncoder:
        """The encoder of that fingerprint.

        Raises:
            LibraryError: the library has no such encoder.
        """
        encoder = self.find_encoder(connection, fingerprint)
        if encoder is None:
            raise LibraryError(
                f"{self.name} has no vectors of the model {fingerprint}",
                path=self.name,
                hint=Hint("list_models"),
            )
        return encoder

    def find_encoder(self, connection: Connection, fingerprint: str) -> StoredEncoder | None:
        """Find the encoder of that fingerprint; None if it is not registered.

        Cached for the length of a snapshot only: another process may drop an encoder, and the
        database may give its id to the next one.
        """
        seen: dict[str, StoredEncoder] | None = getattr(self._local, "encoders", None)
        if seen is not None and fingerprint in seen:
            return seen[fingerprint]
        row = connection.execute(
            select(EncoderRow.id, EncoderRow.spec).where(EncoderRow.fingerprint == fingerprint)
        ).first()
        if row is None:
            return None
        encoder = StoredEncoder(row.id, read_spec(row.spec))
        if seen is not None:
            seen[fingerprint] = encoder
        return encoder

    def shrink(self) -> None:
        """Return the space of deleted rows to the disk; a server does that by itself."""
        if self._engine.dialect.name != "sqlite":
            return
        with library_errors(self.name):
            connection = self._engine.raw_connection()
            try:
                cursor = connection.cursor()
                cursor.execute("VACUUM")
                cursor.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchall()
            finally:
                connection.close()
