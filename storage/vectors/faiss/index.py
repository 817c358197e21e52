"""The vector index on FAISS: an immutable base file and, in memory, the changes since.

The index is derived from the database. The base is a copy of its vectors at one position of the
change log; refresh reads the later changes: added vectors form the tail, which is searched exactly,
removed vectors are masked. A base that is missing, damaged or of another history is never used.
"""

from __future__ import annotations

import logging
import threading
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from vidseek.core.types import EncoderSpec, VideoFilter
from vidseek.storage.catalog.connection import library_errors
from vidseek.storage.catalog.vector_queries import in_ranges
from vidseek.storage.vectors.faiss.index_file import (
    DamagedBaseError,
    Manifest,
    ManifestTag,
    manifest_tag,
    read_base,
    read_manifest,
    write_base,
)
from vidseek.storage.vectors.faiss.segment import FaissSegment, build, extended
from vidseek.storage.vectors.protocol import (
    EVERYTHING,
    Position,
    VectorChanges,
    VectorSource,
    best_of,
    check_queries,
)

_logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class FaissOptions:
    """Parameters of the index; the defaults suit a laptop."""

    factory: str | None = None
    """FAISS factory string; None selects by size."""
    flat_up_to: int = 200_000
    """Largest number of vectors that is searched exactly."""
    hnsw_up_to: int = 2_000_000
    """Largest number of vectors in a graph; beyond that, inverted lists."""
    tail_at_least: int = 1_000
    """Minimum number of changes for a new base..."""
    tail_fraction: float = 0.02
    """...and minimum share of the base."""

    def factory_for(self, count: int) -> str:
        """The FAISS factory string for a number of vectors."""
        if self.factory is not None:
            return self.factory
        if count <= self.flat_up_to:
            return "Flat"
        if count <= self.hnsw_up_to:
            return "HNSW32"
        lists = min(2 * count**0.5, count / _TRAINING_NEEDED_PER_LIST)
        return f"IVF{2 ** max(int(np.log2(lists)), 0)},SQ8"


_TRAINING_NEEDED_PER_LIST = 39
"""FAISS warns if there are fewer training vectors per list."""

_SWITCH_MARGIN = 0.1
"""How far past the limit between two kinds of index a library must be to change kind."""

_REBUILT_REMOVED = 0.3
"""Share of removed rows above which a graph is rebuilt..."""

_REBUILT_GROWTH = 2.0
"""...or growth since it was built, or since lists were trained."""


@dataclass(frozen=True)
class _State:
    """The state that a search sees: never changed, only replaced."""

    base: FaissSegment
    alive: NDArray[np.bool_]
    """(N,) rows of the base that can be found."""
    tail_ids: NDArray[np.int64]
    """(T,) ascending."""
    tail: NDArray[np.float32]
    """(T, D)."""
    position: Position
    live: int = field(init=False)
    """Number of vectors that can be found."""

    def __post_init__(self) -> None:
        object.__setattr__(self, "live", int(self.alive.sum()) + len(self.tail_ids))

    @classmethod
    def of(cls, base: FaissSegment, position: Position) -> _State:
        """The state of a base without changes."""
        no_ids = np.empty(0, np.int64)
        no_vectors = np.empty((0, base.index.d), np.float32)
        return cls(base, base.all_rows(), no_ids, no_vectors, position)

    def after(self, changes: VectorChanges) -> _State:
        """The state after some changes."""
        if len(changes.ranges) == 0:  # only another encoder's changes
            return replace(self, position=changes.position)
        alive = self.alive
        gone = self.base.rows_in(changes.ranges)
        if gone.any():
            alive = alive & ~gone
        keep = ~in_ranges(self.tail_ids, changes.ranges)
        ids, tail = self.tail_ids[keep], self.tail[keep]
        if len(changes.ids):
            ids = np.concatenate([ids, changes.ids])
            tail = np.concatenate([tail, changes.vectors])
        order = np.argsort(ids, kind="stable")
        if not np.array_equal(order, np.arange(len(order))):
            ids, tail = ids[order], tail[order]
        return _State(self.base, alive, ids, tail, changes.position)

    def compare(
        self, ids: NDArray[np.int64], vectors: NDArray[np.float32]
    ) -> tuple[NDArray[np.bool_], NDArray[np.bool_]]:
        """Return which clips can be found (T,), and which of these have the same vector (T,).

        Args:
            ids: (T,) ascending.
            vectors: (T, D). Not compared with those of an index that compresses vectors.
        """
        rows = self.base.find(ids)
        in_base = (rows >= 0) & self.alive[rows] if len(self.base) else rows >= 0
        in_tail = np.isin(ids, self.tail_ids)
        equal = np.ones(len(ids), dtype=bool)
        if self.base.vectors is not None:
            equal[in_base] = (self.base.vectors[rows[in_base]] == vectors[in_base]).all(axis=1)
        at = np.searchsorted(self.tail_ids, ids[in_tail])
        equal[in_tail] = (self.tail[at] == vectors[in_tail]).all(axis=1)
        return in_base | in_tail, equal


