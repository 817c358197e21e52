"""Decode files in separate processes, so that a bad file never ends the whole run.

with DecodePool(workers=2, short_side=260) as pool:
    for video in pool.read(DecodeJob(path, SamplingPlan()) for path in paths):
        try:
            print(video.info)
            for batch in video.batches():
                ...
        except VideoError as error:
            print(error.reason)

A process decodes many files. If it crashes, hangs or needs too much memory, its file fails with a
reason and the process is replaced. Files are returned in order while later files are decoded ahead,
a bounded number of batches each, so a slow consumer makes the processes wait.
"""

from __future__ import annotations

import collections
import contextlib
import itertools
import logging
import signal
import subprocess
import threading
import time
from collections.abc import Iterable, Iterator
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any, Self

import numpy as np

from vidseek.core.errors import (
    DecodeLimitError,
    InternalVideoError,
    UnreadableVideoError,
    VideoError,
    VidseekError,
)
from vidseek.core.processors import processor_count
from vidseek.core.types import FrameBatch, TimeSpan
from vidseek.video import channel
from vidseek.video.hints import RUN_DOCTOR, SHRINK_VIDEO
from vidseek.video.info import VideoInfo
from vidseek.video.limits import DEFAULT_LIMITS, DecodeLimits
from vidseek.video.readers.reader import ReaderName, check_installed
from vidseek.video.sampling import SceneStarts
from vidseek.video.spare_worker import DecodeProcess, keep_spare, start_process, take_spare
from vidseek.video.worker import DecodeJob

logger = logging.getLogger(__name__)

BATCHES_AHEAD = 2
"""Decoded batches buffered for the consumer, per file."""
JOBS_AHEAD_PER_WORKER = 2
WATCH_SECONDS = 0.1
START_SECONDS = 60.0

_NUMBERS = itertools.count(1)
"""Job numbers. A process handed over from another pool has seen smaller numbers only."""


class DecodedVideo:
    """A file being decoded by a process of the pool."""

    def __init__(self, job: DecodeJob) -> None:
        self.job = job
        self.path: Path = job.path
        self.damaged = False
        """True if parts could not be decoded. Final after ``batches()``."""
        self.duration_seconds = 0.0
        """Exact length. Final after ``batches()``."""
        self._info: VideoInfo | None = None
        self._scene_starts: SceneStarts | None = None
        self._error: VideoError | None = None
        self._changed = threading.Condition()
        self._items: collections.deque[FrameBatch] = collections.deque()
        self._ended = False
        self._abandoned = False

    @property
    def info(self) -> VideoInfo:
        """Facts about the stream. Blocks until they are known.

        Raises:
            VideoError: the file cannot be read.
        """
        with self._changed:
            self._changed.wait_for(lambda: self._info is not None or self._ended)
            if self._info is None:
                assert self._error is not None
                raise self._error
            return self._info

    @property
    def span(self) -> TimeSpan:
        """The part of the file that was read. Final after ``batches()``."""
        asked = self.job.span
        if asked is None:
            return TimeSpan(0.0, self.duration_seconds)
        # A live recording may not know its length.
        end = min(asked.end_seconds, self.duration_seconds or asked.end_seconds)
        return TimeSpan(asked.start_seconds, max(asked.start_seconds, end))

    @property
    def scene_starts(self) -> SceneStarts:
        """Where scenes begin if cuts lie between the samples. Blocks like ``info``."""
        _ = self.info
        assert self._scene_starts is not None
        return self._scene_starts

    def batches(self) -> Iterator[FrameBatch]:
        """The sampled frames in order of time. Each batch is returned once.

        Raises:
            VideoError: decoding failed. Batches returned before remain valid.
        """
        while True:
            with self._changed:
                self._changed.wait_for(lambda: self._items or self._ended)
                if not self._items:
                    if self._error is not None:
                        raise self._error
                    return
                batch = self._items.popleft()
                self._changed.notify_all()
            yield batch

    # -- called by the pool ----------------------------------------------------------------------

    def _set_info(self, info: VideoInfo, scene_starts: SceneStarts) -> None:
        with self._changed:
            self._info = info
            self.duration_seconds = info.duration_seconds
            self._scene_starts = scene_starts
            self._changed.notify_all()

    def _offer(self, batch: FrameBatch) -> bool:
        """Wait for room and hand over a batch. Returns False if the video was abandoned."""
        with self._changed:
            self._changed.wait_for(lambda: len(self._items) < BATCHES_AHEAD or self._abandoned)
            if self._abandoned:
                return False
            self._items.append(batch)
            self._changed.notify_all()
            return True

    def _finish(self, error: VideoError | None) -> None:
        with self._changed:
            self._error = error
            self._ended = True
            self._changed.notify_all()

    def _abandon(self) -> None:
        with self._changed:
            self._abandoned = True
            self._items.clear()
            self._changed.notify_all()


