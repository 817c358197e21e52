"""``vidseek duplicates``: videos of the library that are copies of each other."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from vidseek.cli import output
from vidseek.cli.jobs import ShellJob
from vidseek.cli.options import JsonOption, LibraryOption, open_library

if TYPE_CHECKING:
    from vidseek.core.types import DuplicateGroup


def duplicates(
    ctx: typer.Context,
    plot: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE",
            readable=False,
            help="Write a PNG timeline of the parts that each group shares.",
        ),
    ] = None,
    library: LibraryOption = None,
    json: JsonOption = False,
) -> None:
    """List videos that are copies of each other, and which to keep.

    Nothing is deleted. The video to keep is undamaged, then not blurred, then has sound, then is
    the longest, then the one with the highest resolution, HDR, and the highest bitrate. An intro
    shared by five videos does not make them copies.

    \b
    Example: vidseek duplicates --json
    """
    with open_library(ctx, library) as opened:
        with ShellJob() as job:
            opened.compare_new_videos(job=job)
            job.check()
        groups = opened.duplicates()
        if plot is not None:
            opened.plot_duplicates(plot, groups)
    if json:
        output.print_json([_group_json(group) for group in groups])
    elif output.is_for_person():
        print_groups(groups)
    elif not groups:
        output.say_aside("vidseek: no duplicates")
    else:
        output.print_columns(
            (number, group.kind, "keep" if one.keep else "", f"{one.coverage:.3f}", one.video.path)
            for number, group in enumerate(groups, 1)
            for one in group.members
        )


def _group_json(group: DuplicateGroup) -> dict[str, object]:
    return {
        "kind": group.kind,
        "why": group.why,
        "members": [
            {
                "path": str(one.video.path),
                "keep": one.keep,
                "coverage": round(one.coverage, 4),
            }
            for one in group.members
        ],
    }


def print_groups(groups: Sequence[DuplicateGroup]) -> None:
    """Print for a person: the file to keep, its copies, and the space that the copies take."""
    if not groups:
        typer.echo("no duplicates")
        return
    for group in groups:
        kept, *others = group.members
        name = output.short_path(kept.video.path)
        typer.echo(f"{output.styled('keep', bold=True)}  {name}  ({group.why})")
        for one in others:
            same = one.video.content_hash == kept.video.content_hash
            what = "identical file" if same else f"{one.coverage:.0%} of it"
            typer.echo(f"      {output.short_path(one.video.path)}  ({what})")
    spare = sum(one.video.size_bytes for group in groups for one in group.members if not one.keep)
    typer.echo(
        f"{output.counted(len(groups), 'group')}; the copies take {output.amount_of_bytes(spare)}. "
        "Nothing was deleted."
    )
