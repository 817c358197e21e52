"""The copy descriptors of all videos of a library, in memory and up to date.

references = store.reference_index(descriptor.fingerprint)
blocks = references.blocks()      # read in a thread, beside the decoding of an upload
for block in blocks: ...          # waits for it
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from threading import Lock, Thread

import numpy as np
from sqlalchemy import Connection

from vidseek.core.errors import LibraryClosedError
from vidseek.core.types import CopyBlock
from vidseek.storage.catalog.copy_descriptors import CopyDescriptors
from vidseek.storage.catalog.copy_queries import copy_frame_counts, pages, read_copy_block
from vidseek.storage.catalog.transactions import Transactions
from vidseek.storage.catalog.vector_queries import read_changed_videos, read_position
from vidseek.storage.vectors.protocol import Position

MAX_FRAMES_IN_MEMORY = 2_000_000
"""280 MB. The descriptors of a larger library are read from the database each time."""


@dataclass(frozen=True)
class _Page:
    """Videos whose descriptors lie in one block."""

    video_ids: tuple[int, ...]
    block: CopyBlock | None
    """None if no frame of these videos shows anything."""


@dataclass(frozen=True)
class _State:
    """The descriptors at one position of the library's history: never changed, only replaced."""

    position: Position
    pages: tuple[_Page, ...]


class ReferenceIndex:
    """The copy descriptors of all INDEXED videos, from one descriptor network. Thread-safe.

    Blocks are cut as ``CopyDescriptors.blocks`` cuts them, whatever has changed since, so that a
    comparison never depends on the state of the cache.
    """

    def __init__(self, transactions: Transactions, fingerprint: str) -> None:
        """Use the library's database; nothing is read yet.

        Args:
            transactions: on the library's database.
            fingerprint: of the copy descriptor.
        """
        self._transactions = transactions
        self._fingerprint = fingerprint
        self._refreshing = Lock()
        self._state: _State | None = None
        self._closed = False

    def blocks(self) -> ReferenceBlocks:
        """Start to read what has changed since the last call; gives the blocks as of now."""
        descriptors = CopyDescriptors(self._transactions)
        return ReferenceBlocks(self._refresh, lambda: descriptors.blocks(self._fingerprint))

    def close(self) -> None:
        """Stop reading, and free the memory."""
        self._closed = True
        with self._refreshing:
            self._state = None

    def _refresh(self) -> _State | None:
        """Read what has changed; None for a library that is too large to stay in memory.

        Raises:
            LibraryError: the descriptors cannot be read, or the library was closed meanwhile.
        """
        with self._refreshing, self._transactions.reading() as connection:
            position = read_position(connection)
            state = self._state
            if state is not None and state.position == position:
                return state
            counts = copy_frame_counts(connection, self._fingerprint)
            if sum(count for _, count in counts) > MAX_FRAMES_IN_MEMORY:
                self._state = None
                return None
            changed = None
            if state is not None:
                changed = read_changed_videos(connection, self._fingerprint, state.position)
            if state is None or changed is None:  # nothing was read yet, or it was another history
                stored = _Stored((), frozenset())
            else:
                stored = _Stored(state.pages, changed)
            self._state = _State(
                position,
                tuple(self._page(connection, ids, stored, dict(counts)) for ids in pages(counts)),
            )
            return self._state

    def _page(
        self,
        connection: Connection,
        video_ids: Sequence[int],
        stored: _Stored,
        counts: Mapping[int, int],
    ) -> _Page:
        """Build a page from memory, and from the database where that has changed."""
        if self._closed:
            raise LibraryClosedError(f"{self._transactions.name} was closed")
        if (page := stored.page(video_ids)) is not None:
            return page
        shown = [video_id for video_id in video_ids if counts[video_id]]
        unread = [video_id for video_id in shown if video_id not in stored.places]
        block = read_copy_block(connection, self._fingerprint, unread) if unread else None
        if len(unread) < len(shown):
            places = stored.places if block is None else {**stored.places, **_places(block)}
            block = _joined([places[video_id] for video_id in shown])
        return _Page(tuple(video_ids), block)


class ReferenceBlocks:
    """The blocks of a library at one moment, being read. Can be iterated again and again."""

    def __init__(
        self, refresh: Callable[[], _State | None], read_all: Callable[[], Iterator[CopyBlock]]
    ) -> None:
        """Use ``ReferenceIndex.blocks``."""
        self._refresh = refresh
        self._read_all = read_all
        self._state: _State | None = None
        self._error: Exception | None = None
        self._thread = Thread(target=self._read, daemon=True, name="vidseek-reference-index")
        self._thread.start()

    def __iter__(self) -> Iterator[CopyBlock]:
        """Give the blocks, by ascending id of the videos; waits until they are read.

        Raises:
            LibraryError: they cannot be read.
        """
        self._thread.join()
        if self._error is not None:
            raise self._error
        if self._state is not None:
            yield from (page.block for page in self._state.pages if page.block is not None)
        else:
            yield from self._read_all()

    def _read(self) -> None:
        try:
            self._state = self._refresh()
        except Exception as error:
            self._error = error


_Place = tuple[CopyBlock, slice]
"""The frames of one video in a block."""


class _Stored:
    """What is in memory, but for videos that have changed."""

    def __init__(self, stored: Sequence[_Page], changed: frozenset[int]) -> None:
        self._pages = {
            page.video_ids: page for page in stored if changed.isdisjoint(page.video_ids)
        }
        self.places: dict[int, _Place] = {}
        for page in stored:
            if page.block is not None:
                self.places.update(_places(page.block))
        for video_id in changed:
            self.places.pop(video_id, None)

    def page(self, video_ids: Sequence[int]) -> _Page | None:
        """The page of exactly these videos, if none of them has changed."""
        return self._pages.get(tuple(video_ids))


def _places(block: CopyBlock) -> dict[int, _Place]:
    starts = np.flatnonzero(np.diff(block.video_ids, prepend=-1))
    ends = np.append(starts[1:], len(block))
    return {
        int(block.video_ids[start]): (block, slice(int(start), int(end)))
        for start, end in zip(starts, ends, strict=True)
    }


def _joined(places: Sequence[_Place]) -> CopyBlock:
    return CopyBlock(
        np.concatenate([block.video_ids[rows] for block, rows in places]),
        np.concatenate([block.seconds[rows] for block, rows in places]),
        np.concatenate([block.vectors[rows] for block, rows in places]),
    )
