"""JSON, CSV and M3U."""

from __future__ import annotations

import csv
import io
import json
import os
from collections.abc import Sequence
from pathlib import Path

from vidseek.core.paths import absolute_path
from vidseek.exports.formats import one_line
from vidseek.exports.moments import Moment

COLUMNS = (
    "number",
    "name",
    "path",
    "start",
    "end",
    "start_seconds",
    "end_seconds",
    "score",
    "confidence",
    "labels",
)
_FORMULA_STARTS = ("=", "+", "-", "@", "\t", "\r")


def to_json(moments: Sequence[Moment]) -> bytes:
    """The list that ``search --json`` prints, without copies."""
    return (json.dumps([each.to_json() for each in moments], indent=2) + "\n").encode()


def to_csv(moments: Sequence[Moment]) -> bytes:
    """A table with a header (RFC 4180).

    Text that a spreadsheet would compute as a formula gets an apostrophe in front.
    """
    text = io.StringIO(newline="")
    table = csv.writer(text)
    table.writerow(COLUMNS)
    for number, moment in enumerate(moments, 1):
        table.writerow(
            [
                number,
                _cell(moment.path.name),
                _cell(str(moment.path)),
                _clock(moment.start_seconds),
                _clock(moment.end_seconds),
                f"{moment.start_seconds:.3f}",
                f"{moment.end_seconds:.3f}",
                "" if moment.score is None else f"{moment.score:.6f}",
                "" if moment.confidence is None else f"{moment.confidence:.4f}",
                _cell("; ".join(moment.labels)),
            ]
        )
    return text.getvalue().encode("utf-8", "backslashreplace")


def _cell(text: str) -> str:
    # Spreadsheets skip spaces before a formula.
    return f"'{text}" if text.lstrip(" \n").startswith(_FORMULA_STARTS) else text


def _clock(seconds: float) -> str:
    milliseconds = round(seconds * 1000)
    minutes, rest = divmod(milliseconds, 60_000)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02d}:{rest // 1000:02d}.{rest % 1000:03d}"


def to_m3u(moments: Sequence[Moment], title: str, handles_seconds: float) -> bytes:
    """An extended M3U playlist in UTF-8; VLC plays each moment from its start to its end."""
    lines = ["#EXTM3U", f"#PLAYLIST:{one_line(title)}"]
    for moment in moments:
        start = max(0.0, moment.start_seconds - handles_seconds)
        end = moment.end_seconds + handles_seconds
        lines += [
            f"#EXTINF:{max(1, round(end - start))},{one_line(moment.path.name)}",
            f"#EXTVLCOPT:start-time={start:.3f}",
            f"#EXTVLCOPT:stop-time={end:.3f}",
            _location(moment.path),
        ]
    return ("\n".join(lines) + "\n").encode()


def _location(path: Path) -> str:
    """The path; a file URI where a line of text cannot hold it."""
    text = str(absolute_path(path))
    is_plain = text.isprintable() and text == text.strip() and os.fsencode(path).isascii()
    return text if is_plain else absolute_path(path).as_uri()
