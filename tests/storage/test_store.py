"""Opening a library folder in every state it can be in."""

from __future__ import annotations

import os
import shutil
import sqlite3
import subprocess
import sys
import tempfile
import textwrap
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import pytest
from library_samples import SPEC, clips, unit_vectors, video

from vidseek.core.errors import (
    Hint,
    LibraryDamagedError,
    LibraryError,
    LibraryFullError,
    LibraryReadOnlyError,
    LibraryTooNewError,
    MissingExtraError,
    NotALibraryError,
)
from vidseek.storage.catalog.connection import sqlite_engine
from vidseek.storage.lease import lease_of
from vidseek.storage.store import LibraryStore
from vidseek.video.thumbnail import encode_thumbnail

FINGERPRINT = SPEC.fingerprint


def add(store: LibraryStore, path: str = "/v/a.mp4", count: int = 3, seed: int = 0) -> int:
    return store.videos.add(video(path), clips(count, seed), fingerprint=FINGERPRINT).id


def run_python(code: str, *arguments: str) -> str:
    """Run code in a separate process; return its output."""
    run = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(code), *arguments],
        capture_output=True,
        text=True,
        timeout=60,
        cwd=Path(__file__).parents[1] / "support",  # where library_samples.py is
        check=False,
    )
    assert run.returncode == 0, run.stderr
    return run.stdout.strip()


# Folders that are something else


def test_missing_folder_is_made_only_when_asked_to(tmp_path: Path) -> None:
    folder = tmp_path / "deep" / "library"
    with pytest.raises(NotALibraryError):
        LibraryStore.open(folder)
    assert not folder.exists()
    LibraryStore.open(folder, create=True).close()
    LibraryStore.open(folder).close()


def test_folder_of_other_things_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "holiday.mp4").write_bytes(b"video")
    with pytest.raises(NotALibraryError, match=r"library\.db is missing"):
        LibraryStore.open(tmp_path)
    with pytest.raises(NotALibraryError, match=r"holiday\.mp4"):
        LibraryStore.open(tmp_path, create=True)
    assert [path.name for path in tmp_path.iterdir()] == ["holiday.mp4"]


