"""``vidseek check``: detect whether a video is a copy of one in the library."""

from __future__ import annotations

import math
import os
import sys
from collections.abc import Iterable, Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from vidseek.cli import output
from vidseek.cli.errors import failure_of
from vidseek.cli.exit_codes import EXIT_COPY, EXIT_ERROR
from vidseek.cli.jobs import ShellJob
from vidseek.cli.options import JsonOption, LibraryOption, YesOption, open_library
from vidseek.cli.values import number_between, one_of, parse_timeout
from vidseek.figures import match_figures

if TYPE_CHECKING:
    from vidseek.core.errors import VidseekError
    from vidseek.core.types import CopyVerdict, Match
    from vidseek.library import Library

STANDARD_INPUT = Path("-")
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
    files: Annotated[
        list[Path],
        typer.Argument(
            metavar="FILE",
            readable=False,
            help="The videos to check; - reads paths from standard input, one per line.",
        ),
    ],
    threshold: Annotated[
        Literal["strict", "normal", "loose"],
        typer.Option(
            metavar="strict|normal|loose",
            parser=one_of("strict", "normal", "loose"),
            help="Match strictness. See docs/how-to/check-uploads.md for error rates.",
        ),
    ] = "normal",
    min_score: Annotated[
        float | None,
        typer.Option(
            "--min-score",
            metavar="SCORE",
            parser=number_between(0, 1),
            help="Also list matches scoring at least this; 0 lists all candidates.",
        ),
    ] = None,
    except_paths: Annotated[
        list[Path] | None,
        typer.Option(
            "--except",
            metavar="PATH",
            readable=False,
            help="Leave this library video, or folder of them, out of the comparison, such as an "
            "earlier version of the file. It has to be in the library. May be repeated.",
        ),
    ] = None,
    timeout: Annotated[
        float | None,
        typer.Option(
            metavar="SECONDS",
            parser=parse_timeout,
            help="Give up on a file after this time.",
            show_default=False,
        ),
    ] = None,
    add: Annotated[
        bool,
        typer.Option(
            "--add",
            help="Add a new video to the library, which is created if needed. Of two copies "
            "checked at once, only one is new.",
        ),
    ] = False,
    yes: YesOption = False,
    library: LibraryOption = None,
    json: JsonOption = False,
) -> None:
    """Check whether videos are copies of videos in the library.

    Lists every library video that a file matches, with the matching seconds on both sides. Nothing
    is added to the library without --add. Exit code 0: new; 10: a copy or a shared part; 1: a file
    cannot be checked. With --json, several files or - give one document per line.

    \b
    Example: vidseek check upload.mp4 --threshold strict
    """
    from vidseek.core.errors import PathNotFoundError, VideoError
    from vidseek.search.copies.upload import decoding_ahead

    is_list = len(files) > 1 or files == [STANDARD_INPUT]
    options: dict[str, Any] = {
        "threshold": threshold,
        "min_score": min_score,
        "timeout_seconds": timeout,
    }
    opened: Library | None = None
    exit_codes = set()
    with ExitStack() as stack:
        for file in _given(files):
            try:
                with decoding_ahead(file, timeout_seconds=timeout or math.inf):
                    if opened is None:  # while the first file is decoded
                        if add and not file.is_file():  # before a library is created for it
                            raise PathNotFoundError(f"{file} is not a file", path=file)
                        opened = stack.enter_context(
                            open_library(ctx, library, create=add, yes=yes)
                        )
                        options["except_paths"] = _known(opened, except_paths, is_list=is_list)
                        if add:
                            _ = opened.encoder  # before the job, because loading may ask a question
                    with ShellJob() as job:
                        run = opened.check_and_add if add else opened.check
                        verdict = run(file, **options, job=job)
            except (VideoError, PathNotFoundError) as error:
                if not is_list:
                    raise
                _report_error(file, error, json=json)
                exit_codes.add(EXIT_ERROR)
                continue
            _Shown(file, verdict, is_added=add and verdict.kind == "new").report(
                json=json, is_list=is_list
            )
            exit_codes.add(0 if verdict.kind == "new" else EXIT_COPY)
    for code in (EXIT_ERROR, EXIT_COPY):
        if code in exit_codes:
            raise typer.Exit(code)


