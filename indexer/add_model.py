"""Encode a library with models: start it with an encoder, or add another model to it.

    with LibraryStore.open(folder) as store:
        report = add_model(store, create_encoder("clip-base"))
        print(report.model.encoded_videos, "of", report.model.videos, "videos")

Every video is one transaction: a run that is stopped or killed loses the video in flight, and the
next one continues. The switch is one transaction after the last video.
"""

from __future__ import annotations

import time

from vidseek.core.errors import EncoderError, Hint, JobCancelledError, LibraryError
from vidseek.core.job import Job
from vidseek.core.types import EncoderSpec, LibraryModel
from vidseek.encoders.base import Encoder
from vidseek.indexer.progress import ProgressMeter
from vidseek.indexer.report import ModelReport
from vidseek.indexer.tasks.reencode import ReencodeTask
from vidseek.indexer.vector_index import fold_vectors
from vidseek.indexer.video_pass import VideoPass, default_workers
from vidseek.storage.store import LibraryStore


def claim_encoder(store: LibraryStore, encoder: Encoder) -> None:
    """Make sure that the library is indexed with an encoder; a new library starts with it.

    Raises:
        EncoderError: its vectors come from another encoder, or this one cannot be loaded.
    """
    active = store.encoders.active()
    spec = encoder.spec
    if active is None:
        encoder.load()  # an encoder that cannot be loaded leaves no trace in the library
        store.encoders.register(spec)
        store.encoders.activate(spec.fingerprint)
    elif active.fingerprint != spec.fingerprint:
        is_same = active.source == spec.source
        what = "other weights of" if is_same else "the encoder"
        is_stored = any(stored.fingerprint == spec.fingerprint for stored in store.encoders.specs())
        raise EncoderError(
            f"{store.folder} was indexed with the encoder {active}; this is {what} {spec}, and "
            "their vectors cannot be compared",
            hint=Hint("switch_model" if is_stored else "add_model", {"model": spec.source}),
        )
    elif active != spec:
        # The same vectors under another name (its folder was moved), or a revised text part.
        store.encoders.register(spec)


def add_model(
    store: LibraryStore,
    encoder: Encoder,
    *,
    switch: bool = True,
    workers: int | None = None,
    job: Job | None = None,
) -> ModelReport:
    """Encode every searchable video with another encoder, or continue an earlier run.

    With the active encoder, it encodes the videos that only other models have encoded.

    Args:
        store: the library.
        encoder: the model.
        switch: make it the active one at the end, if it has encoded every video then.
        workers: decoding processes; None chooses by the number of processors.
        job: gets ``IndexProgress`` at most ten times a second. Once it is cancelled, the video
            being encoded is dropped and the run ends with ``interrupted`` in its report.

    Raises:
        LibraryLockedError: another process is writing; nothing was done.
        LibraryError: the library has no model yet, or cannot be written any more. What was encoded
            until then stays.
    """
    started = time.monotonic()
    job = job or Job()
    fingerprint = encoder.spec.fingerprint
    task = ReencodeTask(store, encoder)
    with store.lease():
        _register(store, encoder)
        behind = store.videos.not_encoded_by(fingerprint)
        videos = _model(store, fingerprint).videos
        meter = ProgressMeter(
            job,
            stage="encoding",
            files_total=videos,
            files_settled=videos - len(behind),
            bytes_total=sum(video.size_bytes for video in behind),
        )
        video_pass = VideoPass(
            task,
            job=job,
            meter=meter,
            workers=workers or default_workers(),
            short_side=encoder.spec.image_size,
        )
        interrupted = switched = False
        try:
            video_pass.run(behind)
        except JobCancelledError:
            interrupted = True
        else:
            # Otherwise the first search would have to build the index.
            fold_vectors(store, encoder.spec)
        model = _model(store, fingerprint)
        if switch and model.is_complete and not model.is_active and not interrupted:
            store.encoders.activate(fingerprint)
            switched, model = True, _model(store, fingerprint)
    return ModelReport(
        model=model,
        encoded=task.encoded,
        failed=tuple(task.failed),
        switched=switched,
        video_seconds=task.video_seconds,
        seconds=time.monotonic() - started,
        interrupted=interrupted,
    )


def _register(store: LibraryStore, encoder: Encoder) -> None:
    spec = encoder.spec
    known = {stored.fingerprint: stored for stored in store.encoders.specs()}
    if not known:
        raise LibraryError(
            f"{store.folder} has not been indexed yet", hint=Hint("index_with_model")
        )
    stored = known.get(spec.fingerprint)
    if stored is None:
        encoder.load()  # an encoder that cannot be loaded leaves no trace in the library
    # New, or its folder was moved, or its text part revised; a calibration is left as it is.
    if stored is None or _sources(stored) != _sources(spec):
        store.encoders.register(spec)


def _sources(spec: EncoderSpec) -> tuple[str, str, str | None]:
    return spec.source, spec.revision, spec.head_hash


def _model(store: LibraryStore, fingerprint: str) -> LibraryModel:
    return next(model for model in store.encoders.models() if model.spec.fingerprint == fingerprint)
