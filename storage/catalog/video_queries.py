"""Queries on videos and clips, inside a transaction."""

from __future__ import annotations

import os
from collections.abc import Collection, Iterator, Sequence
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
from sqlalchemy import Connection, and_, delete, insert, literal, select
from sqlalchemy.orm import aliased

from vidseek.core.errors import Hint
from vidseek.core.types import (
    Clip,
    EncodedClip,
    EncoderSpec,
    TimeSpan,
    Video,
    VideoState,
)
from vidseek.storage.catalog.blobs import to_half
from vidseek.storage.catalog.schema import (
    ClipFramesRow,
    ClipRow,
    ClipVectorRow,
    VideoRow,
)

_IDS_PER_STATEMENT = 10_000
"""SQLite allows 32,766 variables in a statement."""

_Item = TypeVar("_Item")

VIDEO_COLUMNS = (
    VideoRow.id,
    VideoRow.path,
    VideoRow.content_hash,
    VideoRow.size_bytes,
    VideoRow.modified_ns,
    VideoRow.duration_seconds,
    VideoRow.frame_rate,
    VideoRow.width,
    VideoRow.height,
    VideoRow.codec,
    VideoRow.state,
    VideoRow.damaged,
    VideoRow.failure,
    VideoRow.failure_hint,
    VideoRow.hdr,
    VideoRow.has_sound,
)


def make_video(row: Any) -> Video:
    """Make a video from VIDEO_COLUMNS."""
    return Video(
        id=row.id,
        path=Path(row.path),
        content_hash=row.content_hash,
        size_bytes=row.size_bytes,
        modified_ns=row.modified_ns,
        duration_seconds=row.duration_seconds,
        frame_rate=row.frame_rate,
        width=row.width,
        height=row.height,
        codec=row.codec,
        state=VideoState(row.state),
        damaged=row.damaged,
        failure=row.failure,
        failure_hint=None if row.failure_hint is None else Hint(row.failure_hint),
        hdr=row.hdr,
        has_sound=row.has_sound,
    )


def read_clips(connection: Connection, condition: Any) -> list[Clip]:
    """Read clips, by video and time."""
    rows = connection.execute(
        select(
            ClipRow.id,
            ClipRow.video_id,
            ClipRow.start_seconds,
            ClipRow.end_seconds,
            ClipRow.frame_seconds,
        )
        .where(condition)
        .order_by(ClipRow.video_id, ClipRow.position)
    )
    return [
        Clip(
            id=row.id,
            video_id=row.video_id,
            span=TimeSpan(row.start_seconds, row.end_seconds),
            frame_seconds=tuple(np.frombuffer(row.frame_seconds, "<f8").tolist()),
        )
        for row in rows
    ]


def ids_at(connection: Connection, *paths: str) -> list[int]:
    """Ids of the videos at some paths, at most one for each."""
    ids: list[int] = []
    for chunk in chunks(paths):
        statement = select(VideoRow.id).where(VideoRow.path.in_(chunk))
        ids.extend(connection.execute(statement).scalars())
    return ids


def is_stored(connection: Connection, video_id: int) -> bool:
    """Whether a video with that id exists."""
    return (
        connection.execute(select(VideoRow.id).where(VideoRow.id == video_id)).scalar() == video_id
    )


def content_hashes(connection: Connection, hashes: Collection[str]) -> set[str]:
    """Those of the content hashes that belong to a stored video."""
    stored: set[str] = set()
    for chunk in chunks(hashes):
        statement = select(VideoRow.content_hash).where(VideoRow.content_hash.in_(chunk))
        stored.update(connection.execute(statement).scalars())
    return stored


def all_content_hashes(connection: Connection) -> set[str]:
    """The content hashes of all stored videos, in whatever state."""
    return set(connection.execute(select(VideoRow.content_hash)).scalars())


def insert_video(connection: Connection, video: Video) -> int:
    """Insert a video; return its id."""
    result = connection.execute(
        insert(VideoRow).values(
            path=str(video.path),
            content_hash=video.content_hash,
            size_bytes=video.size_bytes,
            modified_ns=video.modified_ns,
            duration_seconds=video.duration_seconds,
            frame_rate=video.frame_rate,
            width=video.width,
            height=video.height,
            codec=video.codec,
            state=video.state,
            damaged=video.damaged,
            failure=video.failure,
            failure_hint=None if video.failure_hint is None else video.failure_hint.action,
            hdr=video.hdr,
            has_sound=video.has_sound,
        )
    )
    key = result.inserted_primary_key
    assert key is not None
    return int(key[0])


