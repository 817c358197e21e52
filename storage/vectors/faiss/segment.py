"""One FAISS index, searched under a mask of rows: exactly if it is flat or few rows are allowed.

The file is an ``IDMap`` over the actual index. The inner index is searched by row number, with a
bitmap of rows: faiss' own way, a hash set of ids, takes twice as long, and ``IDMap2`` would build a
table of all ids whenever the file is opened.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray

from vidseek.storage.vectors.faiss.module import load_faiss
from vidseek.storage.vectors.protocol import VectorSnapshot, best_of

StoredVectors = Callable[[NDArray[np.int64]], tuple[NDArray[np.int64], NDArray[np.float32]]]
"""Reads ids (K,) of those of the clips that the database has, and their vectors (K, D)."""

_FEW = 20_000
_FEW_FRACTION = 0.05
"""Up to this many rows, or below this share, are searched exactly if vectors are in memory..."""

_FEW_STORED = 5_000
"""...and up to this many if vectors must be read from the database (5,000 x 384: 0.05 s)."""

_MANY_RESULTS = 1_000
_ROWS_PER_BLOCK = 65_536
_EF_SEARCH = 128
_EF_CONSTRUCTION = 80
_PROBED_FRACTION = 0.05
_PROBED_LEAST = 16
_RESCORED = 4
_TRAINING_PER_LIST = 64
_REMOVED = -1
_TIES = 16


class FaissSegment:
    """A FAISS index with clip ids."""

    def __init__(self, index: Any, factory: str, trained_count: int) -> None:
        """Wrap an ``IDMap``.

        Args:
            index: the faiss index; rows with id -1 are never found.
            factory: its FAISS factory string.
            trained_count: number of vectors when it was built from scratch.
        """
        faiss = load_faiss()

        self.index = index
        self.factory = factory
        self.trained_count = trained_count
        self.ids: NDArray[np.int64] = faiss.vector_to_array(index.id_map)
        self._inner = faiss.downcast_index(index.index)
        ascending = bool((np.diff(self.ids) > 0).all())
        self._order = None if ascending else np.argsort(self.ids, kind="stable")
        self._sorted = self.ids if self._order is None else self.ids[self._order]
        flat = self._inner
        if isinstance(self._inner, faiss.IndexHNSW):
            flat = faiss.downcast_index(self._inner.storage)
        self._flat = flat if isinstance(flat, faiss.IndexFlat) else None

    def __len__(self) -> int:
        return len(self.ids)

    @property
    def is_exact(self) -> bool:
        """True if every search is exact."""
        return self._flat is self._inner

    @property
    def vectors(self) -> NDArray[np.float32] | None:
        """(N, D) float32 view of the vectors; None if the index compresses them."""
        faiss = load_faiss()

        if self._flat is None:
            return None
        if len(self) == 0:
            return np.zeros((0, self.index.d), dtype=np.float32)
        flat: NDArray[np.float32] = faiss.rev_swig_ptr(
            self._flat.get_xb(), len(self) * self.index.d
        )
        return flat.reshape(len(self), self.index.d)

    def all_rows(self) -> NDArray[np.bool_]:
        """(N,) rows that have a clip id."""
        rows: NDArray[np.bool_] = self.ids != _REMOVED
        return rows

    def rows_in(self, ranges: NDArray[np.int64]) -> NDArray[np.bool_]:
        """(N,) rows whose clip id lies in one of the ranges (R, 2)."""
        rows = np.zeros(len(self), dtype=bool)
        starts = np.searchsorted(self._sorted, ranges[:, 0], side="left")
        ends = np.searchsorted(self._sorted, ranges[:, 1], side="right")
        for start, end in zip(starts.tolist(), ends.tolist(), strict=True):
            rows[slice(start, end) if self._order is None else self._order[start:end]] = True
        return rows

    def find(self, ids: NDArray[np.int64]) -> NDArray[np.int64]:
        """The row of each clip; -1 if it has none."""
        if len(self) == 0:
            return np.full(len(ids), -1, dtype=np.int64)
        at = np.minimum(np.searchsorted(self._sorted, ids), len(self) - 1)
        known = self._sorted[at] == ids
        return np.where(known, at if self._order is None else self._order[at], -1)

    def search(
        self,
        queries: NDArray[np.float32],
        k: int,
        rows: NDArray[np.bool_],
        stored_vectors: StoredVectors,
    ) -> tuple[NDArray[np.float32], NDArray[np.int64]]:
        """Find the k best among some rows.

        Args:
            queries: (Q, D).
            k: at least 1.
            rows: (N,) mask of allowed rows.
            stored_vectors: reads the exact vectors, for indexes that compress them.

        Returns:
            Scores (Q, k) and clip ids (Q, k), padded with -inf and -1.
        """
        count = int(rows.sum())
        if count == 0:
            return best_of(np.empty((len(queries), 0), np.float32), np.empty(0, np.int64), k)
        wanted = min(k, count)
        if self._flat is not None:
            few = count <= _FEW or count < _FEW_FRACTION * len(self)
            if wanted > _MANY_RESULTS:
                return self._search_blocks(queries, wanted, rows)
            if self.is_exact or few:
                return self._search_faiss(self._flat, queries, wanted, rows)
            scores, ids = self._search_graph(queries, wanted, rows, count)
            if (ids >= 0).all():
                return scores, ids
            return self._search_faiss(self._flat, queries, wanted, rows)
        if count <= _FEW_STORED or wanted > _MANY_RESULTS:
            return self._search_stored(queries, wanted, self.ids[rows], stored_vectors)
        return self._search_lists(queries, wanted, rows, count, stored_vectors)

    def _search_faiss(
        self,
        index: Any,
        queries: NDArray[np.float32],
        k: int,
        rows: NDArray[np.bool_],
        **parameters: int,
    ) -> tuple[NDArray[np.float32], NDArray[np.int64]]:
        faiss = load_faiss()

        bits = np.packbits(rows, bitorder="little")
        # Also used when all rows are allowed: for a few queries faiss is then four times as fast.
        selector = faiss.IDSelectorBitmap(bits)
        if isinstance(index, faiss.IndexHNSW):
            options = faiss.SearchParametersHNSW(sel=selector, **parameters)
        elif isinstance(index, faiss.IndexIVF):
            options = faiss.SearchParametersIVF(sel=selector, **parameters)
        else:
            options = faiss.SearchParameters(sel=selector)
        # Ask for a few more: of equal scores, such as those of copies, faiss returns any few.
        scores, found = index.search(queries, k + _TIES, params=options)
        ids = np.where(found < 0, -1, self.ids[np.maximum(found, 0)])
        return best_of(np.where(found < 0, -np.inf, scores), ids, k)

    def _search_graph(
        self, queries: NDArray[np.float32], k: int, rows: NDArray[np.bool_], count: int
    ) -> tuple[NDArray[np.float32], NDArray[np.int64]]:
        # The search also visits rows that are not allowed: the fewer are allowed, the wider it is.
        width = int(max(_EF_SEARCH, 2 * k) * len(self) / count)
        return self._search_faiss(self._inner, queries, k, rows, efSearch=width)

    def _search_lists(
        self,
        queries: NDArray[np.float32],
        k: int,
        rows: NDArray[np.bool_],
        count: int,
        stored_vectors: StoredVectors,
    ) -> tuple[NDArray[np.float32], NDArray[np.int64]]:
        lists = self._inner.nlist
        wide = min(max(_RESCORED * k, 100), count)
        probed = min(max(round(_PROBED_FRACTION * lists * len(self) / count), _PROBED_LEAST), lists)
        _, ids = self._search_faiss(self._inner, queries, wide, rows, nprobe=probed)
        if ((ids >= 0).sum(axis=1) < k).any():
            _, ids = self._search_faiss(self._inner, queries, wide, rows, nprobe=lists)
        # Compressed vectors give approximate scores: rescore the best candidates with exact ones.
        results = [
            self._search_stored(query[None], k, found[found >= 0], stored_vectors)
            for query, found in zip(queries, ids, strict=True)
        ]
        return np.concatenate([s for s, _ in results]), np.concatenate([i for _, i in results])

    def _search_stored(
        self,
        queries: NDArray[np.float32],
        k: int,
        ids: NDArray[np.int64],
        stored_vectors: StoredVectors,
    ) -> tuple[NDArray[np.float32], NDArray[np.int64]]:
        known, scores = [], []
        for start in range(0, len(ids), _ROWS_PER_BLOCK):
            found, vectors = stored_vectors(ids[start : start + _ROWS_PER_BLOCK])
            known.append(found)
            scores.append(queries @ vectors.T)
        return best_of(np.concatenate(scores, axis=1), np.concatenate(known), k)

    def _search_blocks(
        self, queries: NDArray[np.float32], k: int, rows: NDArray[np.bool_]
    ) -> tuple[NDArray[np.float32], NDArray[np.int64]]:
        """Score every row: faiss' heaps are slow for thousands of results."""
        vectors = self.vectors
        assert vectors is not None
        scores = [
            queries @ vectors[start : start + _ROWS_PER_BLOCK].T
            for start in range(0, len(vectors), _ROWS_PER_BLOCK)
        ]
        every = np.concatenate(scores, axis=1)
        return best_of(every[:, rows], self.ids[rows], k)


