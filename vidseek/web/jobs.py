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

from vidseek.core.errors import JobCancelledError, PathNotFoundError, VidseekError
from vidseek.core.job import Job, Progress
from vidseek.indexer import IndexProgress, IndexReport
from vidseek.web.priority import yield_processor
from vidseek.web.problems import ProblemError

_logger = logging.getLogger(__name__)

MAX_KEPT = 100
"""Ended jobs that are remembered."""
MAX_WAITING = 20

JobKind = Literal["index", "captions"]
State = Literal["waiting", "running", "done", "failed", "cancelled"]


@dataclass
class LongJob:
    """A long task, from the request to its end."""

    kind: JobKind
    paths: Sequence[Path]
    """What it is about."""
    work: Callable[[Job], IndexReport | None]
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


class LongJobs:
    """The long tasks of a server. Thread-safe."""

    def __init__(self, word: Callable[[VidseekError], str]) -> None:
        """Start without jobs.

        Args:
            word: words an error for clients.
        """
        self._word = word
        self._thread = ThreadPoolExecutor(
            1, thread_name_prefix="vidseek-job", initializer=yield_processor
        )
        self._jobs: OrderedDict[str, LongJob] = OrderedDict()
        self._guard = threading.Lock()
        self._is_closing = False

    def start(
        self,
        kind: JobKind,
        paths: Sequence[Path],
        work: Callable[[Job], IndexReport | None],
    ) -> LongJob:
        """Queue a task.

        Args:
            kind: what it does.
            paths: files and folders that it is about.
            work: does it, with its job, which may be cancelled. An index run returns its report.

        Raises:
            ProblemError: too many wait, or the server is stopping.
        """
        started = LongJob(kind, paths, work)
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

    def all(self) -> list[LongJob]:
        """The jobs, newest first."""
        with self._guard:
            return list(reversed(self._jobs.values()))

    def find(self, job_id: str) -> LongJob:
        """A job.

        Raises:
            PathNotFoundError: no job has that id.
        """
        with self._guard:
            found = self._jobs.get(job_id)
        if found is None:
            raise PathNotFoundError("no job has that id")
        return found

    def cancel(self, job_id: str) -> LongJob:
        """Ask a job to end; what an index run has indexed stays."""
        found = self.find(job_id)
        found.job.cancel()
        if found.future is not None and found.future.cancel():
            self._set_state(found, "cancelled")
        return found

    def forget(self, job_id: str) -> LongJob:
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
        """Wait for the task that is under way."""
        self.stop()
        self._thread.shutdown(wait=True, cancel_futures=True)

    def _note(self, running: LongJob, progress: Progress) -> None:
        running.progress = progress
        running.version += 1

    def _set_state(self, changed: LongJob, state: State) -> None:
        changed.state = state
        changed.version += 1

    def _run(self, running: LongJob) -> None:
        self._set_state(running, "running")
        try:
            running.report = running.work(running.job)
        except JobCancelledError:
            self._set_state(running, "cancelled")
        except VidseekError as error:
            running.problem = self._word(error)
            self._set_state(running, "cancelled" if running.job.is_cancelled else "failed")
        except Exception:
            _logger.exception("job %s", running.id)
            running.problem = "an unexpected error; see the log of the server"
            self._set_state(running, "failed")
        else:
            is_cut = running.report is not None and running.report.interrupted
            self._set_state(running, "cancelled" if is_cut else "done")


def is_indexing(progress: Progress | None) -> IndexProgress | None:
    """The progress of an index run, if it is one."""
    return progress if isinstance(progress, IndexProgress) else None
