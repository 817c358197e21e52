"""A library on a network share: no write-ahead log, and locks that are tried."""

from __future__ import annotations

import sqlite3
import subprocess
import sys
import textwrap
from contextlib import closing
from pathlib import Path

import pytest
from library_samples import SPEC, clips, video

from vidseek.core.errors import Hint, LibraryError, LibraryLockedError
from vidseek.storage import filesystem
from vidseek.storage import store as stores
from vidseek.storage.catalog.connection import sqlite_engine
from vidseek.storage.filesystem import Mount, network_share, parse_mac_mounts, parse_mountinfo
from vidseek.storage.store import LibraryStore

MOUNTINFO = r"""
22 1 254:0 / / rw,relatime shared:1 - ext4 /dev/vda rw,discard
90 22 0:50 / /mnt/my\040nas rw,relatime shared:9 - nfs4 nas:/films rw,vers=4.2,local_lock=none
91 22 0:51 / /mnt/old rw - nfs nas:/old rw,vers=3,nolock
92 22 0:52 / /mnt/old/scratch rw - xfs /dev/sdb1 rw
93 22 0:53 / /mnt/win rw - cifs //server/share rw,nobrl
94 22 0:54 / /home/me/remote rw - fuse.sshfs me@host:/ rw
95 22 0:55 / /mnt/secret rw - fuse.gocryptfs /home/me/x rw
96 22 0:56 / /c rw - 9p drvfs rw,aname=drvfs
97 22 0:57 / /mnt/both rw - nfs nas:/x rw
98 97 0:58 / /mnt/both rw - ext4 /dev/sdc1 rw
"""
MAC_MOUNTS = """
/dev/disk3s1s1 on / (apfs, sealed, local, read-only, journaled)
//me@nas._smb._tcp.local/films (old) on /Volumes/films (old) (smbfs, nodev, nosuid, mounted by me)
"""


@pytest.mark.parametrize(
    ("folder", "kind", "local_locks"),
    [
        ("/mnt/my nas/library", "nfs4", False),
        ("/mnt/old/library", "nfs", True),
        ("/mnt/old/scratch/library", None, None),
        ("/mnt/older", None, None),
        ("/mnt/win", "cifs", True),
        ("/home/me/remote/a/b", "fuse.sshfs", False),
        ("/mnt/secret/library", None, None),
        ("/c/Users/me", "9p", False),
        ("/mnt/both/library", None, None),
        ("/home/me/library", None, None),
    ],
)
def test_shares_are_known_by_their_mounts(monkeypatch, folder, kind, local_locks) -> None:
    monkeypatch.setattr(filesystem, "read_mounts", lambda: parse_mountinfo(MOUNTINFO))
    share = network_share(Path(folder))
    assert (share and share.kind, share and share.locks_are_local) == (kind, local_locks)


def test_the_mounts_of_macos_are_read() -> None:
    mounts = parse_mac_mounts(MAC_MOUNTS)
    assert [(str(mount.folder), mount.is_network) for mount in mounts] == [
        ("/", False),
        ("/Volumes/films (old)", True),
    ]


def test_a_folder_of_this_machine_is_no_share(tmp_path: Path) -> None:
    assert network_share(tmp_path) is None


@pytest.fixture
def share(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """A folder that looks like a share."""
    folder = tmp_path / "share"
    folder.mkdir()
    mount = Mount(folder, "nfs4")
    monkeypatch.setattr(filesystem, "read_mounts", lambda: [Mount(Path("/"), "ext4"), mount])
    return folder


def journal_of(folder: Path) -> str:
    with closing(sqlite3.connect(folder / "library.db")) as connection:
        return str(connection.execute("PRAGMA journal_mode").fetchone()[0])


def add(store: LibraryStore, name: str) -> None:
    store.videos.add(video(f"/v/{name}.mp4"), clips(3, 1), fingerprint=SPEC.fingerprint)


def create(folder: Path) -> None:
    with LibraryStore.open(folder, create=True) as store:
        store.encoders.register(SPEC)
        add(store, "a")


def test_a_library_has_a_log_on_a_disk_and_none_on_a_share(share: Path, tmp_path: Path) -> None:
    create(tmp_path / "library")
    create(share / "library")
    assert journal_of(tmp_path / "library") == "wal"
    assert journal_of(share / "library") == "delete"
    with (
        LibraryStore.open(share / "library") as writing,
        LibraryStore.open(writing.folder) as other,
    ):
        add(writing, "b")
        assert len(other.vector_index(SPEC)) == 6


def test_a_library_moved_to_a_share_and_back_changes_its_journal(
    share: Path, tmp_path: Path
) -> None:
    here, there = tmp_path / "library", share / "library"
    create(here)
    here.rename(there)
    with LibraryStore.open(there) as store:
        add(store, "b")
    assert journal_of(there) == "delete"
    there.rename(here)
    with LibraryStore.open(here) as store:
        assert len(store.vector_index(SPEC)) == 6
    assert journal_of(here) == "wal"


def test_what_another_machine_stores_is_seen_by_a_reader_without_permission(share: Path) -> None:
    create(share / "library")
    engine = sqlite_engine(share / "library" / "library.db", read_only=True)
    try:
        for name, count in (("b", 1), ("c", 2)):
            with engine.begin() as connection:
                found = connection.exec_driver_sql("SELECT count(*) FROM videos").scalar()
            assert found == count
            with LibraryStore.open(share / "library") as store:
                add(store, name)
    finally:
        engine.dispose()


def test_a_log_in_use_on_a_share_is_refused(share: Path) -> None:
    folder = share / "library"
    create(folder)
    with closing(sqlite3.connect(folder / "library.db")) as older_vidseek:
        older_vidseek.execute("PRAGMA journal_mode = WAL")
        older_vidseek.execute("SELECT * FROM videos").fetchall()
        with pytest.raises(LibraryLockedError):
            LibraryStore.open(folder)
    LibraryStore.open(folder).close()


def test_locks_that_do_not_exclude_others_are_refused(share: Path, monkeypatch) -> None:
    create(share / "library")
    monkeypatch.setattr(stores, "locks_exclude", lambda path: False)
    with pytest.raises(LibraryError) as caught:
        LibraryStore.open(share / "library")
    assert caught.value.hint == Hint("move_library")
    assert str(share) in str(caught.value)


def test_locks_are_tried_by_another_process(tmp_path: Path) -> None:
    create(tmp_path / "library")
    path = tmp_path / "library" / "library.lock"
    with LibraryStore.open(tmp_path / "library") as store:
        with store.lease():
            assert filesystem.locks_exclude(path)
        assert not filesystem.locks_exclude(path)


def test_a_library_on_a_share_opens_beside_a_run(share: Path) -> None:
    folder = share / "library"
    create(folder)
    code = """
        import sys; from pathlib import Path
        from vidseek.storage.store import LibraryStore
        with LibraryStore.open(Path(sys.argv[1])) as store, store.lease():
            print("writing", flush=True)
            sys.stdin.read()
    """
    command = [sys.executable, "-c", textwrap.dedent(code), str(folder)]
    with subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "writing\n"
        LibraryStore.open(folder).close()
        assert journal_of(folder) == "delete"
        process.kill()
        process.wait()
