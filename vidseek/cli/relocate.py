"""``vidseek relocate``: update the paths of moved videos."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from vidseek.cli import output
from vidseek.cli.options import JsonOption, LibraryOption, open_library


def relocate(
    ctx: typer.Context,
    old: Annotated[Path, typer.Argument(metavar="OLD", help="Old path of the folder or file.")],
    new: Annotated[Path, typer.Argument(metavar="NEW", help="New path.")],
    library: LibraryOption = None,
    json: JsonOption = False,
) -> None:
    """Update the path of a moved file or folder.

    Use it when a disk has a new mount point, for example. No video is read again.

    \b
    Example: vidseek relocate /media/old-disk /media/new-disk
    """
    with open_library(ctx, library) as opened:
        relocated = opened.relocate(old, new)
    if json:
        output.print_json({"relocated": relocated})
    else:
        typer.echo(f"relocated {output.counted(relocated, 'video')}")
