"""The library's database: videos, clips and their vectors, in domain types.

database = store.database
video = database.add_video(video, clips, fingerprint=spec.fingerprint)
ids = database.clip_ids(VideoFilter(path_glob="/films/*"), spec.fingerprint)
"""

from __future__ import annotations

import threading
from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray
from sqlalchemy import (
    Connection,
    Engine,
    and_,
    bindparam,
    delete,
    func,
    insert,
    select,
    update,
)

from vidseek.core.errors import LibraryError
from vidseek.core.types import (
    Calibration,
    Clip,
    CopyBlock,
    CopyFrames,
    CopyMatch,
    EncodedClip,
    EncoderSpec,
    FileStamp,
    FrameFeatures,
    LibraryModel,
    LibraryStatistics,
    TimeSpan,
    Video,
    VideoFilter,
    VideoState,
)
from vidseek.storage.catalog.connection import library_errors, reader, writer
from vidseek.storage.catalog.copy_queries import (
    PAGE,
    copy_copy_frames,
    copy_frame_counts,
    count_copy_frames,
    described_ids,
    insert_copy_frames,
    pages,
    read_copy_block,
    read_copy_frames,
    read_copy_matches,
    recompare,
    replace_copy_frames,
    replace_copy_matches,
    undescribed_by,
)
from vidseek.storage.catalog.filters import is_or_is_below, video_conditions
from vidseek.storage.catalog.schema import (
    CalibrationRow,
    ClipRow,
    ClipVectorRow,
    EncoderRow,
    LibraryRow,
    PathText,
    VideoRow,
)
from vidseek.storage.catalog.statistics import count_contents, count_models, unencoded_by
from vidseek.storage.catalog.vector_queries import (
    Change,
    StoredEncoder,
    read_changes,
    read_frame_vectors,
    read_frames,
    read_position,
    read_snapshot,
    read_vectors,
)
from vidseek.storage.catalog.video_queries import (
    VIDEO_COLUMNS,
    chunks,
    clip_ids_of,
    copy_clips,
    delete_vectors,
    ids_at,
    insert_clips,
    insert_vectors,
    insert_video,
    make_video,
    moved_path,
    read_clips,
    read_spec,
    write_spec,
)
from vidseek.storage.vectors.protocol import Position, VectorChanges, VectorSnapshot

_Found = TypeVar("_Found")