def _known(library: Library, paths: Sequence[Path] | None, *, is_list: bool) -> list[Path]:
    """The excepted paths with videos in the library.

    Raises:
        PathNotFoundError: a path has none, and a single file is checked; for many, it is said.
    """
    from vidseek.core.errors import Hint, PathNotFoundError

    known = []
    for path in paths or []:
        if library.videos(under=path) or library.videos(under=path.resolve()):
            known.append(path)
            continue
        message = f"--except {path}: no video of the library is there"
        if not is_list:
            raise PathNotFoundError(message, path=path, hint=Hint("list_videos"))
        output.say_aside(f"vidseek: {message}")
    return known


def _given(files: Iterable[Path]) -> Iterator[Path]:
    """The files to check; those of standard input as soon as they are written there."""
    for file in files:
        if file != STANDARD_INPUT:
            yield file
            continue
        for line in sys.stdin.buffer:
            if name := line.rstrip(b"\r\n"):
                yield Path(os.fsdecode(name))


def _report_error(file: Path, error: VidseekError, *, json: bool) -> None:
    failure = failure_of(error)
    output.say_aside(f"vidseek: {failure.line}")
    if json:
        output.print_json_line({**failure.to_json(), "path": str(file)})


@dataclass(frozen=True)
class _Shown:
    """A verdict as the command shows it."""

    file: Path
    verdict: CopyVerdict
    is_added: bool

    def report(self, *, json: bool, is_list: bool) -> None:
        """Print the verdict: as JSON, for a person, or as columns for a pipe."""
        doubt = _doubt(self.verdict)
        if json:
            if doubt:
                typer.echo(f"{self.file}: {doubt}", err=True)
            (output.print_json_line if is_list else output.print_json)(self.to_json())
        elif not self.verdict.matches:
            self._say_new(doubt, is_list=is_list)
        elif output.is_for_person():
            if is_list:
                typer.echo(f"{output.printable(str(self.file))}:")
            _print_verdict(self.verdict)
        else:
            lead = [self.file] if is_list else []
            output.print_columns([*lead, *_columns(match)] for match in self.verdict.matches)

    def _say_new(self, doubt: str, *, is_list: bool) -> None:
        if is_list and not output.is_for_person():
            output.print_columns([[self.file, None, "new"]])
            return
        lead = f"{output.printable(str(self.file))}: " if is_list else ""
        added = "; added" if self.is_added else ""
        message = f"{lead}new: no match in the library{doubt and f'; {doubt}'}{added}"
        typer.echo(message, err=not output.is_for_person())

    def to_json(self) -> dict[str, Any]:
        """The document that --json prints."""
        return {
            "path": str(self.file),
            "verdict": self.verdict.kind,
            "added": self.is_added,
            "matches": [_match_json(match) for match in self.verdict.matches],
        }


def _columns(match: Match) -> tuple[object, ...]:
    return (
        match.video.path,
        match.kind,
        f"{match.score:.3f}",
        f"{match.query_span.start_seconds:.2f}",
        f"{match.query_span.end_seconds:.2f}",
        f"{match.library_span.start_seconds:.2f}",
        f"{match.library_span.end_seconds:.2f}",
    )


def _doubt(verdict: CopyVerdict) -> str:
    """Why "new" says little about this upload; empty if it can be trusted."""
    count = verdict.compared_frames
    if verdict.kind != "new" or count >= FEW_FRAMES:
        return ""
    if count == 0:
        return "but no frame could be compared: each is a single colour"
    return f"but only {output.counted(count, 'frame')} could be compared, too few to be sure"


def _match_json(match: Match) -> dict[str, object]:
    return {"path": str(match.video.path), **match_figures(match)}


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