def build(snapshot: VectorSnapshot, factory: str, dimension: int) -> FaissSegment:
    """Build an index of all vectors of a snapshot.

    Args:
        snapshot: the vectors.
        factory: FAISS factory string of the inner index.
        dimension: D.
    """
    faiss = load_faiss()

    index = faiss.index_factory(dimension, f"IDMap,{factory}", faiss.METRIC_INNER_PRODUCT)
    inner = faiss.downcast_index(index.index)
    if isinstance(inner, faiss.IndexHNSW):
        inner.hnsw.efConstruction = _EF_CONSTRUCTION
    if not index.is_trained:
        lists = inner.nlist if isinstance(inner, faiss.IndexIVF) else 256
        index.train(_sample(snapshot, _TRAINING_PER_LIST * lists, dimension))
    for ids, vectors in snapshot.batches():
        index.add_with_ids(vectors, ids)
    return FaissSegment(index, factory, index.ntotal)


def extended(
    base: FaissSegment,
    index: Any,
    alive: NDArray[np.bool_],
    ids: NDArray[np.int64],
    vectors: NDArray[np.float32],
) -> FaissSegment:
    """Add vectors to a private copy of a base, for kinds that take long to build.

    Args:
        base: the original.
        index: the copy, which is changed. Rows that are not alive stay without an id.
        alive: (N,) rows that may be found.
        ids: (T,) of the vectors to add.
        vectors: (T, D).
    """
    faiss = load_faiss()

    faiss.copy_array_to_vector(np.where(alive, base.ids, _REMOVED), index.id_map)
    index.add_with_ids(np.ascontiguousarray(vectors), ids)
    return FaissSegment(index, base.factory, base.trained_count)


def _sample(snapshot: VectorSnapshot, size: int, dimension: int) -> NDArray[np.float32]:
    step = max(1, snapshot.count // size)
    return np.concatenate([np.zeros((0, dimension), np.float32), *_every(step, snapshot.batches())])


def _every(
    step: int, batches: Iterator[tuple[NDArray[np.int64], NDArray[np.float32]]]
) -> Iterator[NDArray[np.float32]]:
    seen = 0
    for _, vectors in batches:
        yield vectors[-seen % step :: step]
        seen += len(vectors)
