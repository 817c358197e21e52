"""Long commands: the progress bar on stderr, and Ctrl-C as a request to stop.

with ShellJob() as job:
    library.compare_new_videos(job=job)

The first Ctrl-C (or SIGTERM) cancels the job, which ends at the next safe point; the second ends
the process at once. A cancelled job exits with 130 (143 after SIGTERM).
"""

from __future__ import annotations

import os
import signal
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from types import FrameType, TracebackType
from typing import TYPE_CHECKING, Any, Self

from vidseek.cli.errors import StoppedError
from vidseek.cli.output import amount_of_time, clock, say_aside, short_path, shorten
from vidseek.core.errors import JobCancelledError
from vidseek.core.job import Job, Progress

if TYPE_CHECKING:
    from rich.console import RenderableType
    from rich.live import Live


LINE_EVERY_SECONDS = 15.0
"""How often progress is written where stderr is not a terminal."""
DISPLAY_AFTER_SECONDS = 0.5
"""A job that ends sooner shows no progress on a terminal."""
DETAIL_COLUMNS = 78


@dataclass(frozen=True)
class ProgressLine:
    """How one progress report is shown."""

    text: str
    share: float | None = None
    """Part of the work that is done, 0 to 1; None if unknown."""
    detail: str = ""
    """A second line, for the live display only."""
    lasting: bool = False
    """Write it at once, and leave it on the screen."""


def describe_progress(progress: Progress) -> ProgressLine:
    """Stage and count of any job: ``comparing copies, 12/80 videos``."""
    count = f"{progress.done:,}"
    share = None
    if progress.total is not None:
        count += f"/{progress.total:,}"
        share = progress.done / progress.total if progress.total else 1.0
    return ProgressLine(f"{progress.stage}, {count} {progress.unit}".rstrip(), share)


def time_left(seconds: float) -> str:
    """``3:20 left``; an estimate of no time at all is not said: finishing takes some."""
    return f"{clock(seconds)} left" if seconds >= 1 else "finishing"


def describe_indexing(progress: Progress) -> ProgressLine:
    """Files, length of video, speed and time left."""
    from vidseek.indexer import IndexProgress

    if not isinstance(progress, IndexProgress):
        return describe_progress(progress)
    parts = [
        f"{progress.done:,}/{progress.total:,} files",
        f"{amount_of_time(progress.video_seconds)} of video",
    ]
    if progress.video_seconds > 0:
        parts.append(f"{progress.realtime_factor:.0f}x realtime")
    if progress.eta_seconds is not None:
        parts.append(time_left(progress.eta_seconds))
    if progress.failed:
        parts.append(f"{progress.failed:,} failed")
    return ProgressLine(
        ", ".join(parts),
        share=progress.bytes_done / progress.bytes_total if progress.bytes_total else 0.0,
        detail="" if progress.current is None else short_path(progress.current),
    )


class ShellJob(Job):
    """A job of the command line; use it as a context manager around the call.

    On a terminal progress is a live display; elsewhere, a line now and then.
    """

    def __init__(
        self,
        describe: Callable[[Progress], ProgressLine] = describe_progress,
        *,
        opening: str = "",
    ) -> None:
        """Make a job.

        Args:
            describe: words a progress report.
            opening: shown at once, before the first report.
        """
        super().__init__(on_progress=self._show)
        self._describe = describe
        self._line = ProgressLine(opening)
        self._signal: int | None = None
        self._handlers: dict[int, Any] = {}
        self._live: Live | None = None
        self._is_terminal = sys.stderr.isatty() and os.environ.get("TERM") != "dumb"
        self._started = self._shown = time.monotonic()

    @property
    def exit_code(self) -> int:
        """Exit code of a cancelled job: 128 and the signal's number, as shells do."""
        return 128 + (self._signal or signal.SIGINT)

    def __enter__(self) -> Self:
        for number in (signal.SIGINT, signal.SIGTERM):
            self._handlers[number] = signal.signal(number, self._receive)
        self._started = self._shown = time.monotonic()
        if self._line.text and self._is_terminal:
            self._start_display()
        return self

    def __exit__(
        self,
        error_type: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        if self._live is not None:
            self._live.stop()
        for number, handler in self._handlers.items():
            signal.signal(number, handler)
        if isinstance(error, JobCancelledError):
            raise StoppedError(self.exit_code) from error

    def _receive(self, number: int, frame: FrameType | None) -> None:
        if self._signal is not None:
            signal.signal(number, lambda *_: os._exit(128 + number))
            raise KeyboardInterrupt
        self._signal = number
        self.cancel()
        say_aside("vidseek: stopping; Ctrl-C again stops at once")

    def _show(self, progress: Progress) -> None:
        self._line = line = self._describe(progress)
        now = time.monotonic()
        waits = not self._is_terminal and now - self._shown >= LINE_EVERY_SECONDS
        if line.lasting or waits:
            self._shown = now
            say_aside(f"vidseek: {line.text}")
        if self._is_terminal and self._live is None and now - self._started > DISPLAY_AFTER_SECONDS:
            self._start_display()

    def _start_display(self) -> None:
        from rich.console import Console
        from rich.live import Live

        # stdout is left alone: --json must stay pure, and nothing is written there while this runs.
        self._live = Live(
            get_renderable=self._render,
            console=Console(stderr=True),
            transient=True,
            redirect_stdout=False,
            refresh_per_second=5,
        )
        self._live.start()

    def _render(self) -> RenderableType:
        from rich.console import Group
        from rich.progress_bar import ProgressBar
        from rich.table import Table
        from rich.text import Text

        line = self._line
        if line.share is None:
            return Text(line.text)
        row = Table.grid(padding=(0, 2))
        row.add_row(ProgressBar(total=1.0, completed=min(line.share, 1.0), width=20), line.text)
        if not line.detail:
            return row
        detail = shorten(line.detail, DETAIL_COLUMNS)
        return Group(row, Text(detail, style="dim", no_wrap=True, overflow="ellipsis"))
