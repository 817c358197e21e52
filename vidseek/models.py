"""The models of a library: which it is encoded with, which one answers, and their encoders.

for model in library.models.list():
    print(model.spec.source, model.encoded_videos, "of", model.videos, "videos")
library.models.add("clip-base")          # encode every video with it, then search with it
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, TypeAlias

from vidseek.core import arguments
from vidseek.core.errors import (
    EncoderError,
    Hint,
    LibraryClosedError,
    LibraryError,
    UnknownEncoderError,
)
from vidseek.core.job import check_job
from vidseek.core.types import EncoderSpec, LibraryModel
from vidseek.storage.store import LibraryStore

if TYPE_CHECKING:
    from vidseek.core.job import Job
    from vidseek.encoders.base import Encoder
    from vidseek.indexer import ModelReport

# Inside the class, `list` would mean the method.
_Models: TypeAlias = list[LibraryModel]

DEFAULT_ENCODER = "builtin"
"""The model of a new library, unless another is asked for."""


class LibraryModels:
    """The models of one library. Get it as ``library.models``; safe to use from several threads.

    A model is named by what ``create_encoder`` takes (``builtin``, ``hf:ORG/NAME``, a folder), by
    its fingerprint or the first digits of it, or given as an encoder.
    """

    def __init__(
        self,
        store: LibraryStore,
        *,
        encoder: str | Encoder | None = None,
        confirm_download: Callable[[str, int], bool] | None = None,
    ) -> None:
        """Use ``Library.open``."""
        self._opened: LibraryStore | None = store
        self._folder = store.folder
        self._fixed = encoder
        self.confirm_download = confirm_download
        self._default: Encoder | None = None
        self._loaded: dict[str, Encoder] = {}

    def close(self) -> None:
        """Release the loaded encoders that nothing else uses."""
        self._opened = None
        self._default = None
        self._loaded.clear()

    @property
    def _store(self) -> LibraryStore:
        """The open store.

        Raises:
            LibraryClosedError: the library was closed.
        """
        if self._opened is None:
            raise LibraryClosedError(f"the library {self._folder} was closed", path=self._folder)
        return self._opened

    def list(self) -> _Models:
        """List the models that the library is encoded with.

        Returns:
            Oldest first; empty for a new library.
        """
        return self._store.encoders.models()

    def find(self, model: str | Encoder) -> LibraryModel:
        """Find one of ``list()``.

        Raises:
            UnknownEncoderError: the library is not encoded with it, or the name is ambiguous.
            LibraryError: the library has no model yet.
        """
        check_model(model, "model")
        if isinstance(model, str):
            fingerprint = self._stored_spec(model).fingerprint
        else:
            fingerprint = model.spec.fingerprint
        for stored in self.list():
            if stored.spec.fingerprint == fingerprint:
                return stored
        raise UnknownEncoderError(
            f"{self._store.folder} is not encoded with {fingerprint}", hint=Hint("list_models")
        )

    def add(
        self,
        model: str | Encoder,
        *,
        switch: bool = True,
        workers: int | None = None,
        job: Job | None = None,
    ) -> ModelReport:
        """Encode every searchable video with one more model; the active model answers meanwhile.

        Videos that the model has already encoded are skipped, so a stopped run continues and a
        model that lacks the newest videos catches up. The files are read again.

        Args:
            model: a name that ``create_encoder`` knows, or an encoder.
            switch: make it the active model at the end, if it has encoded every video by then.
            workers: decoding processes; None chooses by the number of processors.
            job: reports ``IndexProgress``; cancelling it ends the run cleanly.

        Raises:
            LibraryLockedError: another process holds the library for a long run.
            LibraryError: the library has no model yet: index something first.
            EncoderError: the model cannot be fetched or used; the subclass says why.
        """
        from vidseek.indexer import add_model

        check_model(model, "model")
        arguments.flag(switch, "switch")
        if workers is not None and arguments.whole_number(workers, "workers") < 1:
            raise ValueError(f"workers must be at least 1, got {workers}")
        check_job(job)
        return add_model(
            self._store,
            self.load(model) if isinstance(model, str) else self._keep(model),
            switch=switch,
            workers=workers,
            job=job,
        )

    def load(self, model: str) -> Encoder:
        """Load the encoder that ``add`` takes, downloading it if ``confirm_download`` agrees.

        Raises:
            EncoderError: the model cannot be fetched or used; the subclass says why.
            LibraryError: the library has no model yet: index something first.
        """
        from vidseek.encoders.model_ref import ModelRef

        arguments.text(model, "model")
        known = ModelRef.parse(model).find(self._stored_specs())
        # For a repository, the commit that the library knows: a run must end with what it began
        # with.
        return self._load(known[0].source if len(known) == 1 else model)

    def switch(self, model: str | Encoder, *, partial: bool = False) -> LibraryModel:
        """Make another of the library's models the active one.

        Args:
            model: one of ``list()``.
            partial: switch even if the model has not encoded every video; the others cannot be
                found then.

        Raises:
            UnknownEncoderError: the library is not encoded with it.
            EncoderError: the model is not there any more; the subclass says why.
            LibraryError: the model has not encoded every video, or the library has no model yet.
            LibraryLockedError: another process kept the database busy for 30 seconds.
        """
        arguments.flag(partial, "partial")
        wanted = self.find(model)
        if isinstance(model, str):
            self._stored_encoder(wanted.spec)  # fail now rather than in every search
        if not wanted.is_complete and not partial:
            name = _name(wanted)
            raise LibraryError(
                f"{self._store.folder}: {name} has encoded {wanted.encoded_videos} of "
                f"{wanted.videos} videos; the others would not be found",
                hint=Hint("complete_model", {"model": name}),
            )
        self._store.encoders.activate(wanted.spec.fingerprint)
        return self.find(wanted.spec.fingerprint)

    def drop(self, model: str | Encoder) -> int:
        """Delete a model's vectors and its index. The model's own files are not touched.

        Args:
            model: one of ``list()``, but not the active one.

        Returns:
            Bytes freed on this disk.

        Raises:
            UnknownEncoderError: the library is not encoded with it.
            LibraryError: it is the active model, or the only one that has encoded some videos.
            LibraryLockedError: another process holds the library for a long run.
        """
        with self._store.lease():
            wanted = self.find(model)
            if wanted.is_active:
                raise LibraryError(
                    f"{_name(wanted)} is the active model of {self._store.folder} and cannot "
                    "be dropped",
                    hint=Hint("switch_before_drop"),
                )
            if count := self._encoded_only_by(wanted):
                raise LibraryError(
                    f"{self._store.folder}: {count} videos are encoded only with {_name(wanted)}, "
                    "and no other model would find them",
                    hint=Hint("encode_before_drop"),
                )
            return self._store.drop_model(wanted.spec.fingerprint)

    def encoder_for(self, model: str | Encoder | None) -> Encoder:
        """Load the encoder to search with.

        Args:
            model: one of ``list()``; None for the active model, or the model that the library was
                opened with.

        Raises:
            UnknownEncoderError: no such model, or the library is not encoded with it.
            WeightsError: its weights are missing or damaged.
            EncoderError: a third-party model cannot be fetched or used; the subclass says why.
        """
        store = self._store
        if model is None:
            if self._fixed is None:
                # Asked each time: another process may have switched to another model.
                active = store.encoders.active()
                if active is not None:
                    return self._stored_encoder(active)
            return self._default_encoder()
        check_model(model, "model")
        if not isinstance(model, str):
            return self._keep(model)
        if self._find_stored_spec(model) is None and Path(model).expanduser().is_dir():
            return self._load(model)  # A moved folder is recognised by its weights.
        return self._stored_encoder(self._stored_spec(model))

    def active_fingerprint(self) -> str | None:
        """Fingerprint of the encoder that answers, loaded only if the library was opened with one.

        Returns:
            None for a new library.
        """
        if self._fixed is None:
            active = self._store.encoders.active()
            return None if active is None else active.fingerprint
        return self.encoder_for(None).spec.fingerprint

    def _default_encoder(self) -> Encoder:
        """The encoder that the library was opened with, or the one of a new library."""
        if self._default is None:
            model = DEFAULT_ENCODER if self._fixed is None else self._fixed
            self._default = self._load(model) if isinstance(model, str) else model
        return self._keep(self._default)

    def _load(self, name: str) -> Encoder:
        return self._keep(load_model(name, self.confirm_download))

    def _keep(self, encoder: Encoder) -> Encoder:
        check_model(encoder, "model")
        self._loaded[encoder.spec.fingerprint] = encoder
        return encoder

    def _stored_encoder(self, spec: EncoderSpec) -> Encoder:
        """Load the encoder that made some of the library's vectors."""
        if (encoder := self._matching(spec)) is not None:
            return encoder
        name = spec.source
        if spec.kind == "custom":
            raise UnknownEncoderError(
                f"{self._store.folder} is encoded with {name}, an encoder of a program's own, "
                "which only that program can give",
                hint=Hint("give_encoder", {"encoder": name}),
            )
        encoder = self._load(name)
        found = encoder.spec
        if found.fingerprint != spec.fingerprint:
            earlier = _earlier_revision(encoder, spec)
            if earlier is not None:
                return self._keep(earlier)
            raise EncoderError(
                f"{self._store.folder} was indexed with the encoder {spec}; its weights have been "
                f"replaced since by those of {found}, and their vectors cannot be compared",
                hint=Hint("restore_or_add_model", {"model": name}),
            )
        return encoder

    def _matching(self, spec: EncoderSpec) -> Encoder | None:
        """The loaded encoder of a spec; None if it is not loaded."""
        encoder = self._loaded.get(spec.fingerprint)
        if encoder is None:
            return None
        # With another head, or none, a model has the same vectors and other scores.
        has_another_head = (
            encoder.spec.head_hash != spec.head_hash and encoder.spec.source != spec.source
        )
        return None if has_another_head else encoder

    def _find_stored_spec(self, model: str) -> EncoderSpec | None:
        """The library's model of that name; None if the library has no such model.

        Raises:
            UnknownEncoderError: the name is ambiguous.
        """
        from vidseek.encoders.model_ref import ModelRef

        specs = ModelRef.parse(model).find(self._store.encoders.specs())
        if len(specs) > 1:
            raise UnknownEncoderError(
                f"{model} matches several models of {self._store.folder}: use a "
                f"fingerprint, {' or '.join(spec.fingerprint for spec in specs)}"
            )
        return specs[0] if specs else None

    def _stored_spec(self, model: str) -> EncoderSpec:
        """The library's model of that name.

        Raises:
            UnknownEncoderError: there is none, or the name is ambiguous.
            LibraryError: the library has no model yet.
        """
        from vidseek.encoders.model_ref import ModelRef

        spec = self._find_stored_spec(model)
        if spec is not None:
            return spec
        stored = ", ".join(spec.source for spec in self._stored_specs())
        is_known = ModelRef.parse(model).kind != "unknown"
        raise UnknownEncoderError(
            f"{self._store.folder} is not encoded with {model}, only with {stored}",
            hint=Hint("add_model", {"model": model}) if is_known else Hint("list_models"),
        )

    def _stored_specs(self) -> Sequence[EncoderSpec]:
        specs = self._store.encoders.specs()
        if not specs:
            raise LibraryError(
                f"{self._store.folder} has no model yet", hint=Hint("index_with_model")
            )
        return specs

    def _encoded_only_by(self, model: LibraryModel) -> int:
        """How many searchable videos no other model has encoded."""
        videos = self._store.videos
        missing = {
            spec.fingerprint: {video.id for video in videos.not_encoded_by(spec.fingerprint)}
            for spec in self._store.encoders.specs()
        }
        missing_here = missing.pop(model.spec.fingerprint)
        return len(set.intersection(*missing.values()) - missing_here)


