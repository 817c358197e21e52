"""``vidseek similar``: find moments by a picture or a video."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from vidseek.cli.filters import with_filters
from vidseek.cli.hits import SheetOption, show_hits
from vidseek.cli.jobs import ShellJob
from vidseek.cli.options import (
    CopiesOption,
    CountOption,
    JsonOption,
    LibraryOption,
    PerVideoOption,
    SearchModelOption,
    YesOption,
    open_library,
)
from vidseek.cli.values import parse_moment

if TYPE_CHECKING:
    from vidseek.core.types import VideoFilter


@with_filters
def similar(
    ctx: typer.Context,
    file: Annotated[
        str,
        typer.Argument(
            metavar="FILE[@START-END]",
            help="A video, a part of a video (clip.mp4@1:30-1:45), or a picture.",
        ),
    ],
    *,
    k: CountOption = 10,
    others: Annotated[
        bool, typer.Option("--others", help="Leave out moments of the file itself.")
    ] = False,
    where: VideoFilter,
    per_video: PerVideoOption = None,
    copies: CopiesOption = False,
    model: SearchModelOption = None,
    sheet: SheetOption = None,
    yes: YesOption = False,
    library: LibraryOption = None,
    json: JsonOption = False,
) -> None:
    """Find moments by a picture or a video.

    Lists the most similar moments, as `search` does. The file need not be in the library.

    \b
    Example: vidseek similar holiday.mp4@1:30-1:45
    """
    path, span = parse_moment(file)
    with open_library(ctx, library, yes=yes) as opened:
        encoder = opened.models.encoder_for(
            model
        )  # outside the job, because loading may ask a question
        with ShellJob() as job:
            result = opened.similar(
                path,
                span=span,
                k=k,
                where=where,
                per_video=per_video,
                copies=copies,
                exclude_itself=others,
                model=encoder,
                job=job,
            )
        folder = opened.folder
    show_hits(result, where, folder=folder, json=json, sheet=sheet, title=file)
