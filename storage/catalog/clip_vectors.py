"""The vectors of clips and of their frames, by encoder.

ids = store.clip_vectors.ids(VideoFilter(path_glob="/films/*"), spec.fingerprint)
vectors = store.clip_vectors.read(ids, spec.fingerprint)
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray
from sqlalchemy import select

from vidseek.core.errors import EncoderError, Hint, LibraryError
from vidseek.core.types import (
    EncodedClip,
    FrameFeatures,
    VectorBatch,
    VectorLevel,
    VideoFilter,
    VideoState,
)
from vidseek.storage.catalog.filters import video_conditions
from vidseek.storage.catalog.labels import forget_classified
from vidseek.storage.catalog.schema import ClipRow, ClipVectorRow, VideoRow
from vidseek.storage.catalog.transactions import Transactions
from vidseek.storage.catalog.vector_export import read_batch
from vidseek.storage.catalog.vector_queries import (
    read_changes,
    read_frame_vectors,
    read_frames,
    read_position,
    read_snapshot,
    read_vectors,
)
from vidseek.storage.catalog.video_queries import clip_ids_of, delete_vectors, insert_vectors
from vidseek.storage.vectors.protocol import Position, VectorChanges, VectorSnapshot

_Item = TypeVar("_Item")


class ClipVectors:
    """Clip and frame vectors. The source of the vector indexes (``VectorSource``)."""

    def __init__(self, transactions: Transactions) -> None:
        self._transactions = transactions

    def add(self, video_id: int, clips: Mapping[int, EncodedClip], *, fingerprint: str) -> bool:
        """Store a video's vectors by one more encoder, replacing earlier ones by the same encoder.

        Args:
            video_id: the video.
            clips: all of the video's clips by the id of the stored clip; vectors are stored as
                float16.
            fingerprint: the registered encoder that produced them.

        Returns:
            False if the video was removed or indexed again meanwhile, so that its clips are
            different ones.

        Raises:
            LibraryError: the encoder is not registered.
            ValueError: shapes are not the encoder's, or a value does not fit into float16.
        """
        ids = sorted(clips)
        with self._transactions.writing() as change:
            connection = change.connection
            encoder = self._transactions.encoder(connection, fingerprint)
            if sorted(clip_ids_of(connection, [video_id])) != ids:
                return False
            delete_vectors(connection, encoder.id, ids)
            insert_vectors(
                connection, ids, [clips[clip_id] for clip_id in ids], encoder.id, encoder.spec
            )
            forget_classified(connection, encoder.id, ids)
            change.log(ids, fingerprint=fingerprint)
            return True

    def ids(self, where: VideoFilter, fingerprint: str) -> NDArray[np.int64]:
        """Ids of searchable clips: encoded by the encoder, of INDEXED videos that pass the filter.

        Returns:
            Ascending int64 ids.
        """
        with self._transactions.reading() as connection:
            encoder = self._transactions.find_encoder(connection, fingerprint)
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

    def read(
        self, clip_ids: NDArray[np.int64] | Sequence[int], fingerprint: str
    ) -> NDArray[np.float32]:
        """Vectors of clips.

        Returns:
            (K, D) float32, in the order of the ids.

        Raises:
            EncoderError: the encoder has not encoded the video of a clip.
            LibraryError: a clip was removed. Inside ``snapshot`` that cannot happen.
        """
        wanted = np.asarray(clip_ids, dtype=np.int64)
        stored, vectors = self.read_existing(np.unique(wanted), fingerprint)
        missing = np.setdiff1d(wanted, stored)
        if len(missing):
            raise self._why_missing(int(missing[0]), fingerprint)
        return vectors[np.searchsorted(stored, wanted)]

    def read_existing(
        self, clip_ids: NDArray[np.int64], fingerprint: str
    ) -> tuple[NDArray[np.int64], NDArray[np.float32]]:
        """Vectors of those clips that exist.

        Returns:
            Their ids (K,), ascending, and vectors (K, D) float32.
        """
        with self._transactions.reading() as connection:
            return read_vectors(
                connection, self._transactions.encoder(connection, fingerprint), clip_ids
            )

    def batch(self, clip_ids: Sequence[int], fingerprint: str, level: VectorLevel) -> VectorBatch:
        """Vectors of those clips, or of their frames, that are searchable, with their places.

        Args:
            clip_ids: at most 10,000.
            fingerprint: of the encoder.
            level: a row for each clip, or for each frame.

        Raises:
            LibraryError: the encoder is not registered.
        """
        with self._transactions.reading() as connection:
            encoder = self._transactions.encoder(connection, fingerprint)
            return read_batch(connection, encoder, clip_ids, level)

    def frame_features(
        self, clip_ids: NDArray[np.int64] | Sequence[int], fingerprint: str
    ) -> list[FrameFeatures]:
        """Stored features of the clips' frames, in the order of the ids.

        Raises:
            EncoderError: the encoder has not encoded the video of a clip.
            LibraryError: a clip was removed. Inside ``snapshot`` that cannot happen.
        """
        wanted = [int(clip_id) for clip_id in clip_ids]
        with self._transactions.reading() as connection:
            encoder = self._transactions.encoder(connection, fingerprint)
            stored = read_frames(connection, encoder, wanted)
        return self._in_order(stored, wanted, fingerprint)

    def frame_vectors(
        self, clip_ids: NDArray[np.int64] | Sequence[int], fingerprint: str
    ) -> list[NDArray[np.float32]]:
        """Vectors of the clips' frames, without the tokens, which are most of the stored data.

        Returns:
            (F, D) float32 for each clip, in the order of the ids.

        Raises:
            EncoderError: the encoder has not encoded the video of a clip.
            LibraryError: a clip was removed. Inside ``snapshot`` that cannot happen.
        """
        wanted = [int(clip_id) for clip_id in clip_ids]
        with self._transactions.reading() as connection:
            encoder = self._transactions.encoder(connection, fingerprint)
            stored = read_frame_vectors(connection, encoder, wanted)
        return self._in_order(stored, wanted, fingerprint)

    def _in_order(
        self, stored: dict[int, _Item], wanted: Sequence[int], fingerprint: str
    ) -> list[_Item]:
        for clip_id in wanted:
            if clip_id not in stored:
                raise self._why_missing(clip_id, fingerprint)
        return [stored[clip_id] for clip_id in wanted]

    def _why_missing(self, clip_id: int, fingerprint: str) -> LibraryError | EncoderError:
        """The error of a clip without vectors of an encoder."""
        with self._transactions.reading() as connection:
            path = connection.execute(
                select(VideoRow.path)
                .join(ClipRow, ClipRow.video_id == VideoRow.id)
                .where(ClipRow.id == clip_id)
            ).scalar()
            model = self._transactions.encoder(connection, fingerprint).spec.source
        if path is None:
            return LibraryError(f"{self._transactions.name} has no clip {clip_id}: it was removed")
        return EncoderError(
            f"{path} is not encoded with {model}",
            path=path,
            hint=Hint("add_model", {"model": model}),
        )

    def sequence(self) -> int:
        """Number of the last committed change of any kind."""
        return self._transactions.sequence()

    def position(self) -> Position:
        """The current position in the change log."""
        with self._transactions.reading() as connection:
            return read_position(connection)

    def changes(self, fingerprint: str, since: Position) -> VectorChanges | None:
        """Changes of searchable vectors since a position; None if it is from another history."""
        with self._transactions.reading() as connection:
            encoder = self._transactions.find_encoder(connection, fingerprint)
            return read_changes(connection, encoder, fingerprint, since)

    @contextmanager
    def snapshot(self, fingerprint: str) -> Iterator[VectorSnapshot]:
        """All searchable vectors of an encoder, in one transaction."""
        with self._transactions.reading() as connection:
            yield read_snapshot(
                connection, self._transactions.find_encoder(connection, fingerprint)
            )
