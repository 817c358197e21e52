"""Bring the vector index of an encoder up to date, so that the next search does not have to."""

from __future__ import annotations

from vidseek.core.types import EncoderSpec
from vidseek.storage.store import LibraryStore


def fold_vectors(store: LibraryStore, spec: EncoderSpec) -> None:
    """Add what was stored since, and fold it into the base of the index when that is due."""
    index = store.vector_index(spec)
    index.refresh()
    if index.needs_compaction:
        index.compact()
