"""Find out whether a folder is on a network share, and whether locks work there.

share = network_share(folder)
if share is not None: print(share.kind, share.locks_are_local)

SQLite's write-ahead log shares memory between processes, which two machines cannot:
https://www.sqlite.org/wal.html. Its rollback journal needs locks that exclude other processes.
"""

from __future__ import annotations

import re
import sys
from dataclasses import dataclass
from pathlib import Path

_NETWORK = frozenset(
    {
        "9p",
        "acfs",
        "afpfs",
        "afs",
        "beegfs",
        "ceph",
        "cifs",
        "davfs",
        "fakeowner",
        "gfs2",
        "glusterfs",
        "gpfs",
        "lustre",
        "ncpfs",
        "nfs",
        "nfs4",
        "ocfs2",
        "orangefs",
        "prl_fs",
        "smb2",
        "smb3",
        "smbfs",
        "vboxsf",
        "virtiofs",
        "vmhgfs",
        "webdav",
    }
)
"""File systems of other machines, and of the host of a virtual machine."""
_NETWORK_FUSE = frozenset(
    {
        "ceph-fuse",
        "curlftpfs",
        "davfs",
        "davfs2",
        "gcsfuse",
        "glusterfs",
        "goofys",
        "grpcfuse",
        "juicefs",
        "mount-s3",
        "ossfs",
        "rclone",
        "s3fs",
        "seaweedfs",
        "smbnetfs",
        "sshfs",
        "vmhgfs-fuse",
    }
)
"""The same in user space, where Linux and macOS write ``fuse.NAME``."""
_LOCAL_LOCKS = frozenset({"nolock", "nobrl", "local_lock=all", "local_lock=posix"})
"""Mount options by which locks exclude processes of this machine only."""
_ESCAPE = re.compile(r"\\([0-7]{3})")
_MAC_MOUNT = re.compile(r"^.* on (?P<folder>/.*) \((?P<kind>\w+)")


@dataclass(frozen=True)
class Mount:
    """A mounted file system."""

    folder: Path
    kind: str
    """For example ``ext4``, ``nfs4``, ``fuse.sshfs``."""
    options: frozenset[str] = frozenset()

    @property
    def is_network(self) -> bool:
        """True if other machines may use the same files."""
        name, _, sub_type = self.kind.lower().partition(".")
        return name in _NETWORK or sub_type in _NETWORK_FUSE or sub_type in _NETWORK

    @property
    def locks_are_local(self) -> bool:
        """True if locks do not exclude processes of other machines."""
        return bool(self.options & _LOCAL_LOCKS)


def network_share(folder: Path) -> Mount | None:
    """The network share that contains a folder; None if it is on a disk, or nothing is known."""
    resolved = folder.resolve()
    if sys.platform == "win32":
        return _windows_share(resolved)
    within = [mount for mount in read_mounts() if resolved.is_relative_to(mount.folder)]
    # A later mount on the same folder hides the earlier one.
    found = max(reversed(within), key=lambda mount: len(mount.folder.parts), default=None)
    return found if found is not None and found.is_network else None


def read_mounts() -> list[Mount]:
    """The mounted file systems, in the order of their mounting; empty if they cannot be read."""
    if sys.platform == "darwin":
        import subprocess

        try:
            output = subprocess.run(["/sbin/mount"], capture_output=True, text=True, timeout=10)
        except (OSError, subprocess.SubprocessError):
            return []
        return parse_mac_mounts(output.stdout)
    try:
        return parse_mountinfo(Path("/proc/self/mountinfo").read_text(errors="surrogateescape"))
    except OSError:
        return []


def parse_mountinfo(text: str) -> list[Mount]:
    """Parse Linux's ``/proc/self/mountinfo`` (``man 5 proc``)."""
    mounts = []
    for line in text.splitlines():
        head, separator, tail = line.partition(" - ")
        fields, source = head.split(), tail.split()
        if separator and len(fields) >= 6 and len(source) >= 3:
            folder = _ESCAPE.sub(lambda match: chr(int(match[1], 8)), fields[4])
            options = frozenset(f"{fields[5]},{source[2]}".split(","))
            mounts.append(Mount(Path(folder), source[0], options))
    return mounts


def parse_mac_mounts(text: str) -> list[Mount]:
    """Parse what ``mount`` prints on macOS."""
    found = (_MAC_MOUNT.match(line) for line in text.splitlines())
    return [Mount(Path(match["folder"]), match["kind"]) for match in found if match]


def locks_exclude(path: Path) -> bool:
    """Let another process try to lock a file that this process holds locked.

    Args:
        path: a file whose lease this process holds (``vidseek.storage.lease``).

    Returns:
        False if the other process got the lock, too.
    """
    if sys.platform == "win32":
        return True  # Windows has mandatory locks, on shares as on disks
    import subprocess

    from vidseek.storage.lease import LOCKED_BYTE

    code = (
        "import fcntl, os, sys\n"
        "descriptor = os.open(sys.argv[1], os.O_RDWR)\n"
        "try: fcntl.lockf(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB, 1, int(sys.argv[2]))\n"
        "except OSError: sys.exit(0)\n"
        "sys.exit(9)\n"
    )
    command = [sys.executable, "-I", "-S", "-c", code, str(path), str(LOCKED_BYTE)]
    return subprocess.run(command, capture_output=True, timeout=60).returncode != 9


def _windows_share(folder: Path) -> Mount | None:
    if sys.platform == "win32":
        import ctypes

        drive_remote = 4
        drive = folder.drive or folder.anchor
        if drive.startswith("\\\\") or (
            ctypes.windll.kernel32.GetDriveTypeW(f"{drive}\\") == drive_remote
        ):
            return Mount(Path(folder.anchor), "smb")
    return None
