"""The context of one query: library, encoder, vector index and the clips that may answer."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from vidseek.core.types import Clip, FrameFeatures, TimeSpan, Video, VideoFilter, VideoState
from vidseek.encoders.base import Encoder
from vidseek.encoders.hubness import HubnessCorrection
from vidseek.search.moments.catalog_rows import CatalogRows
from vidseek.search.moments.known_copies import KnownCopies
from vidseek.storage.store import LibraryStore
from vidseek.storage.vectors.protocol import EVERYTHING, VectorIndex


@dataclass(frozen=True)
class SearchContext:
    """What every kind of query needs while it runs."""

    store: LibraryStore
    encoder: Encoder
    index: VectorIndex
    where: VideoFilter = EVERYTHING
    """Which videos may answer."""
    exclude: NDArray[np.int64] | None = None
    """Ids of clips that may not answer."""
    hubness: HubnessCorrection | None = None
    """The hubness correction of the library or of the encoder; None for none."""
    kept: CatalogRows | None = field(default=None, repr=False, compare=False)
    """Rows that are shared with other queries of the same snapshot or state; None to read them for
    this query alone."""

    @cached_property
    def rows(self) -> CatalogRows:
        """Rows of the catalog, each read once."""
        return self.kept or CatalogRows(self.store)

    @property
    def known_copies(self) -> KnownCopies:
        """The copies of videos, each read once."""
        return self.rows.known_copies

    @cached_property
    def size(self) -> int:
        """Number of clips that may answer."""
        return self.index.count(where=self.where, exclude=self.exclude)

    def clip_ids(self) -> NDArray[np.int64]:
        """Ids of the clips that may answer."""
        ids = self.store.clip_vectors.ids(self.where, self.encoder.spec.fingerprint)
        return ids if self.exclude is None else np.setdiff1d(ids, self.exclude, assume_unique=True)

    def without(self, ids: Collection[int]) -> SearchContext:
        """The context without some clips."""
        return replace(self, exclude=np.fromiter(ids, np.int64, len(ids)), kept=self.rows)

    def nearest(
        self, queries: NDArray[np.float32], n: int
    ) -> tuple[NDArray[np.float32], NDArray[np.int64]]:
        """(Q, n) inner products and clip ids, padded with -inf and -1."""
        return self.index.search(queries, n, where=self.where, exclude=self.exclude)

    def clips(self, ids: Sequence[int]) -> dict[int, Clip]:
        """The clips that still exist and are not blank: blank clips answer no query."""
        return self.rows.clips(ids)

    def videos(self, ids: Collection[int]) -> dict[int, Video]:
        """The videos that still exist and are searchable, by id."""
        read = self.rows.videos(ids)
        return {video.id: video for video in read if video.state is VideoState.INDEXED}

    def hubness_corrections(self, ids: Sequence[int]) -> NDArray[np.float32] | None:
        """(K,) what is added to the clips' scores for hubness; None for no correction."""
        if self.hubness is None:
            return None
        return self.rows.corrections(self.hubness, ids, self.vectors)

    def passing(self, video_ids: Collection[int]) -> dict[int, Video]:
        """Those of the videos that may answer, by id."""
        return self.store.videos.passing(video_ids, self.where)

    def may_answer(self, ids: Sequence[int]) -> frozenset[int]:
        """Those of the clips, of videos that may answer, that are encoded and not excluded."""
        wanted = np.array(ids, np.int64)
        if self.exclude is not None:
            wanted = np.setdiff1d(wanted, self.exclude)
        stored, _ = self.store.clip_vectors.read_existing(wanted, self.encoder.spec.fingerprint)
        return frozenset(stored.tolist())

    def timelines(
        self, video_ids: Collection[int]
    ) -> dict[int, tuple[list[Clip], NDArray[np.float32]]]:
        """The clips of videos that may answer, in order of time, and their (C, D) vectors.

        Args:
            video_ids: of videos that may answer.

        Returns:
            By video: the clips that are encoded, neither blank nor excluded; empty for none.
        """
        every = self.rows.timelines(video_ids)
        ids = [clip.id for clips in every.values() for clip in clips]
        wanted = np.array(list(self.rows.clips(ids)), np.int64)
        if self.exclude is not None:
            wanted = np.setdiff1d(wanted, self.exclude)
        stored, vectors = self.store.clip_vectors.read_existing(
            wanted, self.encoder.spec.fingerprint
        )
        row_of = {clip_id: row for row, clip_id in enumerate(stored.tolist())}
        found = {}
        for video_id in video_ids:
            clips = [clip for clip in every.get(video_id, []) if clip.id in row_of]
            found[video_id] = clips, vectors[[row_of[clip.id] for clip in clips]]
        return found

    def features(self, ids: Sequence[int]) -> list[FrameFeatures]:
        """Stored features of the clips' frames, in the order of ``ids``."""
        return self.store.clip_vectors.frame_features(ids, self.encoder.spec.fingerprint)

    def frame_vectors(self, ids: Sequence[int]) -> list[NDArray[np.float32]]:
        """Stored (F, D) vectors of the clips' frames, in the order of ``ids``."""
        return self.rows.frame_vectors(ids, self.encoder.spec.fingerprint)

    def around(self, video_id: int, span: TimeSpan) -> tuple[list[Clip], list[NDArray[np.float32]]]:
        """The clips of a video within a span, in order of time, and their frame vectors."""
        clips = self.store.videos.clips_within(video_id, span)
        return clips, self.frame_vectors([clip.id for clip in clips])

    def vectors(self, ids: Sequence[int]) -> NDArray[np.float32]:
        """(len(ids), D) stored clip vectors."""
        return self.store.clip_vectors.read(ids, self.encoder.spec.fingerprint)