def insert_clips(connection: Connection, video_id: int, clips: Sequence[EncodedClip]) -> list[int]:
    """Insert the clips of a video; return their ids, in order."""
    connection.execute(
        insert(ClipRow),
        [
            {
                "video_id": video_id,
                "position": position,
                "start_seconds": clip.span.start_seconds,
                "end_seconds": clip.span.end_seconds,
                "frame_seconds": np.asarray(clip.frame_seconds, dtype="<f8").tobytes(),
            }
            for position, clip in enumerate(clips)
        ],
    )
    return clip_ids_of(connection, [video_id])


def insert_vectors(
    connection: Connection,
    ids: Sequence[int],
    clips: Sequence[EncodedClip],
    encoder_id: int,
    spec: EncoderSpec,
) -> None:
    """Insert an encoder's vectors and frame features of clips."""
    vectors = []
    frames = []
    for clip_id, clip in zip(ids, clips, strict=True):
        count = len(clip.frame_seconds)
        vectors.append(
            {
                "clip_id": clip_id,
                "encoder_id": encoder_id,
                "vector": to_half(clip.vector, (spec.dimension,)),
            }
        )
        has_tokens = clip.frames.tokens.shape[1] > 0
        tokens = (count, spec.tokens_per_frame if has_tokens else 0, spec.token_dimension)
        frames.append(
            {
                "clip_id": clip_id,
                "encoder_id": encoder_id,
                "frame_count": count,
                "vectors": to_half(clip.frames.vectors, (count, spec.dimension)),
                "tokens": to_half(clip.frames.tokens, tokens),
            }
        )
    connection.execute(insert(ClipVectorRow), vectors)
    connection.execute(insert(ClipFramesRow), frames)


def delete_vectors(connection: Connection, encoder_id: int, ids: Collection[int] | None) -> None:
    """Delete an encoder's vectors and frame features of clips; of all clips if ids is None."""
    for table in (ClipFramesRow, ClipVectorRow):
        statement = delete(table).where(table.encoder_id == encoder_id)
        if ids is None:
            connection.execute(statement)
        else:
            for chunk in chunks(ids):
                connection.execute(statement.where(table.clip_id.in_(chunk)))


def copy_clips(connection: Connection, source_id: int, video_id: int) -> list[int]:
    """Copy clips and vectors of one video to another inside the database."""
    connection.execute(
        insert(ClipRow).from_select(
            ["video_id", "position", "start_seconds", "end_seconds", "frame_seconds"],
            select(
                literal(video_id),
                ClipRow.position,
                ClipRow.start_seconds,
                ClipRow.end_seconds,
                ClipRow.frame_seconds,
            )
            .where(ClipRow.video_id == source_id)
            .order_by(ClipRow.position),
        )
    )
    source, copy = aliased(ClipRow), aliased(ClipRow)
    for table, names in (
        (ClipVectorRow, ["encoder_id", "vector"]),
        (ClipFramesRow, ["encoder_id", "frame_count", "vectors", "tokens"]),
    ):
        connection.execute(
            insert(table).from_select(
                ["clip_id", *names],
                select(copy.id, *(getattr(table, name) for name in names))
                .join(source, source.id == table.clip_id)
                .join(copy, and_(copy.video_id == video_id, copy.position == source.position))
                .where(source.video_id == source_id)
                .order_by(copy.id),
            )
        )
    return clip_ids_of(connection, [video_id])


def clip_ids_of(connection: Connection, video_ids: Collection[int]) -> list[int]:
    """Ids of the clips of videos."""
    ids: list[int] = []
    for chunk in chunks(video_ids):
        ids.extend(
            connection.execute(
                select(ClipRow.id)
                .where(ClipRow.video_id.in_(chunk))
                .order_by(ClipRow.video_id, ClipRow.position)
            ).scalars()
        )
    return ids


def moved_path(path: str, old: Path, new: Path) -> str:
    """Path of a file at or below ``old`` after ``old`` was moved to ``new``."""
    return os.path.normpath(f"{new}{os.sep}{path[len(str(old).rstrip(os.sep)) :]}")


def chunks(items: Collection[_Item], size: int = _IDS_PER_STATEMENT) -> Iterator[list[_Item]]:
    """Cut ids into lists that fit into one statement."""
    listed = list(items)
    for start in range(0, len(listed), size):
        yield listed[start : start + size]
