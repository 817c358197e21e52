"""Long tasks of a server, run one after another, with progress and cancellation."""

from __future__ import annotations

import logging
import secrets
import threading
import time
from collections import OrderedDict
from collections.abc import Callable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from vidseek.core.errors import PathNotFoundError, VidseekError
from vidseek.core.job import Job, Progress
from vidseek.indexer import IndexProgress, IndexReport
from vidseek.library import Library
from vidseek.web.priority import yield_processor
from vidseek.web.problems import ProblemError

_logger = logging.getLogger(__name__)

MAX_KEPT = 100
"""Ended jobs that are remembered."""
MAX_WAITING = 20
WAIT_SECONDS = 60.0
"""How long a run waits for another process that is indexing."""

State = Literal["waiting", "running", "done", "failed", "cancelled"]


@dataclass
class IndexJob:
    """An index run, from the request to its report."""

    paths: Sequence[Path]
    retry_failed: bool
    id: str = field(default_factory=lambda: secrets.token_hex(6))
    created_seconds: float = field(default_factory=time.time)
    state: State = "waiting"
    progress: Progress | None = None
    report: IndexReport | None = None
    problem: str | None = None
    version: int = 0
    """Counts changes, for those who wait for one."""
    job: Job = field(default_factory=Job)
    future: Future[None] | None = None

    @property
    def has_ended(self) -> bool:
        """True if nothing will change any more."""
        return self.state in {"done", "failed", "cancelled"}


class IndexJobs:
    """The index runs of a server. Thread-safe."""

    def __init__(self, library: Library, word: Callable[[VidseekError], str]) -> None:
        """Start without jobs.

        Args:
            library: what is indexed into.
            word: words an error for clients.
        """
        self._library = library
        self._word = word
        self._thread = ThreadPoolExecutor(
            1, thread_name_prefix="vidseek-index", initializer=yield_processor
        )
        self._jobs: OrderedDict[str, IndexJob] = OrderedDict()
        self._guard = threading.Lock()
        self._is_closing = False

    def start(self, paths: Sequence[Path], *, retry_failed: bool) -> IndexJob:
        """Queue a run.

        Raises:
            ProblemError: too many wait, or the server is stopping.
        """
        started = IndexJob(paths, retry_failed)
        started.job = Job(on_progress=lambda progress: self._note(started, progress))
        with self._guard:
            if self._is_closing:
                raise ProblemError(503, "stopping", "the server is stopping")
            if sum(not each.has_ended for each in self._jobs.values()) >= MAX_WAITING:
                raise ProblemError(503, "busy", "too many jobs wait", headers={"Retry-After": "60"})
            self._jobs[started.id] = started
            ended = [each.id for each in self._jobs.values() if each.has_ended]
            for old in ended[: max(0, len(self._jobs) - MAX_KEPT)]:
                del self._jobs[old]
            started.future = self._thread.submit(self._run, started)
        return started

    def all(self) -> list[IndexJob]:
        """The jobs, newest first."""
        with self._guard:
            return list(reversed(self._jobs.values()))

    def find(self, job_id: str) -> IndexJob:
        """A job.

        Raises:
            PathNotFoundError: no job has that id.
        """
        with self._guard:
            found = self._jobs.get(job_id)
        if found is None:
            raise PathNotFoundError("no job has that id")
        return found

    def cancel(self, job_id: str) -> IndexJob:
        """Ask a job to end; what it has indexed stays."""
        found = self.find(job_id)
        found.job.cancel()
        if found.future is not None and found.future.cancel():
            self._set_state(found, "cancelled")
        return found

    def forget(self, job_id: str) -> IndexJob:
        """Take a job that has ended from the list."""
        found = self.find(job_id)
        with self._guard:
            self._jobs.pop(job_id, None)
        return found

    def stop(self) -> None:
        """Refuse new jobs and cancel those that there are."""
        with self._guard:
            self._is_closing = True
            jobs = [each for each in self._jobs.values() if not each.has_ended]
        for each in jobs:
            self.cancel(each.id)

    def close(self) -> None:
        """Wait for the run that is under way."""
        self.stop()
        self._thread.shutdown(wait=True, cancel_futures=True)

    def _note(self, running: IndexJob, progress: Progress) -> None:
        running.progress = progress
        running.version += 1

    def _set_state(self, changed: IndexJob, state: State) -> None:
        changed.state = state
        changed.version += 1

    def _run(self, running: IndexJob) -> None:
        self._set_state(running, "running")
        try:
            running.report = self._library.index(
                running.paths,
                retry_failed=running.retry_failed,
                wait_seconds=WAIT_SECONDS,
                job=running.job,
            )
        except VidseekError as error:
            running.problem = self._word(error)
            self._set_state(running, "cancelled" if running.job.is_cancelled else "failed")
        except Exception:
            _logger.exception("index job %s", running.id)
            running.problem = "an unexpected error; see the log of the server"
            self._set_state(running, "failed")
        else:
            self._set_state(running, "cancelled" if running.report.interrupted else "done")


def is_indexing(progress: Progress | None) -> IndexProgress | None:
    """The progress of an index run, if it is one."""
    return progress if isinstance(progress, IndexProgress) else None
