"""Bring a library up to date with the files on the disk.

with LibraryStore.open(folder, create=True) as store:
    report = Indexer(store, create_encoder()).run([Path("~/Movies").expanduser()])
    print(report.indexed, "indexed,", len(report.failed), "failed")

One process writes; others may search meanwhile. Every video is one transaction, so a run that is
stopped or killed leaves whole videos only, and the next run goes on.
"""

from __future__ import annotations

import logging
import os
import time
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from itertools import chain
from pathlib import Path

from vidseek.core.errors import (
    EncoderError,
    LibraryError,
    VideoError,
)
from vidseek.core.processors import processor_count
from vidseek.core.types import FrameBatch, Video, VideoState
from vidseek.encoders.base import Encoder
from vidseek.encoders.copies.descriptor import CopyDescriptor
from vidseek.encoders.pipeline import EncodedVideo, encode_video
from vidseek.indexer.discovery import Discovery, FoundFile, discover, error_reason
from vidseek.indexer.hashing import CHANGED, HashAhead, HashedFile
from vidseek.indexer.progress import ProgressMeter, meter_of
from vidseek.indexer.reconcile import Reuse, compare, mark_missing, reuse
from vidseek.indexer.report import FailedFile, IndexOptions, IndexProgress, IndexReport
from vidseek.indexer.tasks.backfill import DescriptorBackfill
from vidseek.indexer.tasks.reencode import Reencoder, Stopped
from vidseek.storage.store import LibraryStore
from vidseek.video import DecodedVideo, DecodeJob, DecodePool, VideoInfo

logger = logging.getLogger(__name__)

_FOLD_EVERY_CLIPS = 10_000
"""Whoever searches during a run of days reads what was added since the index was last folded."""


class Indexer:
    """Indexes files and folders into one library with one encoder."""

    def __init__(
        self,
        store: LibraryStore,
        encoder: Encoder,
        *,
        options: IndexOptions | None = None,
        descriptor: CopyDescriptor | None = None,
    ) -> None:
        """Prepare runs.

        Args:
            store: the library.
            encoder: what makes vectors of frames and clips.
            options: how to index.
            descriptor: describes the same frames for finding copies; without one nothing is kept
                for that.
        """
        self._store = store
        self._encoder = encoder
        self._options = options or IndexOptions()
        self._descriptor = descriptor

    def run(
        self,
        paths: Sequence[Path],
        *,
        on_progress: Callable[[IndexProgress], None] | None = None,
        should_stop: Callable[[], bool] | None = None,
    ) -> IndexReport:
        """Index what is new or changed below some paths, and note what is gone.

        Args:
            paths: files and folders.
            on_progress: called at most ten times a second, from this thread.
            should_stop: asked between batches of frames; once it says True, the video in flight is
                dropped and the run ends.

        Raises:
            PathNotFoundError: a path does not exist; nothing was done.
            LibraryLockedError: another process is writing; nothing was done.
            EncoderError: the library was made with another encoder; nothing was done.
            LibraryError: the library cannot be written any more (its disk is full, say). What was
                indexed until then is kept.
        """
        started = time.monotonic()
        discovery = discover(
            paths,
            exclude=self._options.exclude,
            follow_symlinks=self._options.follow_symlinks,
            skip_folder=self._store.folder,
        )
        with self._store.lease():
            claim_encoder(self._store, self._encoder)
            run = _Run(self._store, self._encoder, self._options, discovery, self._descriptor)
            return run.execute(started, on_progress, should_stop or (lambda: False))


def claim_encoder(store: LibraryStore, encoder: Encoder) -> None:
    """Make sure that the library's vectors come from one encoder.

    Raises:
        EncoderError: they come from another one, or this one cannot be loaded.
    """
    active = store.encoders.active()
    if active is None:
        encoder.load()  # one that cannot be loaded leaves no trace in the library
        store.encoders.register(encoder.spec)
        store.encoders.activate(encoder.spec.fingerprint)
    elif active.fingerprint != encoder.spec.fingerprint:
        spec = encoder.spec
        what = (
            "other weights of it" if active.source == spec.source else f"the encoder {spec.source}"
        )
        held = any(one.fingerprint == spec.fingerprint for one in store.encoders.specs())
        step = (
            "switch to this one: `vidseek model switch"
            if held
            else ("encode the library with this one: `vidseek model add")
        )
        raise EncoderError(
            f"{store.folder} was made with the encoder {active.source} ({active.revision}, "
            f"{active.fingerprint}); this is {what} ({spec.revision}, {spec.fingerprint}), and "
            f"their vectors cannot be compared: use that one, or {step} {spec.source}`"
        )
    elif active != encoder.spec:
        # The same vectors under another name (its folder was moved), or revised words.
        store.encoders.register(encoder.spec)


