"""The videos of a library and their clips.

video = store.videos.add(video, clips, fingerprint=spec.fingerprint)
clips = store.videos.clips(video.id)
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Sequence
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import Any

from sqlalchemy import and_, bindparam, select, update
from sqlalchemy.orm import aliased

from vidseek.core.errors import Hint, LibraryError
from vidseek.core.types import (
    Clip,
    CopyFrames,
    EncodedClip,
    FileStamp,
    TimeSpan,
    Video,
    VideoFilter,
    VideoState,
)
from vidseek.storage.catalog.changes import remove_videos, set_state
from vidseek.storage.catalog.copy_queries import (
    duplicate_copy_frames,
    insert_copy_frames,
    lacks_copy_frames,
    mark_uncompared,
)
from vidseek.storage.catalog.filters import is_or_is_below, video_conditions
from vidseek.storage.catalog.schema import ClipRow, PathText, VideoRow
from vidseek.storage.catalog.statistics import lacks_vectors
from vidseek.storage.catalog.transactions import Transactions
from vidseek.storage.catalog.video_queries import (
    VIDEO_COLUMNS,
    chunks,
    clip_ids_of,
    copy_clips,
    ids_at,
    insert_clips,
    insert_vectors,
    insert_video,
    is_stored,
    make_video,
    moved_path,
    read_clips,
)


class Videos:
    """Videos and clips, without their vectors. Every method is one transaction."""

    def __init__(self, transactions: Transactions) -> None:
        self._transactions = transactions

    def add(
        self,
        video: Video,
        clips: Sequence[EncodedClip],
        *,
        fingerprint: str,
        copies: CopyFrames | None = None,
        copies_fingerprint: str = "",
    ) -> Video:
        """Store a video with its clips, replacing the video at its path.

        Args:
            video: as read; its id is ignored. A file that failed has state FAILED and no clips.
            clips: in order of time; vectors and tokens are stored as float16.
            fingerprint: the registered encoder that encoded the clips; unused without clips.
            copies: the copy descriptors of its frames; the video id in it is ignored.
            copies_fingerprint: of the copy descriptor.

        Returns:
            The video with its id.

        Raises:
            ValueError: the shapes do not match the encoder's spec, or a value is out of float16's
                range.
        """
        with self._transactions.writing() as change:
            connection = change.connection
            remove_videos(change, ids_at(connection, str(video.path)))
            video_id = insert_video(connection, video)
            if clips:
                encoder = self._transactions.encoder(connection, fingerprint)
                ids = insert_clips(connection, video_id, clips)
                insert_vectors(connection, ids, clips, encoder.id, encoder.spec)
                change.log(ids)
            if copies is not None:
                insert_copy_frames(connection, video_id, copies, copies_fingerprint)
            return replace(video, id=video_id)

    def add_copy(self, source_id: int, video: Video) -> Video | None:
        """Store a second file with the same content: copy the clips, vectors and descriptors.

        Args:
            source_id: the video whose clips are copied.
            video: the second file, complete as for ``add``.

        Returns:
            The video with its id; None if the source was removed meanwhile.
        """
        with self._transactions.writing() as change:
            connection = change.connection
            if not is_stored(connection, source_id):
                return None
            at_path = ids_at(connection, str(video.path))
            remove_videos(change, [stored for stored in at_path if stored != source_id])
            video_id = insert_video(connection, video)
            ids = copy_clips(connection, source_id, video_id)
            duplicate_copy_frames(connection, source_id, video_id)
            change.log(ids)
            return replace(video, id=video_id)

    def relink(self, video_id: int, path: Path, size_bytes: int, modified_ns: int) -> bool:
        """Update a video whose file was moved, renamed, touched or found again, with equal content.

        A missing video becomes searchable again. Another video at ``path`` is removed.

        Returns:
            False if the video was removed meanwhile; nothing changed then.
        """
        with self._transactions.writing() as change:
            connection = change.connection
            if not is_stored(connection, video_id):
                return False
            at_path = ids_at(connection, str(path))
            remove_videos(change, [stored for stored in at_path if stored != video_id])
            state, failure = connection.execute(
                select(VideoRow.state, VideoRow.failure).where(VideoRow.id == video_id)
            ).one()
            now = VideoState.INDEXED if failure is None else VideoState.FAILED
            connection.execute(
                update(VideoRow)
                .where(VideoRow.id == video_id)
                .values(path=str(path), size_bytes=size_bytes, modified_ns=modified_ns, state=now)
            )
            if state != now:
                mark_uncompared(connection, [video_id])
                change.log(clip_ids_of(connection, [video_id]))
            return True

    def set_state(self, video_ids: Collection[int], state: VideoState) -> None:
        """Set the state of videos. Only clips of INDEXED videos are searchable."""
        with self._transactions.writing() as change:
            set_state(change, video_ids, state)

    def set_has_sound(self, content_hash: str, *, has_sound: bool) -> None:
        """Store of all files with the same bytes whether they have sound."""
        with self._transactions.writing() as change:
            change.connection.execute(
                update(VideoRow)
                .where(VideoRow.content_hash == content_hash)
                .values(has_sound=has_sound)
            )

    def mark_missing(self, paths: Collection[str]) -> None:
        """Mark the videos at some absolute paths as missing, except any relocated meanwhile."""
        with self._transactions.writing() as change:
            set_state(change, ids_at(change.connection, *paths), VideoState.MISSING)

    def remove(self, video_ids: Collection[int]) -> int:
        """Delete videos with their clips, vectors and matches; return how many existed."""
        with self._transactions.writing() as change:
            return remove_videos(change, video_ids)

    def remove_at(self, paths: Collection[str]) -> int:
        """Delete the videos at some absolute paths, except any relocated meanwhile."""
        with self._transactions.writing() as change:
            return remove_videos(change, ids_at(change.connection, *paths))

    def relocate(self, old: Path, new: Path) -> int:
        """Change the paths of a moved file, or of all files below a moved folder.

        If a video is already stored at a new path, the searchable one of the two stays. If both are
        searchable, their content must be equal, and the one that was there stays. States do not
        change.

        Returns:
            How many videos were found at the old path.

        Raises:
            LibraryError: another video is stored at a new path; nothing was changed.
        """
        with self._transactions.writing() as change:
            connection = change.connection
            moving = {
                row.id: (moved_path(row.path, old, new), row.state, row.content_hash)
                for row in connection.execute(
                    select(VideoRow.id, VideoRow.path, VideoRow.state, VideoRow.content_hash).where(
                        is_or_is_below(str(old))
                    )
                )
            }
            dropped: list[int] = []
            targets = {path: video_id for video_id, (path, _, _) in moving.items()}
            for chunk in chunks(list(targets)):
                for row in connection.execute(
                    select(VideoRow.id, VideoRow.path, VideoRow.state, VideoRow.content_hash).where(
                        VideoRow.path.in_(chunk)
                    )
                ):
                    if row.id in moving:
                        continue
                    mover = targets[row.path]
                    _, state, content_hash = moving[mover]
                    stays = row.state == VideoState.INDEXED or row.state == state
                    if stays and row.content_hash != content_hash:
                        raise LibraryError(
                            f"{row.path} is another video of the library",
                            hint=Hint("remove_first", {"path": row.path}),
                        )
                    dropped.append(mover if stays else row.id)
            remove_videos(change, dropped)
            gone = set(dropped)
            moved = [
                {"video": video_id, "to": path}
                for video_id, (path, _, _) in moving.items()
                if video_id not in gone
            ]
            if moved:
                # Two steps: a new path may be the old path of a video that is updated later.
                for step in (
                    [{"video": to["video"], "to": f"\x01{to['video']}"} for to in moved],
                    moved,
                ):
                    connection.execute(
                        update(VideoRow.__table__)  # type: ignore[arg-type]
                        .where(VideoRow.id == bindparam("video"))
                        .values(path=bindparam("to", type_=PathText)),
                        step,
                    )
            return len(moving)

    def get(self, video_id: int) -> Video | None:
        """The video of that id."""
        return next(iter(self._select(VideoRow.id == video_id)), None)

    def at(self, path: Path) -> Video | None:
        """The video of that absolute path."""
        return next(iter(self._select(VideoRow.path == str(path))), None)

    def select(
        self,
        *,
        states: Collection[VideoState] | None = None,
        under: Path | None = None,
        damaged: bool | None = None,
    ) -> list[Video]:
        """Videos, ordered by path.

        Args:
            states: only videos in one of these states; None for all.
            under: only this file, or files below this folder.
            damaged: only videos with, or without, parts that could not be decoded.
        """
        conditions: list[Any] = []
        if damaged is not None:
            conditions.append(VideoRow.damaged.is_(damaged))
        if states is not None:
            conditions.append(VideoRow.state.in_(list(states)))
        if under is not None:
            conditions.append(is_or_is_below(str(under)))
        return self._select(*conditions)

    def by_id(self, video_ids: Collection[int]) -> dict[int, Video]:
        """Videos by id; those that were removed meanwhile are left out."""
        with self._transactions.snapshot():
            return {
                video.id: video
                for chunk in chunks(video_ids)
                for video in self._select(VideoRow.id.in_(chunk))
            }

    def passing(self, video_ids: Collection[int], where: VideoFilter) -> dict[int, Video]:
        """Those of the videos that are searchable and pass a filter, by id."""
        with self._transactions.reading() as connection:
            conditions = video_conditions(where, connection.dialect.name)
            return {
                video.id: video
                for chunk in chunks(video_ids)
                for video in self._select(
                    VideoRow.id.in_(chunk), VideoRow.state == VideoState.INDEXED, *conditions
                )
            }

    def searchable(self, where: VideoFilter) -> list[Video]:
        """The searchable videos that pass a filter, ordered by path."""
        with self._transactions.reading() as connection:
            conditions = video_conditions(where, connection.dialect.name)
            return self._select(VideoRow.state == VideoState.INDEXED, *conditions)

    def with_same_content(self, video_ids: Collection[int]) -> dict[int, tuple[int, ...]]:
        """Ids of other searchable videos with the same bytes, by the id of each video with any."""
        found: dict[int, tuple[int, ...]] = defaultdict(tuple)
        with self._transactions.reading() as connection:
            for chunk in chunks(video_ids):
                rows = connection.execute(_same_content_statement(), {"video_ids": list(chunk)})
                for video_id, other_id, state in rows:
                    if state == VideoState.INDEXED:
                        found[video_id] += (other_id,)
        return dict(found)

    def with_hash(self, content_hash: str) -> list[Video]:
        """Videos whose content has this hash, sorted by path."""
        return self._select(VideoRow.content_hash == content_hash)

    def not_encoded_by(self, fingerprint: str) -> list[Video]:
        """Searchable videos that this encoder has not encoded, by path."""
        with self._transactions.reading() as connection:
            encoder = self._transactions.find_encoder(connection, fingerprint)
            return self._select(*lacks_vectors(None if encoder is None else encoder.id))

    def without_copy_descriptors(self, fingerprint: str) -> list[Video]:
        """Searchable videos without descriptors of that fingerprint, by path."""
        return self._select(*lacks_copy_frames(fingerprint))

    def file_stamps(self) -> dict[str, FileStamp]:
        """Size, modification time and state of every file, by absolute path."""
        with self._transactions.reading() as connection:
            rows = connection.execute(
                select(
                    VideoRow.path,
                    VideoRow.id,
                    VideoRow.size_bytes,
                    VideoRow.modified_ns,
                    VideoRow.state,
                )
            )
            states = {str(state): state for state in VideoState}
            return {
                path: FileStamp(video_id, size_bytes, modified_ns, states[state])
                for path, video_id, size_bytes, modified_ns, state in rows
            }

    def clips(self, video_id: int) -> list[Clip]:
        """Clips of a video in order of time."""
        with self._transactions.reading() as connection:
            return read_clips(connection, ClipRow.video_id == video_id)

    def clips_of(self, video_ids: Collection[int]) -> dict[int, list[Clip]]:
        """Clips of videos that have any, by video, each in order of time."""
        found: dict[int, list[Clip]] = {}
        with self._transactions.reading() as connection:
            for chunk in chunks(video_ids):
                for clip in read_clips(connection, ClipRow.video_id.in_(chunk)):
                    found.setdefault(clip.video_id, []).append(clip)
        for clips in found.values():
            clips.sort(key=lambda clip: clip.span)
        return found

    def clips_within(self, video_id: int, span: TimeSpan) -> list[Clip]:
        """Clips of a video that begin before the span's end and end after its start, in order.

        Only these clips are read, which matters for a video of many hours.
        """
        with self._transactions.reading() as connection:
            return read_clips(
                connection,
                and_(
                    ClipRow.video_id == video_id,
                    ClipRow.start_seconds < span.end_seconds,
                    ClipRow.end_seconds > span.start_seconds,
                ),
            )

    def clips_by_id(self, clip_ids: Collection[int]) -> dict[int, Clip]:
        """Clips by id; those that were removed meanwhile are left out."""
        with self._transactions.reading() as connection:
            return {
                clip.id: clip
                for chunk in chunks(clip_ids)
                for clip in read_clips(connection, ClipRow.id.in_(chunk))
            }

    def _select(self, *conditions: Any) -> list[Video]:
        with self._transactions.reading() as connection:
            rows = connection.execute(
                select(*VIDEO_COLUMNS).where(*conditions).order_by(VideoRow.path)
            )
            return [make_video(row) for row in rows]


@cache
def _same_content_statement() -> Any:
    """Built once: building it takes longer than the database takes to answer it.

    It has no condition on the state: for that, SQLite would go through all searchable videos for
    each of the given ones.
    """
    first, other = aliased(VideoRow), aliased(VideoRow)
    return (
        select(first.id, other.id, other.state)
        .join(other, other.content_hash == first.content_hash)
        .where(
            first.id.in_(bindparam("video_ids", expanding=True)),
            other.id != first.id,
        )
        .order_by(first.id, other.id)
    )
