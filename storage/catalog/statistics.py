"""Counts of a library's contents, and of the videos that each model has encoded.

A model encodes a video in one transaction, so its first clip represents them all.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from sqlalchemy import Connection, and_, func, select

from vidseek.core.types import LibraryModel, LibraryStatistics, VideoState
from vidseek.storage.catalog.encoder_queries import read_spec
from vidseek.storage.catalog.schema import (
    ClipRow,
    ClipVectorRow,
    CopyFramesRow,
    EncoderRow,
    LibraryRow,
    VideoRow,
)


def count_contents(connection: Connection) -> LibraryStatistics:
    """Count videos by state, and the searchable clips and vectors."""
    counts: dict[str, int] = {}
    for state, count in connection.execute(
        select(VideoRow.state, func.count()).group_by(VideoRow.state)
    ):
        counts[state] = count
    indexed = VideoRow.state == VideoState.INDEXED
    seconds, size_bytes = connection.execute(
        select(
            func.coalesce(func.sum(VideoRow.duration_seconds), 0.0),
            func.coalesce(func.sum(VideoRow.size_bytes), 0),
        ).where(indexed)
    ).one()
    damaged = connection.execute(select(func.count()).where(indexed, VideoRow.damaged)).scalar_one()
    clips = connection.execute(
        select(func.count(ClipRow.id)).join(VideoRow).where(indexed)
    ).scalar_one()
    vectors = connection.execute(
        select(EncoderRow.fingerprint, func.count(VideoRow.id))
        .outerjoin(ClipVectorRow, ClipVectorRow.encoder_id == EncoderRow.id)
        .outerjoin(ClipRow, ClipRow.id == ClipVectorRow.clip_id)
        .outerjoin(VideoRow, and_(VideoRow.id == ClipRow.video_id, indexed))
        .group_by(EncoderRow.fingerprint)
    ).all()
    copy_videos = connection.execute(
        select(func.count(CopyFramesRow.video_id)).join(VideoRow).where(indexed)
    ).scalar_one()
    return LibraryStatistics(
        indexed=counts.get(VideoState.INDEXED, 0),
        missing=counts.get(VideoState.MISSING, 0),
        failed=counts.get(VideoState.FAILED, 0),
        damaged=damaged,
        clips=clips,
        video_seconds=float(seconds),
        video_bytes=int(size_bytes),
        database_bytes=_size_bytes(connection),
        vectors=dict(vectors),
        copy_videos=copy_videos,
    )


def count_models(connection: Connection) -> list[LibraryModel]:
    """Count the searchable videos that each encoder has encoded, oldest encoder first."""
    videos = connection.execute(
        select(func.count()).select_from(VideoRow).where(VideoRow.state == VideoState.INDEXED)
    ).scalar_one()
    active = connection.execute(select(LibraryRow.active_encoder)).scalar()
    models = []
    for encoder_id, fingerprint, document in connection.execute(
        select(EncoderRow.id, EncoderRow.fingerprint, EncoderRow.spec).order_by(EncoderRow.id)
    ).all():
        behind = connection.execute(
            select(func.count()).select_from(VideoRow).where(*lacks_vectors(encoder_id))
        ).scalar_one()
        models.append(
            LibraryModel(
                spec=read_spec(document),
                is_active=fingerprint == active,
                encoded_videos=videos - behind,
                videos=videos,
            )
        )
    return models


def lacks_vectors(encoder_id: int | None) -> tuple[Any, ...]:
    """Conditions on VideoRow: searchable, and not encoded by that encoder.

    ``None`` means an encoder that is not registered: counts every searchable video.
    """
    first = and_(ClipRow.video_id == VideoRow.id, ClipRow.position == 0)
    encoded = (
        select(ClipVectorRow.clip_id)
        .join(ClipRow, ClipRow.id == ClipVectorRow.clip_id)
        .where(first, ClipVectorRow.encoder_id == encoder_id)
    )
    return VideoRow.state == VideoState.INDEXED, ~encoded.exists()


def _size_bytes(connection: Connection) -> int | None:
    if connection.dialect.name != "sqlite":
        return None
    file = connection.exec_driver_sql("PRAGMA database_list").first()
    if file is None:
        return None
    parts = (Path(f"{file[2]}{suffix}") for suffix in ("", "-wal"))
    return sum(part.stat().st_size for part in parts if part.exists())
