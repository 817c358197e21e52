"""The decoding process: reads jobs from its standard input, writes frames to its standard output.

Started by ``spare_worker.py`` with a plain ``python -c``, so that a user's script needs no
``__main__`` guard.
"""

from __future__ import annotations

import contextlib
import os
import queue
import signal
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

import numpy as np

from vidseek.core.errors import InternalVideoError, UnreadableVideoError, VideoError
from vidseek.core.types import FrameBatch, TimeSpan
from vidseek.video import channel
from vidseek.video.hints import RUN_DOCTOR
from vidseek.video.limits import DecodeLimits, too_much_memory
from vidseek.video.readers.reader import ReaderName, VideoReader, open_video
from vidseek.video.sampling import (
    DEFAULT_PLAN,
    SamplingPlan,
    SceneStarts,
    choose_frames,
    frames_at,
    scene_starts,
)

ALIVE_SECONDS = 0.25
"""Interval of the "alive" messages of a process that has no frames to send yet."""


@dataclass(frozen=True)
class DecodeJob:
    """A file to decode, and which frames of it."""

    path: Path
    plan: SamplingPlan = DEFAULT_PLAN
    span: TimeSpan | None = None
    """Only this part of the file."""
    at_seconds: tuple[float, ...] | None = None
    """Decode the frames at these times instead of those of the plan."""


def decode_file(
    job: DecodeJob,
    *,
    reader: ReaderName,
    short_side: int | None,
    threads: int,
    limits: DecodeLimits,
    on_progress: Callable[[], None] | None = None,
) -> tuple[VideoReader, SceneStarts, Iterator[FrameBatch]]:
    """Open a file and start decoding the frames of the job.

    Raises:
        VideoError: the file cannot be read. Also raised while iterating over the batches.
    """
    video = open_video(
        job.path,
        reader=reader,
        short_side=short_side,
        span=job.span,
        threads=threads,
        limits=limits,
        on_progress=on_progress,
    )
    try:
        table = video.packets()
        if job.at_seconds is None:
            rows = choose_frames(table, job.plan, span=job.span)
        else:
            rows = frames_at(table, np.asarray(job.at_seconds))
        return video, scene_starts(table, rows), video.frames(rows)
    except BaseException:
        video.close()
        raise


