"""``vidseek index`` and ``vidseek failed``: taking videos into a library."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from vidseek.cli import output
from vidseek.cli.options import JsonOption, LibraryOption, YesOption, open_library
from vidseek.cli.progress import StopRequest, shown_progress

if TYPE_CHECKING:
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
        _run(
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


def failed(
    ctx: typer.Context,
    retry: Annotated[bool, typer.Option("--retry", help="Try these files again now.")] = False,
    yes: YesOption = False,
    library: LibraryOption = None,
    json: JsonOption = False,
) -> None:
    """List the files that could not be read.

    Each with its reason. They are passed over by `index` until they change.

    \b
    Example: vidseek failed --retry
    """
    with open_library(ctx, library, yes=yes) as opened:
        videos = opened.failed()
        if retry and videos:
            _run(opened, [video.path for video in videos], retry_failed=True, json=json)
        elif json and retry:
            output.print_json(output.EMPTY_REPORT)
        elif json:
            output.print_json(
                [{"path": str(video.path), "reason": video.failure} for video in videos]
            )
        elif not output.is_for_person():
            output.print_columns((video.path, video.failure) for video in videos)
        elif not videos:
            typer.echo("no file of this library failed")
        else:
            output.print_failures([(video.path, video.failure or "") for video in videos])
            typer.echo("try them again: vidseek failed --retry")


def _run(
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
        output.print_json(output.report_json(report))
    else:
        output.print_report(report)
    if report.interrupted:
        output.say_aside("vidseek: stopped before the end; run it again to go on")
        raise typer.Exit(stop.exit_code)
