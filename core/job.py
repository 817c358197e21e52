"""Progress and cancellation of one long call, passed as a single argument.

    job = Job(on_progress=lambda progress: print(progress.done, "of", progress.total))
    library.compare_new_videos(job=job)  # in a thread
    job.cancel()                         # from any other thread

Every long call takes ``job: Job | None``. It calls ``report`` regularly and ``check`` between units
of work. Calls with a useful partial result (``index``, ``add_model``) end early and say so in
their report; the others raise ``JobCancelledError``.
"""

from __future__ import annotations

import math
import threading
from collections.abc import Callable
from dataclasses import dataclass

from vidseek.core import arguments
from vidseek.core.errors import JobCancelledError


@dataclass(frozen=True, kw_only=True)
class Progress:
    """How far a job has come. Jobs that know more report a subclass."""

    stage: str
    """What is being done: ``indexing``, ``comparing copies``."""
    done: int
    """Units done."""
    total: int | None = None
    """Units in all, or None if unknown."""
    unit: str = ""
    """What is counted, plural: ``files``, ``queries``."""


class Job:
    """Progress reports and cancellation of a long call. Thread-safe."""

    def __init__(
        self,
        *,
        on_progress: Callable[[Progress], None] | None = None,
        should_cancel: Callable[[], bool] | None = None,
    ) -> None:
        """Make a job.

        Args:
            on_progress: called from the working thread with each report.
            should_cancel: asked between units of work, besides ``cancel``.
        """
        arguments.function(on_progress, "on_progress")
        arguments.function(should_cancel, "should_cancel")
        self._on_progress = on_progress
        self._should_cancel = should_cancel
        self._cancelled = threading.Event()

    @property
    def is_cancelled(self) -> bool:
        """True once the caller asked to cancel."""
        if self._should_cancel is not None and self._should_cancel():
            self._cancelled.set()
        return self._cancelled.is_set()

    @property
    def seconds_left(self) -> float:
        """Time until the job has to end; infinite unless it has a deadline."""
        return math.inf

    def cancel(self) -> None:
        """Ask the call to end soon. Safe from any thread."""
        self._cancelled.set()

    def report(self, progress: Progress) -> None:
        """Report progress to the caller."""
        if self._on_progress is not None:
            self._on_progress(progress)

    def check(self) -> None:
        """Continue, or stop here.

        Raises:
            JobCancelledError: the caller cancelled.
        """
        if self.is_cancelled:
            raise JobCancelledError("cancelled")


def check_job(job: object) -> None:
    """Refuse what is neither a job nor None.

    Raises:
        TypeError: it is something else.
    """
    if job is not None:
        arguments.instance(job, Job, "job")
