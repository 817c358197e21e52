"""Count what a pass over videos has done and estimate when it ends."""

from __future__ import annotations

import time
from collections.abc import Sequence
from pathlib import Path
from typing import Self

from vidseek.core.job import Job
from vidseek.core.types import Video
from vidseek.indexer.report import IndexProgress

_REPORT_EVERY_SECONDS = 0.1
_ESTIMATE_AFTER_SECONDS = 0.5


class ProgressMeter:
    """Counts files, bytes and seconds of video; reports to a job at most ten times a second.

    The estimate is based on bytes, the only measure of the remaining work that is known without
    opening the files: the bytes that remain, divided by the rate at which bytes were encoded so
    far. Files that turned out to be moved or copies do not count towards that rate.
    """

    def __init__(
        self,
        job: Job,
        *,
        stage: str,
        files_total: int,
        files_settled: int,
        bytes_total: int,
    ) -> None:
        self._job = job
        self._stage = stage
        self._files_total = files_total
        self._files_done = files_settled
        self._bytes_total = bytes_total
        self._bytes_settled = 0
        self._bytes_encoded = 0
        self._failed = 0
        self._video_seconds = 0.0
        self._started = time.monotonic()
        self._reported = 0.0
        self._current: Path | None = None
        self._current_bytes = 0
        self._current_fraction = 0.0
        self._current_seconds = 0.0

    @classmethod
    def of_videos(cls, job: Job, videos: Sequence[Video], *, stage: str) -> Self:
        """Make a meter for videos of the library that are read again."""
        return cls(
            job,
            stage=stage,
            files_total=len(videos),
            files_settled=0,
            bytes_total=sum(video.size_bytes for video in videos),
        )

    def begin(self, path: Path, size_bytes: int) -> None:
        """Note that encoding a file begins."""
        self._current, self._current_bytes = path, size_bytes
        self._current_fraction = self._current_seconds = 0.0
        self._report()

    def advance(self, seconds: float, duration_seconds: float) -> None:
        """Note that the current file is encoded up to ``seconds`` of its duration."""
        self._current_seconds = seconds
        if duration_seconds > 0:
            self._current_fraction = min(1.0, seconds / duration_seconds)
        self._report()

    def settle(
        self,
        size_bytes: int,
        *,
        encoded: bool = False,
        video_seconds: float = 0.0,
        failed: bool = False,
    ) -> None:
        """Note that a file is done, whether it was encoded or not."""
        self._files_done += 1
        self._failed += failed
        self._bytes_settled += size_bytes
        self._video_seconds += video_seconds
        if encoded:
            self._bytes_encoded += size_bytes
            self._current, self._current_bytes = None, 0
            self._current_fraction = self._current_seconds = 0.0
        self._report()

    def finish(self) -> None:
        """Report the final state, however recent the last report is."""
        self._reported = 0.0
        self._report()

    def snapshot(self) -> IndexProgress:
        """The current progress."""
        under_way = int(self._current_bytes * self._current_fraction)
        elapsed = time.monotonic() - self._started
        encoded = self._bytes_encoded + under_way
        left = self._bytes_total - self._bytes_settled - under_way
        eta = None
        if self._files_done >= self._files_total:
            eta = 0.0
        elif left <= 0:
            eta = None  # the last files are read to their end and are still being encoded
        elif encoded > 0 and elapsed >= _ESTIMATE_AFTER_SECONDS:
            eta = elapsed * left / encoded
        return IndexProgress(
            stage=self._stage,
            done=self._files_done,
            total=self._files_total,
            unit="files",
            failed=self._failed,
            current=self._current,
            video_seconds=self._video_seconds + self._current_seconds,
            bytes_done=self._bytes_settled + under_way,
            bytes_total=self._bytes_total,
            elapsed_seconds=elapsed,
            eta_seconds=eta,
        )

    def _report(self) -> None:
        now = time.monotonic()
        if now - self._reported >= _REPORT_EVERY_SECONDS:
            self._reported = now
            self._job.report(self.snapshot())
