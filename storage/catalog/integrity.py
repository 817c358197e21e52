"""Checks of a library's database for damage."""

from __future__ import annotations

from sqlalchemy import Connection, and_, func, or_, select

from vidseek.core.types import VideoState
from vidseek.storage.catalog.copy_queries import SECONDS_BYTES
from vidseek.storage.catalog.encoder_queries import read_spec
from vidseek.storage.catalog.schema import (
    ClipFramesRow,
    ClipRow,
    ClipVectorRow,
    CopyFramesRow,
    EncoderRow,
    LibraryRow,
    VideoRow,
)


def find_problems(connection: Connection) -> list[str]:
    """Check the file, the references between rows and the lengths of vectors.

    Returns:
        One line for each kind of problem.
    """
    problems: list[str] = []
    if connection.dialect.name == "sqlite":
        answers = connection.exec_driver_sql("PRAGMA quick_check(20)").scalars().all()
        problems += [f"library.db: {answer}" for answer in answers if answer != "ok"]
        orphans = connection.exec_driver_sql("PRAGMA foreign_key_check").all()
        if orphans:
            tables = ", ".join(sorted({str(row[0]) for row in orphans}))
            problems.append(f"{len(orphans)} rows of {tables} refer to rows that do not exist")
    if connection.execute(select(func.count()).select_from(LibraryRow)).scalar_one() != 1:
        problems.append("the table library does not have exactly one row")
    for encoder_id, document in connection.execute(select(EncoderRow.id, EncoderRow.spec)).all():
        problems += _wrong_lengths(connection, encoder_id, document)
    problems += _incomplete_clips(connection)
    problems += _wrong_copy_frames(connection)
    return problems


def _wrong_lengths(connection: Connection, encoder_id: int, document: str) -> list[str]:
    spec = read_spec(document)
    row_bytes = 2 * spec.dimension
    token_bytes = 2 * spec.tokens_per_frame * spec.token_dimension
    vectors = connection.execute(
        select(func.count()).where(
            ClipVectorRow.encoder_id == encoder_id,
            func.length(ClipVectorRow.vector) != row_bytes,
        )
    ).scalar_one()
    frames = connection.execute(
        select(func.count()).where(
            ClipFramesRow.encoder_id == encoder_id,
            or_(
                func.length(ClipFramesRow.vectors) != ClipFramesRow.frame_count * row_bytes,
                and_(
                    func.length(ClipFramesRow.tokens) != 0,
                    func.length(ClipFramesRow.tokens) != ClipFramesRow.frame_count * token_bytes,
                ),
            ),
        )
    ).scalar_one()
    problems = []
    if vectors:
        problems.append(f"{vectors} clip vectors of {spec.source} have the wrong length")
    if frames:
        problems.append(f"the frames of {frames} clips of {spec.source} have the wrong length")
    return problems


def _wrong_copy_frames(connection: Connection) -> list[str]:
    row = CopyFramesRow
    wrong = connection.execute(
        select(func.count(row.video_id)).where(
            or_(
                func.length(row.seconds) != SECONDS_BYTES * row.frame_count,
                func.length(row.vectors) != row.frame_count * row.dimension,
            )
        )
    ).scalar_one()
    return [f"the copy frames of {wrong} videos have the wrong length"] if wrong else []


def _bare_clips(connection: Connection) -> int:
    """Count clips without a vector of an encoder that has encoded other clips of their video."""
    bare = 0
    for encoder_id in connection.execute(select(EncoderRow.id)).scalars().all():
        of_encoder = ClipVectorRow.encoder_id == encoder_id
        encoded = (
            select(ClipRow.video_id, func.count().label("vectors"))
            .join(ClipVectorRow, ClipVectorRow.clip_id == ClipRow.id)
            .where(of_encoder)
            .group_by(ClipRow.video_id)
            .subquery()
        )
        stored = (
            select(ClipRow.video_id, func.count().label("clips"))
            .group_by(ClipRow.video_id)
            .subquery()
        )
        bare += int(
            connection.execute(
                select(func.coalesce(func.sum(stored.c.clips - encoded.c.vectors), 0)).join_from(
                    encoded, stored, encoded.c.video_id == stored.c.video_id
                )
            ).scalar_one()
        )
    return bare


def _incomplete_clips(connection: Connection) -> list[str]:
    """Report incompletely stored videos, which transactions never leave."""
    problems = []
    if bare := _bare_clips(connection):
        problems.append(f"{bare} clips have no vector")
    same_clip = ClipFramesRow.clip_id == ClipVectorRow.clip_id
    same_encoder = ClipFramesRow.encoder_id == ClipVectorRow.encoder_id
    has_frames = select(ClipFramesRow.clip_id).where(same_clip, same_encoder).exists()
    frameless = connection.execute(select(func.count(ClipVectorRow.clip_id)).where(~has_frames))
    if count := frameless.scalar_one():
        problems.append(f"{count} clips have no frames")
    clips = select(ClipRow.id).where(ClipRow.video_id == VideoRow.id).exists()
    empty = connection.execute(
        select(func.count(VideoRow.id)).where(VideoRow.state == VideoState.INDEXED, ~clips)
    ).scalar_one()
    if empty:
        problems.append(f"{empty} indexed videos have no clips")
    return problems
