"""Changes of the library: a transaction that writes, and the history that it adds to.

with transactions.writing() as change:
    remove_videos(change, [video_id])
"""

from __future__ import annotations

import secrets
from collections.abc import Collection, Sequence
from dataclasses import dataclass

import numpy as np
from sqlalchemy import Connection, and_, delete, insert, select, update

from vidseek.core.types import VideoState
from vidseek.storage.catalog.copy_queries import mark_uncompared
from vidseek.storage.catalog.schema import ChangeRow, VideoRow
from vidseek.storage.catalog.video_queries import chunks, clip_ids_of


@dataclass(frozen=True)
class Change:
    """A transaction that writes, and its entries in the change log of searchable clips."""

    connection: Connection
    sequence: int
    stamp: int

    @classmethod
    def begin(cls, connection: Connection, sequence: int) -> Change:
        """Start the change with that sequence number."""
        return cls(connection, sequence, secrets.randbits(62) + 1)

    def log(self, clip_ids: Collection[int], *, fingerprint: str | None = None) -> None:
        """Log that clips may have become searchable or stopped being so, as ranges of ids.

        Args:
            clip_ids: the clips.
            fingerprint: of the one encoder or copy descriptor affected; None for all.
        """
        if not clip_ids:
            return
        ids = np.unique(np.fromiter(clip_ids, np.int64, len(clip_ids)))
        breaks = np.flatnonzero(np.diff(ids) > 1)
        firsts = ids[np.concatenate([[0], breaks + 1])]
        lasts = ids[np.concatenate([breaks, [len(ids) - 1]])]
        self.log_ranges(
            list(zip(firsts.tolist(), lasts.tolist(), strict=True)), fingerprint=fingerprint
        )

    def log_ranges(
        self, ranges: Sequence[tuple[int, int]], *, fingerprint: str | None = None
    ) -> None:
        """Log ranges of clip ids, given as first and last id, that do not overlap."""
        self.connection.execute(
            insert(ChangeRow),
            [
                {
                    "sequence": self.sequence,
                    "first_clip_id": first,
                    "last_clip_id": last,
                    "stamp": self.stamp,
                    "fingerprint": fingerprint,
                }
                for first, last in ranges
            ],
        )


def set_state(change: Change, video_ids: Collection[int], state: VideoState) -> None:
    """Set the state of videos, and log what that changes for searches and copies."""
    connection = change.connection
    changed: list[int] = []
    for chunk in chunks(video_ids):
        differing = and_(VideoRow.id.in_(chunk), VideoRow.state != state)
        changed.extend(connection.execute(select(VideoRow.id).where(differing)).scalars())
        connection.execute(update(VideoRow).where(differing).values(state=state))
    if state is VideoState.INDEXED:
        mark_uncompared(connection, changed)
    change.log(clip_ids_of(connection, changed))


def remove_videos(change: Change, video_ids: Collection[int]) -> int:
    """Delete videos with their clips, vectors and matches; return how many existed."""
    removed = 0
    change.log(clip_ids_of(change.connection, video_ids))
    for chunk in chunks(video_ids):
        statement = delete(VideoRow).where(VideoRow.id.in_(chunk))
        removed += change.connection.execute(statement).rowcount
    return removed
