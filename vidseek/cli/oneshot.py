"""``vidseek oneshot``: index a folder, search it, and cut the hits."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from vidseek.cli import output
from vidseek.cli.export import ClipsOption, ExactOption, HandlesOption, cut, say_clips
from vidseek.cli.hints import with_hint
from vidseek.cli.hits import AllOption, SheetOption, hits_to_show, show_hits
from vidseek.cli.jobs import ShellJob, describe_indexing
from vidseek.cli.options import CountOption, JsonOption, LibraryOption, YesOption, open_library

if TYPE_CHECKING:
    from vidseek.core.types import VideoFilter
    from vidseek.library import Library


def oneshot(
    ctx: typer.Context,
    folder: Annotated[
        Path,
        typer.Argument(metavar="FOLDER", readable=False, help="Folder with videos, or a video."),
    ],
    text: Annotated[str, typer.Argument(metavar="TEXT", help="What to look for, in plain words.")],
    *,
    k: CountOption = 10,
    clips: ClipsOption = None,
    exact: ExactOption = False,
    handles: HandlesOption = 0.0,
    sheet: SheetOption = None,
    show_all: AllOption = False,
    yes: YesOption = False,
    library: LibraryOption = None,
    json: JsonOption = False,
) -> None:
    """Index a folder, search it, and cut the hits, in one line.

    The folder is added to the library; only its videos are searched. Files that are in the library
    already are not read again.

    \b
    Example: vidseek oneshot ~/Movies "a dog catching a frisbee" --clips dogs
    """
    if exact and clips is None:
        raise typer.BadParameter("needs --clips", param_hint="--exact")
    from vidseek.exports.moments import Moment
    from vidseek.indexer.discovery import check_paths

    check_paths([folder])
    where = everything_in(folder)
    with open_library(ctx, library, create=True, yes=yes) as opened:
        _index(opened, folder)
        result = opened.search(text, k=k, where=where)
        home = opened.folder
    show_hits(result, where, json=json, show_all=show_all, folder=home, sheet=sheet, title=text)
    moments = [Moment.of(hit) for hit in hits_to_show(result, show_all=show_all)]
    if clips is not None and moments:
        report = cut(moments, clips, exact=exact, handles=handles)
        say_clips(report["clips"], clips, aside=json or not output.is_for_person())


def everything_in(folder: Path) -> VideoFilter:
    """The filter of the videos in a folder, whatever characters its name has."""
    from vidseek.core.paths import absolute_path
    from vidseek.core.types import VideoFilter

    path = str(absolute_path(folder))
    if not any(character in path for character in "*?["):
        return VideoFilter(path_glob=path)
    escaped = "".join(f"[{each}]" if each in "*?[" else each for each in path)
    return VideoFilter(path_glob=f"{escaped}/*" if Path(path).is_dir() else escaped)


def _index(library: Library, folder: Path) -> None:
    """Index with progress; failures go to stderr and do not end the run."""
    _ = library.encoder  # before the job, because loading may ask a question
    with ShellJob(describe_indexing, opening="looking for videos ...") as job:
        report = library.index([folder], job=job)
        job.check()
    for file in report.failed:
        reason = with_hint(file.reason, file.hint)
        output.say_aside(f"vidseek: {output.short_path(file.path)}: {reason}")
