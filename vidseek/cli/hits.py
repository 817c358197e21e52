"""How ``search`` and ``similar`` show their hits."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from vidseek.cli import output
from vidseek.cli.hints import with_hint
from vidseek.cli.last_search import remember_hits

if TYPE_CHECKING:
    from vidseek.core.types import SearchHit, SearchResult, SearchWarning, VideoFilter

_NOTHING_FOUND = frozenset({"empty_library", "no_sequence"})
"""Codes of warnings that say why there is no hit."""

AllOption = Annotated[
    bool,
    typer.Option("--all", help="Also show weak matches. JSON output always includes them."),
]
SheetOption = Annotated[
    Path | None,
    typer.Option(
        "--sheet", metavar="FILE.html", help="Also write a page with the pictures of the hits."
    ),
]


def show_hits(
    hits: SearchResult,
    where: VideoFilter,
    *,
    folder: Path,
    json: bool,
    show_all: bool = False,
    sheet: Path | None = None,
    title: str = "",
) -> None:
    """Print hits: all of them as JSON, else the confident ones. Warnings go to stderr.

    Args:
        hits: what was found.
        where: the filter, to say why nothing was.
        folder: the library's, where the numbered hits are remembered for ``vidseek open``.
        json: print JSON.
        show_all: also weak hits.
        sheet: a contact sheet to write.
        title: its title.
    """
    reason = next((each for each in hits.warnings if each.code in _NOTHING_FOUND), None)
    for warning in hits.warnings:
        # The answer for a person names the reason itself.
        if json or warning is not reason:
            output.say_aside(f"vidseek: {with_hint(warning.message, warning.hint)}")
    if json:
        output.print_json([hit_json(hit) for hit in hits])
        remember_hits(folder, hits)
        if sheet is not None:
            _write_sheet(sheet, title, hits_to_show(hits, show_all=show_all))
        return
    shown = hits_to_show(hits, show_all=show_all)
    print_hits(shown)
    remember_hits(folder, shown)
    if sheet is not None:
        _write_sheet(sheet, title, shown)
    if not shown:
        why = _why_nothing_is_shown(hits, where, reason)
        typer.echo(f"no confident match: {why}", err=not output.is_for_person())


def hits_to_show(hits: SearchResult, *, show_all: bool) -> list[SearchHit]:
    """The confident hits, or all."""
    from vidseek.search.moments.confidence import filter_confident

    return list(hits) if show_all else list(filter_confident(hits))


def _write_sheet(file: Path, title: str, hits: Sequence[SearchHit]) -> None:
    from vidseek.exports.contact_sheet import SheetRow, write_contact_sheet

    write_contact_sheet(file, title=title, rows=[SheetRow(title, hits)])
    output.say_aside(f"vidseek: wrote {output.short_path(file.absolute())}")


def _why_nothing_is_shown(
    hits: SearchResult, where: VideoFilter, reason: SearchWarning | None
) -> str:
    if hits:
        return f"--all shows {output.counted(len(hits), 'weak match', 'weak matches')}"
    if reason is not None:
        return with_hint(reason.message, reason.hint)
    return "the library has no videos" if where.is_empty else "no video passes the filters"


def hit_json(hit: SearchHit) -> dict[str, Any]:
    """A hit as JSON; the steps are there if it is a sequence."""
    document: dict[str, Any] = {
        "path": str(hit.video.path),
        "start_seconds": round(hit.span.start_seconds, 3),
        "end_seconds": round(hit.span.end_seconds, 3),
        "score": round(hit.score, 6),
        "confidence": None if hit.confidence is None else round(hit.confidence, 4),
        "thumbnail": None if hit.thumbnail is None else str(hit.thumbnail),
        "copies": [
            {
                "path": str(copy.video.path),
                "start_seconds": round(copy.span.start_seconds, 3),
                "end_seconds": round(copy.span.end_seconds, 3),
            }
            for copy in hit.copies
        ],
        "labels": list(hit.labels),
    }
    if hit.steps:
        document["steps"] = [
            {
                "start_seconds": round(step.start_seconds, 3),
                "end_seconds": round(step.end_seconds, 3),
            }
            for step in hit.steps
        ]
    return document


def print_hits(hits: Sequence[SearchHit]) -> None:
    """Write hits, best first: two lines each for a person, tab-separated columns for a pipe."""
    if not output.is_for_person():
        output.print_columns((rank, *_columns(hit)) for rank, hit in enumerate(hits, 1))
        return
    times = [output.span_clock(hit.span.start_seconds, hit.span.end_seconds) for hit in hits]
    wide = max(map(len, times), default=0)
    for rank, (hit, time) in enumerate(zip(hits, times, strict=True), 1):
        sure = f"{hit.score:.3f}" if hit.confidence is None else f"{hit.confidence:.0%}"
        lead = f"{rank:>3}  {sure:>5}  {time:<{wide}}  "
        name = output.shorten(
            output.short_path(hit.video.path), output.terminal_columns() - len(lead)
        )
        typer.echo(
            f"{rank:>3}  {output.styled(f'{sure:>5}', fg='green')}  {time:<{wide}}  "
            f"{output.styled(name, bold=True)}"
        )
        if hit.steps:
            clocks = (output.span_clock(step.start_seconds, step.end_seconds) for step in hit.steps)
            typer.echo(output.styled(f"     {', then '.join(clocks)}", dim=True))
        if hit.labels:
            labels = output.printable(", ".join(hit.labels))
            typer.echo(output.styled(f"     {labels}", dim=True))
        if hit.copies:
            files = len({copy.video.path for copy in hit.copies})
            also = f"also in {output.counted(files, 'file')}: --copies lists them"
            typer.echo(output.styled(f"     {also}", dim=True))
        if hit.thumbnail is not None:
            typer.echo(output.styled(f"     {output.short_path(hit.thumbnail)}", dim=True))


def _columns(hit: SearchHit) -> list[object]:
    """The columns of a hit for a pipe."""
    document = hit_json(hit)
    return [document[name] for name in document if name not in ("copies", "labels", "steps")]
