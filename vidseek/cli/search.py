"""``vidseek search``: find moments by a text."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from vidseek.cli.filters import with_filters
from vidseek.cli.hits import AllOption, SheetOption, show_hits
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
from vidseek.cli.output import log_without

if TYPE_CHECKING:
    from vidseek.core.types import VideoFilter


@with_filters
def search(
    ctx: typer.Context,
    text: Annotated[str, typer.Argument(metavar="TEXT", help="What to look for, in plain words.")],
    *,
    k: CountOption = 10,
    not_text: Annotated[
        str | None,
        typer.Option("--not", metavar="TEXT", help="What the moments should not show."),
    ] = None,
    where: VideoFilter,
    per_video: PerVideoOption = None,
    copies: CopiesOption = False,
    refine: Annotated[
        bool,
        typer.Option(
            "--refine",
            help="Fit the start and end of hits to the scene.",
        ),
    ] = False,
    show_all: AllOption = False,
    sheet: SheetOption = None,
    model: SearchModelOption = None,
    yes: YesOption = False,
    library: LibraryOption = None,
    json: JsonOption = False,
) -> None:
    """Find moments by a text description.

    Lists moments, best first, each with its time, confidence and thumbnail.

    \b
    Example: vidseek search "a dog catching a frisbee" --not people --in ~/Movies/2024
    """
    from vidseek.encoders.inputs import TEXTS_CUT

    with open_library(ctx, library, yes=yes) as opened, log_without(TEXTS_CUT):
        result = opened.search(
            text,
            k=k,
            not_text=not_text,
            where=where,
            per_video=per_video,
            copies=copies,
            refine_spans=refine,
            model=model,
        )
        folder = opened.folder
    show_hits(result, where, folder=folder, json=json, show_all=show_all, sheet=sheet, title=text)
