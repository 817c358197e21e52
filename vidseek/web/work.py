"""Threads that do the work of requests, bounded, and given up when the client has gone.

result = await pool.run(request, lambda job: library.check(path, job=job))
answer = await pool.run_together(request, options, text, search)
"""

from __future__ import annotations

import asyncio
import threading
from collections import defaultdict, deque
from collections.abc import Callable, Hashable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any, TypeVar

from starlette.requests import Request

from vidseek.core.job import Job
from vidseek.web.problems import ClientGoneError, ProblemError

_Item = TypeVar("_Item")
_Result = TypeVar("_Result")

_Together = Callable[[Sequence[_Item], Job], Sequence[_Result]]

BUSY_SECONDS = 2
"""When a client that was refused may try again."""
MAX_TOGETHER = 16
"""Requests that are worked on together. The first of them waits for the last."""


@dataclass(frozen=True)
class _Waiting:
    """A request that is worked on together with others."""

    job: Job
    item: Any
    result: Future[Any]


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
        self._groups: defaultdict[Hashable, deque[_Waiting]] = defaultdict(deque)
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
        return await self._watched(request, job, running)

    async def run_together(
        self,
        request: Request,
        group: Hashable,
        item: _Item,
        work: _Together[_Item, _Result],
    ) -> _Result:
        """Do the work of requests that wait at the same time at once.

        The request's body must have been read.

        Args:
            request: watched for a disconnect.
            group: requests of equal groups are worked on together.
            item: what the work of this request is about.
            work: takes the items of some requests of the group and a job, which is cancelled when
                all these clients have gone; it returns a result for each item. If it fails, each
                item is tried alone, so that no request gets the error of another.

        Raises:
            ProblemError: too many requests wait, or the server is stopping.
            ClientGoneError: the client disconnected.
        """
        job = self._admit()
        result: Future[_Result] = Future()
        with self._guard:
            self._groups[group].append(_Waiting(job, item, result))
        self._threads.submit(self._begin_together, group, work)
        return await self._watched(request, job, result)

    async def _watched(self, request: Request, job: Job, running: Future[_Result]) -> _Result:
        """Wait for a result or for the client to disconnect."""
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

    def _begin_together(self, group: Hashable, work: _Together[Any, Any]) -> None:
        """Work on the requests of a group that have waited longest, if any are left."""
        taken: list[_Waiting] = []
        with self._guard:
            waiting = self._groups[group]
            while waiting and len(taken) < MAX_TOGETHER:
                each = waiting.popleft()
                if each.result.set_running_or_notify_cancel():
                    taken.append(each)
            if not waiting:
                del self._groups[group]
        if taken:
            self._work_on(taken, work)

    def _work_on(self, taken: Sequence[_Waiting], work: _Together[Any, Any]) -> None:
        together = Job(should_cancel=lambda: all(each.job.is_cancelled for each in taken))
        try:
            together.check()
            results = work([each.item for each in taken], together)
        except BaseException as error:
            if len(taken) == 1:
                self._forget(taken[0].job)
                taken[0].result.set_exception(error)
                return
            for each in taken:
                self._work_on([each], work)
        else:
            for each, result in zip(taken, results, strict=True):
                self._forget(each.job)
                each.result.set_result(result)

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
        for waiting in self._groups.values():
            for each in waiting:
                each.result.cancel()


async def _disconnect(request: Request) -> None:
    while (await request.receive())["type"] != "http.disconnect":
        pass


def _ignore_error(future: asyncio.Future[_Result]) -> None:
    if not future.cancelled():
        future.exception()
