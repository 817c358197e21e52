"""Check uploads, and add those that are new, without a gap between the two.

    verdict = check_and_add(store, encoder, descriptor, Path("upload.mp4"), UploadOptions())

Two equal uploads may be checked at the same moment, and neither is in the library yet. So the lease
of the library is taken before a new upload is added, and if the library has changed since the
check, the upload is compared once more: the second of the two is then a copy of the first.
"""

from __future__ import annotations

import logging
import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from vidseek.core import arguments
from vidseek.core.errors import (
    DecodeLimitError,
    JobCancelledError,
    QueryError,
    UnreadableVideoError,
)
from vidseek.core.job import Job, Progress
from vidseek.core.paths import printable_path
from vidseek.core.types import CopyVerdict
from vidseek.search.copies.checker import CopyChecker
from vidseek.search.copies.scoring import Threshold
from vidseek.search.copies.upload import HashedUpload
from vidseek.video.limits import DEFAULT_LIMITS, DecodeLimits

if TYPE_CHECKING:
    from vidseek.encoders.base import Encoder
    from vidseek.encoders.copies.descriptor import CopyDescriptor
    from vidseek.storage.store import LibraryStore


logger = logging.getLogger(__name__)


@dataclass(frozen=True, kw_only=True)
class UploadOptions:
    """How uploads are checked."""

    threshold: Threshold = "normal"
    """Match strictness."""
    min_score: float | None = None
    """Also list matches scoring at least this; the verdict does not change."""
    except_paths: tuple[Path, ...] = ()
    """Absolute files and folders; library videos there are left out of the comparison."""
    timeout_seconds: float | None = None
    """Maximum time for checking a file; None for the limits of decoding alone."""
    limits: DecodeLimits = DEFAULT_LIMITS
    """What a file may be and take when it is decoded."""

    def __post_init__(self) -> None:
        arguments.text(self.threshold, "threshold")
        if self.min_score is not None:
            score = arguments.number(self.min_score, "min_score")
            if not 0 <= score <= 1:
                raise QueryError(f"min_score must be 0 to 1, got {score:g}")
        if self.timeout_seconds is not None:
            seconds = arguments.number(self.timeout_seconds, "timeout_seconds")
            if seconds <= 0:
                raise ValueError(f"timeout_seconds must be more than 0, got {seconds:g}")


class _TimedJob(Job):
    """A caller's job that also ends after some time."""

    def __init__(self, job: Job | None, path: Path, timeout_seconds: float) -> None:
        super().__init__()
        self._job = job or Job()
        self._path = path
        self._timeout_seconds = timeout_seconds
        self._deadline = time.monotonic() + timeout_seconds

    @property
    def is_cancelled(self) -> bool:
        return self._job.is_cancelled

    @property
    def seconds_left(self) -> float:
        return max(0.0, self._deadline - time.monotonic())

    def report(self, progress: Progress) -> None:
        self._job.report(progress)

    def check(self) -> None:
        """Continue, or stop here.

        Raises:
            JobCancelledError: the caller cancelled.
            DecodeLimitError: the time is over.
        """
        self._job.check()
        if self.seconds_left <= 0:
            unit = "second" if self._timeout_seconds == 1 else "seconds"
            raise DecodeLimitError(
                f"checking it takes longer than {self._timeout_seconds:g} {unit}", path=self._path
            )


class _Checks:
    """The checks of one upload: it is decoded once, however often it is compared."""

    def __init__(
        self,
        store: LibraryStore,
        descriptor: CopyDescriptor,
        path: Path,
        options: UploadOptions,
        job: Job | None,
    ) -> None:
        self._store = store
        self._checker = CopyChecker(store, descriptor)
        self._path = path
        self._options = options
        self._job = job
        self._upload: HashedUpload | None = None

    def compare(self) -> CopyVerdict:
        """Compare the upload with the library as it is now."""
        options = self._options
        job = self._job
        if options.timeout_seconds is not None:
            job = _TimedJob(job, self._path, options.timeout_seconds)
        if self._upload is None:
            self._upload = self._checker.open_upload(self._path, job, limits=options.limits)
        return self._checker.compare(
            self._upload,
            threshold=options.threshold,
            min_score=options.min_score,
            excluded=self._excluded(),
            job=job,
        )

    def _excluded(self) -> frozenset[int]:
        excluded: set[int] = set()
        for path in self._options.except_paths:
            videos = self._store.videos
            found = [*videos.select(under=path), *videos.select(under=path.resolve())]
            if not found:
                logger.warning(
                    "%s: no video of the library is there to except", printable_path(path)
                )
            excluded.update(video.id for video in found)
        return frozenset(excluded)


def check(
    store: LibraryStore,
    descriptor: CopyDescriptor,
    path: Path,
    options: UploadOptions,
    *,
    job: Job | None = None,
) -> CopyVerdict:
    """Compare an upload with the library; see ``Library.check``."""
    return _Checks(store, descriptor, path, options, job).compare()


def check_and_add(
    library: tuple[LibraryStore, Encoder, CopyDescriptor],
    path: Path,
    options: UploadOptions,
    *,
    wait_seconds: float,
    job: Job | None = None,
) -> CopyVerdict:
    """Compare an upload with the library, and add it if it is new; see ``Library.check_and_add``.

    Args:
        library: the library, the encoder and the copy descriptor of its frames.
        path: the upload, absolute.
        options: how to check.
        wait_seconds: how long to wait for another process's run.
        job: reports progress and cancels.
    """
    store, encoder, descriptor = library
    store.check_writable()
    checks = _Checks(store, descriptor, path, options, job)
    seen = store.sequence()
    verdict = checks.compare()
    if verdict.kind != "new":
        return verdict
    with store.lease(wait_seconds=wait_seconds, job=job):
        if store.sequence() != seen:
            verdict = checks.compare()
        if verdict.kind == "new":
            _add(store, encoder, descriptor, path, job)
    return verdict


def _add(
    store: LibraryStore, encoder: Encoder, descriptor: CopyDescriptor, path: Path, job: Job | None
) -> None:
    from vidseek.indexer import Indexer, IndexOptions
    from vidseek.search.copies.comparison import compare_new_videos

    options = IndexOptions(workers=1, retry_failed=True)
    report = Indexer(store, encoder, options=options, descriptor=descriptor).run([path], job=job)
    for file in report.failed:
        raise UnreadableVideoError(file.reason, path=file.path, hint=file.hint)
    if report.interrupted:
        raise JobCancelledError("cancelled")
    compare_new_videos(store, descriptor, job=job)