class Database:
    """All reading and writing of metadata and vectors. Safe to use from several threads.

    Every method is one transaction: it happens whole or not at all, whatever kills the process.
    Every failure is a ``LibraryError``.
    """

    def __init__(self, engine: Engine, *, name: str) -> None:
        """Use the tables behind an engine, which must exist.

        Args:
            engine: see ``vidseek.storage.catalog.connection``.
            name: what messages call the library: its folder.
        """
        self._engine = engine
        self._reader = reader(engine)
        self._writer = writer(engine)
        self._name = name
        self._local = threading.local()

    def close(self) -> None:
        """Close all connections."""
        self._engine.dispose()

    # Transactions

    @contextmanager
    def snapshot(self) -> Iterator[None]:
        """Read one state of the database through all calls that this thread makes inside."""
        if getattr(self._local, "connection", None) is not None:
            yield
            return
        with ExitStack() as stack:
            with library_errors(self._name):  # what the caller does inside is not the library's
                self._local.connection = stack.enter_context(self._reader.begin())
            self._local.encoders = {}
            try:
                yield
            finally:
                self._local.connection = self._local.encoders = None

    @contextmanager
    def _reading(self) -> Iterator[Connection]:
        with library_errors(self._name), self.snapshot():
            yield self._local.connection

    @contextmanager
    def _writing(self) -> Iterator[Change]:
        """A transaction that writes."""
        if getattr(self._local, "connection", None) is not None:
            raise RuntimeError("cannot write inside a snapshot")
        with library_errors(self._name), self._writer.begin() as connection:
            connection.execute(update(LibraryRow).values(sequence=LibraryRow.sequence + 1))
            sequence = connection.execute(select(LibraryRow.sequence)).scalar_one()
            yield Change.begin(connection, sequence)

    def sequence(self) -> int:
        """Number of the last committed change."""
        with self._reading() as connection:
            return connection.execute(select(LibraryRow.sequence)).scalar_one()

    # Encoders

    def register_encoder(self, spec: EncoderSpec) -> None:
        """Make an encoder known; the first becomes the active one."""
        with self._writing() as change:
            connection = change.connection
            known = connection.execute(
                select(EncoderRow.id).where(EncoderRow.fingerprint == spec.fingerprint)
            ).scalar()
            document = write_spec(spec)
            if known is None:
                connection.execute(
                    insert(EncoderRow).values(fingerprint=spec.fingerprint, spec=document)
                )
            else:  # a new revision of the text part, or a calibration
                connection.execute(
                    update(EncoderRow).where(EncoderRow.id == known).values(spec=document)
                )
            connection.execute(
                update(LibraryRow)
                .where(LibraryRow.active_encoder.is_(None))
                .values(active_encoder=spec.fingerprint)
            )

    def encoders(self) -> list[EncoderSpec]:
        """Every encoder that is known, oldest first."""
        with self._reading() as connection:
            rows = connection.execute(select(EncoderRow.spec).order_by(EncoderRow.id))
            return [read_spec(document) for document in rows.scalars()]

    def active_encoder(self) -> EncoderSpec | None:
        """The encoder that new videos are indexed with and that answers; None in a new library."""
        with self._reading() as connection:
            document = connection.execute(
                select(EncoderRow.spec).join(
                    LibraryRow, LibraryRow.active_encoder == EncoderRow.fingerprint
                )
            ).scalar()
            return None if document is None else read_spec(document)

    def activate_encoder(self, fingerprint: str) -> None:
        """Switch to another registered encoder."""
        with self._writing() as change:
            connection = change.connection
            self._encoder(connection, fingerprint)
            connection.execute(update(LibraryRow).values(active_encoder=fingerprint))

    def calibration(self, fingerprint: str) -> Calibration | None:
        """What was stored for an encoder; None where nothing was."""
        with self._reading() as connection:
            row = connection.execute(
                select(
                    CalibrationRow.scale,
                    CalibrationRow.bias,
                    CalibrationRow.method,
                    CalibrationRow.clips,
                    CalibrationRow.encoder_revision,
                    CalibrationRow.hubness,
                )
                .join(EncoderRow, EncoderRow.id == CalibrationRow.encoder_id)
                .where(EncoderRow.fingerprint == fingerprint)
            ).first()
            return None if row is None else Calibration(**row._mapping)

    def set_calibration(self, fingerprint: str, calibration: Calibration | None) -> bool:
        """Store the calibration of a registered encoder in place of an earlier one.

        Args:
            fingerprint: the encoder's.
            calibration: None removes what is stored.

        Returns:
            True if there was an earlier one.
        """
        with self._writing() as change:
            encoder = self._encoder(change.connection, fingerprint)
            earlier = change.connection.execute(
                delete(CalibrationRow).where(CalibrationRow.encoder_id == encoder.id)
            )
            if calibration is not None:
                change.connection.execute(
                    insert(CalibrationRow).values(encoder_id=encoder.id, **asdict(calibration))
                )
            return earlier.rowcount > 0

    def drop_encoder(self, fingerprint: str) -> None:
        """Forget an encoder with its calibration and all that it made of clips.

        Raises:
            LibraryError: there is none of that fingerprint, or it is the active one.
        """
        with self._writing() as change:
            connection = change.connection
            encoder = self._encoder(connection, fingerprint)
            active = connection.execute(select(LibraryRow.active_encoder)).scalar()
            if active == fingerprint:
                raise LibraryError(
                    f"{self._name} is searched with the model {fingerprint}: switch to another one "
                    "before dropping it"
                )
            first, last = connection.execute(
                select(func.min(ClipVectorRow.clip_id), func.max(ClipVectorRow.clip_id)).where(
                    ClipVectorRow.encoder_id == encoder.id
                )
            ).one()
            delete_vectors(connection, encoder.id, None)
            # Its calibration goes with its row.
            connection.execute(delete(EncoderRow).where(EncoderRow.id == encoder.id))
            if first is not None:
                change.log_ranges([(first, last)], fingerprint=fingerprint)

    def models(self) -> list[LibraryModel]:
        """Every encoder that is known, oldest first, and how much of the library it covers."""
        with self._reading() as connection:
            return count_models(connection)

    def unencoded(self, fingerprint: str) -> list[Video]:
        """Searchable videos that other encoders know and this one does not, by path."""
        with self._reading() as connection:
            encoder = self._known(connection, fingerprint)
            return self._videos(*unencoded_by(None if encoder is None else encoder.id))

    def _encoder(self, connection: Connection, fingerprint: str) -> StoredEncoder:
        encoder = self._known(connection, fingerprint)
        if encoder is None:
            raise LibraryError(
                f"{self._name} holds no vectors of a model {fingerprint}: `vidseek model list` "
                "shows what it holds"
            )
        return encoder

    def _known(self, connection: Connection, fingerprint: str) -> StoredEncoder | None:
        """None in a library in which nothing was indexed with that encoder yet.

        Kept no longer than a snapshot: another process may drop an encoder, and the database give
        its id to the next one.
        """
        seen: dict[str, StoredEncoder] | None = getattr(self._local, "encoders", None)
        if seen is not None and fingerprint in seen:
            return seen[fingerprint]
        row = connection.execute(
            select(EncoderRow.id, EncoderRow.spec).where(EncoderRow.fingerprint == fingerprint)
        ).first()
        if row is None:
            return None
        known = StoredEncoder(row.id, read_spec(row.spec))
        if seen is not None:
            seen[fingerprint] = known
        return known

    # Writing videos

    def add_video(
        self,
        video: Video,
        clips: Sequence[EncodedClip],
        *,
        fingerprint: str,
        copies: CopyFrames | None = None,
        copies_fingerprint: str = "",
    ) -> Video:
        """Store a video with its clips, in place of whatever was stored for its path.

        Args:
            video: as read; its id is ignored. A file that failed has state FAILED and no clips.
            clips: in order of time; vectors and tokens are kept as float16.
            fingerprint: the registered encoder that made them; unused where there are none.
            copies: what is kept of its frames for finding copies; the id in it is ignored.
            copies_fingerprint: the copy descriptor that made that.

        Returns:
            The video with its id.

        Raises:
            ValueError: shapes are not the encoder's, or a value does not fit into float16.
        """
        with self._writing() as change:
            connection = change.connection
            _remove(change, ids_at(connection, str(video.path)))
            video_id = insert_video(connection, video)
            if clips:
                encoder = self._encoder(connection, fingerprint)
                ids = insert_clips(connection, video_id, clips)
                insert_vectors(connection, ids, clips, encoder.id, encoder.spec)
                change.log(ids)
            if copies is not None:
                insert_copy_frames(connection, video_id, copies, copies_fingerprint)
            return replace(video, id=video_id)

    def add_copy(self, source_id: int, video: Video) -> Video:
        """Store a second file with the same content: clips, vectors and copy frames are copied.

        Args:
            source_id: the video whose clips are copied.
            video: path, size and time of the second file; the rest too, as for ``add_video``.
        """
        with self._writing() as change:
            connection = change.connection
            taken = [found for found in ids_at(connection, str(video.path)) if found != source_id]
            _remove(change, taken)
            video_id = insert_video(connection, video)
            ids = copy_clips(connection, source_id, video_id)
            copy_copy_frames(connection, source_id, video_id)
            change.log(ids)
            return replace(video, id=video_id)

    def add_vectors(
        self, video_id: int, clips: Mapping[int, EncodedClip], *, fingerprint: str
    ) -> None:
        """Store what a further encoder made of a video, in place of what it had made before.

        Args:
            video_id: the video.
            clips: by the id of the stored clip, all of them; vectors are kept as float16.
            fingerprint: the registered encoder that made them.

        Raises:
            LibraryError: the video's clips are not these any more.
            ValueError: shapes are not the encoder's, or a value does not fit into float16.
        """
        ids = sorted(clips)
        with self._writing() as change:
            connection = change.connection
            encoder = self._encoder(connection, fingerprint)
            if sorted(clip_ids_of(connection, [video_id])) != ids:
                raise LibraryError(
                    f"{self._name}: video {video_id} was indexed anew meanwhile; run it again"
                )
            delete_vectors(connection, encoder.id, ids)
            insert_vectors(
                connection, ids, [clips[clip_id] for clip_id in ids], encoder.id, encoder.spec
            )
            change.log(ids, fingerprint=fingerprint)

    def relink(self, video_id: int, path: Path, size_bytes: int, modified_ns: int) -> None:
        """Note that a file was moved, renamed, touched or found again; its content is the same.

        The video is searched again if it was missing. Whatever else was stored for ``path`` goes.
        """
        with self._writing() as change:
            connection = change.connection
            taken = [found for found in ids_at(connection, str(path)) if found != video_id]
            _remove(change, taken)
            state, failure = connection.execute(
                select(VideoRow.state, VideoRow.failure).where(VideoRow.id == video_id)
            ).one_or_none() or (None, None)
            if state is None:
                raise LibraryError(f"{self._name} holds no video {video_id}: it was removed")
            now = VideoState.INDEXED if failure is None else VideoState.FAILED
            connection.execute(
                update(VideoRow)
                .where(VideoRow.id == video_id)
                .values(path=str(path), size_bytes=size_bytes, modified_ns=modified_ns, state=now)
            )
            if state != now:
                recompare(connection, [video_id])
                change.log(clip_ids_of(connection, [video_id]))

    def set_state(self, video_ids: Collection[int], state: VideoState) -> None:
        """Set what is known of files. Clips of videos that are not INDEXED are not searched."""
        with self._writing() as change:
            connection = change.connection
            changed: list[int] = []
            for chunk in chunks(video_ids):
                other = and_(VideoRow.id.in_(chunk), VideoRow.state != state)
                changed.extend(connection.execute(select(VideoRow.id).where(other)).scalars())
                connection.execute(update(VideoRow).where(other).values(state=state))
            if state is VideoState.INDEXED:
                recompare(connection, changed)
            change.log(clip_ids_of(connection, changed))

    def remove(self, video_ids: Collection[int]) -> int:
        """Forget videos with all that was kept of them; gives how many there were."""
        with self._writing() as change:
            return _remove(change, video_ids)

    def relocate(self, old: Path, new: Path) -> int:
        """Note that a folder (or file) with all below it lies elsewhere now; states stay.

        Where something is stored for a new path already, the searchable one of the two is kept,
        and of two such the one that was there.

        Returns:
            How many videos have a new path.
        """
        with self._writing() as change:
            connection = change.connection
            moving = {
                row.id: (moved_path(row.path, old, new), row.state)
                for row in connection.execute(
                    select(VideoRow.id, VideoRow.path, VideoRow.state).where(
                        is_or_is_below(str(old))
                    )
                )
            }
            dropped: list[int] = []
            targets = {path: video_id for video_id, (path, _) in moving.items()}
            for chunk in chunks(list(targets)):
                for row in connection.execute(
                    select(VideoRow.id, VideoRow.path, VideoRow.state).where(
                        VideoRow.path.in_(chunk)
                    )
                ):
                    if row.id in moving:
                        continue
                    mover = targets[row.path]
                    stays = row.state == VideoState.INDEXED or row.state == moving[mover][1]
                    dropped.append(mover if stays else row.id)
            _remove(change, dropped)
            moved = [
                {"video": video_id, "to": path}
                for video_id, (path, _) in moving.items()
                if video_id not in set(dropped)
            ]
            if moved:
                # Two steps, for a new path may be the old path of one that has not moved yet.
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
            return len(moved)

    # Reading videos and clips

    def video(self, video_id: int) -> Video | None:
        """The video of that id."""
        return next(iter(self._videos(VideoRow.id == video_id)), None)

    def video_at(self, path: Path) -> Video | None:
        """The video of that absolute path."""
        return next(iter(self._videos(VideoRow.path == str(path))), None)

    def videos(
        self, *, states: Collection[VideoState] | None = None, under: Path | None = None
    ) -> list[Video]:
        """Videos by path.

        Args:
            states: only in one of these; None for all.
            under: only this file, or what is below this folder.
        """
        conditions: list[Any] = []
        if states is not None:
            conditions.append(VideoRow.state.in_(list(states)))
        if under is not None:
            conditions.append(is_or_is_below(str(under)))
        return self._videos(*conditions)

    def videos_by_id(self, video_ids: Collection[int]) -> dict[int, Video]:
        """Videos by id; those that were removed meanwhile are left out."""
        with self.snapshot():
            return {
                video.id: video
                for chunk in chunks(video_ids)
                for video in self._videos(VideoRow.id.in_(chunk))
            }

    def videos_with_hash(self, content_hash: str) -> list[Video]:
        """Videos with that content, by path."""
        return self._videos(VideoRow.content_hash == content_hash)

    def _videos(self, *conditions: Any) -> list[Video]:
        with self._reading() as connection:
            rows = connection.execute(
                select(*VIDEO_COLUMNS).where(*conditions).order_by(VideoRow.path)
            )
            return [make_video(row) for row in rows]

    def file_stamps(self) -> dict[str, FileStamp]:
        """Of every file: what tells whether it changed, by absolute path."""
        with self._reading() as connection:
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
        with self._reading() as connection:
            return read_clips(connection, ClipRow.video_id == video_id)

    def clips_within(self, video_id: int, span: TimeSpan) -> list[Clip]:
        """Clips of a video that begin before the span's end and end after its start, in order.

        What is read of a video of many hours is only what lies there.
        """
        with self._reading() as connection:
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
        with self._reading() as connection:
            return {
                clip.id: clip
                for chunk in chunks(clip_ids)
                for clip in read_clips(connection, ClipRow.id.in_(chunk))
            }

    def clip_ids(self, where: VideoFilter, fingerprint: str) -> NDArray[np.int64]:
        """Clips that may answer: of INDEXED videos that pass, encoded by that encoder.

        Returns:
            Ascending int64 ids.
        """
        with self._reading() as connection:
            encoder = self._known(connection, fingerprint)
            if encoder is None:
                return np.empty(0, dtype=np.int64)
            conditions = video_conditions(where, connection.dialect.name)
            rows = connection.execute(
                select(ClipVectorRow.clip_id)
                .join(ClipRow, ClipRow.id == ClipVectorRow.clip_id)
                .join(VideoRow, VideoRow.id == ClipRow.video_id)
                .where(
                    ClipVectorRow.encoder_id == encoder.id,
                    VideoRow.state == VideoState.INDEXED,
                    *conditions,
                )
            )
            return np.sort(np.fromiter(rows.scalars(), dtype=np.int64))

    # Vectors

    def clip_vectors(
        self, clip_ids: NDArray[np.int64] | Sequence[int], fingerprint: str
    ) -> NDArray[np.float32]:
        """Vectors of clips.

        Returns:
            (K, D) float32, in the order of the ids.

        Raises:
            LibraryError: one of them is gone. Inside ``snapshot`` none goes.
        """
        wanted = np.asarray(clip_ids, dtype=np.int64)
        known, vectors = self.known_vectors(np.unique(wanted), fingerprint)
        gone = np.setdiff1d(wanted, known)
        if len(gone):
            raise LibraryError(f"{self._name} holds no vector of clip {gone[0]}: removed?")
        return vectors[np.searchsorted(known, wanted)]

    def known_vectors(
        self, clip_ids: NDArray[np.int64], fingerprint: str
    ) -> tuple[NDArray[np.int64], NDArray[np.float32]]:
        """Vectors of those clips that there are.

        Returns:
            Their ids (K,), ascending, and vectors (K, D) float32.
        """
        with self._reading() as connection:
            return read_vectors(connection, self._encoder(connection, fingerprint), clip_ids)

    def frame_features(
        self, clip_ids: NDArray[np.int64] | Sequence[int], fingerprint: str
    ) -> list[FrameFeatures]:
        """What is kept of the frames of clips, in the order of the ids.

        Raises:
            LibraryError: one of them is gone. Inside ``snapshot`` none goes.
        """
        wanted = [int(clip_id) for clip_id in clip_ids]
        with self._reading() as connection:
            encoder = self._encoder(connection, fingerprint)
            return self._of_each(read_frames(connection, encoder, wanted), wanted)

    def frame_vectors(
        self, clip_ids: NDArray[np.int64] | Sequence[int], fingerprint: str
    ) -> list[NDArray[np.float32]]:
        """Vectors of the clips' frames without their tokens, which are most of what is kept.

        Returns:
            (F, D) float32 for each clip, in the order of the ids.

        Raises:
            LibraryError: one of them is gone. Inside ``snapshot`` none goes.
        """
        wanted = [int(clip_id) for clip_id in clip_ids]
        with self._reading() as connection:
            encoder = self._encoder(connection, fingerprint)
            return self._of_each(read_frame_vectors(connection, encoder, wanted), wanted)

    def _of_each(self, found: dict[int, _Found], wanted: Sequence[int]) -> list[_Found]:
        try:
            return [found[clip_id] for clip_id in wanted]
        except KeyError as error:
            raise LibraryError(f"{self._name} holds no frames of clip {error}: removed?") from None

    # Finding copies

    def add_copy_frames(self, frames: CopyFrames, fingerprint: str) -> None:
        """Store what a copy descriptor made of a video's frames, in place of an earlier one's.

        Matches that were found with the earlier one's are forgotten.

        Raises:
            LibraryError: the library holds no such video.
        """
        with self._writing() as change:
            if not replace_copy_frames(change.connection, frames, fingerprint):
                raise LibraryError(f"{self._name} holds no video {frames.video_id}: it was removed")

    def copy_frames(
        self, fingerprint: str, *, video_ids: Collection[int] | None = None
    ) -> Iterator[CopyFrames]:
        """What a copy descriptor made of INDEXED videos, by ascending id of the video.

        Read a page at a time, each one transaction: a whole library need not fit into memory, and
        what is found can be written in between. Inside ``snapshot`` it is one state.

        Args:
            fingerprint: the descriptor's.
            video_ids: of these videos only; None for all.
        """
        if video_ids is None:
            with self._reading() as connection:
                video_ids = described_ids(connection, fingerprint)
        for page in chunks(sorted(set(video_ids)), PAGE):
            with self._reading() as connection:
                found = read_copy_frames(connection, fingerprint, page)
            yield from found

    def copy_blocks(self, fingerprint: str) -> Iterator[CopyBlock]:
        """The same of all INDEXED videos, many of them in one piece."""
        with self._reading() as connection:
            counts = copy_frame_counts(connection, fingerprint)
        for page in pages(counts):
            with self._reading() as connection:
                block = read_copy_block(connection, fingerprint, page)
            if block is not None:
                yield block

    def copy_frame_count(self, fingerprint: str) -> int:
        """How many frames of INDEXED videos a copy descriptor has described."""
        with self._reading() as connection:
            return count_copy_frames(connection, fingerprint)

    def videos_without_copy_frames(self, fingerprint: str) -> list[Video]:
        """Searchable videos that a copy descriptor has not described, by path."""
        return self._videos(*undescribed_by(fingerprint))

    def copies_to_compare(self, fingerprint: str) -> list[int]:
        """Ids of INDEXED videos whose frames were not compared with the others', ascending."""
        with self._reading() as connection:
            return described_ids(connection, fingerprint, is_compared=False)

    def add_copy_matches(self, video_id: int, matches: Sequence[CopyMatch]) -> None:
        """Store what comparing a video with the others found, and that it was compared.

        A pair of videos is stored once: what an earlier comparison of this video found goes, and so
        do the matches of another video with this one where the new ones are of the same pair.

        Args:
            video_id: the video; it has copy frames.
            matches: with this ``video_id`` in each.

        Raises:
            LibraryError: the library holds no copy frames of it.
            ValueError: a match is another video's.
        """
        for match in matches:
            if match.video_id != video_id:
                raise ValueError(f"a match of video {match.video_id}, expected {video_id}")
        with self._writing() as change:
            if not replace_copy_matches(change.connection, video_id, matches):
                raise LibraryError(
                    f"{self._name} holds no copy frames of video {video_id}: it was removed"
                )

    def copy_matches(self, *, of_videos: Collection[int] | None = None) -> list[CopyMatch]:
        """Parts of INDEXED videos that are copies of parts of others, by video and time.

        Args:
            of_videos: only those that one of these videos, at most 10,000, has a part in.
        """
        with self._reading() as connection:
            return read_copy_matches(connection, None if of_videos is None else list(of_videos))

    # The vector index's source

    def position(self) -> Position:
        """Where the history of what is searched stands."""
        with self._reading() as connection:
            return read_position(connection)

    def vector_changes(self, fingerprint: str, since: Position) -> VectorChanges | None:
        """What changed in the searchable vectors since a position; None if it never was here."""
        with self._reading() as connection:
            known = self._known(connection, fingerprint)
            return read_changes(connection, known, fingerprint, since)

    @contextmanager
    def vector_snapshot(self, fingerprint: str) -> Iterator[VectorSnapshot]:
        """All searchable vectors of an encoder, in one transaction."""
        with self._reading() as connection:
            yield read_snapshot(connection, self._known(connection, fingerprint))

    # Health

    def shrink(self) -> None:
        """Give the space of what was deleted back to the disk; a server does that by itself."""
        if self._engine.dialect.name != "sqlite":
            return
        with library_errors(self._name):
            connection = self._engine.raw_connection()
            try:
                cursor = connection.cursor()
                cursor.execute("VACUUM")
                cursor.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchall()
            finally:
                connection.close()

    def statistics(self) -> LibraryStatistics:
        """How much the library holds."""
        with self._reading() as connection:
            return count_contents(connection)

    def check(self) -> list[str]:
        """Look for damage; gives one line for each problem."""
        from vidseek.storage.catalog.integrity import find_problems

        with self._reading() as connection:
            return find_problems(connection)


def _remove(change: Change, video_ids: Collection[int]) -> int:
    removed = 0
    change.log(clip_ids_of(change.connection, video_ids))
    for chunk in chunks(video_ids):
        statement = delete(VideoRow).where(VideoRow.id.in_(chunk))
        removed += change.connection.execute(statement).rowcount
    return removed
