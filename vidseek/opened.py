"""What an open library holds: its store, models, search engines and copy descriptor."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, Self

from vidseek.core.errors import LibraryClosedError
from vidseek.models import LibraryModels
from vidseek.storage.store import LibraryStore

if TYPE_CHECKING:
    from vidseek.encoders.base import Encoder
    from vidseek.encoders.copies.descriptor import CopyDescriptor
    from vidseek.search import SearchEngine

MAX_ID = 2**63 - 1


def possible_ids(given: Iterable[int]) -> set[int]:
    """Those of some numbers that may be ids of videos; the databases take no larger ones."""
    return {each for each in given if 0 < each <= MAX_ID}


class OpenedLibrary:
    """The part of ``Library`` that its groups of methods share."""

    def __init__(
        self,
        store: LibraryStore,
        *,
        encoder: str | Encoder | None = None,
        confirm_download: Callable[[str, int], bool] | None = None,
    ) -> None:
        """Use ``Library.open``."""
        self._opened: LibraryStore | None = store
        self.folder = store.folder
        """Folder of the library."""
        self.models = LibraryModels(store, encoder=encoder, confirm_download=confirm_download)
        """The models of the library: list, add, switch and drop them."""
        self._engines: dict[str, SearchEngine] = {}
        self._descriptor: CopyDescriptor | None = None
        self._lock = threading.RLock()

    @property
    def _store(self) -> LibraryStore:
        """The open store.

        Raises:
            LibraryClosedError: the library was closed.
        """
        if self._opened is None:
            raise LibraryClosedError(f"the library {self.folder} was closed", path=self.folder)
        return self._opened

    @property
    def encoder(self) -> Encoder:
        """The encoder that turns frames and text into vectors, loaded on first use.

        Raises:
            UnknownEncoderError: no encoder has that name.
            WeightsError: its weights are missing or damaged.
            EncoderError: a third-party model cannot be downloaded or used; the subclass says why.
        """
        return self.models.encoder_for(None)

    def _search_engine(self, model: str | Encoder | None) -> SearchEngine:
        from vidseek.search import SearchEngine

        _ = self._store
        encoder = self.models.encoder_for(model)  # may load a model: not under the lock
        fingerprint = encoder.spec.fingerprint
        with self._lock:
            engine = self._engines.get(fingerprint)
            if engine is None or engine.encoder is not encoder:
                engine = self._engines[fingerprint] = SearchEngine(self._store, encoder)
            return engine

    @property
    def _copy_descriptor(self) -> CopyDescriptor:
        _ = self._store
        if self._descriptor is None:
            from vidseek.encoders.pool import encoder_pool

            self._descriptor = encoder_pool().copy_descriptor()
        return self._descriptor

    def close(self) -> None:
        """Release the library's files and models. Closing twice is harmless.

        Everything else raises ``LibraryClosedError`` afterwards.
        """
        store, self._opened = self._opened, None
        self.models.close()
        self._engines.clear()
        self._descriptor = None
        if store is not None:
            store.close()

    def __enter__(self) -> Self:
        _ = self._store
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def __repr__(self) -> str:
        return f"Library({str(self.folder)!r})"
