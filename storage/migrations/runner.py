"""Creating a library's tables, reading their revision, and migrating older ones.

Alembic is imported only if a library has to be migrated.
"""

from __future__ import annotations

import logging
import os
import sqlite3
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

from sqlalchemy import Column, Connection, Engine, MetaData, String, Table, insert, inspect, select

from vidseek.core.errors import Hint, LibraryDamagedError, LibraryTooNewError, NotALibraryError
from vidseek.storage.catalog.connection import library_errors, sqlite_engine, writer
from vidseek.storage.catalog.schema import HEAD_REVISION, Base, LibraryRow

_logger = logging.getLogger(__name__)

_VERSION = Table("alembic_version", MetaData(), Column("version_num", String(32), primary_key=True))


@dataclass(frozen=True)
class Migrations:
    """Revisions in a folder of alembic scripts."""

    scripts: Path = Path(__file__).parent
    head: str = HEAD_REVISION
    """The newest revision; revisions count up."""


def create_tables(engine: Engine) -> None:
    """Create the tables of an empty library, in one transaction."""
    with writer(engine).begin() as connection:
        Base.metadata.create_all(connection)
        _VERSION.create(connection)
        connection.execute(insert(_VERSION).values(version_num=HEAD_REVISION))
        connection.execute(insert(LibraryRow).values(id=1, sequence=0))


def read_revision(connection: Connection, name: str) -> str:
    """Read the revision of the tables.

    Raises:
        NotALibraryError: the tables are not vidseek's.
    """
    if not inspect(connection).has_table(_VERSION.name):
        raise NotALibraryError(f"The database of {name} is not a vidseek library")
    revision: str | None = connection.execute(select(_VERSION.c.version_num)).scalar()
    if revision is None or not revision.isdigit():
        raise NotALibraryError(f"The database of {name} belongs to another program ({revision})")
    return revision


def is_current(revision: str, migrations: Migrations, name: str) -> bool:
    """Return True if the tables can be used as they are, False if they are older.

    Raises:
        LibraryTooNewError: a newer vidseek wrote them.
    """
    if int(revision) > int(migrations.head):
        raise LibraryTooNewError(
            f"{name} was written by a newer vidseek: its format is {revision}, this version reads "
            f"up to {migrations.head}",
            hint=Hint("upgrade_vidseek"),
        )
    return revision == migrations.head


def migrate_sqlite(path: Path, migrations: Migrations) -> None:
    """Migrate an old database, after a backup beside it.

    The migration is one transaction: a killed process leaves the old library. The caller holds the
    library's lease, so that no second process overwrites the backup.
    """
    revision = _revision_of(path)
    if is_current(revision, migrations, str(path.parent)):
        return  # another process was faster
    backup = path.with_name(f"{path.name}.before-{migrations.head}")
    _logger.warning(
        "Migrating %s from format %s to %s; a copy of it stays as %s",
        path.parent,
        revision,
        migrations.head,
        backup.name,
    )
    _back_up(path, backup)
    # Without foreign keys: rebuilding a table drops it, which would delete rows that refer to it.
    engine = sqlite_engine(path, foreign_keys=False, pooled=False)
    try:
        _upgrade(engine, migrations, str(path.parent))
    finally:
        engine.dispose()


def migrate_server(engine: Engine, migrations: Migrations, name: str) -> None:
    """Migrate old tables on a database server; backups are the server administrator's task."""
    _logger.warning("Migrating the database of %s to format %s", name, migrations.head)
    _upgrade(engine, migrations, name)


def _revision_of(path: Path) -> str:
    engine = sqlite_engine(path, pooled=False)
    try:
        with engine.begin() as connection:
            return read_revision(connection, str(path.parent))
    finally:
        engine.dispose()


def _upgrade(engine: Engine, migrations: Migrations, name: str) -> None:
    from alembic import command
    from alembic.config import Config

    config = Config()
    config.set_main_option("script_location", str(migrations.scripts).replace("%", "%%"))
    config.set_main_option("path_separator", "os")
    with library_errors(name), writer(engine).begin() as connection:
        if is_current(read_revision(connection, name), migrations, name):
            return  # another process was faster
        config.attributes["connection"] = connection
        if engine.dialect.name != "sqlite":
            command.upgrade(config, migrations.head)
            return
        counters = _counters(connection)
        command.upgrade(config, migrations.head)
        _keep_counting(connection, counters)
        if orphans := connection.exec_driver_sql("PRAGMA foreign_key_check").all():
            raise LibraryDamagedError(
                f"Migrating {name} would leave {len(orphans)} rows that refer to nothing; "
                "it was left unchanged"
            )


def _counters(connection: Connection) -> dict[str, int]:
    rows = connection.exec_driver_sql("SELECT name, seq FROM sqlite_sequence")
    return {name: last for name, last in rows}  # noqa: C416  (rows are no pairs to mypy)


def _keep_counting(connection: Connection, counters: dict[str, int]) -> None:
    """Never reuse an id: a rebuilt table would count on from its largest id."""
    for table, last in counters.items():
        definition = connection.exec_driver_sql(
            "SELECT sql FROM sqlite_master WHERE type = 'table' AND name = ?", (table,)
        ).scalar()
        assert definition is None or "AUTOINCREMENT" in definition, f"{table} stopped counting"
        changed = connection.exec_driver_sql(
            "UPDATE sqlite_sequence SET seq = max(seq, ?) WHERE name = ?", (last, table)
        )
        if definition is not None and changed.rowcount == 0:
            connection.exec_driver_sql("INSERT INTO sqlite_sequence VALUES (?, ?)", (table, last))


def _back_up(path: Path, backup: Path) -> None:
    unfinished = backup.with_name(backup.name + ".unfinished")
    with library_errors(str(path.parent)):
        unfinished.unlink(missing_ok=True)
        with (
            closing(sqlite3.connect(f"{path.absolute().as_uri()}?mode=rw", uri=True)) as source,
            closing(sqlite3.connect(unfinished)) as target,
        ):
            source.backup(target)
        os.replace(unfinished, backup)  # noqa: PTH105
