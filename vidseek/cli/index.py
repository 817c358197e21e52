"""``vidseek index``: add videos to a library, or update it."""

from __future__ import annotations

import math
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from vidseek.cli import output
from vidseek.cli.exit_codes import EXIT_ERROR
from vidseek.cli.hints import shell_hint, with_hint
from vidseek.cli.jobs import ShellJob, describe_indexing
from vidseek.cli.options import (
    JsonOption,
    LibraryOption,
    WorkersOption,
    YesOption,
    open_library,
)
from vidseek.cli.values import number_between, one_of
from vidseek.core.errors import Hint

if TYPE_CHECKING:
    from collections.abc import Mapping

    from vidseek.indexer import IndexReport
    from vidseek.library import Library


def index(
    ctx: typer.Context,
    paths: Annotated[
        list[Path],
        typer.Argument(metavar="PATH", readable=False, help="Video files and folders with videos."),
    ],
    exclude: Annotated[
        list[str] | None,
        typer.Option(
            metavar="GLOB",
            help="Skip paths that match, such as '*/proxies/*'. May be repeated.",
        ),
    ] = None,
    follow_symlinks: Annotated[
        bool, typer.Option("--follow-symlinks", help="Also enter linked folders.")
    ] = False,
    sampling: Annotated[
        Literal["fast", "dense"],
        typer.Option(
            metavar="fast|dense",
            parser=one_of("fast", "dense"),
            help="fast: keyframes, and more frames where the picture changes between them. "
            "dense: a frame every --every seconds.",
        ),
    ] = "fast",
    every: Annotated[
        float | None,
        typer.Option(
            metavar="SECONDS",
            parser=number_between(0.01, 3600),
            help="Interval for dense sampling. Default: 1.",
        ),
    ] = None,
    workers: WorkersOption = None,
    model: Annotated[
        str | None,
        typer.Option(
            metavar="NAME",
            help="Model of a new library: builtin, a name from `vidseek models`, hf:ORG/NAME, "
            "open_clip:ARCHITECTURE/PRETRAINED, or a model folder. `vidseek model add` changes the "
            "model of an existing library.",
        ),
    ] = None,
    yes: YesOption = False,
    prune: Annotated[
        bool,
        typer.Option(
            "--prune", help="Remove missing videos from the library instead of marking them."
        ),
    ] = False,
    wait: Annotated[
        bool,
        typer.Option(
            "--wait", help="Wait for another process that is writing to the library to finish."
        ),
    ] = False,
    library: LibraryOption = None,
    json: JsonOption = False,
) -> None:
    """Add videos to the library, or update it.

    Folders are searched recursively. Unchanged files are skipped, moved files are recognised, and
    deleted files are marked missing. A file that cannot be read is reported with the reason and
    does not end the run. Ctrl-C stops cleanly; run the same command again to continue.

    \b
    Example: vidseek index ~/Movies --exclude '*/proxies/*'
    """
    if every is not None and sampling != "dense":
        raise typer.BadParameter("needs --sampling dense", param_hint="--every")
    from vidseek.indexer.discovery import check_paths

    check_paths(paths)  # check before creating a library, in case a path is mistyped
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
            wait=wait,
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
    wait: bool = False,
    json: bool,
) -> None:
    """Index with progress on stderr and print the report; exit with 130 if it was stopped."""
    from vidseek.video import SamplingPlan

    # Loaded before the progress display starts: it may ask a question or fail.
    _ = library.encoder
    with ShellJob(describe_indexing, opening="looking for videos ...") as job:
        report = library.index(
            paths,
            exclude=tuple(exclude or ()),
            follow_symlinks=follow_symlinks,
            plan=SamplingPlan(mode=sampling, every_seconds=every),
            workers=workers,
            prune=prune,
            retry_failed=retry_failed,
            wait_seconds=math.inf if wait else 0.0,
            job=job,
        )
    if json:
        output.print_json(report_json(report))
    else:
        print_report(report, pruned=prune)
    if report.internal_failure is not None:
        problem = (
            "no file could be indexed, because of this installation and not of the files: "
            f"{report.internal_failure}"
        )
        output.say_aside(f"vidseek: {with_hint(problem, Hint('run_doctor'))}")
        raise typer.Exit(EXIT_ERROR)
    if not any([report.indexed, report.unchanged, report.moved, report.missing, report.failed]):
        names = ", ".join(output.short_path(path) for path in paths)
        output.say_aside(f"vidseek: found no video files in {names}")
    if report.interrupted:
        output.say_aside("vidseek: stopped early; run the same command again to continue")
        raise typer.Exit(job.exit_code)


