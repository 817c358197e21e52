"""The protocols of a vector index and of the source of its vectors.

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
    """A position in the change log of the searchable vectors. (0, 0) is before all changes."""

    sequence: int
    stamp: int
    """Random number of that change: distinguishes two histories of one library."""


START = Position(0, 0)


@dataclass(frozen=True)
class VectorChanges:
    """The changes between two positions."""

    position: Position
    """The later position."""
    ranges: NDArray[np.int64]
    """(R, 2): first and last ids of clips that may have changed. Remove them all, then
    add those below."""
    ids: NDArray[np.int64]
    """(T,) ascending: ids of the clips in these ranges that are searchable now."""
    vectors: NDArray[np.float32]
    """(T, D)."""

    @classmethod
    def none(cls, position: Position, ranges: NDArray[np.int64]) -> VectorChanges:
        """Changes that only remove the clips in these ranges (R, 2)."""
        return cls(position, ranges, np.empty(0, np.int64), np.empty((0, 0), np.float32))


@dataclass(frozen=True)
class VectorSnapshot:
    """All searchable vectors at one position, read while its transaction is open."""

    position: Position
    count: int
    batches: Callable[[], Iterator[tuple[NDArray[np.int64], NDArray[np.float32]]]]
    """Reads batches of ids (T,) and vectors (T, D), by ascending id."""


class VectorSource(Protocol):
    """The database, from which the index is derived."""

    def position(self) -> Position:
        """The current position. Cheap."""

    def changes(self, fingerprint: str, since: Position) -> VectorChanges | None:
        """The changes since a position; None if it belongs to another history."""

    def snapshot(self, fingerprint: str) -> AbstractContextManager[VectorSnapshot]:
        """All vectors, in one transaction."""

    def sequence(self) -> int:
        """Number of the last committed change of any kind. Cheap."""

    def ids(self, where: VideoFilter, fingerprint: str) -> NDArray[np.int64]:
        """Ids (A,), ascending, of the searchable clips of videos that pass a filter."""

    def read_existing(
        self, clip_ids: NDArray[np.int64], fingerprint: str
    ) -> tuple[NDArray[np.int64], NDArray[np.float32]]:
        """Ids (K,) of those of the clips that exist, ascending, and their vectors (K, D)."""


@runtime_checkable
class VectorIndex(Protocol):
    """The searchable vectors of one encoder, by clip id.

    Thread-safe: a search sees the state at its start, whatever refreshes meanwhile.
    """

    @property
    def dimension(self) -> int:
        """D."""

    def __len__(self) -> int:
        """Number of vectors that can be found."""

    def refresh(self) -> None:
        """Apply the changes committed since the last refresh. Cheap if there are none."""

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
            k: number of results, at least 1; may be larger than the index.
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
        """Merge the changes into a new base, if it pays off or with ``force``. Needs the lease."""

    def verify(self, *, repair: bool) -> list[str]:
        """Compare with the database, file by file and vector by vector.

        Returns:
            One line for each problem found. Repaired problems are not found again.
        """


def check_queries(queries: NDArray[np.float32], k: int, dimension: int) -> NDArray[np.float32]:
    """Validate queries; return them as contiguous float32.

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
    """Select the k best of each row, equal scores by ascending id.

    Args:
        scores: (Q, N) float32, -inf for padding.
        ids: (N,) or (Q, N).

    Returns:
        (Q, k) scores, descending, and ids, padded with -inf and -1.
    """
    rows = len(scores)
    ids = np.broadcast_to(ids, scores.shape)
    if scores.shape[1] > 4 * k:
        # Keep every score equal to the k-th best, so that ties are broken by id below.
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
