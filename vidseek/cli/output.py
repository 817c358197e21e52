"""Output formats: JSON, columns for pipes, and lines for people."""

from __future__ import annotations

import contextlib
import json
import logging
import os
import shutil
import sys
import textwrap
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import typer

if TYPE_CHECKING:
    from vidseek.core.types import Video


def print_json(value: Any) -> None:
    """Write a JSON document to stdout, in ASCII so that any terminal and pipe accepts it."""
    typer.echo(json.dumps(value, indent=2, allow_nan=False))


def print_json_line(value: Any) -> None:
    """Write a JSON document on one line, for a command that writes several."""
    typer.echo(json.dumps(value, allow_nan=False))


def say_aside(text: str) -> None:
    """Write a line to stderr.

    Not with ``typer.echo``: it keeps the first stream that it saw, and a progress display, which
    replaces sys.stderr, would erase the line.
    """
    with contextlib.suppress(OSError):
        sys.stderr.write(f"{text}\n")
        sys.stderr.flush()


def print_columns(rows: Iterable[Sequence[object]]) -> None:
    """Write tab-separated columns, one row per line, for a pipe."""
    for row in rows:
        typer.echo("\t".join("" if cell is None else printable(str(cell)) for cell in row))


def is_for_person() -> bool:
    """True if stdout is a terminal."""
    return sys.stdout.isatty()


def styled(text: str, **style: Any) -> str:
    """``text`` in a style, if stdout is a terminal that supports colour."""
    plain = not is_for_person() or "NO_COLOR" in os.environ or os.environ.get("TERM") == "dumb"
    return text if plain else typer.style(text, **style)


def terminal_columns() -> int:
    """Width of the terminal in characters."""
    return shutil.get_terminal_size((100, 24)).columns


def printable(text: str) -> str:
    """``text`` with control characters escaped, so that a file name cannot control the terminal."""
    if text.isprintable():
        return text
    return "".join(
        letter if letter.isprintable() else letter.encode("unicode_escape").decode()
        for letter in text
    )


def shorten(text: str, width: int) -> str:
    """``text`` with its middle left out to fit; more of the end is kept than of the start."""
    if len(text) <= width or width < 8:
        return text
    tail = (width - 1) * 2 // 3
    return f"{text[: width - 1 - tail]}…{text[-tail:]}"


def wrapped(text: str, *, indent: int) -> str:
    """``text`` wrapped and indented to fit the terminal; only indented if there is none."""
    if not is_for_person():
        return " " * indent + text
    space = " " * indent
    return textwrap.fill(
        text,
        terminal_columns(),
        initial_indent=space,
        subsequent_indent=space,
        break_long_words=False,
        break_on_hyphens=False,
    )


def short_path(path: Path) -> str:
    """``path`` relative to the current or home folder if it is inside, else in full."""
    for base, prefix in ((Path.cwd(), ""), (Path.home(), "~/")):
        if path.is_relative_to(base) and path != base:
            return prefix + printable(str(path.relative_to(base)))
    return printable(str(path))


def clock(seconds: float) -> str:
    """``m:ss`` or ``h:mm:ss``, rounded down.

    >>> clock(3723.9)
    '1:02:03'
    """
    whole = int(seconds)
    minutes, rest = divmod(whole, 60)
    if minutes < 60:
        return f"{minutes}:{rest:02d}"
    return f"{minutes // 60}:{minutes % 60:02d}:{rest:02d}"


def span_clock(start_seconds: float, end_seconds: float) -> str:
    """``0:12-0:18``, to the nearest second; at least one second long."""
    start, end = round(start_seconds), round(end_seconds)
    return f"{clock(start)}-{clock(max(end, start + 1))}"


def amount_of_time(seconds: float) -> str:
    """A duration in a readable unit: ``3.2 s``, ``4.5 min``, ``2.1 h``."""
    if seconds < 100:
        return f"{seconds:.1f} s"
    return f"{seconds / 60:.1f} min" if seconds < 6000 else f"{seconds / 3600:.1f} h"


def amount_of_bytes(size: float) -> str:
    """A size in a readable unit: ``512 B``, ``3.4 MB``."""
    for unit in ("B", "kB", "MB", "GB"):
        if size < 1000:
            return f"{size:.0f} {unit}" if unit == "B" else f"{size:.1f} {unit}"
        size /= 1000
    return f"{size:.1f} TB"


@contextlib.contextmanager
def log_without(code: str) -> Iterator[None]:
    """Leave the log records with a code out: their matter is told in the result."""

    def is_other(record: logging.LogRecord) -> bool:
        return getattr(record, "code", None) != code

    handlers = logging.getLogger("vidseek").handlers[:]
    for handler in handlers:
        handler.addFilter(is_other)
    try:
        yield
    finally:
        for handler in handlers:
            handler.removeFilter(is_other)


def counted(count: int, noun: str, plural: str | None = None) -> str:
    """``1 video``, ``3 videos``."""
    return f"{count:,} {noun}" if count == 1 else f"{count:,} {plural or noun + 's'}"


def print_failures(failures: Sequence[tuple[Path, str]]) -> None:
    """Print the files that could not be read, each with the reason."""
    if failures:
        typer.echo("not readable:")
    for path, reason in failures:
        line = f"  {short_path(path)}: {printable(reason)}"
        if is_for_person() and len(line) > terminal_columns():
            line = f"  {short_path(path)}:\n{wrapped(printable(reason), indent=4)}"
        typer.echo(line)


def video_json(video: Video) -> dict[str, Any]:
    """A video as JSON."""
    from datetime import UTC, datetime

    modified = datetime.fromtimestamp(video.modified_ns / 1e9, UTC)
    return {
        "path": str(video.path),
        "state": video.state.value,
        "duration_seconds": round(video.duration_seconds, 3),
        "frame_rate": round(video.frame_rate, 3),
        "width": video.width,
        "height": video.height,
        "codec": video.codec,
        "size_bytes": video.size_bytes,
        "modified": modified.isoformat(timespec="seconds"),
        "content_hash": video.content_hash,
        "damaged": video.damaged,
        "hdr": video.hdr,
        "has_sound": video.has_sound,
        "failure": video.failure,
    }
