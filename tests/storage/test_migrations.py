"""Migrations create the tables of the models, and migrate an older library atomically."""

from __future__ import annotations

import logging
import sqlite3
import threading
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from later_version import later_migrations
from library_samples import LABEL_TABLES, SPEC, clips, unit_vectors, video
from sqlalchemy import Engine, create_engine, inspect, text

from vidseek.core.errors import Hint, LibraryDamagedError, LibraryTooNewError
from vidseek.core.types import Calibration, VideoState
from vidseek.storage import store as store_module
from vidseek.storage.catalog.connection import sqlite_engine, writer
from vidseek.storage.catalog.schema import HEAD_REVISION, Base
from vidseek.storage.migrations.runner import Migrations, create_tables
from vidseek.storage.store import LibraryStore

FINGERPRINT = SPEC.fingerprint


def migrate_from_nothing(engine: Engine, *, to: str = "head") -> None:
    from alembic import command
    from alembic.config import Config

    config = Config()
    config.set_main_option("script_location", str(Migrations().scripts))
    config.set_main_option("path_separator", "os")
    with writer(engine).begin() as connection:
        config.attributes["connection"] = connection
        command.upgrade(config, to)


def difference_to_models(engine: Engine) -> list[object]:
    from alembic.autogenerate import compare_metadata
    from alembic.migration import MigrationContext

    with engine.connect() as connection:
        context = MigrationContext.configure(connection, opts={"compare_type": True})
        return list(compare_metadata(context, Base.metadata))


def empty_sqlite(folder: Path, name: str) -> Engine:
    path = folder / name
    path.touch()
    return sqlite_engine(path)


def test_migrations_make_what_the_models_say(tmp_path: Path) -> None:
    migrated = empty_sqlite(tmp_path, "migrated.db")
    migrate_from_nothing(migrated)
    assert difference_to_models(migrated) == []
    created = empty_sqlite(tmp_path, "created.db")
    create_tables(created)

    def definitions(engine: Engine) -> dict[str, str]:
        with engine.connect() as connection:
            rows = connection.execute(text("SELECT name, sql FROM sqlite_master"))
            return {name: " ".join(sorted((sql or "").split())) for name, sql in rows}

    made, expected = definitions(migrated), definitions(created)
    assert set(made) == set(expected)
    for table in ("videos", "clips"):
        assert "AUTOINCREMENT" in made[table]
        assert "AUTOINCREMENT" in expected[table]
    migrated.dispose()
    created.dispose()


@pytest.mark.full
def test_migrations_make_what_the_models_say_on_a_server(postgres_url: Callable[[], str]) -> None:
    engine = create_engine(postgres_url())
    migrate_from_nothing(engine)
    assert difference_to_models(engine) == []
    engine.dispose()


def test_head_is_the_last_revision() -> None:
    from alembic.script import ScriptDirectory

    scripts = ScriptDirectory(str(Migrations().scripts))
    assert scripts.get_current_head() == HEAD_REVISION
    for revision in scripts.walk_revisions():  # numbers that count up, one after another
        assert revision.revision.isdigit()
        if revision.down_revision is not None:
            assert int(revision.revision) == int(str(revision.down_revision)) + 1


def fill(store: LibraryStore) -> None:
    store.encoders.register(SPEC)
    for number in range(3):
        store.videos.add(video(f"/v/{number}.mp4"), clips(50, number), fingerprint=FINGERPRINT)
    store.vector_index(SPEC).compact()


