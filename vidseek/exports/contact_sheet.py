"""A contact sheet: an HTML page with the hits of several queries.

The page is a single file with its pictures embedded. It loads nothing, runs no script, and follows
the light or dark theme.

write_contact_sheet(Path("sheet.html"), title="Holiday", rows=[SheetRow("a dog on a beach", hits)])
"""

from __future__ import annotations

import base64
import contextlib
from collections.abc import Sequence
from dataclasses import dataclass
from html import escape
from pathlib import Path

from vidseek.core.types import SearchHit
from vidseek.exports.files import write_atomically
from vidseek.exports.moments import Moment


@dataclass(frozen=True)
class SheetRow:
    """A query and its hits."""

    query: str
    """The query as text."""
    hits: Sequence[SearchHit | Moment]
    """Best first; empty shows "no confident match"."""
    note: str = ""
    """A remark under the query."""
    picture: bytes | None = None
    """JPEG of a query picture or video."""


def write_contact_sheet(
    path: Path, *, title: str, rows: Sequence[SheetRow], subtitle: str = ""
) -> None:
    """Write the page atomically.

    Raises:
        OSError: the page cannot be written.
    """
    page = render_contact_sheet(title=title, rows=rows, subtitle=subtitle)
    # A path that is not valid Unicode gets replacement characters; the page stays UTF-8.
    path.parent.mkdir(parents=True, exist_ok=True)
    write_atomically(path, page.encode("utf-8", "replace"))


def render_contact_sheet(*, title: str, rows: Sequence[SheetRow], subtitle: str = "") -> str:
    """Render the page; all texts given to it are escaped."""
    return _PAGE.format(
        title=escape(title),
        subtitle=escape(subtitle),
        style=_STYLE,
        rows="\n".join(_row(row) for row in rows),
    )


def _row(row: SheetRow) -> str:
    asked = ""
    if row.picture is not None:
        asked = f'<img class="asked" src="{_data_uri(row.picture)}" alt="The query">'
    note = f'<p class="note">{escape(row.note)}</p>' if row.note else ""
    if row.hits:
        body = f'<ol class="hits">{"".join(_card(Moment.of(hit)) for hit in row.hits)}</ol>'
    else:
        body = '<p class="none">No confident match.</p>'
    heading = f"<header>{asked}<div><h2>{escape(row.query)}</h2>{note}</div></header>"
    return f"<section>{heading}{body}</section>"


_JPEG_START = b"\xff\xd8"


def _card(moment: Moment) -> str:
    start, end = moment.start_seconds, moment.end_seconds
    picture = '<span class="blank">no picture</span>'
    if moment.thumbnail is not None:
        with contextlib.suppress(OSError):
            if (jpeg := moment.thumbnail.read_bytes()).startswith(_JPEG_START):
                source = _data_uri(jpeg)
                picture = f'<img src="{source}" alt="Frame of {escape(moment.path.name)}">'
    if moment.confidence is None and moment.score is None:
        meter = ""
    elif moment.confidence is None:
        meter = f'<span class="score">score {moment.score:.2f}</span>'
    else:
        percent = round(moment.confidence * 100)
        meter = (
            f'<span class="meter" aria-hidden="true"><i style="width:{percent}%"></i></span>'
            f'<span class="score">{percent}%</span>'
        )
    # A media fragment: browsers that can play the file start at this moment.
    link = escape(_file_uri(moment.path) + f"#t={start:.2f},{end:.2f}")
    return (
        f'<li><a href="{link}" title="{escape(str(moment.path))}">'
        f'<span class="frame">{picture}<b>{_clock(start)}&ndash;{_clock(end)}</b></span>'
        f'<span class="name">{escape(moment.path.name)}</span>'
        f'<span class="sure">{meter}</span></a></li>'
    )


def _data_uri(jpeg: bytes) -> str:
    return f"data:image/jpeg;base64,{base64.b64encode(jpeg).decode()}"


def _file_uri(path: Path) -> str:
    return path.absolute().as_uri()


def _clock(seconds: float) -> str:
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02d}:{rest:02d}" if hours else f"{minutes}:{rest:02d}"


_STYLE = """
:root {
  color-scheme: light dark;
  --paper: #fbfaf7; --card: #ffffff; --ink: #1d1f23; --soft: #646a73; --line: #e4e1da;
  --accent: #1f7a5a;
}
@media (prefers-color-scheme: dark) {
  :root {
    --paper: #16181c; --card: #1f2228; --ink: #e9e8e4; --soft: #9aa0aa; --line: #30343c;
    --accent: #55c39a;
  }
}
* { box-sizing: border-box; }
body {
  margin: 0 auto; max-width: 1180px; padding: 40px 24px 64px; background: var(--paper);
  color: var(--ink); font: 15px/1.5 system-ui, -apple-system, "Segoe UI", sans-serif;
}
h1 { margin: 0; font-size: 28px; letter-spacing: -0.02em; }
.subtitle { margin: 4px 0 0; color: var(--soft); }
section { margin-top: 28px; padding-top: 22px; border-top: 1px solid var(--line); }
header { display: flex; gap: 14px; align-items: center; margin-bottom: 14px; }
h2 { margin: 0; font-size: 18px; overflow-wrap: anywhere; }
.note, .none { margin: 2px 0 0; color: var(--soft); font-size: 14px; }
.asked { height: 64px; border-radius: 6px; border: 2px solid var(--accent); }
.hits {
  display: grid; grid-template-columns: repeat(auto-fill, minmax(170px, 1fr)); gap: 14px;
  margin: 0; padding: 0; list-style: none;
}
.hits a {
  display: block; height: 100%; color: inherit; text-decoration: none; background: var(--card);
  border: 1px solid var(--line); border-radius: 10px; overflow: hidden;
}
.hits a:hover, .hits a:focus-visible { border-color: var(--accent); outline: none; }
.frame { position: relative; display: block; aspect-ratio: 16 / 9; background: #000; }
.frame img { width: 100%; height: 100%; object-fit: contain; display: block; }
.blank { position: absolute; inset: 40% 0 auto; text-align: center; color: #9aa0aa; }
.frame b {
  position: absolute; right: 6px; bottom: 6px; padding: 0 6px; border-radius: 4px;
  background: rgb(0 0 0 / 72%); color: #fff; font-size: 12px; font-weight: 600;
  font-variant-numeric: tabular-nums;
}
.name {
  display: block; padding: 8px 10px 0; font-weight: 600; font-size: 14px;
  overflow: hidden; text-overflow: ellipsis; white-space: nowrap;
}
.sure { display: flex; align-items: center; gap: 8px; padding: 2px 10px 10px; }
.score { color: var(--soft); font-size: 13px; font-variant-numeric: tabular-nums; }
.meter { flex: 1; height: 4px; border-radius: 2px; background: var(--line); overflow: hidden; }
.meter i { display: block; height: 100%; background: var(--accent); }
footer { margin-top: 40px; color: var(--soft); font-size: 13px; }
"""

_PAGE = """<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta http-equiv="Content-Security-Policy"
  content="default-src 'none'; img-src data:; style-src 'unsafe-inline'">
<title>{title}</title>
<style>{style}</style>
</head>
<body>
<h1>{title}</h1>
<p class="subtitle">{subtitle}</p>
{rows}
<footer>Made by vidseek. Click a picture to open the video at that moment.</footer>
</body>
</html>
"""