class _Run:
    """The state of one run: counters, failures, and what is in flight."""

    def __init__(
        self,
        store: LibraryStore,
        encoder: Encoder,
        options: IndexOptions,
        discovery: Discovery,
        descriptor: CopyDescriptor | None,
    ) -> None:
        self._store = store
        self._encoder = encoder
        self._options = options
        self._discovery = discovery
        self._descriptor = descriptor
        self._indexed = self._unchanged = self._moved = 0
        self._failed: list[FailedFile] = list(discovery.problems)
        self._in_flight: deque[HashedFile] = deque()
        self._deferred: list[FoundFile] = []
        self._bad_content: dict[str, str] = {}
        self._clips_to_fold = 0
        self._caught_up_seconds = 0.0

    def execute(
        self,
        started: float,
        on_progress: Callable[[IndexProgress], None] | None,
        should_stop: Callable[[], bool],
    ) -> IndexReport:
        comparison = compare(self._discovery, self._store, retry_failed=self._options.retry_failed)
        for video_id, file in comparison.returned:
            self._store.videos.relink(video_id, file.path, file.size_bytes, file.modified_ns)
        self._unchanged = comparison.unchanged
        self._moved = len(comparison.returned)
        self._failed.extend(comparison.still_failed)
        self._should_stop = should_stop
        self._meter = ProgressMeter(
            on_progress,
            files_total=len(self._discovery.files),
            files_settled=len(self._discovery.files) - len(comparison.changed),
            bytes_total=sum(file.size_bytes for file in comparison.changed),
        )
        missing, interrupted = 0, False
        try:
            self._index(comparison.changed)
            self._meter.finish()
            caught_up = self._catch_up(on_progress)
            self._describe(on_progress)
            missing = mark_missing(self._store, self._discovery, prune=self._options.prune)
            self._tidy(changed=bool(comparison.changed) or caught_up)
        except Stopped:
            interrupted = True
            self._meter.finish()
        return IndexReport(
            indexed=self._indexed,
            unchanged=self._unchanged,
            moved=self._moved,
            missing=missing,
            failed=tuple(self._failed),
            video_seconds=self._meter.video_seconds + self._caught_up_seconds,
            seconds=time.monotonic() - started,
            interrupted=interrupted,
        )

    def _index(self, files: Sequence[FoundFile]) -> None:
        while files:
            with HashAhead(files) as hashes:
                jobs = self._jobs(hashes)
                # Decoders are started for the first file that needs one, if there is any.
                if (first := next(jobs, None)) is not None:
                    with DecodePool(
                        workers=self._options.workers or default_workers(),
                        short_side=self._encoder.spec.image_size,
                    ) as pool:
                        for decoded in pool.read(chain([first], jobs)):
                            self._encode(self._in_flight[0], decoded)
                            self._in_flight.popleft()
            # Files that hold the same bytes as one that was in flight: by now that one is stored.
            files, self._deferred = self._deferred, []

    def _catch_up(self, on_progress: Callable[[IndexProgress], None] | None) -> bool:
        """Encode what only other models know: videos that were away when this one was added."""
        behind = self._found(self._store.videos.not_encoded_by(self._encoder.spec.fingerprint))
        if not behind:
            return False
        meter = meter_of(behind, on_progress)
        again = Reencoder(
            self._store,
            self._encoder,
            workers=self._options.workers or default_workers(),
            meter=meter,
            check_stop=self._check_stop,
        )
        try:
            again.run(behind)
        finally:
            self._indexed += again.encoded
            self._failed += again.failed
            self._caught_up_seconds = meter.video_seconds
            meter.finish()
        return True

    def _describe(self, on_progress: Callable[[IndexProgress], None] | None) -> None:
        """Describe what an older vidseek, or one with another descriptor, has indexed."""
        if self._descriptor is None:
            return
        waiting = self._store.videos.without_copy_descriptors(self._descriptor.fingerprint)
        behind = self._found(waiting)
        if not behind:
            return
        meter = meter_of(behind, on_progress)
        describer = DescriptorBackfill(
            self._store,
            self._descriptor,
            workers=self._options.workers or default_workers(),
            short_side=self._encoder.spec.image_size,
            meter=meter,
            check_stop=self._check_stop,
        )
        try:
            describer.run(behind)
        finally:
            meter.finish()

    def _found(self, videos: Sequence[Video]) -> list[Video]:
        """Those of the videos that this run is about."""
        if not videos:
            return []
        found = {os.fspath(file.path) for file in self._discovery.files}
        return [video for video in videos if os.fspath(video.path) in found]

    def _jobs(self, hashes: HashAhead) -> Iterator[DecodeJob]:
        """Settle what can be settled by its hash; what is left has to be decoded."""
        for hashed in hashes:
            self._check_stop()
            if hashed.failure is not None:
                self._fail(hashed, hashed.failure, is_lasting=False)
            elif (reason := self._bad_content.get(hashed.content_hash)) is not None:
                self._fail(hashed, reason)
            elif any(hashed.content_hash == other.content_hash for other in self._in_flight):
                self._deferred.append(hashed.file)
            elif (reused := reuse(self._store, hashed)) is not None:
                self._count(reused)
                self._meter.settle(hashed.file.size_bytes)
            else:
                self._in_flight.append(hashed)
                yield DecodeJob(path=hashed.file.path, plan=self._options.plan, span=None)

    def _count(self, reused: Reuse) -> None:
        self._unchanged += reused is Reuse.UNCHANGED
        self._moved += reused is Reuse.MOVED
        self._indexed += reused is Reuse.COPIED

    def _encode(self, hashed: HashedFile, decoded: DecodedVideo) -> None:
        self._check_stop()
        path = hashed.file.path
        self._meter.begin(path, hashed.file.size_bytes)

        def on_batch(info: VideoInfo, batch: FrameBatch) -> None:
            self._check_stop()
            self._meter.advance(float(batch.pts_seconds[-1]), info.duration_seconds)

        try:
            encoded = encode_video(
                decoded,
                self._encoder,
                descriptor=self._descriptor,
                thumbnails=True,
                on_batch=on_batch,
            )
        except VideoError as error:
            self._bad_content[hashed.content_hash] = error.reason
            self._fail(hashed, error.reason)
        except (LibraryError, EncoderError, Stopped):
            raise
        except Exception as error:  # one bad file never ends a run, whatever it makes us stumble on
            logger.exception("%s: unexpected error", os.fsencode(path))
            self._fail(hashed, f"unexpected {type(error).__name__}: {error}".splitlines()[0])
        else:
            self._store_video(hashed, encoded)

    def _store_video(self, hashed: HashedFile, encoded: EncodedVideo) -> None:
        file = hashed.file
        try:
            status = file.path.stat()
        except FileNotFoundError:
            self._fail(hashed, "vanished while it was read", is_lasting=False, vanished=True)
            return
        except OSError as error:
            self._fail(hashed, error_reason(error), is_lasting=False)
            return
        if (status.st_size, status.st_mtime_ns) != (file.size_bytes, file.modified_ns):
            self._fail(hashed, CHANGED, is_lasting=False)
            return
        # Before the video, so that no search shows a clip without its thumbnail.
        for seconds, jpeg in encoded.thumbnails.items():
            self._store.write_thumbnail(hashed.content_hash, seconds, jpeg)
        info = encoded.info
        video = Video(
            id=0,
            path=file.path,
            content_hash=hashed.content_hash,
            size_bytes=file.size_bytes,
            modified_ns=file.modified_ns,
            duration_seconds=encoded.duration_seconds,
            frame_rate=info.frame_rate,
            width=info.width,
            height=info.height,
            codec=info.codec,
            damaged=encoded.damaged,
        )
        self._store.videos.add(
            video,
            encoded.clips,
            fingerprint=self._encoder.spec.fingerprint,
            copies=encoded.copies,
            copies_fingerprint="" if self._descriptor is None else self._descriptor.fingerprint,
        )
        # Removing another file with the same content meanwhile may have deleted them.
        for seconds, jpeg in encoded.thumbnails.items():
            if not self._store.thumbnail_path(hashed.content_hash, seconds).exists():
                self._store.write_thumbnail(hashed.content_hash, seconds, jpeg)
        self._indexed += 1
        self._clips_to_fold += len(encoded.clips)
        if self._clips_to_fold >= _FOLD_EVERY_CLIPS:
            self._fold()
        self._meter.settle(file.size_bytes, encoded=True, video_seconds=encoded.duration_seconds)

    def _fail(
        self, hashed: HashedFile, reason: str, *, is_lasting: bool = True, vanished: bool = False
    ) -> None:
        """Record a failure.

        One that is not lasting (no permission, still being written) leaves what an earlier run made
        of the file, and is stored with no modification time, so that every run tries it again.
        """
        file = hashed.file
        self._failed.append(FailedFile(file.path, reason))
        self._meter.settle(file.size_bytes, encoded=is_lasting, failed=True)
        if vanished or hashed.vanished:
            return
        if not is_lasting:
            known = self._store.videos.at(file.path)
            if known is not None and known.state is not VideoState.FAILED:
                return
        video = Video(
            id=0,
            path=file.path,
            content_hash=hashed.content_hash,
            size_bytes=file.size_bytes,
            modified_ns=file.modified_ns if is_lasting else 0,
            duration_seconds=0.0,
            frame_rate=0.0,
            width=0,
            height=0,
            codec="",
            state=VideoState.FAILED,
            failure=reason,
        )
        self._store.videos.add(video, [], fingerprint=self._encoder.spec.fingerprint)

    def _tidy(self, *, changed: bool) -> None:
        if changed:
            self._store.remove_orphans()
            self._fold()

    def _fold(self) -> None:
        """Bring the vector index up to date, so that the next search does not have to."""
        self._clips_to_fold = 0
        index = self._store.vector_index(self._encoder.spec)
        index.refresh()
        if index.needs_compaction:
            index.compact()

    def _check_stop(self) -> None:
        if self._should_stop():
            raise Stopped


def default_workers() -> int:
    """Decoding processes that keep the encoder busy on this machine."""
    return max(1, min(4, processor_count() // 2))