def test_older_library_is_migrated_after_a_backup(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    folder = tmp_path / "library"
    queries = unit_vectors(2, 5)
    with LibraryStore.open(folder, create=True) as store:
        fill(store)
        newest = store.videos.add_copy(3, video("/v/3.mp4")).id
        newest_clip = store.videos.clips(newest)[-1].id
        store.videos.remove([newest])
        videos = store.videos.select()
        expected = store.vector_index(SPEC).search(queries, 5)
    later = later_migrations(tmp_path / "migrations")
    monkeypatch.setattr(store_module, "MIGRATIONS", later)
    with caplog.at_level(logging.WARNING), LibraryStore.open(folder) as store:
        assert f"before-{later.head}" in caplog.text
        assert store.videos.select() == videos  # also: nothing was deleted by foreign keys
        assert store.find_problems() == []
        scores, ids = store.vector_index(SPEC).search(queries, 5)
        assert np.array_equal(ids, expected[1])
        assert np.array_equal(scores, expected[0])
        columns = inspect(store._transactions._engine).get_columns("videos")
        assert "title" in {column["name"] for column in columns}
        copy = store.videos.add_copy(1, video("/v/copy.mp4")).id
        assert copy > newest  # rebuilt tables go on counting
        assert store.videos.clips(copy)[0].id > newest_clip
    caplog.clear()
    with LibraryStore.open(folder):
        assert not caplog.records  # once
    monkeypatch.undo()
    with pytest.raises(LibraryTooNewError):
        LibraryStore.open(folder)
    (folder / f"library.db.before-{later.head}").replace(folder / "library.db")
    for log in folder.glob("library.db-*"):
        log.unlink()
    with LibraryStore.open(folder) as store:
        assert store.videos.select() == videos
        assert store.vector_index(SPEC).verify(repair=False) == []


def test_library_of_the_first_version_takes_a_calibration(tmp_path: Path) -> None:
    folder = tmp_path / "library"
    folder.mkdir()
    old = empty_sqlite(folder, "library.db")
    migrate_from_nothing(old, to="0001")
    with old.begin() as connection:
        connection.execute(text("INSERT INTO library (id, sequence) VALUES (1, 0)"))
    assert not inspect(old).has_table("calibrations")
    old.dispose()
    with LibraryStore.open(folder) as store:
        fill(store)
        calibration = Calibration(3.0, -1.0, "queries", 150, "1")
        store.encoders.set_calibration(FINGERPRINT, calibration)
    assert (folder / f"library.db.before-{HEAD_REVISION}").is_file()
    with LibraryStore.open(folder) as store:
        assert store.encoders.calibration(FINGERPRINT) == calibration
        assert store.find_problems() == []


def test_a_calibration_of_the_format_before_was_fitted_to_scores_as_they_are(
    tmp_path: Path,
) -> None:
    folder = tmp_path / "library"
    calibration = Calibration(3.0, -1.0, "captions", 150, "1")
    with LibraryStore.open(folder, create=True) as store:
        fill(store)
        store.encoders.set_calibration(FINGERPRINT, calibration)
    with sqlite3.connect(folder / "library.db") as connection:
        connection.execute("ALTER TABLE calibrations DROP COLUMN hubness")
        connection.execute("ALTER TABLE videos DROP COLUMN failure_hint")
        connection.execute("ALTER TABLE videos DROP COLUMN hdr")
        connection.execute("ALTER TABLE videos DROP COLUMN has_sound")
        connection.execute("DROP TABLE dismissed_pairs")
        for table in LABEL_TABLES:
            connection.execute(f"DROP TABLE {table}")
        connection.execute("UPDATE alembic_version SET version_num = '0004'")
    connection.close()
    with LibraryStore.open(folder) as store:
        assert (folder / f"library.db.before-{HEAD_REVISION}").is_file()
        assert store.encoders.calibration(FINGERPRINT) == calibration
        corrected = replace(calibration, hubness=b"bank")
        store.encoders.set_calibration(FINGERPRINT, corrected)
        assert store.encoders.calibration(FINGERPRINT) == corrected
        assert store.find_problems() == []


def test_a_failure_of_the_format_before_has_no_next_step(tmp_path: Path) -> None:
    folder = tmp_path / "library"
    failed = replace(video("/v/broken.mp4"), state=VideoState.FAILED, failure="the file is empty")
    with LibraryStore.open(folder, create=True) as store:
        fill(store)
        store.videos.add(failed, [], fingerprint=FINGERPRINT)
    with sqlite3.connect(folder / "library.db") as connection:
        connection.execute("ALTER TABLE videos DROP COLUMN failure_hint")
        connection.execute("ALTER TABLE videos DROP COLUMN hdr")
        connection.execute("ALTER TABLE videos DROP COLUMN has_sound")
        connection.execute("DROP TABLE dismissed_pairs")
        for table in LABEL_TABLES:
            connection.execute(f"DROP TABLE {table}")
        connection.execute("UPDATE alembic_version SET version_num = '0005'")
    connection.close()
    with LibraryStore.open(folder) as store:
        assert (folder / f"library.db.before-{HEAD_REVISION}").is_file()
        (stored,) = store.videos.select(states=[VideoState.FAILED])
        assert (stored.failure, stored.failure_hint) == ("the file is empty", None)
        store.videos.add(
            replace(failed, failure_hint=Hint("copy_again")), [], fingerprint=FINGERPRINT
        )
        (stored,) = store.videos.select(states=[VideoState.FAILED])
        assert stored.failure_hint == Hint("copy_again")
        assert store.find_problems() == []


def test_a_video_of_the_format_before_counts_as_no_hdr(tmp_path: Path) -> None:
    folder = tmp_path / "library"
    with LibraryStore.open(folder, create=True) as store:
        fill(store)
        before = store.videos.select()
    with sqlite3.connect(folder / "library.db") as connection:
        connection.execute("ALTER TABLE videos DROP COLUMN hdr")
        connection.execute("ALTER TABLE videos DROP COLUMN has_sound")
        connection.execute("DROP TABLE dismissed_pairs")
        for table in LABEL_TABLES:
            connection.execute(f"DROP TABLE {table}")
        connection.execute("UPDATE alembic_version SET version_num = '0006'")
    connection.close()
    with LibraryStore.open(folder) as store:
        assert store.videos.select() == before
        assert not any(stored.hdr for stored in before)
        store.videos.add(replace(video("/v/phone.mov"), hdr=True), [], fingerprint=FINGERPRINT)
        stored = store.videos.at(Path("/v/phone.mov"))
        assert stored is not None
        assert stored.hdr


def test_whether_a_video_of_the_format_before_has_sound_is_unknown(tmp_path: Path) -> None:
    folder = tmp_path / "library"
    with LibraryStore.open(folder, create=True) as store:
        fill(store)
        before = store.videos.select()
    with sqlite3.connect(folder / "library.db") as connection:
        connection.execute("ALTER TABLE videos DROP COLUMN has_sound")
        connection.execute("UPDATE alembic_version SET version_num = '0010'")
    connection.close()
    with LibraryStore.open(folder) as store:
        assert (folder / f"library.db.before-{HEAD_REVISION}").is_file()
        assert store.videos.select() == before
        assert {stored.has_sound for stored in before} == {None}
        twin = replace(video("/v/twin.mp4"), content_hash=before[0].content_hash)
        store.videos.add(twin, [], fingerprint=FINGERPRINT)
        store.videos.set_has_sound(twin.content_hash, has_sound=True)
        known = {each.path: each.has_sound for each in store.videos.select()}
        assert known.pop(before[0].path)
        assert known.pop(twin.path)
        assert set(known.values()) == {None}


def test_migration_that_fails_leaves_the_old_library(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / "library"
    with LibraryStore.open(folder, create=True) as store:
        fill(store)
        videos = store.videos.select()
    for last in (
        "raise RuntimeError('a mistake in the migration')",
        "op.execute('DELETE FROM videos WHERE id = 2')",  # leaves clips without a video
    ):
        later = later_migrations(tmp_path / "migrations", last=last)
        with monkeypatch.context() as patched:
            patched.setattr(store_module, "MIGRATIONS", later)
            with pytest.raises((RuntimeError, LibraryDamagedError)):
                LibraryStore.open(folder)
        with LibraryStore.open(folder) as store:
            assert store.videos.select() == videos
            assert store.find_problems() == []


def test_two_that_open_an_older_library_migrate_it_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / "library"
    with LibraryStore.open(folder, create=True) as store:
        fill(store)
    later = later_migrations(tmp_path / "migrations")
    monkeypatch.setattr(store_module, "MIGRATIONS", later)
    found: list[int] = []

    def open_it() -> None:
        with LibraryStore.open(folder) as opened:
            found.append(len(opened.videos.select()))

    threads = [threading.Thread(target=open_it) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert found == [3, 3, 3]
    with sqlite3.connect(folder / f"library.db.before-{later.head}") as connection:
        (version,) = connection.execute("SELECT version_num FROM alembic_version").fetchone()
    connection.close()
    assert version == HEAD_REVISION
