"""What ``vidseek index`` shows while it works, and how Ctrl-C stops it."""

from __future__ import annotations

import contextlib
import os
import signal
import sys
import time
from collections.abc import Iterator
from types import FrameType
from typing import TYPE_CHECKING

from vidseek.cli.output import amount_of_time, clock, say_aside, short_path, shorten

if TYPE_CHECKING:
    from rich.console import RenderableType

    from vidseek.core.job import Progress

LINE_EVERY_SECONDS = 15.0
"""How often a run without a terminal says where it is."""


class StopRequest:
    """Turns the first Ctrl-C into a request to stop and the second into an immediate end.

    >>> with StopRequest() as stop:
    ...     stop.wanted()
    False
    """

    def __init__(self) -> None:
        self.signal: int | None = None
        self._before: dict[int, object] = {}

    def __enter__(self) -> StopRequest:
        for number in (signal.SIGINT, signal.SIGTERM):
            self._before[number] = signal.signal(number, self._receive)
        return self

    def __exit__(self, *_: object) -> None:
        for number, handler in self._before.items():
            signal.signal(number, handler)  # type: ignore[arg-type]

    def wanted(self) -> bool:
        """True once someone asked to stop."""
        return self.signal is not None

    @property
    def exit_code(self) -> int:
        """128 and the signal's number, as shells do."""
        return 128 + (self.signal or signal.SIGINT)

    def _receive(self, number: int, frame: FrameType | None) -> None:
        if self.signal is not None:
            signal.signal(number, lambda *_: os._exit(128 + number))
            raise KeyboardInterrupt
        self.signal = number
        say_aside("vidseek: stopping; what is complete is kept. Ctrl-C again stops at once")


class ProgressLines:
    """Progress for a log or a pipe: one line now and then."""

    def __init__(self) -> None:
        self._last = time.monotonic()

    def __call__(self, progress: Progress) -> None:
        """Take note of where the run is."""
        now = time.monotonic()
        if now - self._last >= LINE_EVERY_SECONDS:
            self._last = now
            say_aside(f"vidseek: {describe(progress)}")


class ProgressDisplay:
    """Progress for a person: a bar, the figures, and the file in hand."""

    def __init__(self) -> None:
        self._progress: Progress | None = None

    def __call__(self, progress: Progress) -> None:
        """Take note of where the run is."""
        self._progress = progress

    def __rich__(self) -> RenderableType:
        from rich.console import Group
        from rich.progress_bar import ProgressBar
        from rich.table import Table
        from rich.text import Text

        progress = self._progress
        if progress is None:
            return Text("looking for videos ...")
        from vidseek.indexer import IndexProgress

        current, share = None, progress.done / progress.total if progress.total else 0.0
        if isinstance(progress, IndexProgress):
            current = progress.current
            share = progress.bytes_done / progress.bytes_total if progress.bytes_total else 0.0
        row = Table.grid(padding=(0, 2))
        row.add_row(ProgressBar(total=1.0, completed=min(share, 1.0), width=20), describe(progress))
        name = "" if current is None else short_path(current)
        return Group(row, Text(shorten(name, 78), style="dim", no_wrap=True, overflow="ellipsis"))


def describe(progress: Progress) -> str:
    """Files, amount of video, speed and time left, in one line."""
    from vidseek.indexer import IndexProgress

    total = "" if progress.total is None else f"/{progress.total:,}"
    parts = [f"{progress.done:,}{total} {progress.unit}"]
    if not isinstance(progress, IndexProgress):
        return parts[0]
    parts.append(f"{amount_of_time(progress.video_seconds)} of video")
    if progress.video_seconds > 0:
        parts.append(f"{progress.realtime_factor:.0f}x realtime")
    if progress.eta_seconds is not None:
        parts.append(f"{clock(progress.eta_seconds)} left")
    if progress.failed:
        parts.append(f"{progress.failed:,} not readable")
    return ", ".join(parts)


@contextlib.contextmanager
def shown_progress() -> Iterator[ProgressLines | ProgressDisplay]:
    """A receiver of progress that suits stderr: a live display on a terminal, lines elsewhere."""
    if not sys.stderr.isatty() or os.environ.get("TERM") == "dumb":
        yield ProgressLines()
        return
    from rich.console import Console
    from rich.live import Live

    display = ProgressDisplay()
    # stdout is left alone: --json must stay pure, and nothing is written there while this runs.
    with Live(
        get_renderable=display.__rich__,
        console=Console(stderr=True),
        transient=True,
        redirect_stdout=False,
        refresh_per_second=5,
    ):
        yield display
