"""One writer among processes: an advisory lock of the operating system, gone with its holder.

with FolderLock(folder / "library.lock").held(): ...
"""

from __future__ import annotations

import errno
import os
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from vidseek.core.errors import LibraryLockedError

_LOCK_AT = 1 << 30
"""The byte that is locked lies behind the text, which others want to read (Windows locks bytes)."""

_held_here: dict[Path, int] = {}
_held_here_guard = threading.Lock()


class FolderLock:
    """A lock file. The same thread may take it again; a killed process leaves it free.

    POSIX record locks (lockf), not flock: a forked child, such as a decoding process that outlives
    us by a moment, would inherit the latter and hold the library. Record locks belong to the
    process and fall when it closes *any* descriptor of the file, so ``_held_here`` keeps this
    process from opening a file twice.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._key = path.absolute()
        self._descriptor = -1
        self._depth = 0

    @contextmanager
    def held(self, *, wait_seconds: float = 0.0) -> Iterator[None]:
        """Hold the lock.

        Raises:
            LibraryLockedError: another process, or another thread of this one, holds it.
        """
        self._acquire(wait_seconds)
        try:
            yield
        finally:
            self._release()

    def _acquire(self, wait_seconds: float) -> None:
        deadline = time.monotonic() + wait_seconds
        while True:
            holder = self._try_acquire()
            if holder is None:
                return
            if time.monotonic() >= deadline:
                raise LibraryLockedError(
                    f"{self._path.parent} is being written to by {holder}: wait until it has "
                    "finished, or stop it"
                )
            time.sleep(0.05)

    def _try_acquire(self) -> str | None:
        """Take the lock, or say who has it."""
        me = threading.get_ident()
        with _held_here_guard:
            owner = _held_here.get(self._key)
            if owner is not None:
                if owner == me and self._descriptor >= 0:
                    self._depth += 1
                    return None
                return f"this process ({os.getpid()})"
            descriptor = os.open(self._path, os.O_RDWR | os.O_CREAT | _BINARY, 0o644)
            if not _lock(descriptor):
                holder = os.read(descriptor, 32).decode("ascii", "replace").strip()
                os.close(descriptor)
                return f"process {holder}" if holder else "another process"
            os.ftruncate(descriptor, 0)
            os.write(descriptor, f"{os.getpid()}\n".encode())
            self._descriptor, self._depth = descriptor, 1
            _held_here[self._key] = me
            return None

    def _release(self) -> None:
        with _held_here_guard:
            self._depth -= 1
            if self._depth:
                return
            descriptor, self._descriptor = self._descriptor, -1
            # The file stays: were it removed, two processes could lock two files of one name.
            os.close(descriptor)
            del _held_here[self._key]


if sys.platform == "win32":
    import msvcrt

    _BINARY = os.O_BINARY

    def _lock(descriptor: int) -> bool:
        os.lseek(descriptor, _LOCK_AT, os.SEEK_SET)
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
            fcntl.lockf(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB, 1, _LOCK_AT)
        except OSError as error:
            if error.errno in {errno.EACCES, errno.EAGAIN}:
                return False
            raise
        return True
