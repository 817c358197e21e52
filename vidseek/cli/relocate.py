"""``vidseek relocate``: give a library the new place of moved videos."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from vidseek.cli import output
from vidseek.cli.options import JsonOption, LibraryOption, open_library


def relocate(
    ctx: typer.Context,
    old: Annotated[
        Path, typer.Argument(metavar="OLD", help="Folder or file, as the library has it.")
    ],
    new: Annotated[Path, typer.Argument(metavar="NEW", help="Where it is now.")],
    library: LibraryOption = None,
    json: JsonOption = False,
) -> None:
    """Tell where a moved folder is now.

    For a disk with a new mount point, say. Nothing is decoded again.

    \b
    Example: vidseek relocate /media/old-disk /media/new-disk
    """
    with open_library(ctx, library) as opened:
        relocated = opened.relocate(old, new)
    if json:
        output.print_json({"relocated": relocated})
    else:
        typer.echo(f"relocated {output.counted(relocated, 'video')}")
