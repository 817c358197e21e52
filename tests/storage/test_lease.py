"""The lease: one long run at a time, whichever folder or process asks."""

from __future__ import annotations

import errno
import os
import subprocess
import sys
import textwrap
import threading
from collections.abc import Callable
from pathlib import Path

import pytest
from library_samples import SPEC, clips, video

from vidseek.core.errors import LibraryLockedError
from vidseek.storage.store import LibraryStore


def add(store: LibraryStore) -> None:
    store.videos.add(video("/v/a.mp4"), clips(3, 1), fingerprint=SPEC.fingerprint)


def test_a_second_run_learns_who_holds_the_lease(store: LibraryStore) -> None:
    code = """
        import sys; from pathlib import Path
        from vidseek.storage.store import LibraryStore
        with LibraryStore.open(Path(sys.argv[1])) as store, store.lease():
            print("writing", flush=True)
            sys.stdin.read()
    """
    with subprocess.Popen(
        [sys.executable, "-c", textwrap.dedent(code), str(store.folder)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "writing\n"
        with pytest.raises(LibraryLockedError, match=str(process.pid)), store.lease():
            pass
        add(store)  # reading and small writes do not need the lock
        assert len(store.vector_index(SPEC)) == 3
        process.kill()
        process.wait()
    with store.lease():
        pass


def test_a_folder_reached_through_a_link_has_the_same_lease(
    store: LibraryStore, tmp_path: Path
) -> None:
    link = tmp_path / "link"
    link.symlink_to(store.folder, target_is_directory=True)
    with LibraryStore.open(link) as linked:
        with store.lease(), pytest.raises(LibraryLockedError), linked.lease():
            pass
        with linked.lease(), pytest.raises(LibraryLockedError), store.lease():
            pass


def test_forked_child_does_not_keep_the_lock(store: LibraryStore) -> None:
    """A decoding process may briefly outlive the killed indexer."""
    code = """
        import os, sys, time; from pathlib import Path
        from vidseek.storage.store import LibraryStore
        with LibraryStore.open(Path(sys.argv[1])) as store, store.lease():
            if child := os.fork():
                print(child, flush=True)
                os.close(1)
                os.kill(os.getpid(), 9)
            time.sleep(30)
    """
    with subprocess.Popen(
        [sys.executable, "-c", textwrap.dedent(code), str(store.folder)],
        stdout=subprocess.PIPE,
        text=True,
    ) as process:
        assert process.stdout is not None
        child = int(process.stdout.readline())
        process.wait()
        try:
            with store.lease():
                pass
        finally:
            os.kill(child, 9)


def test_the_thread_that_holds_the_lease_may_enter_twice(store: LibraryStore) -> None:
    with LibraryStore.open(store.folder) as same_folder, store.lease():
        with store.lease():
            pass
        with pytest.raises(LibraryLockedError, match="this process"), same_folder.lease():
            pass
        refused: list[bool] = []

        def other_thread() -> None:
            try:
                with store.lease():
                    pass
            except LibraryLockedError:
                refused.append(True)

        thread = threading.Thread(target=other_thread)
        thread.start()
        thread.join()
        assert refused == [True]
    with store.lease():
        pass


def test_errors_of_other_files_are_not_the_librarys(store: LibraryStore) -> None:
    with pytest.raises(PermissionError), store.lease():
        raise PermissionError(errno.EACCES, "Permission denied", "/v/private.mp4")
    with pytest.raises(PermissionError), store.snapshot():
        raise PermissionError(errno.EACCES, "Permission denied", "/v/private.mp4")
    with store.lease():
        add(store)


def hold(folder: Path, url: str = "") -> subprocess.Popen[str]:
    """Hold the lease in another process, until its stdin ends."""
    code = """
        import sys; from pathlib import Path
        from vidseek.storage.store import LibraryStore
        folder, url = Path(sys.argv[1]), sys.argv[2] or None
        with LibraryStore.open(folder, create=True, database_url=url) as store, store.lease():
            print("holding", flush=True)
            sys.stdin.read()
    """
    process = subprocess.Popen(
        [sys.executable, "-c", textwrap.dedent(code), str(folder), url],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert process.stdout is not None
    assert process.stdout.readline() == "holding\n"
    return process


def test_waiting_for_the_lease(store: LibraryStore) -> None:
    with hold(store.folder) as process:
        with pytest.raises(LibraryLockedError), store.lease(wait_seconds=0.2):
            pass
        threading.Timer(0.3, process.kill).start()
        with store.lease(wait_seconds=30):
            process.wait()


def two_folders_of(tmp_path: Path, url: str) -> None:
    """The lease belongs to the database; reading and short changes do not need the lease."""
    with LibraryStore.open(tmp_path / "second", create=True, database_url=url) as store:
        store.encoders.register(SPEC)
        with hold(tmp_path / "first", url) as process:
            with (
                pytest.raises(LibraryLockedError, match=str(process.pid)) as refused,
                store.lease(),
            ):
                pass
            assert str(tmp_path / "second") in str(refused.value)
            added = store.videos.add(video("/v/a.mp4"), clips(2, 1), fingerprint=SPEC.fingerprint)
            assert store.remove_videos([added.id]) == 1
            process.kill()
            process.wait()
        with store.lease(wait_seconds=30):
            with store.lease():
                pass
            with (
                LibraryStore.open(tmp_path / "first", database_url=url) as first,
                pytest.raises(LibraryLockedError, match=str(os.getpid())),
                first.lease(),
            ):
                pass
        with store.lease():
            pass


def test_two_folders_on_one_sqlite_file_are_one_library(tmp_path: Path) -> None:
    database = tmp_path / "shared.db"
    database.touch()
    two_folders_of(tmp_path, f"sqlite:///{database}")


@pytest.mark.full
def test_two_folders_on_one_server_are_one_library(
    tmp_path: Path, postgres_url: Callable[[], str]
) -> None:
    two_folders_of(tmp_path, postgres_url())


@pytest.mark.full
def test_two_libraries_on_one_server_do_not_wait_for_each_other(
    tmp_path: Path, postgres_url: Callable[[], str]
) -> None:
    with (
        LibraryStore.open(tmp_path / "a", create=True, database_url=postgres_url()) as first,
        LibraryStore.open(tmp_path / "b", create=True, database_url=postgres_url()) as second,
        first.lease(),
        second.lease(),
    ):
        assert first.statistics() == second.statistics()


@pytest.mark.full
def test_a_lease_leaves_no_transaction_open(
    tmp_path: Path, postgres_url: Callable[[], str]
) -> None:
    """A server must be able to clean up while a run goes on for days."""
    url = postgres_url()
    with (
        LibraryStore.open(tmp_path / "a", create=True, database_url=url) as store,
        store.lease(),
        store._transactions.reading() as connection,
    ):
        states = connection.exec_driver_sql(
            "SELECT state FROM pg_stat_activity WHERE application_name LIKE 'vidseek %%'"
        )
        assert states.scalars().all() == ["idle"]
