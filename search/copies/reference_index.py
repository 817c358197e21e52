"""What is kept of all videos' frames, read while an upload is decoded, and held for a second pass.

with ReferenceDescriptors(store, descriptor.fingerprint) as library:
    upload = read(path)                       # takes seconds; the library's frames are read beside
    for block in library:
        ...
"""

from __future__ import annotations

from collections.abc import Iterator
from threading import Thread
from typing import Self

from vidseek.core.types import CopyBlock
from vidseek.storage.store import LibraryStore

MAX_HELD_FRAMES = 2_000_000
"""So many are held: 280 MB. A larger library is read each time."""


class ReferenceDescriptors:
    """The frames of one library as they were at some moment since it was made. Of one thread."""

    def __init__(self, store: LibraryStore, fingerprint: str) -> None:
        """Begin to read.

        Args:
            store: the library.
            fingerprint: of the copy descriptor.
        """
        self._store = store
        self._fingerprint = fingerprint
        self._held: list[CopyBlock] | None = None
        self._error: Exception | None = None
        self._stopped = False
        self._reading = Thread(target=self._read, daemon=True, name="vidseek-library-frames")
        self._reading.start()

    def __iter__(self) -> Iterator[CopyBlock]:
        """Give the frames; waits until they are read.

        Raises:
            LibraryError: they cannot be.
        """
        self._reading.join()
        if self._error is not None:
            raise self._error
        if self._held is not None:
            yield from self._held
        else:
            yield from self._store.copy_descriptors.blocks(self._fingerprint)

    def close(self) -> None:
        """Read no further, and hold nothing."""
        self._stopped = True
        self._reading.join()
        self._held = None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _read(self) -> None:
        try:
            if self._store.copy_descriptors.frame_count(self._fingerprint) > MAX_HELD_FRAMES:
                return
            held = []
            for block in self._store.copy_descriptors.blocks(self._fingerprint):
                if self._stopped:
                    return
                held.append(block)
            self._held = held
        except Exception as error:
            self._error = error
