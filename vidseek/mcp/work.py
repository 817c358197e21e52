"""Threads for the work of tools, which ends when the client cancels the call."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

from vidseek.core.job import Job, Progress

_Result = TypeVar("_Result")

THREADS = 4


class ToolThreads:
    """A fixed number of threads. Further calls wait."""

    def __init__(self) -> None:
        self._threads = ThreadPoolExecutor(THREADS, thread_name_prefix="vidseek-mcp")
        self._jobs: set[Job] = set()
        self._guard = threading.Lock()

    async def run(
        self,
        work: Callable[[Job], _Result],
        *,
        on_progress: Callable[[Progress], None] | None = None,
    ) -> _Result:
        """Do the work in a thread.

        Args:
            work: gets a job, which is cancelled with the call.
            on_progress: called in the working thread.
        """
        job = Job(on_progress=on_progress)
        with self._guard:
            self._jobs.add(job)
        running = self._threads.submit(self._begin, job, work)
        try:
            return await asyncio.wrap_future(running)
        finally:
            if not running.done() or running.cancelled():
                job.cancel()

    def _begin(self, job: Job, work: Callable[[Job], _Result]) -> _Result:
        try:
            job.check()
            return work(job)
        finally:
            with self._guard:
                self._jobs.discard(job)

    def cancel(self) -> None:
        """Cancel the work."""
        with self._guard:
            jobs = list(self._jobs)
        for job in jobs:
            job.cancel()

    def close(self) -> None:
        """Cancel the work and wait until it has ended."""
        self.cancel()
        self._threads.shutdown(wait=True, cancel_futures=True)
