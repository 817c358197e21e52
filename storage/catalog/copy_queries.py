"""Queries on copy descriptors and copy matches."""

from __future__ import annotations

import itertools
from collections.abc import Collection, Iterable, Iterator, Sequence
from functools import cache
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sqlalchemy import (
    Connection,
    and_,
    bindparam,
    delete,
    false,
    insert,
    literal,
    or_,
    select,
    update,
)
from sqlalchemy.orm import aliased

from vidseek.core.errors import Hint, LibraryDamagedError
from vidseek.core.types import CopyBlock, CopyFrames, CopyMatch, TimeSpan, VideoState
from vidseek.storage.catalog.schema import (
    CopyFramesRow,
    CopyMatchRow,
    DismissedPairRow,
    VideoRow,
)
from vidseek.storage.catalog.video_queries import chunks

PAGE = 500
"""Videos read at once: 12 MB if they are two minutes long..."""
PAGE_FRAMES = 100_000
"""...and the most frames, for longer videos."""
SECONDS_BYTES = 4
"""Times are stored as float32, which is off by 0.0002 s after an hour."""


def insert_copy_frames(
    connection: Connection, video_id: int, frames: CopyFrames, fingerprint: str
) -> None:
    """Store the descriptors of a video that has none."""
    if not fingerprint:
        raise ValueError("copy frames are stored with their descriptor's fingerprint")
    connection.execute(
        insert(CopyFramesRow).values(
            video_id=video_id,
            fingerprint=fingerprint,
            is_compared=False,
            frame_count=len(frames),
            dimension=frames.vectors.shape[1],
            seconds=frames.seconds.astype("<f4").tobytes(),
            vectors=frames.vectors.tobytes(),
        )
    )


def replace_copy_frames(connection: Connection, frames: CopyFrames, fingerprint: str) -> bool:
    """Replace the descriptors of a video; False if it does not exist."""
    video_id = frames.video_id
    stored = connection.execute(select(VideoRow.id).where(VideoRow.id == video_id)).scalar()
    if stored is None:
        return False
    connection.execute(delete(CopyFramesRow).where(CopyFramesRow.video_id == video_id))
    connection.execute(
        delete(CopyMatchRow).where(
            or_(CopyMatchRow.video_id == video_id, CopyMatchRow.other_id == video_id)
        )
    )
    insert_copy_frames(connection, video_id, frames, fingerprint)
    return True


def duplicate_copy_frames(connection: Connection, source_id: int, video_id: int) -> None:
    """Copy the descriptors of a video to another, which counts as not compared."""
    row = CopyFramesRow
    names = ["fingerprint", "frame_count", "dimension", "seconds", "vectors"]
    connection.execute(
        insert(row).from_select(
            ["video_id", "is_compared", *names],
            select(literal(video_id), false(), *(getattr(row, name) for name in names)).where(
                row.video_id == source_id
            ),
        )
    )


def described_ids(
    connection: Connection, fingerprint: str, *, is_compared: bool | None = None
) -> list[int]:
    """Ids of INDEXED videos with descriptors, ascending.

    Args:
        connection: in a transaction.
        fingerprint: of the copy descriptor.
        is_compared: only videos that were, or were not, compared with the rest of the library.
    """
    row = CopyFramesRow
    statement = (
        select(row.video_id)
        .join(VideoRow, VideoRow.id == row.video_id)
        .where(row.fingerprint == fingerprint, VideoRow.state == VideoState.INDEXED)
        .order_by(row.video_id)
    )
    if is_compared is not None:
        statement = statement.where(row.is_compared == is_compared)
    return list(connection.execute(statement).scalars())


def read_copy_frames(
    connection: Connection, fingerprint: str, video_ids: Sequence[int]
) -> list[CopyFrames]:
    """Read the descriptors of those of the videos that are INDEXED, by ascending id."""
    row = CopyFramesRow
    rows = connection.execute(
        select(row.video_id, row.frame_count, row.dimension, row.seconds, row.vectors)
        .join(VideoRow, VideoRow.id == row.video_id)
        .where(
            row.video_id.in_(video_ids),
            row.fingerprint == fingerprint,
            VideoRow.state == VideoState.INDEXED,
        )
    )
    # Sorted here: SQLite would copy the blobs to sort them, which takes four times as long.
    return sorted((_unpacked(*columns) for columns in rows), key=lambda frames: frames.video_id)


