"""Reading vectors together with the videos and times that they belong to."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from sqlalchemy import Connection, select

from vidseek.core.types import VectorBatch, VectorLevel, VideoState
from vidseek.storage.catalog.blobs import from_half
from vidseek.storage.catalog.encoder_queries import StoredEncoder
from vidseek.storage.catalog.schema import ClipFramesRow, ClipRow, ClipVectorRow, VideoRow


def read_batch(
    connection: Connection, encoder: StoredEncoder, clip_ids: Sequence[int], level: VectorLevel
) -> VectorBatch:
    """Read the vectors of those clips, or of their frames, that are searchable.

    Args:
        connection: in a transaction.
        encoder: the encoder of the vectors.
        clip_ids: few enough for a single statement.
        level: a row for each clip, or for each frame.
    """
    per_frame = level == "frames"
    table: Any = ClipFramesRow if per_frame else ClipVectorRow
    rows = connection.execute(
        select(
            ClipRow.id,
            ClipRow.video_id,
            ClipRow.start_seconds,
            ClipRow.end_seconds,
            ClipRow.frame_seconds,
            VideoRow.path,
            (table.vectors if per_frame else table.vector).label("blob"),
        )
        .join(table, table.clip_id == ClipRow.id)
        .join(VideoRow, VideoRow.id == ClipRow.video_id)
        .where(
            ClipRow.id.in_(clip_ids),
            table.encoder_id == encoder.id,
            VideoRow.state == VideoState.INDEXED,
        )
        .order_by(ClipRow.id)
    ).all()
    times = [np.frombuffer(row.frame_seconds, "<f8") for row in rows] if per_frame else None
    counts = np.array([1] * len(rows) if times is None else [len(each) for each in times], np.intp)
    names = {row.video_id: row.path for row in rows}
    path_of = {video_id: Path(name) for video_id, name in names.items()}
    shape = (int(counts.sum()), encoder.spec.dimension)
    vectors = from_half(b"".join([row.blob for row in rows]), shape)
    # Stored as float16, a vector's length is off by up to a thousandth.
    lengths = np.linalg.norm(vectors, axis=1, keepdims=True)
    vectors /= np.where(lengths > 0, lengths, 1)

    def repeated(values: list[Any], dtype: type[np.generic]) -> Any:
        return np.repeat(np.array(values, dtype), counts)

    video_ids = repeated([row.video_id for row in rows], np.int64)
    return VectorBatch(
        vectors=vectors,
        clip_ids=repeated([row.id for row in rows], np.int64),
        video_ids=video_ids,
        paths=tuple(path_of[video_id] for video_id in video_ids.tolist()),
        start_seconds=repeated([row.start_seconds for row in rows], np.float64),
        end_seconds=repeated([row.end_seconds for row in rows], np.float64),
        frame_seconds=None if times is None else np.concatenate([np.empty(0), *times]),
    )
