"""``vidseek remove``: remove videos from a library."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from vidseek.cli import output
from vidseek.cli.options import JsonOption, LibraryOption, open_library
from vidseek.cli.questions import confirm


def remove(
    ctx: typer.Context,
    path: Annotated[
        Path,
        typer.Argument(
            metavar="PATH", readable=False, help="A video, or a folder with everything in it."
        ),
    ],
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Do not ask for confirmation.")] = False,
    library: LibraryOption = None,
    json: JsonOption = False,
) -> None:
    """Remove videos from the library.

    The video files are not touched. Asks before removing several.

    \b
    Example: vidseek remove ~/Movies/old
    """
    with open_library(ctx, library) as opened:
        count = 0 if yes else len(opened.videos(under=path))
        if count > 1:
            confirm(f"Remove {output.counted(count, 'video')} from the library?")
        removed = opened.remove(path)
    if json:
        output.print_json({"removed": removed})
    else:
        typer.echo(f"removed {output.counted(removed, 'video')}; the files are untouched")
