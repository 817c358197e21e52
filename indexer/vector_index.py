"""Update the vector index of an encoder, so that the next search does not have to."""

from __future__ import annotations

from vidseek.core.types import EncoderSpec
from vidseek.storage.store import LibraryStore


def fold_vectors(store: LibraryStore, spec: EncoderSpec) -> None:
    """Add newly stored vectors to the index, and fold them into its base when that is due."""
    index = store.vector_index(spec)
    index.refresh()
    if index.needs_compaction:
        index.compact()
