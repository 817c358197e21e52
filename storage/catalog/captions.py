"""The captions of a library's videos, and the search for words in them.

store.captions.replace(video.id, captions)
store.captions.containing(["dog", "beach"])
"""

from __future__ import annotations

from collections.abc import Sequence

from sqlalchemy import ColumnElement, delete, func, insert, or_, select

from vidseek.core.types import Caption, TimeSpan, VideoState
from vidseek.storage.catalog.filters import path_pattern
from vidseek.storage.catalog.schema import CaptionRow, VideoRow
from vidseek.storage.catalog.transactions import Transactions


class Captions:
    """Captions by video. Every method is one transaction."""

    def __init__(self, transactions: Transactions) -> None:
        self._transactions = transactions

    def replace(self, video_id: int, captions: Sequence[Caption], span: TimeSpan) -> None:
        """Store captions of a part of a video, in place of all that begin in it.

        A video that was removed meanwhile gets none.
        """
        with self._transactions.writing() as change:
            connection = change.connection
            known = select(VideoRow.id).where(VideoRow.id == video_id)
            if connection.execute(known).first() is None:
                return
            connection.execute(
                delete(CaptionRow).where(
                    CaptionRow.video_id == video_id,
                    CaptionRow.start_seconds >= span.start_seconds,
                    CaptionRow.start_seconds < span.end_seconds,
                )
            )
            rows = [
                {
                    "video_id": video_id,
                    "start_seconds": caption.span.start_seconds,
                    "end_seconds": caption.span.end_seconds,
                    "text": caption.text,
                    "source": caption.source,
                }
                for caption in captions
            ]
            if rows:
                connection.execute(insert(CaptionRow), rows)

    def of(self, video_id: int) -> list[Caption]:
        """The captions of a video, in order of time."""
        with self._transactions.reading() as connection:
            rows = connection.execute(
                select(CaptionRow)
                .where(CaptionRow.video_id == video_id)
                .order_by(CaptionRow.start_seconds, CaptionRow.id)
                .with_only_columns(*CaptionRow.__table__.columns)
            )
            return [_caption(row) for row in rows]

    def containing(self, words: Sequence[str]) -> list[Caption]:
        """The captions of INDEXED videos with at least one of some words in them, anywhere.

        Args:
            words: in lower case.
        """
        if not words:
            return []
        with self._transactions.reading() as connection:
            dialect = connection.dialect.name
            rows = connection.execute(
                select(*CaptionRow.__table__.columns)
                .join(VideoRow, VideoRow.id == CaptionRow.video_id)
                .where(VideoRow.state == VideoState.INDEXED)
                .where(or_(*(_has_word(word, dialect) for word in words)))
                .order_by(CaptionRow.id)
            )
            return [_caption(row) for row in rows]

    def count(self) -> int:
        """How many captions are stored."""
        with self._transactions.reading() as connection:
            return connection.execute(select(func.count()).select_from(CaptionRow)).scalar_one()


def _has_word(word: str, dialect: str) -> ColumnElement[bool]:
    """Condition: a caption has a word, in either case, or as a part of another word."""
    if dialect == "sqlite" and not word.isascii():
        # SQLite's own `lower` knows ASCII only.
        return CaptionRow.text.op("GLOB")(f"*{path_pattern(word).sqlite_glob}*")
    return func.lower(CaptionRow.text).contains(word, autoescape=True)


def _caption(row: object) -> Caption:
    fields = row._mapping  # type: ignore[attr-defined]
    return Caption(
        fields["video_id"],
        TimeSpan(fields["start_seconds"], fields["end_seconds"]),
        fields["text"],
        fields["source"],
    )
