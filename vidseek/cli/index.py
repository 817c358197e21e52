"""``vidseek index``: take videos into a library, or bring it up to date."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from vidseek.cli import output
from vidseek.cli.options import JsonOption, LibraryOption, YesOption, open_library
from vidseek.cli.progress import StopRequest, shown_progress

if TYPE_CHECKING:
    from vidseek.indexer import IndexReport
    from vidseek.library import Library


def index(
    ctx: typer.Context,
    paths: Annotated[
        list[Path], typer.Argument(metavar="PATH", help="Video files and folders of them.")
    ],
    exclude: Annotated[
        list[str] | None,
        typer.Option(
            metavar="GLOB",
            help="Leave out what matches, like '*/proxies/*'; may be given several times.",
        ),
    ] = None,
    follow_symlinks: Annotated[
        bool, typer.Option("--follow-symlinks", help="Go through links to folders too.")
    ] = False,
    sampling: Annotated[
        Literal["fast", "dense"],
        typer.Option(
            metavar="fast|dense",
            help="fast: keyframes, and where something happens between them; "
            "dense: a frame every --every seconds.",
        ),
    ] = "fast",
    every: Annotated[
        float | None,
        typer.Option(
            metavar="SECONDS", help="Distance of the frames of dense sampling; 1 if not given."
        ),
    ] = None,
    workers: Annotated[
        int | None,
        typer.Option(metavar="N", help="Decoding processes.", show_default="by the cores"),
    ] = None,
    model: Annotated[
        str | None,
        typer.Option(
            metavar="NAME",
            help="Encoder: builtin, a name of `vidseek models`, hf:ORG/NAME, "
            "open_clip:ARCHITECTURE/PRETRAINED, or a folder with a model. A library keeps the one "
            "it began with until `vidseek model` adds another.",
        ),
    ] = None,
    yes: YesOption = False,
    prune: Annotated[
        bool, typer.Option("--prune", help="Remove what is missing instead of marking it.")
    ] = False,
    library: LibraryOption = None,
    json: JsonOption = False,
) -> None:
    """Take videos into the library, or update it.

    Folders are searched to the bottom. Unchanged files are passed over, moved ones are recognised,
    deleted ones are marked missing. A file that cannot be read is reported with its reason and
    never ends the run. Ctrl-C stops cleanly; the same command goes on from there.

    \b
    Example: vidseek index ~/Movies --exclude '*/proxies/*'
    """
    if every is not None and sampling != "dense":
        raise typer.BadParameter("goes with --sampling dense", param_hint="--every")
    if every is not None and not every > 0:
        raise typer.BadParameter(f"{every:g} is not above 0", param_hint="--every")
    if workers is not None and workers < 1:
        raise typer.BadParameter("at least 1 is needed", param_hint="--workers")
    from vidseek.indexer.discovery import check_paths

    check_paths(paths)  # before a library is made for a mistyped name
    with open_library(ctx, library, create=True, model=model, yes=yes) as opened:
        run_index(
            opened,
            paths,
            exclude=exclude or [],
            follow_symlinks=follow_symlinks,
            sampling=sampling,
            every=1.0 if every is None else every,
            workers=workers,
            prune=prune,
            json=json,
        )


def run_index(
    library: Library,
    paths: list[Path],
    *,
    exclude: list[str] | None = None,
    follow_symlinks: bool = False,
    sampling: Literal["fast", "dense"] = "fast",
    every: float = 1.0,
    workers: int | None = None,
    prune: bool = False,
    retry_failed: bool = False,
    json: bool,
) -> None:
    """Index with progress on stderr; print the report; exit 130 if it was stopped."""
    from vidseek.video import SamplingPlan

    # Before anything is drawn or caught: it may ask a question, or end the run with an error.
    _ = library.encoder
    with StopRequest() as stop, shown_progress() as progress:
        report = library.index(
            paths,
            exclude=tuple(exclude or ()),
            follow_symlinks=follow_symlinks,
            plan=SamplingPlan(mode=sampling, every_seconds=every),
            workers=workers,
            prune=prune,
            retry_failed=retry_failed,
            on_progress=progress,
            should_stop=stop.wanted,
        )
    if json:
        output.print_json(report_json(report))
    else:
        print_report(report)
    if report.interrupted:
        output.say_aside("vidseek: stopped before the end; run it again to go on")
        raise typer.Exit(stop.exit_code)


EMPTY_REPORT = {
    "indexed": 0,
    "unchanged": 0,
    "moved": 0,
    "missing": 0,
    "failed": [],
    "video_seconds": 0.0,
    "seconds": 0.0,
}
"""What ``report_json`` gives where there was nothing to do."""


def report_json(report: IndexReport) -> dict[str, Any]:
    """What an indexing run did, as JSON."""
    return {
        "indexed": report.indexed,
        "unchanged": report.unchanged,
        "moved": report.moved,
        "missing": report.missing,
        "failed": [{"path": str(file.path), "reason": file.reason} for file in report.failed],
        "video_seconds": round(report.video_seconds, 3),
        "seconds": round(report.seconds, 3),
    }


def print_report(report: IndexReport) -> None:
    """What an indexing run did, for a person: counts, speed, and every failure's reason."""
    counts = {
        "indexed": report.indexed,
        "unchanged": report.unchanged,
        "moved": report.moved,
        "missing": report.missing,
        "failed": len(report.failed),
    }
    typer.echo("  ".join(f"{name} {count:,}" for name, count in counts.items()))
    if report.indexed and report.seconds > 0:
        speed = report.video_seconds / report.seconds
        typer.echo(
            f"{output.amount_of_time(report.video_seconds)} of video in "
            f"{output.amount_of_time(report.seconds)}, {speed:.0f}x realtime"
        )
    output.print_failures([(file.path, file.reason) for file in report.failed])
