"""Queries on vectors: by clip, and the changes and snapshots that vector indexes read."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sqlalchemy import Connection, func, or_, select

from vidseek.core.types import EncoderSpec, FrameFeatures, VideoState
from vidseek.storage.catalog.blobs import from_half
from vidseek.storage.catalog.encoder_queries import StoredEncoder
from vidseek.storage.catalog.schema import (
    ChangeRow,
    ClipFramesRow,
    ClipRow,
    ClipVectorRow,
    VideoRow,
)
from vidseek.storage.catalog.video_queries import chunks
from vidseek.storage.vectors.protocol import START, Position, VectorChanges, VectorSnapshot

_MAX_RANGES = 1000
_VECTORS_PER_BATCH = 4096


def read_position(connection: Connection) -> Position:
    """Read the current position in the change log."""
    row = connection.execute(
        select(ChangeRow.sequence, ChangeRow.stamp).order_by(ChangeRow.sequence.desc()).limit(1)
    ).first()
    return START if row is None else Position(row.sequence, row.stamp)


def read_vectors(
    connection: Connection, encoder: StoredEncoder, clip_ids: NDArray[np.int64]
) -> tuple[NDArray[np.int64], NDArray[np.float32]]:
    """Read the vectors of those clips that exist.

    Returns:
        Their ids (K,), ascending, and vectors (K, D) float32.
    """
    rows: list[tuple[int, bytes]] = []
    for chunk in chunks(np.unique(clip_ids).tolist()):
        rows += connection.execute(
            select(ClipVectorRow.clip_id, ClipVectorRow.vector)
            .where(ClipVectorRow.clip_id.in_(chunk), ClipVectorRow.encoder_id == encoder.id)
            .order_by(ClipVectorRow.clip_id)
        ).all()
    return _unpacked(rows, encoder.spec)


def read_frames(
    connection: Connection, encoder: StoredEncoder, clip_ids: Collection[int]
) -> dict[int, FrameFeatures]:
    """Read the features of the frames of those clips that exist."""
    spec = encoder.spec
    by_id: dict[int, FrameFeatures] = {}
    for chunk in chunks(clip_ids):
        rows = connection.execute(
            select(
                ClipFramesRow.clip_id,
                ClipFramesRow.frame_count,
                ClipFramesRow.vectors,
                ClipFramesRow.tokens,
            ).where(ClipFramesRow.clip_id.in_(chunk), ClipFramesRow.encoder_id == encoder.id)
        )
        for clip_id, count, vectors, tokens in rows:
            tokens_per_frame = spec.tokens_per_frame if tokens else 0
            by_id[clip_id] = FrameFeatures(
                from_half(vectors, (count, spec.dimension)),
                from_half(tokens, (count, tokens_per_frame, spec.token_dimension)),
            )
    return by_id


def read_frame_vectors(
    connection: Connection, encoder: StoredEncoder, clip_ids: Collection[int]
) -> dict[int, NDArray[np.float32]]:
    """Read the vectors (F, D) of the frames of those clips that exist."""
    by_id: dict[int, NDArray[np.float32]] = {}
    for chunk in chunks(clip_ids):
        rows = connection.execute(
            select(ClipFramesRow.clip_id, ClipFramesRow.frame_count, ClipFramesRow.vectors).where(
                ClipFramesRow.clip_id.in_(chunk), ClipFramesRow.encoder_id == encoder.id
            )
        )
        for clip_id, count, vectors in rows:
            by_id[clip_id] = from_half(vectors, (count, encoder.spec.dimension))
    return by_id


def read_changed_ranges(
    connection: Connection, fingerprint: str, since: Position
) -> NDArray[np.int64] | None:
    """Read which clips have changed since a position.

    Args:
        connection: in a transaction.
        fingerprint: of the encoder or copy descriptor.
        since: a position in the library's history.

    Returns:
        (R, 2) first and last ids, ascending; None if that position belongs to another history.
    """
    if since != START:
        stamp = connection.execute(
            select(ChangeRow.stamp).where(ChangeRow.sequence == since.sequence).limit(1)
        ).scalar()
        if stamp != since.stamp:
            return None
    of_model = or_(ChangeRow.fingerprint.is_(None), ChangeRow.fingerprint == fingerprint)
    return merged_ranges(
        connection.execute(
            select(ChangeRow.first_clip_id, ChangeRow.last_clip_id)
            .where(ChangeRow.sequence > since.sequence, of_model)
            .order_by(ChangeRow.first_clip_id)
        ).all()
    )


def read_changed_videos(
    connection: Connection, fingerprint: str, since: Position
) -> frozenset[int] | None:
    """Read which of the stored videos have changed since a position; arguments as above.

    Returns:
        Their ids, some of which may be unchanged; None if that position belongs to another
        history.
    """
    ranges = read_changed_ranges(connection, fingerprint, since)
    if ranges is None:
        return None
    spans = ranges.tolist()
    if len(spans) > _MAX_RANGES:
        spans = [[spans[0][0], spans[-1][1]]]
    changed: set[int] = set()
    for first, last in spans:
        within = select(ClipRow.video_id).where(ClipRow.id.between(first, last)).distinct()
        changed.update(connection.execute(within).scalars())
    return frozenset(changed)


def read_changes(
    connection: Connection, encoder: StoredEncoder | None, fingerprint: str, since: Position
) -> VectorChanges | None:
    """Read the changes of the searchable vectors since a position.

    Args:
        connection: in a transaction.
        encoder: None if it is not registered, not yet or not any more.
        fingerprint: the encoder's.
        since: the position of the index.

    Returns:
        None if that position belongs to another history.
    """
    ranges = read_changed_ranges(connection, fingerprint, since)
    if ranges is None:
        return None
    if encoder is None:
        return VectorChanges.none(read_position(connection), ranges)
    # One statement per range is fast; for thousands of ranges, reading the whole span is faster.
    spans = ranges.tolist()
    if len(spans) > _MAX_RANGES:
        spans = [[spans[0][0], spans[-1][1]]]
    rows: list[tuple[int, bytes]] = []
    for first, last in spans:
        within = ClipVectorRow.clip_id.between(first, last)
        rows += connection.execute(searchable(encoder.id).where(within)).all()
    ids, vectors = _unpacked(rows, encoder.spec)
    chosen = in_ranges(ids, ranges)
    return VectorChanges(read_position(connection), ranges, ids[chosen], vectors[chosen])


def read_snapshot(connection: Connection, encoder: StoredEncoder | None) -> VectorSnapshot:
    """Return all searchable vectors of an encoder, to be read while the transaction is open."""
    position = read_position(connection)
    if encoder is None:
        return VectorSnapshot(position, 0, lambda: iter(()))
    statement = searchable(encoder.id)
    counting = statement.with_only_columns(func.count()).order_by(None)
    count = connection.execute(counting).scalar_one()

    def batches() -> Iterator[tuple[NDArray[np.int64], NDArray[np.float32]]]:
        rows = connection.execute(statement.execution_options(yield_per=_VECTORS_PER_BATCH))
        for part in rows.partitions():
            yield _unpacked(part, encoder.spec)

    return VectorSnapshot(position, count, batches)


def searchable(encoder_id: int) -> Any:
    """Select ids and vectors of the searchable clips of an encoder, by ascending id."""
    return (
        select(ClipVectorRow.clip_id, ClipVectorRow.vector)
        .join(ClipRow, ClipRow.id == ClipVectorRow.clip_id)
        .join(VideoRow, VideoRow.id == ClipRow.video_id)
        .where(ClipVectorRow.encoder_id == encoder_id, VideoRow.state == VideoState.INDEXED)
        .order_by(ClipVectorRow.clip_id)
    )


def merged_ranges(ranges: Sequence[tuple[int, int]]) -> NDArray[np.int64]:
    """Join ranges that overlap or touch.

    Args:
        ranges: first and last ids, ascending by first.

    Returns:
        (R, 2) int64.
    """
    merged: list[list[int]] = []
    for first, last in ranges:
        if merged and first <= merged[-1][1] + 1:
            merged[-1][1] = max(merged[-1][1], last)
        else:
            merged.append([first, last])
    return np.array(merged, dtype=np.int64).reshape(-1, 2)


def in_ranges(ids: NDArray[np.int64], ranges: NDArray[np.int64]) -> NDArray[np.bool_]:
    """(T,) whether each id lies in one of the ranges (R, 2), which ascend and do not overlap."""
    if len(ranges) == 0:
        return np.zeros(len(ids), dtype=bool)
    at = np.searchsorted(ranges[:, 0], ids, side="right") - 1
    inside: NDArray[np.bool_] = (at >= 0) & (ids <= ranges[at, 1])
    return inside


def _unpacked(
    rows: Sequence[tuple[int, bytes]], spec: EncoderSpec
) -> tuple[NDArray[np.int64], NDArray[np.float32]]:
    """Ids (T,) and vectors (T, D) of rows."""
    ids = np.fromiter((clip_id for clip_id, _ in rows), np.int64, len(rows))
    return ids, from_half(b"".join([blob for _, blob in rows]), (len(rows), spec.dimension))
