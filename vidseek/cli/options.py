"""Options that several commands share, and the library that they name."""

from __future__ import annotations

import gc
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from vidseek.cli.questions import download_question

if TYPE_CHECKING:
    from vidseek.library import Library


def library_folder(ctx: typer.Context, folder: Path | None) -> Path:
    """The folder that is meant: after the command, before it, VIDSEEK_LIBRARY, the default."""
    from vidseek.core.paths import absolute_path
    from vidseek.library import default_library_folder

    chosen = folder or ctx.obj.library
    return default_library_folder() if chosen is None else absolute_path(chosen)


def open_library(
    ctx: typer.Context,
    folder: Path | None,
    *,
    create: bool = False,
    model: str | None = None,
    yes: bool = False,
) -> Library:
    """The library that is meant; with ``yes`` it may download its model without asking."""
    import vidseek

    try:
        return vidseek.open(
            library_folder(ctx, folder),
            create=create,
            encoder=model,
            confirm_download=download_question(yes=yes),
        )
    finally:
        gc.freeze()  # what was imported stays to the end
        gc.enable()


LibraryOption = Annotated[
    Path | None,
    typer.Option(
        "--library",
        metavar="DIR",
        help="Folder of the library. Default: VIDSEEK_LIBRARY, else this user's data folder.",
        show_default=False,
    ),
]
YesOption = Annotated[
    bool, typer.Option("--yes", "-y", help="Download the model without asking, if it is not here.")
]
SearchModelOption = Annotated[
    str | None,
    typer.Option(
        "--model",
        metavar="NAME",
        help="Search with this one of `vidseek model list`: a name, or a fingerprint. "
        "Default: the active one.",
    ),
]
JsonOption = Annotated[bool, typer.Option("--json", help="Answer in JSON, and nothing else.")]
CountOption = Annotated[int, typer.Option("-k", metavar="N", help="How many moments to return.")]
PerVideoOption = Annotated[
    int | None,
    typer.Option("--per-video", metavar="N", help="At most N moments of one video."),
]
