"""What a vector index is, and where it takes its vectors from.

index = store.vector_index(spec)
index.refresh()
scores, clip_ids = index.search(queries, 10, where=VideoFilter(path_glob="/films/*"))
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import NamedTuple, Protocol, runtime_checkable

import numpy as np
from numpy.typing import NDArray

from vidseek.core.types import VideoFilter

EVERYTHING = VideoFilter()


class Position(NamedTuple):
    """A point in the history of what is searched. (0, 0) is before everything."""

    sequence: int
    stamp: int
    """Random number of that change: tells two histories of one library apart."""


START = Position(0, 0)


@dataclass(frozen=True)
class VectorChanges:
    """What changed between two positions."""

    position: Position
    """The later one."""
    ranges: NDArray[np.int64]
    """(R, 2): first and last id of clips that may have entered or left. Forget them all, then
    take in those below."""
    ids: NDArray[np.int64]
    """(T,) ascending: clips in these ranges that are searched now."""
    vectors: NDArray[np.float32]
    """(T, D)."""

    @classmethod
    def none(cls, position: Position, ranges: NDArray[np.int64]) -> VectorChanges:
        """Whatever was in these ranges (R, 2) is gone, and nothing came."""
        return cls(position, ranges, np.empty(0, np.int64), np.empty((0, 0), np.float32))


@dataclass(frozen=True)
class VectorSnapshot:
    """All that is searched at one position, read while its transaction is open."""

    position: Position
    count: int
    batches: Callable[[], Iterator[tuple[NDArray[np.int64], NDArray[np.float32]]]]
    """Reads pairs of ids (T,) and vectors (T, D), by ascending id."""


class VectorSource(Protocol):
    """The truth that an index is derived from: the database."""

    def position(self) -> Position:
        """Where history stands. Cheap."""

    def changes(self, fingerprint: str, since: Position) -> VectorChanges | None:
        """What changed since; None if this library never was at that position."""

    def snapshot(self, fingerprint: str) -> AbstractContextManager[VectorSnapshot]:
        """Everything, in one transaction."""

    def sequence(self) -> int:
        """Number of the last committed change, of whatever kind. Cheap."""

    def ids(self, where: VideoFilter, fingerprint: str) -> NDArray[np.int64]:
        """Ids (A,), ascending, of the searchable clips of videos that pass a filter."""

    def read_existing(
        self, clip_ids: NDArray[np.int64], fingerprint: str
    ) -> tuple[NDArray[np.int64], NDArray[np.float32]]:
        """Those of the clips (K,) that there are, and their vectors (K, D)."""


@runtime_checkable
class VectorIndex(Protocol):
    """The searchable vectors of one encoder, by clip id.

    Search and refresh may be called from several threads; a search sees the state at its start.
    """

    @property
    def dimension(self) -> int:
        """D."""

    def __len__(self) -> int:
        """Number of vectors that can be found."""

    def refresh(self) -> None:
        """Take in what was committed since. Cheap when nothing was."""

    def search(
        self,
        queries: NDArray[np.float32],
        k: int,
        *,
        where: VideoFilter = EVERYTHING,
        exclude: NDArray[np.int64] | None = None,
    ) -> tuple[NDArray[np.float32], NDArray[np.int64]]:
        """Find the vectors with the largest inner product.

        Args:
            queries: (Q, D) float32.
            k: how many, at least 1; more than there are is fine.
            where: only clips of videos that pass this filter.
            exclude: (E,) clip ids, in any order, to leave out.

        Returns:
            Scores (Q, k) float32, descending, and clip ids (Q, k), padded with -inf and -1.
        """

    def count(
        self, *, where: VideoFilter = EVERYTHING, exclude: NDArray[np.int64] | None = None
    ) -> int:
        """Number of vectors that ``search`` with these arguments can find."""

    @property
    def needs_compaction(self) -> bool:
        """True if ``compact`` would do something."""

    def compact(self, *, force: bool = False) -> None:
        """Fold what changed into a new base, if it is worth it or ``force``. For the writer."""

    def verify(self, *, repair: bool) -> list[str]:
        """Compare with the database, file by file and vector by vector.

        Returns:
            One line for each problem found; repaired ones are gone the next time.
        """


def check_queries(queries: NDArray[np.float32], k: int, dimension: int) -> NDArray[np.float32]:
    """Refuse what cannot be searched for; gives contiguous float32.

    Raises:
        ValueError: wrong shape, not finite, or k below 1.
    """
    queries = np.ascontiguousarray(queries, dtype=np.float32)
    if queries.ndim != 2 or queries.shape[1] != dimension:
        raise ValueError(f"queries must be (Q, {dimension}), got {queries.shape}")
    if not np.isfinite(queries).all():
        raise ValueError("queries must be finite")
    if k < 1:
        raise ValueError(f"k must be at least 1, got {k}")
    return queries


def best_of(
    scores: NDArray[np.float32], ids: NDArray[np.int64], k: int
) -> tuple[NDArray[np.float32], NDArray[np.int64]]:
    """Take the k best of each row; equal scores in the order of ids.

    Args:
        scores: (Q, N) float32, -inf where there is nothing.
        ids: (N,) or (Q, N).

    Returns:
        (Q, k) scores, descending, and ids, padded with -inf and -1.
    """
    rows = len(scores)
    ids = np.broadcast_to(ids, scores.shape)
    if scores.shape[1] > 4 * k:
        # Everything that equals the k-th best stays in, so that ties are cut by id below.
        kth = -np.partition(-scores, k - 1, axis=1)[:, k - 1 : k]
        width = max(int((scores >= kth).sum(axis=1).max(initial=0)), k)
        if width < scores.shape[1]:
            keep = np.argpartition(-scores, width - 1, axis=1)[:, :width]
            scores = np.take_along_axis(scores, keep, axis=1)
            ids = np.take_along_axis(ids, keep, axis=1)
    order = np.lexsort((ids, -scores), axis=1)[:, :k]
    best_scores = np.take_along_axis(scores, order, axis=1)
    best_ids = np.where(np.isneginf(best_scores), -1, np.take_along_axis(ids, order, axis=1))
    missing = k - best_scores.shape[1]
    if missing > 0:
        best_scores = np.concatenate(
            [best_scores, np.full((rows, missing), -np.inf, np.float32)], axis=1
        )
        best_ids = np.concatenate([best_ids, np.full((rows, missing), -1, np.int64)], axis=1)
    return best_scores.astype(np.float32, copy=False), best_ids.astype(np.int64, copy=False)