def read_copy_seconds(
    connection: Connection, video_ids: Collection[int]
) -> dict[int, NDArray[np.float32]]:
    """Read the times of the described frames of those videos that were described."""
    row = CopyFramesRow
    seconds: dict[int, NDArray[np.float32]] = {}
    for chunk in chunks(video_ids):
        rows = connection.execute(select(row.video_id, row.seconds).where(row.video_id.in_(chunk)))
        seconds.update({video_id: np.frombuffer(blob, "<f4") for video_id, blob in rows})
    return seconds


def copy_frame_counts(connection: Connection, fingerprint: str) -> list[tuple[int, int]]:
    """Ids of INDEXED videos with descriptors, ascending, and their numbers of frames."""
    row = CopyFramesRow
    counts = connection.execute(
        select(row.video_id, row.frame_count)
        .join(VideoRow, VideoRow.id == row.video_id)
        .where(row.fingerprint == fingerprint, VideoRow.state == VideoState.INDEXED)
        .order_by(row.video_id)
    )
    return [(video_id, count) for video_id, count in counts]


def pages(counts: Iterable[tuple[int, int]]) -> Iterator[list[int]]:
    """Group the videos of ``copy_frame_counts`` into pages that are read at once."""
    page: list[int] = []
    frames = 0
    for video_id, count in counts:
        if page and (len(page) == PAGE or frames + count > PAGE_FRAMES):
            yield page
            page, frames = [], 0
        page.append(video_id)
        frames += count
    if page:
        yield page


def read_copy_block(
    connection: Connection, fingerprint: str, video_ids: Sequence[int]
) -> CopyBlock | None:
    """Read the descriptors of INDEXED videos into one block; None if they have no frames.

    Faster than ``read_copy_frames`` for many videos: vectors are copied straight into one array,
    because touching fresh memory costs more than SQLite, and no object per video is created.
    """
    row = CopyFramesRow
    wanted = (
        row.video_id.in_(video_ids),
        row.fingerprint == fingerprint,
        VideoRow.state == VideoState.INDEXED,
    )
    joined = VideoRow.id == row.video_id
    sizes = connection.execute(
        select(row.video_id, row.frame_count, row.dimension)
        .join(VideoRow, joined)
        .where(*wanted)
        .order_by(row.video_id)
    ).all()
    total = sum(count for _, count, _ in sizes)
    if total == 0:
        return None
    dimension = sizes[0].dimension
    block = CopyBlock(
        np.repeat([video_id for video_id, _, _ in sizes], [count for _, count, _ in sizes]),
        np.empty(total, np.float32),
        np.empty((total, dimension), np.int8),
    )
    places = {}
    end = 0
    for video_id, count, _ in sizes:
        places[video_id] = slice(end, end + count)
        end += count
    rows = connection.execute(
        select(row.video_id, row.seconds, row.vectors).join(VideoRow, joined).where(*wanted)
    )
    for video_id, seconds, vectors in rows:
        place = places[video_id]
        count = place.stop - place.start
        _check_length(video_id, count, dimension, seconds, vectors)
        block.seconds[place] = np.frombuffer(seconds, "<f4")
        block.vectors[place] = np.frombuffer(vectors, np.int8).reshape(count, dimension)
    return block


def _unpacked(
    video_id: int, count: int, dimension: int, seconds: bytes, vectors: bytes
) -> CopyFrames:
    _check_length(video_id, count, dimension, seconds, vectors)
    return CopyFrames(
        video_id,
        np.frombuffer(seconds, "<f4").astype(np.float64),
        np.frombuffer(vectors, np.int8).reshape(count, dimension),
    )


def _check_length(
    video_id: int, count: int, dimension: int, seconds: bytes, vectors: bytes
) -> None:
    if len(seconds) != SECONDS_BYTES * count or len(vectors) != count * dimension:
        raise LibraryDamagedError(
            f"The stored copy frames of video {video_id} have the wrong length",
            hint=Hint("run_doctor"),
        )


def lacks_copy_frames(fingerprint: str) -> tuple[Any, ...]:
    """Conditions on VideoRow: searchable, and without descriptors of that fingerprint."""
    described = select(CopyFramesRow.video_id).where(
        CopyFramesRow.video_id == VideoRow.id, CopyFramesRow.fingerprint == fingerprint
    )
    return VideoRow.state == VideoState.INDEXED, ~described.exists()


