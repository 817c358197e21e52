"""The segments that videos of a library share.

for video_id in store.copy_matches.videos_to_compare(descriptor.fingerprint): ...
matches = store.copy_matches.read()
"""

from __future__ import annotations

from collections.abc import Collection, Sequence

from vidseek.core.types import CopyMatch
from vidseek.storage.catalog.copy_queries import (
    described_ids,
    dismiss_pairs,
    read_copy_matches,
    read_dismissed,
    replace_copy_matches,
)
from vidseek.storage.catalog.transactions import Transactions


class CopyMatches:
    """Segments of videos that are copies of segments of other videos."""

    def __init__(self, transactions: Transactions) -> None:
        self._transactions = transactions

    def videos_to_compare(self, fingerprint: str) -> list[int]:
        """Ids of INDEXED videos not yet compared with the rest of the library, ascending."""
        with self._transactions.reading() as connection:
            return described_ids(connection, fingerprint, is_compared=False)

    def add(self, video_id: int, matches: Sequence[CopyMatch]) -> bool:
        """Store the matches of a video with the rest of the library, and mark it as compared.

        Matches of a pair of videos are stored once. The video's earlier matches are deleted, and so
        are other videos' matches with it, for the pairs among the new matches.

        Args:
            video_id: the video; it has copy frames.
            matches: each with this ``video_id``.

        Returns:
            False if the video, or its copy frames, were removed meanwhile. Matches with videos that
            were removed meanwhile are left out.

        Raises:
            ValueError: a match has another ``video_id``.
        """
        for match in matches:
            if match.video_id != video_id:
                raise ValueError(f"a match of video {match.video_id}, expected {video_id}")
        with self._transactions.writing() as change:
            return replace_copy_matches(change.connection, video_id, matches)

    def read(self, *, of_videos: Collection[int] | None = None) -> list[CopyMatch]:
        """Read the matches between INDEXED videos, by video and time.

        Args:
            of_videos: only matches of at least one of these videos, at most 10,000.
        """
        with self._transactions.reading() as connection:
            return read_copy_matches(connection, None if of_videos is None else list(of_videos))

    def dismiss(self, video_ids: Collection[int], *, restore: bool = False) -> int:
        """Remember that no two of the videos are duplicates of each other.

        Videos that do not exist are left out. A video that is removed takes its pairs along.

        Args:
            video_ids: at most 10,000.
            restore: forget it instead.

        Returns:
            Pairs that changed.
        """
        with self._transactions.writing() as change:
            return dismiss_pairs(change.connection, video_ids, restore=restore)

    def dismissed(self) -> set[frozenset[int]]:
        """The pairs that were dismissed."""
        with self._transactions.reading() as connection:
            return read_dismissed(connection)
