"""The encoders of this process: each model is loaded once and shared by everything that uses it.

    encoder = encoder_pool().get("builtin")
    descriptor = encoder_pool().copy_descriptor()

A pool refers to its models weakly: one that nothing uses any more is released.
"""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Hashable
from concurrent.futures import CancelledError, Future
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar
from weakref import WeakValueDictionary

from vidseek.encoders.base import Encoder
from vidseek.encoders.hub.file_names import HEAD_FACTS
from vidseek.encoders.manifest import WEIGHTS_FOLDER
from vidseek.encoders.model_ref import ModelRef
from vidseek.encoders.registry import create_encoder

if TYPE_CHECKING:
    from vidseek.encoders.copies.descriptor import CopyDescriptor
    from vidseek.encoders.hub.download import ConfirmDownload

_Model = TypeVar("_Model")
_Stamps = tuple[tuple[str, int, int], ...]


class EncoderPool:
    """Loads models on demand and shares them. Safe to use from several threads.

    Loading a model makes only those wait who ask for the same model. A load that failed is tried
    again by the next caller.
    """

    def __init__(
        self,
        *,
        threads: int | None = None,
        create: Callable[..., Encoder] = create_encoder,
    ) -> None:
        """Start with no model.

        Args:
            threads: processor threads that each model may compute with; all cores if None.
            create: makes an encoder, with the arguments of ``create_encoder``.
        """
        self._threads = threads
        self._create = create
        self._lock = threading.Lock()
        self._loaded: WeakValueDictionary[Hashable, Any] = WeakValueDictionary()
        self._loading: dict[Hashable, Future[Any]] = {}

    def get(self, name: str, *, confirm_download: ConfirmDownload | None = None) -> Encoder:
        """Get an encoder, loading it if it is not in use yet.

        Args:
            name: see ``create_encoder``.
            confirm_download: see ``create_encoder``.

        Returns:
            The same object as long as it is in use and the model's files do not change.

        Raises:
            EncoderError: it cannot be fetched or used; the subclass says why.
        """

        def create() -> Encoder:
            return self._create(
                name,
                threads=self._threads,
                confirm_download=confirm_download,
                create_base=lambda base: self.get(base, confirm_download=confirm_download),
            )

        ref = ModelRef.parse(name)
        encoder = self._shared(_identity(ref), create)
        if ref.repository is None and ref.open_clip is None:
            return encoder
        # A repository named without a commit is the same model as with it.
        return self._shared(_identity(ModelRef.parse(encoder.spec.source)), lambda: encoder)

    def copy_descriptor(self) -> CopyDescriptor:
        """Get the copy descriptor that ships with vidseek.

        Raises:
            WeightsError: its manifest is missing or damaged.
        """
        from vidseek.encoders.copies.descriptor import CopyDescriptor

        return self._shared("copy descriptor", lambda: CopyDescriptor(threads=self._threads))

    def _shared(self, key: Hashable, create: Callable[[], _Model]) -> _Model:
        while True:
            with self._lock:
                model: _Model | None = self._loaded.get(key)
                if model is not None:
                    return model
                future: Future[_Model] | None = self._loading.get(key)
                is_first = future is None
                if future is None:
                    future = self._loading[key] = Future()
            if is_first:
                return self._load(key, create, future)
            try:
                return future.result()
            except CancelledError:
                continue  # the thread that loaded it was interrupted

    def _load(self, key: Hashable, create: Callable[[], _Model], future: Future[_Model]) -> _Model:
        try:
            model = create()
        except BaseException as error:
            with self._lock:
                del self._loading[key]
            # KeyboardInterrupt and similar exceptions concern this thread only.
            if isinstance(error, Exception):
                future.set_exception(error)
            else:
                future.cancel()
            raise
        with self._lock:
            self._loaded[key] = model
            del self._loading[key]
        future.set_result(model)
        return model


_POOL = EncoderPool()


def encoder_pool() -> EncoderPool:
    """The pool of this process."""
    return _POOL


def _identity(ref: ModelRef) -> tuple[str | _Stamps | Hashable, ...]:
    """What tells a model's weights apart: its source, and the stamps of its files."""
    folder = WEIGHTS_FOLDER if ref.kind == "builtin" else ref.folder
    if folder is None:
        return (ref.source,)
    base: Hashable = None
    if ref.kind == "head":
        with suppress(Exception):  # create_encoder says what is wrong with it
            ref_base = ModelRef.parse(json.loads((folder / HEAD_FACTS).read_bytes())["base"])
            base = None if ref_base.kind == "head" else _identity(ref_base)
    return (ref.source, _stamps(folder), base)


def _stamps(folder: Path) -> _Stamps:
    stamps = []
    try:
        for path in folder.iterdir():
            status = path.stat()
            stamps.append((path.name, status.st_size, status.st_mtime_ns))
    except OSError:  # create_encoder says what is wrong with it
        return ()
    return tuple(sorted(stamps))