def mark_uncompared(connection: Connection, video_ids: Collection[int]) -> None:
    """Mark videos as not compared: others may have been compared while these were missing."""
    for chunk in chunks(video_ids):
        connection.execute(
            update(CopyFramesRow).where(CopyFramesRow.video_id.in_(chunk)).values(is_compared=False)
        )


def replace_copy_matches(
    connection: Connection, video_id: int, matches: Sequence[CopyMatch]
) -> bool:
    """Replace the matches of a video; False if it has no descriptors."""
    compared = connection.execute(
        update(CopyFramesRow).where(CopyFramesRow.video_id == video_id).values(is_compared=True)
    )
    if compared.rowcount == 0:
        return False
    row = CopyMatchRow
    connection.execute(delete(row).where(row.video_id == video_id))
    others: set[int] = set()
    for chunk in chunks({match.other_id for match in matches}):
        connection.execute(delete(row).where(row.other_id == video_id, row.video_id.in_(chunk)))
        stored = select(VideoRow.id).where(VideoRow.id.in_(chunk))
        others.update(connection.execute(stored).scalars())
    matches = [match for match in matches if match.other_id in others]
    if matches:
        connection.execute(
            insert(row),
            [
                {
                    "video_id": match.video_id,
                    "other_id": match.other_id,
                    "start_seconds": match.span.start_seconds,
                    "end_seconds": match.span.end_seconds,
                    "other_start_seconds": match.other_span.start_seconds,
                    "other_end_seconds": match.other_span.end_seconds,
                    "speed": match.speed,
                    "score": match.score,
                    "mirrored": match.mirrored,
                }
                for match in matches
            ],
        )
    return True


def read_copy_matches(
    connection: Connection, video_ids: Sequence[int] | None = None
) -> list[CopyMatch]:
    """Read the matches between INDEXED videos, by video and time; None for all videos."""
    if video_ids is None:
        rows = connection.execute(_matches_statement(of_videos=False))
    else:
        statement = _matches_statement(of_videos=True)
        rows = connection.execute(statement, {"video_ids": list(video_ids)})
    return [
        CopyMatch(
            video_id=match.video_id,
            other_id=match.other_id,
            span=TimeSpan(match.start_seconds, match.end_seconds),
            other_span=TimeSpan(match.other_start_seconds, match.other_end_seconds),
            speed=match.speed,
            score=match.score,
            mirrored=match.mirrored,
        )
        for match in rows
    ]


@cache
def _matches_statement(*, of_videos: bool) -> Any:
    """Built once: building it takes longer than the database takes to answer it."""
    row = CopyMatchRow
    first, other = aliased(VideoRow), aliased(VideoRow)
    statement = (
        select(
            row.video_id,
            row.other_id,
            row.start_seconds,
            row.end_seconds,
            row.other_start_seconds,
            row.other_end_seconds,
            row.speed,
            row.score,
            row.mirrored,
        )
        .join(first, and_(first.id == row.video_id, first.state == VideoState.INDEXED))
        .join(other, and_(other.id == row.other_id, other.state == VideoState.INDEXED))
        .order_by(row.video_id, row.other_id, row.start_seconds, row.id)
    )
    if of_videos:
        ids: Any = bindparam("video_ids", expanding=True)
        statement = statement.where(row.video_id.in_(ids) | row.other_id.in_(ids))
    return statement


def dismiss_pairs(connection: Connection, video_ids: Collection[int], *, restore: bool) -> int:
    """Store that no two of the videos are duplicates, or forget it; return the changed pairs."""
    row = DismissedPairRow
    stored = connection.execute(select(VideoRow.id).where(VideoRow.id.in_(list(video_ids))))
    wanted = set(itertools.combinations(sorted(stored.scalars()), 2))
    first = {one for one, _ in wanted}
    known = {
        (one, other)
        for one, other in connection.execute(
            select(row.video_id, row.other_id).where(row.video_id.in_(first))
        )
    }
    changed = wanted & known if restore else wanted - known
    if restore:
        for one, other in changed:
            connection.execute(delete(row).where(row.video_id == one, row.other_id == other))
    elif changed:
        connection.execute(
            insert(row), [{"video_id": one, "other_id": other} for one, other in sorted(changed)]
        )
    return len(changed)


def read_dismissed(connection: Connection) -> set[frozenset[int]]:
    """Pairs of videos that are no duplicates."""
    row = DismissedPairRow
    return {
        frozenset((one, other))
        for one, other in connection.execute(select(row.video_id, row.other_id))
    }