class FaissIndex:
    """A ``VectorIndex`` on FAISS. Searches never wait for a refresh or a build."""

    def __init__(
        self,
        folder: Path,
        source: VectorSource,
        spec: EncoderSpec,
        *,
        read_only: bool = False,
        options: FaissOptions = FaissOptions(),
    ) -> None:
        """Use the index of an encoder; nothing is read before the first refresh or search.

        Args:
            folder: for this encoder's files; need not exist.
            source: the database.
            spec: the encoder.
            read_only: never write a file.
            options: parameters of the index.
        """
        self._folder = folder
        self._source = source
        self._spec = spec
        self._read_only = read_only
        self._options = options
        self._refreshing = threading.RLock()
        self._state: _State | None = None
        self._manifest: Manifest | None = None
        self._tag: ManifestTag | None = None
        self._matched: tuple[int, VideoFilter, NDArray[np.int64]] | None = None

    @property
    def dimension(self) -> int:
        """D."""
        return self._spec.dimension

    @property
    def factory(self) -> str:
        """FAISS factory string of the current base."""
        return self._current().base.factory

    def __len__(self) -> int:
        return self._current().live

    def refresh(self) -> None:
        """Apply the changes committed since the last refresh. Cheap if there are none."""
        with self._refreshing:
            tag = manifest_tag(self._folder)
            if self._state is None or (tag != self._tag and tag is not None):
                self._load(tag)
            state = self._state
            if state is not None and self._source.position() == state.position:
                return
            changes = None
            if state is not None:
                changes = self._source.changes(self._spec.fingerprint, state.position)
            if state is None or changes is None:
                self._rebuild()
            else:
                self._state = state.after(changes)

    def search(
        self,
        queries: NDArray[np.float32],
        k: int,
        *,
        where: VideoFilter = EVERYTHING,
        exclude: NDArray[np.int64] | None = None,
    ) -> tuple[NDArray[np.float32], NDArray[np.int64]]:
        """Find the vectors with the largest inner product; see ``VectorIndex.search``."""
        queries = check_queries(queries, k, self.dimension)
        state = self._current()
        wanted = max(min(k, state.live), 1)
        rows, chosen = self._choose(state, where, exclude)
        tail_ids, tail = state.tail_ids, state.tail
        if chosen is not None:
            tail_ids, tail = tail_ids[chosen], tail[chosen]
        scores, ids = state.base.search(queries, wanted, rows, self._stored_vectors)
        if len(tail_ids):
            tail_scores, best_tail_ids = best_of(queries @ tail.T, tail_ids, wanted)
            scores = np.concatenate([scores, tail_scores], axis=1)
            ids = np.concatenate([ids, best_tail_ids], axis=1)
        return best_of(scores, ids, k)

    def count(
        self, *, where: VideoFilter = EVERYTHING, exclude: NDArray[np.int64] | None = None
    ) -> int:
        """Number of vectors that ``search`` with these arguments can find."""
        state = self._current()
        rows, chosen = self._choose(state, where, exclude)
        return state.live if chosen is None else int(rows.sum()) + int(chosen.sum())

    def _choose(
        self, state: _State, where: VideoFilter, exclude: NDArray[np.int64] | None
    ) -> tuple[NDArray[np.bool_], NDArray[np.bool_] | None]:
        """Rows (N,) of the base, and of the tail (T,), that may be found; None for all of these."""
        if where.is_empty and exclude is None:
            return state.alive, None
        rows, chosen = state.alive, np.ones(len(state.tail_ids), dtype=bool)
        if not where.is_empty:
            matching = self._matching(where)
            rows = rows & np.isin(state.base.ids, matching)
            chosen &= np.isin(state.tail_ids, matching)
        if exclude is not None:
            rows = rows & np.isin(state.base.ids, exclude, invert=True)
            chosen &= np.isin(state.tail_ids, exclude, invert=True)
        return rows, chosen

    def _matching(self, where: VideoFilter) -> NDArray[np.int64]:
        """Ids (A,) of the clips that pass a filter, read once for the searches of one query."""
        sequence = self._source.sequence()
        cached = self._matched
        if cached is not None and cached[:2] == (sequence, where):
            return cached[2]
        ids = self._source.ids(where, self._spec.fingerprint)
        self._matched = sequence, where, ids
        return ids

    @property
    def needs_compaction(self) -> bool:
        """True if ``compact`` would write a new base."""
        return self._is_due(self._current())

    def compact(self, *, force: bool = False) -> None:
        """Merge the changes into a new base file, if that pays off or with ``force``.

        Raises:
            LibraryFullError, LibraryReadOnlyError: the base cannot be written; searches still work.
        """
        self.refresh()
        state = self._current()
        if force or self._is_due(state):
            self._replace_base(state)

    def verify(self, *, repair: bool) -> list[str]:
        """Check files and vectors against the database; see ``VectorIndex.verify``."""
        self.refresh()
        problems = self._file_problems() + self._content_problems()
        if problems and repair:
            with self._refreshing:
                self._rebuild()
            state = self._current()
            if self._is_due(state):
                self._replace_base(state)
        return problems

    def _current(self) -> _State:
        state = self._state
        if state is None:
            self.refresh()
            state = self._state
            assert state is not None
        return state

    def _load(self, tag: ManifestTag | None) -> None:
        """Use the base in the folder, if it is intact and of this history."""
        while tag is not None:
            try:
                manifest = read_manifest(self._folder)
                if manifest is None:
                    return
                if manifest.dimension != self.dimension:
                    raise DamagedBaseError("its base belongs to another encoder")
                changes = self._source.changes(self._spec.fingerprint, manifest.position)
                if changes is None:
                    raise DamagedBaseError("its base belongs to another history of this library")
                index = read_base(self._folder, manifest)
                base = FaissSegment(index, manifest.factory, manifest.trained_count)
                self._state = _State.of(base, manifest.position).after(changes)
                self._manifest, self._tag = manifest, tag
                return
            except DamagedBaseError as error:
                newer = manifest_tag(self._folder)
                if newer != tag:  # replaced while it was being read
                    tag = newer
                    continue
                _logger.warning("Rebuilding the vector index %s: %s", self._folder, error)
                self._manifest, self._tag = None, tag
                return

    def _rebuild(self) -> None:
        """Build from the database, in memory, and write the base if that is fast."""
        with self._source.snapshot(self._spec.fingerprint) as snapshot:
            factory = self._options.factory_for(snapshot.count)
            # An index that takes minutes to build is left to ``compact``; meanwhile search exactly.
            base = build(snapshot, "Flat", self.dimension)
        self._state = _State.of(base, snapshot.position)
        self._manifest = None
        if factory == "Flat" and len(base) and not self._read_only:
            try:
                if self._write(base, snapshot.position):
                    self._load(manifest_tag(self._folder))
            except OSError as error:
                _logger.warning("Cannot store the vector index in %s: %s", self._folder, error)

    def _is_due(self, state: _State) -> bool:
        if self._read_only:
            return False
        if self._manifest is None or manifest_tag(self._folder) is None:
            return state.live > 0
        if state.base.factory != self._wanted_factory(state):
            return True
        changed = len(state.tail_ids) + len(state.base) - int(state.alive.sum())
        least = max(self._options.tail_at_least, self._options.tail_fraction * len(state.base))
        return changed >= least

    def _wanted_factory(self, state: _State) -> str:
        """The kind of the next base: as now, unless the size is well beyond its limit."""
        if self._manifest is not None:
            for size in (1 - _SWITCH_MARGIN, 1 + _SWITCH_MARGIN):
                if self._options.factory_for(round(size * state.live)) == state.base.factory:
                    return state.base.factory
        return self._options.factory_for(state.live)

    def _replace_base(self, state: _State) -> None:
        """Build a base from the current database, write it and use it."""
        factory = self._wanted_factory(state)
        base = self._extended(state, factory)
        position = state.position
        if base is None:
            with self._source.snapshot(self._spec.fingerprint) as snapshot:
                base = build(snapshot, factory, self.dimension)
                position = snapshot.position
        with library_errors(str(self._folder)):
            written = self._write(base, position)
        if not written:
            _logger.info("Another process is replacing the vector index in %s", self._folder)
        self.refresh()

    def _extended(self, state: _State, factory: str) -> FaissSegment | None:
        """The base with the tail added, for kinds that take long to build; None to rebuild."""
        manifest = self._manifest
        if factory == "Flat" or state.base.factory != factory or manifest is None:
            return None
        base = state.base
        removed = 1 - state.live / max(len(base) + len(state.tail_ids), 1)
        if removed > _REBUILT_REMOVED or state.live > _REBUILT_GROWTH * base.trained_count:
            return None
        try:
            index = read_base(self._folder, manifest, private=True)
        except DamagedBaseError:
            return None
        return extended(base, index, state.alive, state.tail_ids, state.tail)

    def _write(self, base: FaissSegment, position: Position) -> bool:
        manifest = write_base(
            self._folder,
            base.index,
            Manifest(
                file="",
                size_bytes=0,
                modified_ns=0,
                sha256="",
                position=position,
                count=len(base),
                trained_count=base.trained_count,
                factory=base.factory,
                dimension=self.dimension,
            ),
        )
        return manifest is not None

    def _stored_vectors(
        self, ids: NDArray[np.int64]
    ) -> tuple[NDArray[np.int64], NDArray[np.float32]]:
        return self._source.read_existing(ids, self._spec.fingerprint)

    def _file_problems(self) -> list[str]:
        try:
            manifest = read_manifest(self._folder)
            if manifest is not None:
                read_base(self._folder, manifest, always_hash=True)
            elif len(self):
                return [f"{self._folder}: the vector index is not written yet"]
        except DamagedBaseError as error:
            return [f"{self._folder}: {error}"]
        return []

    def _content_problems(self) -> list[str]:
        """Compare every searchable vector with the database."""
        unknown = wrong = 0
        with self._source.snapshot(self._spec.fingerprint) as snapshot:
            self.refresh()  # inside the snapshot, so that both are at the same position
            state = self._current()
            for ids, vectors in snapshot.batches():
                known, equal = state.compare(ids, vectors)
                unknown += int((~known).sum())
                wrong += int((known & ~equal).sum())
        problems = []
        if unknown or state.live != snapshot.count:
            problems.append(
                f"{self._folder}: has {state.live} vectors, the database has {snapshot.count}; "
                f"{unknown} of those are missing from the index"
            )
        if wrong:
            problems.append(f"{self._folder}: {wrong} vectors differ from the database")
        return problems
