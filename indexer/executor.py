"""Bring a library up to date with the files on the disk.

    with LibraryStore.open(folder, create=True) as store:
        report = Indexer(store, create_encoder()).run([Path("~/Movies").expanduser()])
        print(report.indexed, "indexed,", len(report.failed), "failed")

A run walks the disk (``discovery``), decides what to do (``plan``) and makes up to three
passes over videos (``video_pass``): it indexes new and changed files, encodes videos that only
other models have encoded, and computes missing copy descriptors. One process indexes; others may
search meanwhile. Every video is one transaction, so a run that is stopped or killed leaves whole
videos only, and the next run continues.
"""

from __future__ import annotations

import os
import time
from collections import Counter
from collections.abc import Iterable, Sequence
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path

from vidseek.core.errors import JobCancelledError
from vidseek.core.job import Job
from vidseek.core.types import Video
from vidseek.encoders.base import Encoder
from vidseek.encoders.copies.descriptor import CopyDescriptor
from vidseek.indexer.add_model import claim_encoder
from vidseek.indexer.discovery import Discovery, FoundFile, discover
from vidseek.indexer.hashing import HashAhead
from vidseek.indexer.plan import make_plan, mark_missing
from vidseek.indexer.progress import ProgressMeter
from vidseek.indexer.report import FailedFile, IndexOptions, IndexReport
from vidseek.indexer.tasks.backfill import BackfillTask
from vidseek.indexer.tasks.index import IndexTask
from vidseek.indexer.tasks.reencode import ReencodeTask
from vidseek.indexer.vector_index import fold_vectors
from vidseek.indexer.video_pass import EncodedT, FileT, VideoPass, VideoTask, default_workers
from vidseek.storage.store import LibraryStore


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
            encoder: computes the vectors of frames and clips.
            options: how to index.
            descriptor: computes copy descriptors of the same frames; None stores none.
        """
        self._store = store
        self._encoder = encoder
        self._options = options or IndexOptions()
        self._descriptor = descriptor

    def run(self, paths: Sequence[Path], *, job: Job | None = None) -> IndexReport:
        """Index new and changed files under the given paths, and mark missing files.

        Args:
            paths: files and folders.
            job: gets ``IndexProgress`` at most ten times a second. Once it is cancelled, the video
                being encoded is dropped and the run ends with ``interrupted`` in its report.

        Raises:
            PathNotFoundError: a path does not exist; nothing was done.
            LibraryLockedError: another process is writing; nothing was done.
            EncoderError: the library was made with another encoder; nothing was done.
            LibraryError: the library cannot be written any more (its disk is full, say). What was
                indexed until then stays.
        """
        started = time.monotonic()
        discovery = discover(
            paths,
            exclude=self._options.exclude,
            follow_symlinks=self._options.follow_symlinks,
            skip_folder=self._store.folder,
        )
        job = job or Job()
        run = _Run(self._store, self._encoder, self._descriptor, self._options, job)
        with ExitStack() as stack:
            try:
                stack.enter_context(
                    self._store.lease(wait_seconds=self._options.wait_seconds, job=job)
                )
            except JobCancelledError:
                return run.report(started, interrupted=True)
            claim_encoder(self._store, self._encoder)
            return run.execute(discovery, started)


class _Run:
    """One run: its passes and their totals."""

    def __init__(
        self,
        store: LibraryStore,
        encoder: Encoder,
        descriptor: CopyDescriptor | None,
        options: IndexOptions,
        job: Job,
    ) -> None:
        self._store = store
        self._encoder = encoder
        self._descriptor = descriptor
        self._options = options
        self._job = job
        self._index = IndexTask(store, encoder, plan=options.plan, descriptor=descriptor)
        self._reencode = ReencodeTask(store, encoder)

    def execute(self, discovery: Discovery, started: float) -> IndexReport:
        plan = make_plan(discovery, self._store, retry_failed=self._options.retry_failed)
        missing, interrupted = 0, False
        changed = list(plan.changed)
        try:
            for video_id, file in plan.returned:
                self._job.check()  # a disk that is back may hold a hundred thousand
                if self._store.videos.relink(
                    video_id, file.path, file.size_bytes, file.modified_ns
                ):
                    self._index.moved += 1
                else:
                    changed.append(file)
            self._index_files(changed, len(discovery.files))
            is_encoded = self._catch_up(discovery)
            self._backfill(discovery)
            missing = mark_missing(self._store, discovery, prune=self._options.prune)
            if changed or is_encoded:
                self._store.remove_orphans()
                fold_vectors(self._store, self._encoder.spec)
        except JobCancelledError:
            interrupted = True
        report = self.report(
            started,
            unchanged=plan.unchanged,
            missing=missing,
            failed=(*discovery.problems, *plan.still_failed),
            interrupted=interrupted,
        )
        sound_only = [*plan.sound_only, *self._index.sound_only]
        return replace(
            report,
            skipped=_count_skipped(discovery, sound_only),
            sound_only=len(sound_only),
            hidden=discovery.hidden,
            links=discovery.links,
        )

    def report(
        self,
        started: float,
        *,
        unchanged: int = 0,
        missing: int = 0,
        failed: tuple[FailedFile, ...] = (),
        interrupted: bool,
    ) -> IndexReport:
        """The report of the run: what its tasks did, and what was known before they began."""
        return IndexReport(
            indexed=self._index.indexed + self._reencode.encoded,
            unchanged=unchanged + self._index.unchanged,
            moved=self._index.moved,
            missing=missing,
            failed=(*failed, *self._index.failed, *self._reencode.failed),
            video_seconds=self._index.video_seconds + self._reencode.video_seconds,
            seconds=time.monotonic() - started,
            interrupted=interrupted,
            notes=tuple(self._index.notes),
        )

    def _index_files(self, files: Sequence[FoundFile], files_found: int) -> None:
        meter = ProgressMeter(
            self._job,
            stage="indexing",
            files_total=files_found,
            files_settled=files_found - len(files),
            bytes_total=sum(file.size_bytes for file in files),
        )
        with HashAhead(files) as hashed:
            self._pass_over(hashed, self._index, meter)

    def _catch_up(self, discovery: Discovery) -> bool:
        """Encode videos that were missing when this model was added and only other models have.

        Returns:
            True if there were any.
        """
        behind = self._store.videos.not_encoded_by(self._encoder.spec.fingerprint)
        return self._pass_over_stored(behind, discovery, self._reencode, stage="encoding")

    def _backfill(self, discovery: Discovery) -> None:
        """Compute descriptors of videos that have none, or have those of another descriptor."""
        if self._descriptor is not None:
            behind = self._store.videos.without_copy_descriptors(self._descriptor.fingerprint)
            task = BackfillTask(self._store, self._descriptor)
            self._pass_over_stored(behind, discovery, task, stage="computing copy descriptors")

    def _pass_over_stored(
        self,
        videos: Sequence[Video],
        discovery: Discovery,
        task: VideoTask[Video, EncodedT],
        *,
        stage: str,
    ) -> bool:
        """Make a pass over the videos within this run's paths; False if there are none."""
        if not videos:
            return False
        found = {os.fspath(file.path) for file in discovery.files}
        videos = [video for video in videos if os.fspath(video.path) in found]
        if videos:
            self._pass_over(videos, task, ProgressMeter.of_videos(self._job, videos, stage=stage))
        return bool(videos)

    def _pass_over(
        self, files: Iterable[FileT], task: VideoTask[FileT, EncodedT], meter: ProgressMeter
    ) -> None:
        video_pass = VideoPass(
            task,
            job=self._job,
            meter=meter,
            workers=self._options.workers or default_workers(),
            short_side=self._encoder.spec.image_size,
        )
        video_pass.run(files)


def _count_skipped(discovery: Discovery, sound_only: Sequence[Path]) -> dict[str, int]:
    counts = Counter(discovery.skipped)
    counts.update(path.suffix.lower() for path in sound_only)
    return dict(sorted(counts.items(), key=lambda item: (-item[1], item[0])))
