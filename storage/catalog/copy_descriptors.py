"""The descriptors of video frames that copies are found with.

store.copy_descriptors.add(frames, descriptor.fingerprint)
for block in store.copy_descriptors.blocks(descriptor.fingerprint): ...
"""

from __future__ import annotations

from collections.abc import Collection, Iterator

import numpy as np
from numpy.typing import NDArray

from vidseek.core.types import CopyBlock, CopyFrames
from vidseek.storage.catalog.copy_queries import (
    PAGE,
    copy_frame_counts,
    described_ids,
    pages,
    read_copy_block,
    read_copy_frames,
    read_copy_seconds,
    replace_copy_frames,
)
from vidseek.storage.catalog.transactions import Transactions
from vidseek.storage.catalog.video_queries import chunks, clip_ids_of


class CopyDescriptors:
    """Copy descriptors of the frames of videos."""

    def __init__(self, transactions: Transactions) -> None:
        self._transactions = transactions

    def add(self, frames: CopyFrames, fingerprint: str) -> bool:
        """Store the descriptors of a video's frames, replacing earlier ones.

        Matches that were found with the earlier ones are deleted.

        Returns:
            False if the video was removed meanwhile.
        """
        with self._transactions.writing() as change:
            if not replace_copy_frames(change.connection, frames, fingerprint):
                return False
            clip_ids = clip_ids_of(change.connection, [frames.video_id])
            change.log(clip_ids, fingerprint=fingerprint)
            return True

    def read(
        self, fingerprint: str, *, video_ids: Collection[int] | None = None
    ) -> Iterator[CopyFrames]:
        """Read the descriptors of INDEXED videos, by ascending id.

        Each page of videos is one transaction: the library need not fit into memory, and the caller
        may write between pages. Inside ``snapshot`` all pages see the same state.

        Args:
            fingerprint: the descriptor's.
            video_ids: only these videos; None for all.
        """
        if video_ids is None:
            with self._transactions.reading() as connection:
                video_ids = described_ids(connection, fingerprint)
        for page in chunks(sorted(set(video_ids)), PAGE):
            with self._transactions.reading() as connection:
                batch = read_copy_frames(connection, fingerprint, page)
            yield from batch

    def seconds(self, video_ids: Collection[int]) -> dict[int, NDArray[np.float32]]:
        """Times of the described frames of videos: all sampled frames that are not flat.

        Returns:
            (N,) float32 seconds, ascending, by video; without the videos that were not described.
        """
        with self._transactions.reading() as connection:
            return read_copy_seconds(connection, video_ids)

    def blocks(self, fingerprint: str) -> Iterator[CopyBlock]:
        """Read the descriptors of all INDEXED videos, in blocks of many videos."""
        with self._transactions.reading() as connection:
            counts = copy_frame_counts(connection, fingerprint)
        for page in pages(counts):
            with self._transactions.reading() as connection:
                block = read_copy_block(connection, fingerprint, page)
            if block is not None:
                yield block
