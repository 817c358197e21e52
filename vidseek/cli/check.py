"""``vidseek check``: detect whether a video is a copy of one in the library."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from vidseek.cli import output
from vidseek.cli.exit_codes import EXIT_COPY
from vidseek.cli.jobs import ShellJob
from vidseek.cli.options import JsonOption, LibraryOption, open_library

if TYPE_CHECKING:
    from vidseek.core.types import CopyVerdict, Match

FEW_FRAMES = 5
"""Two seconds of video. Fewer frames are too little evidence for "new"."""
TIMELINE_COLUMNS = 40
_SAYINGS = {
    "exact": "the same file as",
    "duplicate": "a copy of",
    "contains": "contains all of",
    "contained": "is a part of",
    "partial": "shares a part with",
}


def check(
    ctx: typer.Context,
    file: Annotated[Path, typer.Argument(metavar="FILE", help="The video to check.")],
    threshold: Annotated[
        Literal["strict", "normal", "loose"],
        typer.Option(
            metavar="strict|normal|loose",
            help="Match strictness. See docs/how-to/check-uploads.md for error rates.",
        ),
    ] = "normal",
    min_score: Annotated[
        float | None,
        typer.Option(
            "--min-score",
            metavar="SCORE",
            min=0.0,
            max=1.0,
            help="Also list matches scoring at least this; 0 lists all candidates.",
        ),
    ] = None,
    library: LibraryOption = None,
    json: JsonOption = False,
) -> None:
    """Check whether a video is a copy of one in the library.

    Lists every library video that it matches, with the matching seconds on both sides. Nothing is
    added to the library. Exit code 0: new; 10: a copy or a shared part; 1: the file cannot be
    read.

    \b
    Example: vidseek check upload.mp4 --threshold strict
    """
    from vidseek.search.copies.upload import decoding_ahead

    with decoding_ahead(file), open_library(ctx, library) as opened, ShellJob() as job:
        verdict = opened.check(file, threshold=threshold, min_score=min_score, job=job)
    doubt = _doubt(verdict)
    if json:
        if doubt:
            typer.echo(f"{file}: {doubt}", err=True)
        output.print_json(
            {"verdict": verdict.kind, "matches": [_match_json(one) for one in verdict.matches]}
        )
    elif not verdict.matches:
        message = f"new: no match in the library{doubt and f'; {doubt}'}"
        typer.echo(message, err=not output.is_for_person())
    elif output.is_for_person():
        _print_verdict(verdict)
    else:
        output.print_columns(
            (
                one.video.path,
                one.kind,
                f"{one.score:.3f}",
                f"{one.query_span.start_seconds:.2f}",
                f"{one.query_span.end_seconds:.2f}",
                f"{one.library_span.start_seconds:.2f}",
                f"{one.library_span.end_seconds:.2f}",
            )
            for one in verdict.matches
        )
    if verdict.kind != "new":
        raise typer.Exit(EXIT_COPY)


def _doubt(verdict: CopyVerdict) -> str:
    """Why "new" says little about this upload; empty if it can be trusted."""
    count = verdict.compared_frames
    if verdict.kind != "new" or count >= FEW_FRAMES:
        return ""
    if count == 0:
        return "but no frame could be compared: each is a single colour"
    return f"but only {output.counted(count, 'frame')} could be compared, too few to be sure"


def _match_json(match: Match) -> dict[str, object]:
    return {
        "path": str(match.video.path),
        "kind": match.kind,
        "score": round(match.score, 4),
        "query_start_seconds": round(match.query_span.start_seconds, 3),
        "query_end_seconds": round(match.query_span.end_seconds, 3),
        "library_start_seconds": round(match.library_span.start_seconds, 3),
        "library_end_seconds": round(match.library_span.end_seconds, 3),
        "speed": None if match.speed is None else round(match.speed, 3),
        "mirrored": match.mirrored,
    }


def _print_verdict(verdict: CopyVerdict) -> None:
    by_video: dict[int, list[Match]] = {}
    for match in verdict.matches:
        by_video.setdefault(match.video.id, []).append(match)
    if verdict.kind == "new":
        typer.echo("new: no match reaches the threshold; listed because of --min-score:")
    for matches in by_video.values():
        first = matches[0]
        what = output.styled(_SAYINGS[first.kind], bold=True)
        typer.echo(f"{what} {output.short_path(first.video.path)}")
        for match in sorted(matches, key=lambda one: one.query_span):
            here, there = match.query_span, match.library_span
            speed = 1.0 if match.speed is None else match.speed
            notes = [] if abs(abs(speed) - 1) < 0.03 else [f"speed x{abs(speed):.2f}"]
            notes += ["reversed"] if speed < 0 else []
            notes += ["mirrored"] if match.mirrored else []
            typer.echo(
                f"  {_timeline(here.start_seconds, here.end_seconds, verdict.query_seconds)} "
                f"{output.span_clock(here.start_seconds, here.end_seconds)} shows "
                f"{output.span_clock(there.start_seconds, there.end_seconds)}"
                f"{', ' if notes else ''}{', '.join(notes)}  ({match.score:.2f})"
            )


def _timeline(start_seconds: float, end_seconds: float, length_seconds: float) -> str:
    """A bar as long as the upload, with the matching part filled."""
    scale = TIMELINE_COLUMNS / max(length_seconds, 1e-6)
    first = min(int(start_seconds * scale), TIMELINE_COLUMNS - 1)
    last = max(first + 1, min(round(end_seconds * scale), TIMELINE_COLUMNS))
    return "·" * first + "█" * (last - first) + "·" * (TIMELINE_COLUMNS - last)
