"""Hash files in a thread ahead of the decoder, so that reading the disk overlaps with encoding.

with HashAhead(files) as hashes:
    for hashed in hashes:
        print(hashed.path, hashed.content_hash)
"""

from __future__ import annotations

import hashlib
import os
import threading
from collections import deque
from collections.abc import Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, replace
from typing import Self

from vidseek.indexer.discovery import FoundFile, error_reason

_CHUNK_BYTES = 1 << 20
_AHEAD = 4


@dataclass(frozen=True)
class HashedFile(FoundFile):
    """A file with the SHA-256 of its bytes, or with the reason why they could not be read.

    Size and modification time are those at the time of reading.
    """

    content_hash: str
    """Hexadecimal; empty if there is a ``failure``."""
    failure: str | None = None
    has_vanished: bool = False
    """True if the file no longer exists."""


class HashAhead:
    """Hashes files in their given order, a few files ahead of the caller.

    hashlib releases the interpreter lock while it works, so the thread costs the encoder nothing
    but processor time. The bytes it reads are in the page cache when the decoder needs them.
    """

    def __init__(self, files: Sequence[FoundFile]) -> None:
        self._files = iter(files)
        self._executor = ThreadPoolExecutor(max_workers=1, thread_name_prefix="vidseek-hash")
        self._stopped = threading.Event()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._stopped.set()
        self._executor.shutdown(wait=True, cancel_futures=True)

    def __iter__(self) -> Iterator[HashedFile]:
        pending: deque[Future[HashedFile]] = deque()
        while True:
            while len(pending) < _AHEAD and (file := next(self._files, None)) is not None:
                pending.append(self._executor.submit(hash_found_file, file, self._stopped))
            if not pending:
                return
            yield pending.popleft().result()


def hash_found_file(file: FoundFile, stopped: threading.Event | None = None) -> HashedFile:
    """Hash a file's bytes.

    Args:
        file: the file; its size and modification time are read again.
        stopped: set from another thread to give up early with a failure.

    Returns:
        The hash, or a failure if the file cannot be read or changed while it was being read.
    """
    digest = hashlib.sha256()
    buffer = bytearray(_CHUNK_BYTES)
    view = memoryview(buffer)
    unread = HashedFile(file.path, file.size_bytes, file.modified_ns, content_hash="")
    try:
        with file.path.open("rb", buffering=0) as source:
            before = os.fstat(source.fileno())
            while count := source.readinto(buffer):
                if stopped is not None and stopped.is_set():
                    return replace(unread, failure="stopped")
                digest.update(view[:count])
            after = os.fstat(source.fileno())
    except FileNotFoundError:
        return replace(unread, failure="vanished before it could be read", has_vanished=True)
    except OSError as error:
        return replace(unread, failure=error_reason(error))
    read = replace(unread, size_bytes=before.st_size, modified_ns=before.st_mtime_ns)
    if (before.st_size, before.st_mtime_ns) != (after.st_size, after.st_mtime_ns):
        return replace(read, failure=CHANGED)
    return replace(read, content_hash=digest.hexdigest())


CHANGED = "changed while being read; run again when it is complete"
