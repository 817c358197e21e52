"""``vidseek relocate``: update the paths of moved videos."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from vidseek.cli import output
from vidseek.cli.options import JsonOption, LibraryOption, open_library


def relocate(
    ctx: typer.Context,
    old: Annotated[
        Path, typer.Argument(metavar="OLD", readable=False, help="Old path of the folder or file.")
    ],
    new: Annotated[Path, typer.Argument(metavar="NEW", readable=False, help="New path.")],
    missing_ok: Annotated[
        bool,
        typer.Option(
            "--missing-ok",
            help="Accept a new path where nothing is, such as on a disk that is not mounted.",
        ),
    ] = False,
    library: LibraryOption = None,
    json: JsonOption = False,
) -> None:
    """Update the path of a moved file or folder.

    Use it when a disk has a new mount point, for example. No video is read again.

    \b
    Example: vidseek relocate /media/old-disk /media/new-disk
    """
    with open_library(ctx, library) as opened:
        relocated = opened.relocate(old, new, missing_ok=missing_ok)
    if json:
        output.print_json({"relocated": relocated})
    else:
        typer.echo(f"relocated {output.counted(relocated, 'video')}")
