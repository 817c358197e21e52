"""How ``search`` and ``similar`` show their hits."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Annotated, Any

import typer

from vidseek.cli import output
from vidseek.cli.hints import with_hint

if TYPE_CHECKING:
    from vidseek.core.types import SearchHit, SearchResult, VideoFilter

AllOption = Annotated[
    bool,
    typer.Option("--all", help="Also show weak matches. JSON output always includes them."),
]


def show_hits(
    hits: SearchResult, where: VideoFilter, *, json: bool, show_all: bool = False
) -> None:
    """Print hits: all of them as JSON, else the confident ones. Warnings go to stderr."""
    for warning in hits.warnings:
        output.say_aside(f"vidseek: {with_hint(warning.message, warning.hint)}")
    if json:
        output.print_json([hit_json(hit) for hit in hits])
        return
    from vidseek.search.moments.confidence import filter_confident

    shown = list(hits) if show_all else filter_confident(hits)
    print_hits(shown)
    if not shown:
        why = _why_nothing_is_shown(hits, where)
        typer.echo(f"no confident match: {why}", err=not output.is_for_person())


def _why_nothing_is_shown(hits: SearchResult, where: VideoFilter) -> str:
    if hits:
        return f"--all shows {output.counted(len(hits), 'weak match', 'weak matches')}"
    return "the library has no videos" if where.is_empty else "no video passes the filters"


def hit_json(hit: SearchHit) -> dict[str, Any]:
    """A hit as JSON."""
    return {
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
    }


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
        if hit.copies:
            files = len({copy.video.path for copy in hit.copies})
            also = f"also in {output.counted(files, 'file')}: --copies lists them"
            typer.echo(output.styled(f"     {also}", dim=True))
        if hit.thumbnail is not None:
            typer.echo(output.styled(f"     {output.short_path(hit.thumbnail)}", dim=True))


def _columns(hit: SearchHit) -> list[object]:
    """The columns of a hit for a pipe."""
    return [value for name, value in hit_json(hit).items() if name != "copies"]
