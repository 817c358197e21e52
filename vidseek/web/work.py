"""Threads that do the work of requests, bounded, and given up when the client has gone.

result = await pool.run(request, lambda job: library.check(path, job=job))
"""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

from starlette.requests import Request

from vidseek.core.job import Job
from vidseek.web.problems import ClientGoneError, ProblemError

_Result = TypeVar("_Result")

BUSY_SECONDS = 2
"""When a client that was refused may try again."""


class WorkPool:
    """A fixed number of threads, and a bounded number of requests that wait for one."""

    def __init__(
        self,
        name: str,
        *,
        threads: int,
        max_waiting: int,
        initialize: Callable[[], None] | None = None,
    ) -> None:
        """Start no thread yet.

        Args:
            name: of the threads.
            threads: requests that are worked on at once.
            max_waiting: requests that may wait; more are refused.
            initialize: called once in each thread.
        """
        self._threads = ThreadPoolExecutor(
            threads,
            thread_name_prefix=f"vidseek-{name}",
            initializer=initialize,
        )
        self._max_pending = threads + max_waiting
        self._jobs: set[Job] = set()
        self._guard = threading.Lock()
        self._is_closing = False

    @property
    def pending(self) -> int:
        """Requests that wait or are worked on."""
        return len(self._jobs)

    async def run(self, request: Request, work: Callable[[Job], _Result]) -> _Result:
        """Do the work in a thread; cancel it when the client disconnects.

        The request's body must have been read.

        Args:
            request: watched for a disconnect.
            work: gets a job that it must check, if it takes long.

        Raises:
            ProblemError: too many requests wait, or the server is stopping.
            ClientGoneError: the client disconnected.
        """
        job = self._admit()
        running = self._threads.submit(self._begin, job, work)
        future = asyncio.wrap_future(running)
        gone = asyncio.create_task(_disconnect(request))
        try:
            await asyncio.wait((future, gone), return_when=asyncio.FIRST_COMPLETED)
            if not future.done():
                raise ClientGoneError
            return await future
        finally:
            gone.cancel()
            if not running.done():
                job.cancel()
                if running.cancel():  # it was still waiting
                    self._forget(job)
                else:
                    future.add_done_callback(_ignore_error)

    def _admit(self) -> Job:
        with self._guard:
            if self._is_closing:
                raise ProblemError(503, "stopping", "the server is stopping")
            if len(self._jobs) >= self._max_pending:
                raise ProblemError(
                    503,
                    "busy",
                    "too many requests are waiting",
                    headers={"Retry-After": str(BUSY_SECONDS)},
                )
            job = Job()
            self._jobs.add(job)
            return job

    def _begin(self, job: Job, work: Callable[[Job], _Result]) -> _Result:
        try:
            job.check()
            return work(job)
        finally:
            self._forget(job)

    def _forget(self, job: Job) -> None:
        with self._guard:
            self._jobs.discard(job)

    def cancel(self) -> None:
        """Refuse new work and cancel what there is."""
        with self._guard:
            self._is_closing = True
            jobs = list(self._jobs)
        for job in jobs:
            job.cancel()

    def close(self) -> None:
        """Cancel the work and wait until it has ended."""
        self.cancel()
        self._threads.shutdown(wait=True, cancel_futures=True)


async def _disconnect(request: Request) -> None:
    while (await request.receive())["type"] != "http.disconnect":
        pass


def _ignore_error(future: asyncio.Future[_Result]) -> None:
    if not future.cancelled():
        future.exception()