class Worker:
    """The loop of a decoding process."""

    def __init__(
        self,
        source: IO[bytes],
        sink: IO[bytes],
        *,
        memory: MemoryLimit,
        on_orphaned: Callable[[], None],
    ) -> None:
        """Serve jobs.

        Args:
            source: messages from the main process.
            sink: messages to the main process.
            memory: memory limit of this process.
            on_orphaned: called from another thread when the main process has ended.
        """
        self._source = source
        self._sink = sink
        self._memory = memory
        self._on_orphaned = on_orphaned
        self._jobs: queue.Queue[dict[str, Any] | None] = queue.Queue()
        self._cancelled = -1
        self._last_alive = 0.0

    def run(self) -> None:
        """Serve jobs until the input ends."""
        threading.Thread(target=self._listen, daemon=True, name="vidseek-listen").start()
        channel.send(self._sink, {"kind": "ready"})
        while (header := self._jobs.get()) is not None:
            self._serve(header)

    def _listen(self) -> None:
        # In a separate thread, so that the end of the main process is noticed mid-file.
        try:
            while (message := channel.receive(self._source)) is not None:
                header, times = message
                if header["kind"] == "cancel":
                    self._cancelled = int(header["number"])
                else:
                    header["at_seconds"] = tuple(np.frombuffer(times, np.float64).tolist())
                    self._jobs.put(header)
        except (OSError, ValueError):
            pass
        self._jobs.put(None)
        self._on_orphaned()

    def _alive(self) -> None:
        now = time.monotonic()
        if now - self._last_alive > ALIVE_SECONDS:
            self._last_alive = now
            channel.send(self._sink, {"kind": "alive"})

    def _serve(self, header: dict[str, Any]) -> None:
        path = Path(header["path"])
        try:
            self._decode(header, path)
        except VideoError as error:
            is_memory = isinstance(error, UnreadableVideoError) and self._memory.ran_short()
            failure: VideoError = too_much_memory(path) if is_memory else error
            channel.send(self._sink, channel.error_to_header(failure))
        except MemoryError:
            channel.send(self._sink, channel.error_to_header(too_much_memory(path)))
        except ConnectionError:
            raise
        except Exception as unexpected:
            error_line = f"{type(unexpected).__name__}: {unexpected}"
            failure = (
                too_much_memory(path)
                if self._memory.ran_short()
                else InternalVideoError(
                    f"the decoder failed: {error_line}", path=path, hint=RUN_DOCTOR
                )
            )
            channel.send(self._sink, channel.error_to_header(failure))

    def _decode(self, header: dict[str, Any], path: Path) -> None:
        span = header["span"]
        job = DecodeJob(
            path,
            SamplingPlan(**header["plan"]),
            None if span is None else TimeSpan(*span),
            header["at_seconds"] or None,
        )
        video, starts, batches = decode_file(
            job,
            reader=header["reader"],
            short_side=header["short_side"],
            threads=header["threads"],
            limits=DecodeLimits(**header["limits"]),
            on_progress=self._alive,
        )
        with video:
            info = {"kind": "info", "info": video.info.__dict__, "reader": video.name}
            seconds = (starts.sample_seconds, starts.start_seconds)
            channel.send(self._sink, info, *(np.ascontiguousarray(part).data for part in seconds))
            for batch in batches:
                if self._cancelled >= header["number"]:
                    break
                channel.send(
                    self._sink,
                    {"kind": "batch", "shape": batch.data.shape},
                    np.ascontiguousarray(batch.pts_seconds).data,
                    np.ascontiguousarray(batch.data).data,
                )
            end = {
                "kind": "end",
                "damaged": video.damaged,
                "duration_seconds": video.info.duration_seconds,
            }
            channel.send(self._sink, end)


class MemoryLimit:
    """Limit on the address space of this process."""

    def __init__(self, extra_bytes: int) -> None:
        """Limit the process to its current address space plus ``extra_bytes``."""
        self._short_at: int | None = None
        try:
            import resource

            used = _memory_status("VmSize")
            limit = used + extra_bytes
            _, hard = resource.getrlimit(resource.RLIMIT_AS)
            if hard != resource.RLIM_INFINITY:
                limit = min(limit, hard)
            resource.setrlimit(resource.RLIMIT_AS, (limit, hard))
            self._short_at = used + extra_bytes * 3 // 4
        except (ImportError, OSError, ValueError):
            pass  # this system has no such limit; the time limits still apply

    def ran_short(self) -> bool:
        """True if memory use came so near the limit that a decoding error means "no memory"."""
        return self._short_at is not None and _memory_status("VmPeak") > self._short_at


def _memory_status(name: str) -> int:
    """A value from /proc/self/status, in bytes."""
    for line in Path("/proc/self/status").read_text().splitlines():
        if line.startswith(name + ":"):
            return int(line.split()[1]) * 1024
    raise OSError(f"no {name} in /proc/self/status")


def main(memory_bytes: int) -> None:
    """Entry point of a decoding process."""
    # Ctrl-C reaches every process of a terminal; the main process decides what happens.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    # Output of libraries must end up neither among the messages nor in the user's terminal.
    sink = os.fdopen(os.dup(1), "wb")
    source = os.fdopen(os.dup(0), "rb")
    quiet = os.open(os.devnull, os.O_RDWR)
    os.dup2(quiet, 0)
    os.dup2(quiet, 1)
    import av  # before the limit, and before the first job waits for it

    av.logging.set_level(None)
    os.dup2(quiet, 2)
    memory = MemoryLimit(memory_bytes)
    with contextlib.suppress(ConnectionError):
        Worker(source, sink, memory=memory, on_orphaned=lambda: os._exit(0)).run()
    os._exit(0)
