"""Encode a library with one more model, beside the one that answers meanwhile.

with LibraryStore.open(folder) as store:
    report = add_model(store, create_encoder("clip-base"))
    print(report.model.encoded_videos, "of", report.model.videos, "videos")

Every video is one transaction: a run that is stopped or killed loses the video in flight, and the
next one goes on. The switch is one transaction after the last video.
"""

from __future__ import annotations

import time
from collections.abc import Callable

from vidseek.core.errors import LibraryError
from vidseek.core.types import EncoderSpec, LibraryModel
from vidseek.encoders.base import Encoder
from vidseek.indexer.progress import ProgressMeter
from vidseek.indexer.report import IndexProgress, ModelReport
from vidseek.indexer.tasks.index import default_workers
from vidseek.indexer.tasks.reencode import Reencoder, Stopped
from vidseek.storage.store import LibraryStore


def add_model(
    store: LibraryStore,
    encoder: Encoder,
    *,
    switch: bool = True,
    workers: int | None = None,
    on_progress: Callable[[IndexProgress], None] | None = None,
    should_stop: Callable[[], bool] | None = None,
) -> ModelReport:
    """Encode every searchable video with an encoder that is not the active one, or go on with it.

    With the active encoder, it encodes what that one does not know yet.

    Args:
        store: the library.
        encoder: the model.
        switch: make it the active one at the end, if it knows every video then.
        workers: decoding processes; None chooses by the number of processors.
        on_progress: called at most ten times a second, from this thread.
        should_stop: asked between batches of frames; once it says True, the video in flight is
            dropped and the run ends.

    Raises:
        LibraryLockedError: another process is writing; nothing was done.
        LibraryError: the library has no model yet, or cannot be written any more. What was encoded
            until then is kept.
    """
    started = time.monotonic()
    fingerprint = encoder.spec.fingerprint

    def check_stop() -> None:
        if should_stop is not None and should_stop():
            raise Stopped

    with store.lease():
        _register(store, encoder)
        behind = store.videos.not_encoded_by(fingerprint)
        videos = _model(store, fingerprint).videos
        meter = ProgressMeter(
            on_progress,
            files_total=videos,
            files_settled=videos - len(behind),
            bytes_total=sum(video.size_bytes for video in behind),
        )
        run = Reencoder(
            store,
            encoder,
            workers=workers or default_workers(),
            meter=meter,
            check_stop=check_stop,
        )
        interrupted = switched = False
        try:
            run.run(behind)
        except Stopped:
            interrupted = True
        else:
            # The first search must not find the index to be built.
            index = store.vector_index(encoder.spec)
            index.refresh()
            if index.needs_compaction:
                index.compact()
        meter.finish()
        model = _model(store, fingerprint)
        if switch and model.is_complete and not model.is_active and not interrupted:
            store.encoders.activate(fingerprint)
            switched, model = True, _model(store, fingerprint)
    return ModelReport(
        model=model,
        encoded=run.encoded,
        failed=tuple(run.failed),
        switched=switched,
        video_seconds=meter.video_seconds,
        seconds=time.monotonic() - started,
        interrupted=interrupted,
    )


def _register(store: LibraryStore, encoder: Encoder) -> None:
    spec = encoder.spec
    known = {one.fingerprint: one for one in store.encoders.specs()}
    if not known:
        raise LibraryError(
            f"{store.folder} was not indexed yet: `vidseek index --model NAME PATH` begins it with "
            "a model"
        )
    stored = known.get(spec.fingerprint)
    if stored is None:
        encoder.load()  # one that cannot be loaded leaves no trace in the library
    # New, or its folder was moved, or its text part revised; a calibration is left as it is.
    if stored is None or _sources(stored) != _sources(spec):
        store.encoders.register(spec)


def _sources(spec: EncoderSpec) -> tuple[str, str, str | None]:
    return spec.source, spec.revision, spec.head_hash


def _model(store: LibraryStore, fingerprint: str) -> LibraryModel:
    return next(model for model in store.encoders.models() if model.spec.fingerprint == fingerprint)