_MAX_SUFFIXES = 8

EMPTY_REPORT = {
    "indexed": 0,
    "unchanged": 0,
    "moved": 0,
    "missing": 0,
    "failed": [],
    "skipped": {},
    "sound_only": 0,
    "hidden": 0,
    "links": 0,
    "notes": [],
    "video_seconds": 0.0,
    "seconds": 0.0,
}
"""``report_json`` of a run with nothing to do."""


def report_json(report: IndexReport) -> dict[str, Any]:
    """The report of an indexing run as JSON."""
    return {
        "indexed": report.indexed,
        "unchanged": report.unchanged,
        "moved": report.moved,
        "missing": report.missing,
        "failed": [
            {
                "path": str(file.path),
                "reason": file.reason,
                "hint": shell_hint(file.hint),
            }
            for file in report.failed
        ],
        "skipped": dict(report.skipped),
        "sound_only": report.sound_only,
        "hidden": report.hidden,
        "links": report.links,
        "notes": [{"path": str(file.path), "note": file.note} for file in report.notes],
        "video_seconds": round(report.video_seconds, 3),
        "seconds": round(report.seconds, 3),
    }


def print_report(report: IndexReport, *, pruned: bool = False) -> None:
    """Print the report of an indexing run: counts, speed, and the reason of every failure.

    Args:
        report: the report.
        pruned: whether missing videos were removed.
    """
    counts = {
        "indexed": report.indexed,
        "unchanged": report.unchanged,
        "moved": report.moved,
        "removed" if pruned else "missing": report.missing,
        "failed": len(report.failed),
    }
    typer.echo("  ".join(f"{name} {count:,}" for name, count in counts.items()))
    if report.indexed and report.seconds > 0:
        speed = report.video_seconds / report.seconds
        typer.echo(
            f"{output.amount_of_time(report.video_seconds)} of video in "
            f"{output.amount_of_time(report.seconds)}, {speed:.0f}x realtime"
        )
    output.print_failures(
        [(file.path, with_hint(file.reason, file.hint)) for file in report.failed]
    )
    for file in report.notes:
        typer.echo(f"{output.short_path(file.path)}: {output.printable(file.note)}")
    if report.skipped:
        sound = f" ({report.sound_only:,} with sound only)" if report.sound_only else ""
        typer.echo(f"skipped, not videos: {_describe_skipped(report.skipped)}{sound}")
    ignored = []
    if report.hidden:
        ignored.append(output.counted(report.hidden, "hidden entry", "hidden entries"))
    if report.links:
        ignored.append(output.counted(report.links, "link"))
    if ignored:
        typer.echo(f"ignored: {', '.join(ignored)}")


def _describe_skipped(skipped: Mapping[str, int]) -> str:
    """The most frequent suffixes with their counts: ``12 .jpg, 3 .srt, 2 without suffix``."""
    shown = list(skipped.items())[:_MAX_SUFFIXES]
    parts = [f"{count:,} {output.printable(suffix) or 'without suffix'}" for suffix, count in shown]
    others = sum(skipped.values()) - sum(count for _, count in shown)
    return ", ".join([*parts, f"{others:,} others"] if others else parts)