def test_file_in_place_of_the_folder(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("x")
    for create in (False, True):
        with pytest.raises(NotALibraryError):
            LibraryStore.open(tmp_path / "file", create=create)


def test_what_a_killed_creation_leaves_is_no_obstacle(tmp_path: Path) -> None:
    (tmp_path / "library.lock").write_text("12345\n")
    (tmp_path / "library.db.abcd.unfinished").write_bytes(b"SQLite format 3\0")
    LibraryStore.open(tmp_path, create=True).close()
    assert not (tmp_path / "library.db.abcd.unfinished").exists()


def test_another_programs_database(tmp_path: Path) -> None:
    with sqlite3.connect(tmp_path / "library.db") as connection:
        connection.execute("CREATE TABLE photos (id INTEGER)")
    connection.close()
    with pytest.raises(NotALibraryError):
        LibraryStore.open(tmp_path, create=True)


@pytest.mark.parametrize("content", [b"", b"garbage" * 1000, b"SQLite format 3\0" + b"\xff" * 5000])
def test_garbage_in_place_of_the_database(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "library.db").write_bytes(content)
    with pytest.raises((LibraryDamagedError, NotALibraryError), match=str(tmp_path)):
        LibraryStore.open(tmp_path)
    assert (tmp_path / "library.db").read_bytes() == content


def test_database_with_a_garbage_page_is_reported_not_believed(store: LibraryStore) -> None:
    for number in range(20):
        add(store, f"/v/{number}.mp4", 20, seed=number)
    store.close()
    path = store.folder / "library.db"
    size = path.stat().st_size
    with path.open("r+b") as file:
        file.seek(size // 4096 // 2 * 4096)
        file.write(os.urandom(4 * 4096))
    with LibraryStore.open(store.folder) as opened:
        try:
            problems = opened.find_problems()
        except LibraryDamagedError:
            problems = ["damaged"]
    assert problems


def test_newer_library_is_refused(store: LibraryStore) -> None:
    store.close()
    with sqlite3.connect(store.folder / "library.db") as connection:
        connection.execute("UPDATE alembic_version SET version_num = '9999'")
    connection.close()
    with pytest.raises(LibraryTooNewError, match=str(store.folder)) as refused:
        LibraryStore.open(store.folder)
    assert refused.value.code == "library_too_new"
    assert refused.value.hint == Hint("upgrade_vidseek")


@pytest.mark.parametrize("url", ["nonsense", "oracle://host/x"])
def test_database_that_cannot_be_used(tmp_path: Path, url: str) -> None:
    with pytest.raises(LibraryError):
        LibraryStore.open(tmp_path / "library", create=True, database_url=url)


@pytest.mark.parametrize("scheme", ["postgresql", "postgresql+psycopg"])
def test_database_that_cannot_be_reached(tmp_path: Path, scheme: str) -> None:
    has_driver = find_spec("psycopg") is not None
    with pytest.raises(LibraryError if has_driver else MissingExtraError) as refused:
        LibraryStore.open(
            tmp_path / "library", create=True, database_url=f"{scheme}://127.0.0.1:1/x"
        )
    if not has_driver:
        assert refused.value.hint == Hint("install_extra", {"extra": "postgres"})


def test_sqlite_by_url(tmp_path: Path) -> None:
    LibraryStore.open(tmp_path / "one", create=True).close()
    url = f"sqlite:///{tmp_path}/one/library.db"
    with LibraryStore.open(tmp_path / "two", create=True, database_url=url) as store:
        store.encoders.register(SPEC)
        assert len(store.encoders.specs()) == 1


@pytest.mark.full
def test_library_on_a_server_is_found_again(tmp_path: Path, postgres_url: object) -> None:
    url = postgres_url()  # type: ignore[operator]
    folder = tmp_path / "library"
    with pytest.raises(NotALibraryError):
        LibraryStore.open(tmp_path, database_url=url)
    with LibraryStore.open(folder, create=True, database_url=url) as store:
        store.encoders.register(SPEC)
        add(store)
        store.vector_index(SPEC).compact()
    for create in (False, True):
        with pytest.raises(LibraryError, match="postgresql"):
            LibraryStore.open(folder, create=create)
    with LibraryStore.open(folder, database_url=url) as store:
        assert len(store.vector_index(SPEC)) == 3
        assert store.vector_index(SPEC).verify(repair=False) == []
        assert store.find_problems() == []


# Folders that cannot be written to


@pytest.fixture
def world_readable() -> Iterator[Path]:
    """A folder that other users can read; pytest's own are private."""
    folder = Path(tempfile.mkdtemp(prefix="vidseek-"))
    folder.chmod(0o755)
    yield folder
    shutil.rmtree(folder)


READ = """
    import os, sys; from pathlib import Path
    import numpy as np
    from vidseek.core.errors import LibraryReadOnlyError
    from vidseek.storage.store import LibraryStore
    from library_samples import SPEC, unit_vectors, video
    if os.geteuid() == 0:  # permissions are nothing to root
        with LibraryStore.open(Path(sys.argv[2]), create=True) as store:  # imports all it needs
            store.vector_index(SPEC).search(unit_vectors(1, 3), 2)
            store.write_thumbnail("ab", 1.0, b"jpeg")
        os.setuid(65534)
    with LibraryStore.open(Path(sys.argv[1])) as store:
        index = store.vector_index(SPEC)
        print(store.read_only, index.search(unit_vectors(1, 3), 2)[1].tolist(), end=" ")
        for write in (
            lambda: store.lease().__enter__(),
            lambda: store.videos.remove([1]),
            lambda: store.write_thumbnail("ab", 1.0, b"jpeg"),
        ):
            try:
                write()
            except LibraryReadOnlyError as error:
                assert sys.argv[1] in str(error)
                print("refused", end=" ")
"""


def make_read_only(folder: Path) -> None:
    for path in [folder, *folder.rglob("*")]:
        path.chmod(0o555 if path.is_dir() else 0o444)


@pytest.mark.skipif(sys.platform == "win32", reason="permissions of POSIX")
@pytest.mark.parametrize("damage", ["none", "no base", "log left by a killed process"])
def test_read_only_library_is_searched_and_not_written(
    world_readable: Path, damage: str, tmp_path: Path
) -> None:
    folder = world_readable / "library"
    store = LibraryStore.open(folder, create=True)
    store.encoders.register(SPEC)
    add(store, count=5)
    store.vector_index(SPEC).compact()
    expected = store.vector_index(SPEC).search(unit_vectors(1, 3), 2)[1].tolist()
    if damage == "no base":
        shutil.rmtree(folder / "vectors")
    if damage == "log left by a killed process":
        copy = world_readable / "killed"
        shutil.copytree(folder, copy)
        assert (copy / "library.db-wal").stat().st_size > 0
        folder = copy
    else:
        store.close()
    make_read_only(folder)
    output = run_python(READ, str(folder), str(tmp_path / "other"))
    store.close()
    assert output == f"True {expected} refused refused refused"


def test_read_only_database_of_an_older_version_is_not_migrated(
    store: LibraryStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    store.close()
    with sqlite3.connect(store.folder / "library.db") as connection:
        connection.execute("UPDATE alembic_version SET version_num = '0000'")
    connection.close()
    monkeypatch.setattr(os, "access", lambda path, mode: mode != os.W_OK)
    with pytest.raises(LibraryReadOnlyError):
        LibraryStore.open(store.folder)


# Full disks


def test_full_disk_loses_nothing_that_was_stored(store: LibraryStore) -> None:
    add(store, "/v/a.mp4")
    store.close()
    engine = sqlite_engine(store.folder / "library.db", pooled=False)
    with engine.begin() as connection:
        pages = connection.exec_driver_sql("PRAGMA page_count").scalar_one()
    from sqlalchemy import event

    @event.listens_for(engine, "connect")
    def limit(connection: sqlite3.Connection, _: object) -> None:
        connection.execute(f"PRAGMA max_page_count = {pages + 5}")

    lease = lease_of(store.folder, engine, None)
    limited = LibraryStore(store.folder, engine, lease=lease, read_only=False)
    with pytest.raises(LibraryFullError):
        limited.videos.add(video("/v/b.mp4"), clips(200, 1), fingerprint=FINGERPRINT)
    assert [str(stored.path) for stored in limited.videos.select()] == ["/v/a.mp4"]
    limited.close()
    with LibraryStore.open(store.folder) as opened:
        assert opened.find_problems() == []
        add(opened, "/v/b.mp4", 200)
        assert len(opened.vector_index(SPEC)) == 203


FILL = """
    import resource, signal, sys; from pathlib import Path
    import numpy as np
    from vidseek.core.errors import LibraryError, LibraryFullError
    from vidseek.storage.store import LibraryStore
    from library_samples import SPEC, clips, video
    signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    with LibraryStore.open(Path(sys.argv[1])) as store:
        store.vector_index(SPEC).compact()
        resource.setrlimit(resource.RLIMIT_FSIZE, (50_000, resource.RLIM_INFINITY))
        for write in (
            lambda: store.videos.add(
                video("/v/b.mp4"), clips(500, 1), fingerprint=SPEC.fingerprint
            ),
            lambda: store.vector_index(SPEC).compact(force=True),
            lambda: store.write_thumbnail("ab", 1.0, bytes(100_000)),
        ):
            try:
                write()
            except LibraryError as error:
                print(type(error).__name__, end=" ")
        print(len(store.vector_index(SPEC)), len(store.videos.select()))
"""


@pytest.mark.skipif(sys.platform == "win32", reason="resource limits of POSIX")
def test_disk_that_takes_no_more(store: LibraryStore) -> None:
    add(store, count=500)
    output = run_python(FILL, str(store.folder))
    assert output == "LibraryDiskError LibraryFullError LibraryFullError 500 1"
    assert not list(store.folder.rglob("*unfinished*"))
    assert store.find_problems() == []
    assert store.vector_index(SPEC).verify(repair=False) == []


# Thumbnails


def test_thumbnail_is_written_where_its_path_says(store: LibraryStore) -> None:
    store.write_thumbnail("abcdef", 12.3456, b"jpeg")
    path = store.folder / "thumbnails" / "ab" / "abcdef-12346.jpg"
    assert store.thumbnail_path("abcdef", 12.3456) == path
    assert path.read_bytes() == b"jpeg"


def test_thumbnail_is_read_again_and_a_damaged_one_is_none(store: LibraryStore) -> None:
    frame = np.full((90, 160, 3), 200, np.uint8)
    store.write_thumbnail("abcdef", 1.0, encode_thumbnail(frame))
    read = store.read_thumbnail("abcdef", 1.0)
    assert read is not None
    assert read.shape == frame.shape
    assert np.abs(read.astype(int) - 200).max() <= 2
    assert store.read_thumbnail("abcdef", 2.0) is None
    store.thumbnail_path("abcdef", 1.0).write_bytes(b"no picture")
    assert store.read_thumbnail("abcdef", 1.0) is None


def test_thumbnails_of_removed_videos_are_orphans(store: LibraryStore) -> None:
    kept = store.videos.add(
        video("/v/a.mp4", content_hash="aa" * 32), clips(1, 1), fingerprint=FINGERPRINT
    )
    gone = store.videos.add(
        video("/v/b.mp4", content_hash="bb" * 32), clips(1, 2), fingerprint=FINGERPRINT
    )
    for found in (kept, gone):
        store.write_thumbnail(found.content_hash, 1.5, b"jpeg")
    (store.folder / "thumbnails" / "aa" / "x.jpg.99.unfinished").write_bytes(b"half")
    assert store.remove_orphans() == 1
    store.videos.remove([gone.id])
    assert store.remove_orphans() == 1
    assert store.thumbnail_path(kept.content_hash, 1.5).exists()
    assert not store.thumbnail_path(gone.content_hash, 1.5).exists()


def test_index_of_an_encoder_is_one_object(store: LibraryStore) -> None:
    assert store.vector_index(SPEC) is store.vector_index(SPEC)


def test_opening_and_searching_does_not_import_what_is_heavy(store: LibraryStore) -> None:
    add(store)
    store.vector_index(SPEC).compact()
    code = """
        import sys; from pathlib import Path
        from vidseek.storage.store import LibraryStore
        from library_samples import SPEC, unit_vectors
        with LibraryStore.open(Path(sys.argv[1])) as store:
            store.vector_index(SPEC).search(unit_vectors(1, 3), 2)
        heavy = {"alembic", "torch", "PIL", "scipy", "av"}
        print(sorted(heavy & set(sys.modules)))
    """
    assert run_python(code, str(store.folder)) == "[]"