def _earlier_revision(encoder: Encoder, spec: EncoderSpec) -> Encoder | None:
    """The revision of a loaded encoder that a library was encoded with, if it can compute that."""
    from vidseek.encoders.base import RevisedEncoder

    return encoder.earlier(spec.fingerprint) if isinstance(encoder, RevisedEncoder) else None


_ENCODER_MEMBERS = (
    "spec",
    "reranks",
    "hubness",
    "load",
    "encode_frames",
    "encode_clips",
    "encode_text",
    "rerank",
)


def check_model(model: object, name: str) -> None:
    """Refuse what is neither a model's name nor an encoder.

    Args:
        model: what the caller gave.
        name: the name of the argument, for the message.

    Raises:
        TypeError: names the members of ``Encoder`` that are missing.
    """
    if isinstance(model, str):
        return
    if isinstance(model, type):
        raise TypeError(f"{name} is the class {model.__name__}: give an object of it")
    # Not isinstance, which would evaluate properties: one of them may read a file.
    members = {*dir(type(model)), *getattr(model, "__dict__", ())}
    missing = [member for member in _ENCODER_MEMBERS if member not in members]
    if missing:
        raise TypeError(
            f"{name} must be the name of a model or an Encoder, not {type(model).__name__}, which "
            f"lacks {', '.join(missing)}: subclass vidseek.Encoder"
        )


def load_model(name: str, confirm_download: Callable[[str, int], bool] | None) -> Encoder:
    """Load an encoder, or share the one that this process has loaded.

    Raises:
        EncoderError: the model cannot be fetched or used; the subclass says why.
    """
    from vidseek.encoders.pool import encoder_pool

    return encoder_pool().get(name, confirm_download=confirm_download)


def _name(model: LibraryModel) -> str:
    return model.spec.source
