"""Decode videos one after another and pass each to a task: the loop behind every kind of run.

    video_pass = VideoPass(task, job=job, meter=meter, workers=2, short_side=256)
    video_pass.run(files)

The tasks are in ``vidseek.indexer.tasks``. The loop decodes ahead, decodes files with the same
bytes once, confines the failure of a file to that file, asks between batches whether the job was
cancelled, and counts.
"""

from __future__ import annotations

import logging
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from itertools import chain
from pathlib import Path
from typing import Generic, Protocol, TypeVar

from vidseek.core.errors import (
    EncoderError,
    Hint,
    InternalVideoError,
    JobCancelledError,
    LibraryError,
    SoundOnlyError,
    VideoError,
)
from vidseek.core.job import Job
from vidseek.core.paths import printable_path
from vidseek.core.processors import processor_count
from vidseek.core.types import FrameBatch
from vidseek.indexer.progress import ProgressMeter
from vidseek.video import DecodedVideo, DecodeJob, DecodePool, VideoInfo

logger = logging.getLogger(__name__)

OnBatch = Callable[[VideoInfo, FrameBatch], None]


class VideoFile(Protocol):
    """A file on the disk, of the library or new to it."""

    @property
    def path(self) -> Path:
        """Absolute."""

    @property
    def size_bytes(self) -> int:
        """Size when its status was last read."""

    @property
    def content_hash(self) -> str:
        """SHA-256 of its bytes, hexadecimal."""


FileT = TypeVar("FileT", bound=VideoFile)
FileT_contra = TypeVar("FileT_contra", bound=VideoFile, contravariant=True)
EncodedT = TypeVar("EncodedT")


class VideoTask(Protocol[FileT_contra, EncodedT]):
    """What a pass does with each video."""

    def prepare(self, file: FileT_contra) -> DecodeJob | None:
        """Choose the frames to decode; None if the file needs no decoding and is done.

        Raises:
            VideoError: the file cannot be used.
        """

    def encode(self, file: FileT_contra, decoded: DecodedVideo, on_batch: OnBatch) -> EncodedT:
        """Compute what to store, calling ``on_batch`` after each batch of frames.

        Raises:
            VideoError: the file cannot be decoded.
        """

    def store(self, file: FileT_contra, encoded: EncodedT) -> None:
        """Store it in one transaction.

        Raises:
            VideoError: the file changed while it was decoded.
        """

    def fail(self, file: FileT_contra, error: VideoError) -> None:
        """Record that the file could not be used."""


class TransientFileError(VideoError):
    """A file cannot be used now, but perhaps later: no permission, being written, or gone."""

    code = "transient_file_error"

    def __init__(self, reason: str, *, path: Path, has_vanished: bool = False) -> None:
        super().__init__(reason, path=path)
        self.has_vanished = has_vanished


class VideoPass(Generic[FileT, EncodedT]):
    """One pass over some files with one task."""

    def __init__(
        self,
        task: VideoTask[FileT, EncodedT],
        *,
        job: Job,
        meter: ProgressMeter,
        workers: int,
        short_side: int,
    ) -> None:
        """Prepare a pass.

        Args:
            task: what to do with each video.
            job: asked between batches of frames whether the caller has cancelled.
            meter: counts the files.
            workers: decoding processes.
            short_side: of the decoded frames, pixels.
        """
        self._task = task
        self._job = job
        self._meter = meter
        self._workers = workers
        self._short_side = short_side
        self._in_flight: deque[FileT] = deque()
        self._deferred: list[FileT] = []

    def run(self, files: Iterable[FileT]) -> None:
        """Process files. A file that cannot be used is recorded by the task and ends nothing.

        Raises:
            JobCancelledError: the caller cancelled. Videos stored until then stay; the one being
                encoded is dropped.
            EncoderError, LibraryError: nothing more can be encoded, or stored.
        """
        try:
            self._run_round(files)
            while self._deferred:
                files, self._deferred = self._deferred, []
                self._run_round(files)
        finally:
            self._meter.finish()

    def _run_round(self, files: Iterable[FileT]) -> None:
        jobs = self._decode_jobs(files)
        # Decoders are started for the first file that needs one, if there is any.
        if (first := next(jobs, None)) is None:
            return
        with DecodePool(workers=self._workers, short_side=self._short_side) as pool:
            for decoded in pool.read(chain([first], jobs)):
                self._process(self._in_flight[0], decoded)
                self._in_flight.popleft()

    def _decode_jobs(self, files: Iterable[FileT]) -> Iterator[DecodeJob]:
        for file in files:
            self._job.check()
            if any(file.content_hash == other.content_hash for other in self._in_flight):
                # Once the other file with these bytes is stored, this one needs no decoding.
                self._deferred.append(file)
            elif (decode_job := self._prepare(file)) is not None:
                self._in_flight.append(file)
                yield decode_job

    def _prepare(self, file: FileT) -> DecodeJob | None:
        with self._confined(file, was_decoded=False):
            decode_job = self._task.prepare(file)
            if decode_job is None:
                self._meter.settle(file.size_bytes)
            return decode_job
        return None

    def _process(self, file: FileT, decoded: DecodedVideo) -> None:
        def on_batch(info: VideoInfo, batch: FrameBatch) -> None:
            self._job.check()
            self._meter.advance(float(batch.pts_seconds[-1]), info.duration_seconds)

        self._job.check()
        self._meter.begin(file.path, file.size_bytes)
        with self._confined(file, was_decoded=True):
            self._task.store(file, self._task.encode(file, decoded, on_batch))
            self._meter.settle(
                file.size_bytes, encoded=True, video_seconds=decoded.duration_seconds
            )

    @contextmanager
    def _confined(self, file: FileT, *, was_decoded: bool) -> Iterator[None]:
        """Confine a file's errors to that file."""
        try:
            yield
        except VideoError as error:
            failure: VideoError = error
        except (LibraryError, EncoderError, JobCancelledError):
            raise
        except Exception as error:  # one bad file never ends a run, whatever error it causes
            logger.exception("%s: unexpected error", printable_path(file.path))
            reason = f"unexpected {type(error).__name__}: {error}".splitlines()[0]
            failure = InternalVideoError(reason, path=file.path, hint=Hint("run_doctor"))
        else:
            return
        self._task.fail(file, failure)
        is_failure = not isinstance(failure, SoundOnlyError)
        self._meter.settle(file.size_bytes, encoded=was_decoded, failed=is_failure)


def default_workers() -> int:
    """Decoding processes that keep the encoder busy on this machine."""
    return max(1, min(4, processor_count() // 2))