class DecodePool:
    """Processes that decode one file after another. See the module for an example."""

    def __init__(
        self,
        *,
        workers: int,
        short_side: int,
        limits: DecodeLimits = DEFAULT_LIMITS,
        reader: ReaderName = "pyav",
        threads: int | None = None,
    ) -> None:
        """Start the processes.

        Args:
            workers: number of processes.
            short_side: frames are scaled down until their short side is this many pixels.
            limits: limits on each file.
            reader: implementation. PyAV measured best for every plan (benchmarks/decoding.py).
            threads: threads per decoder; None divides the cores among the workers.

        Raises:
            MissingExtraError: ``reader`` is decord and decord is not installed.
        """
        if workers < 1:
            raise ValueError(f"DecodePool needs at least 1 worker, got {workers}")
        check_installed(reader)
        self._short_side = short_side
        self._limits = limits
        self._reader = reader
        # More threads are hardly faster and cost memory.
        self._threads = threads or min(8, max(1, processor_count() // workers))
        self._lock = threading.Condition()
        self._waiting: collections.deque[tuple[int, DecodedVideo]] = collections.deque()
        self._unfinished: set[DecodedVideo] = set()
        self._closed = False
        self._slots = [_Slot(self, number) for number in range(workers)]
        self._watch = threading.Thread(target=self._watch_slots, daemon=True, name="vidseek-watch")
        self._watch.start()

    def read(self, jobs: Iterable[DecodeJob]) -> Iterator[DecodedVideo]:
        """Decode files and yield them in the order of the jobs; later files are decoded ahead.

        Asking for the next video abandons the current one if it has not been read to its end.

        Raises:
            VidseekError: the pool is closed.
        """
        source = iter(jobs)
        ahead = JOBS_AHEAD_PER_WORKER * len(self._slots)
        open_videos: collections.deque[DecodedVideo] = collections.deque()
        exhausted = False
        try:
            while True:
                while not exhausted and len(open_videos) < ahead:
                    job = next(source, None)
                    if job is None:
                        exhausted = True
                    else:
                        open_videos.append(self._submit(job))
                if not open_videos:
                    return
                yield open_videos[0]
                open_videos.popleft()._abandon()
        finally:
            for video in open_videos:
                video._abandon()

    def close(self) -> None:
        """Stop the processes. Unfinished files are lost."""
        with self._lock:
            self._closed = True
            waiting = [video for _, video in self._waiting]
            unfinished = list(self._unfinished)
            self._waiting.clear()
            self._lock.notify_all()
        for slot in self._slots:
            slot.stop()
        for video in unfinished:
            video._abandon()
        for video in waiting:
            self._finish(video, UnreadableVideoError("decoding was stopped", path=video.path))
        for slot in self._slots:
            slot.thread.join(timeout=10)
        self._watch.join(timeout=10)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    @property
    def process_ids(self) -> list[int]:
        """Ids of the running processes."""
        return [slot.process.pid for slot in self._slots if slot.process is not None]

    def _submit(self, job: DecodeJob) -> DecodedVideo:
        video = DecodedVideo(job)
        with self._lock:
            if self._closed:
                raise VidseekError("the decoding pool is closed")
            self._waiting.append((next(_NUMBERS), video))
            self._unfinished.add(video)
            self._lock.notify_all()
        return video

    def _finish(self, video: DecodedVideo, error: VideoError | None) -> None:
        video._finish(error)
        with self._lock:
            self._unfinished.discard(video)

    def _next(self) -> tuple[int, DecodedVideo] | None:
        with self._lock:
            self._lock.wait_for(lambda: self._waiting or self._closed)
            return None if self._closed else self._waiting.popleft()

    def _watch_slots(self) -> None:
        last = time.monotonic()
        while not self._closed:
            now = time.monotonic()
            # Steps are capped, so that no file is blamed when the whole run was suspended (Ctrl-Z,
            # a sleeping machine).
            step = min(now - last, 5 * WATCH_SECONDS)
            last = now
            for slot in self._slots:
                slot.check(step)
            with self._lock:
                self._lock.wait_for(lambda: self._closed, timeout=WATCH_SECONDS)


class _Slot:
    """Holds one decoding process at a time, and the thread that talks to it."""

    def __init__(self, pool: DecodePool, number: int) -> None:
        self._pool = pool
        self._taken: DecodeProcess | None = None
        self._guard = threading.Lock()
        self._is_waiting = self._is_busy = False
        self._silent_seconds = self._stall_seconds = 0.0
        self._spent_seconds = self._budget_seconds = 0.0
        self._killed_for: str | None = None
        self._stopped = False
        self.thread = threading.Thread(
            target=self._serve, daemon=True, name=f"vidseek-decode-{number}"
        )
        self.thread.start()

    @property
    def process(self) -> subprocess.Popen[bytes] | None:
        taken = self._taken
        return None if taken is None else taken.process

    def stop(self) -> None:
        """Accept no further job. The current one is lost."""
        with self._guard:
            self._stopped = True
            if self._taken is not None and (self._is_busy or not self._taken.is_ready):
                self._taken.process.kill()

    def check(self, step_seconds: float) -> None:
        """Add up the time spent waiting for the process, and kill it beyond its limits."""
        with self._guard:
            if self.process is None or not self._is_waiting:
                return
            self._silent_seconds += step_seconds
            self._spent_seconds += step_seconds
            if self._spent_seconds > self._budget_seconds:
                self._killed_for = "decoding it takes too long"
            elif self._silent_seconds > self._stall_seconds:
                self._killed_for = (
                    f"the decoder hangs: no sign of life for {self._stall_seconds:g} s"
                )
            else:
                return
            self.process.kill()

    # -- the thread ------------------------------------------------------------------------------

    def _serve(self) -> None:
        self._ensure_process()
        while (item := self._pool._next()) is not None:
            number, video = item
            with self._guard:
                self._is_busy = not self._stopped
            if not self._is_busy:
                stopped = UnreadableVideoError("decoding was stopped", path=video.path)
                self._pool._finish(video, stopped)
                continue
            if video._abandoned:
                unwanted = UnreadableVideoError("abandoned", path=video.path)
                self._finish(video, unwanted)
                continue
            try:
                error = self._decode(number, video)
            except Exception as unexpected:
                logger.exception("reading from the decoding process failed")
                self._discard()
                error = InternalVideoError(
                    f"reading from the decoding process failed: {unexpected}", path=video.path
                )
            if video._abandoned and error is None:
                error = UnreadableVideoError("abandoned", path=video.path)
            self._finish(video, error)
        self._release_process()

    def _finish(self, video: DecodedVideo, error: VideoError | None) -> None:
        # Before finishing: a caller that waits for the end of the file may close the pool.
        with self._guard:
            self._is_busy = False
        self._pool._finish(video, error)

    def _ensure_process(self) -> bool:
        if self.process is not None and self.process.poll() is None:
            return True
        self._discard()
        with self._guard:
            if self._stopped:
                return False
            self._killed_for = None
            memory_bytes = self._pool._limits.memory_bytes
            self._taken = take_spare(memory_bytes) or start_process(memory_bytes)
            if self._taken.is_ready:
                return True
        self._allow(START_SECONDS, stall_seconds=START_SECONDS)
        message = self._receive()
        if message is None or message[0].get("kind") != "ready":
            self._discard()
            return False
        with self._guard:
            if self._taken is not None:
                self._taken = replace(self._taken, is_ready=True)
        return True

    def _discard(self) -> None:
        """Kill the process, if there is one."""
        with self._guard:
            taken, self._taken = self._taken, None
        if taken is not None:
            taken.end()

    def _release_process(self) -> None:
        """Leave an idle, healthy process to the next pool, and end any other."""
        with self._guard:
            taken, self._taken = self._taken, None
        if taken is None:
            return
        if taken.is_ready and taken.process.poll() is None:
            keep_spare(taken)
        else:
            taken.end()

    def _decode(self, number: int, video: DecodedVideo) -> VideoError | None:
        job = video.job
        limits = self._pool._limits
        if not self._ensure_process():
            return InternalVideoError(
                "the decoding process cannot be started", path=video.path, hint=RUN_DOCTOR
            )
        assert self.process is not None
        assert self.process.stdin is not None
        header = {
            "kind": "job",
            "number": number,
            "path": str(job.path.absolute()),
            "plan": asdict(job.plan),
            "span": None if job.span is None else [job.span.start_seconds, job.span.end_seconds],
            "reader": self._pool._reader,
            "short_side": self._pool._short_side,
            "threads": self._pool._threads,
            "limits": asdict(limits),
        }
        self._allow(limits.file_seconds(0.0), stall_seconds=limits.stall_seconds)
        try:
            times = np.asarray(job.at_seconds or (), dtype=np.float64)
            channel.send(self.process.stdin, header, times.data)
        except OSError:
            return self._why_dead(video)
        cancelled = False
        while True:
            message = self._receive()
            if message is None:
                return self._why_dead(video)
            fields, payload = message
            kind = fields["kind"]
            if kind == "info":
                info = VideoInfo(**fields["info"])
                self._budget_seconds = limits.file_seconds(info.duration_seconds)
                seconds = np.frombuffer(payload, dtype=np.float64)
                samples, starts = seconds.reshape(2, -1)
                video._set_info(info, SceneStarts(samples, starts))
            elif kind == "batch" and not cancelled:
                if not video._offer(_to_batch(fields, payload)):
                    cancelled = True
                    with contextlib.suppress(
                        OSError
                    ):  # the process may have been killed; handled below
                        channel.send(self.process.stdin, {"kind": "cancel", "number": number})
            elif kind == "end":
                video.damaged = bool(fields["damaged"])
                video.duration_seconds = float(fields["duration_seconds"])
                return None
            elif kind == "error":
                error = channel.error_from_header(fields, video.path)
                if isinstance(error, DecodeLimitError):
                    self._discard()  # a process that ran out of memory may also have leaked
                return error

    def _allow(self, budget_seconds: float, *, stall_seconds: float) -> None:
        """Set the time limits for the next step."""
        with self._guard:
            self._spent_seconds = 0.0
            self._budget_seconds, self._stall_seconds = budget_seconds, stall_seconds

    def _receive(self) -> tuple[dict[str, Any], bytearray] | None:
        """Read a message while counting the time of the process, not that of the consumer."""
        assert self.process is not None
        assert self.process.stdout is not None
        with self._guard:
            self._silent_seconds = 0.0
            self._is_waiting = True
        try:
            return channel.receive(self.process.stdout)
        except (OSError, ValueError) as error:
            logger.debug("decoding process: %s", error)
            return None
        finally:
            with self._guard:
                self._is_waiting = False

    def _why_dead(self, video: DecodedVideo) -> VideoError:
        reason = self._killed_for
        process = self.process
        status: int | None = None
        if process is not None:
            try:
                status = process.wait(timeout=1.0)
            except subprocess.TimeoutExpired:
                status = None
        self._discard()
        if reason is not None:
            return DecodeLimitError(reason, path=video.path, hint=SHRINK_VIDEO)
        if self._stopped:
            return UnreadableVideoError("decoding was stopped", path=video.path)
        how = "ended unexpectedly"
        if status is not None and status < 0:
            how = f"was killed by {_signal_name(-status)}"
        if status == -signal.SIGILL:
            # A decoder that was built for another processor.
            return InternalVideoError(
                f"the decoder crashed: its process {how}", path=video.path, hint=RUN_DOCTOR
            )
        return UnreadableVideoError(f"the decoder crashed: its process {how}", path=video.path)


def _to_batch(fields: dict[str, Any], payload: bytearray) -> FrameBatch:
    shape = tuple(int(side) for side in fields["shape"])
    if len(shape) != 4 or min(shape) < 0 or len(payload) != 8 * shape[0] + int(np.prod(shape)):
        raise ValueError("a batch whose size differs from its header")
    # A copy: a view would keep the frames in memory as long as the times.
    seconds = np.frombuffer(payload, dtype=np.float64, count=shape[0]).copy()
    data = np.frombuffer(payload, dtype=np.uint8, offset=8 * shape[0]).reshape(shape)
    return FrameBatch(data, seconds)


def _signal_name(number: int) -> str:
    try:
        return signal.Signals(number).name
    except ValueError:
        return f"signal {number}"
