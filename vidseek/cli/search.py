"""``vidseek search``: find moments by a text."""

from __future__ import annotations

import functools
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from vidseek.cli.filters import with_filters
from vidseek.cli.hits import AllOption, SheetOption, show_hits
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
from vidseek.cli.output import log_without
from vidseek.cli.values import parse_timeout, parse_weighted

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
    then: Annotated[
        list[str] | None,
        typer.Option(
            "--then",
            metavar="TEXT",
            help="What follows later in the same video. Repeat it for more steps.",
        ),
    ] = None,
    within_seconds: Annotated[
        float | None,
        typer.Option(
            "--within",
            metavar="SECONDS",
            parser=parse_timeout,
            help="Each step begins at most this long after the step before ends.",
        ),
    ] = None,
    like: Annotated[
        str | None,
        typer.Option(
            "--like",
            metavar="FILE[@WEIGHT]",
            help="A picture or video that the moments should resemble, too. "
            "Its weight, if the text's is 1: 0.5 by default.",
        ),
    ] = None,
    not_like: Annotated[
        Path | None,
        typer.Option(
            "--not-like",
            metavar="FILE",
            readable=False,
            help="A picture or video that the moments should not resemble.",
        ),
    ] = None,
    captions: Annotated[
        bool,
        typer.Option(
            "--captions",
            help="Search the words of the captions that `vidseek describe` stored.",
        ),
    ] = False,
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
             vidseek search "a man walks in" --then "he sits down" --within 30
    """
    from vidseek.core.types.search import DEFAULT_LIKE_WEIGHT
    from vidseek.encoders.inputs import TEXTS_CUT

    if captions and (refine or any((not_text, then, within_seconds, like, not_like, model))):
        raise typer.BadParameter(
            "--captions goes with filters only, not with --not, --then, --like, --refine or --model"
        )
    like_file, like_weight = (None, DEFAULT_LIKE_WEIGHT) if like is None else parse_weighted(like)
    with open_library(ctx, library, yes=yes) as opened, log_without(TEXTS_CUT):
        search_library = functools.partial(
            opened.search,
            text,
            k=k,
            not_text=not_text,
            where=where,
            per_video=per_video,
            copies=copies,
            refine_spans=refine,
            then=then or (),
            within_seconds=within_seconds,
            like=like_file,
            like_weight=like_weight,
            not_like=not_like and not_like.expanduser(),
        )
        if captions:
            result = opened.search_captions(text, k, where=where)
        elif like_file is None and not_like is None:
            result = search_library(model=model)
        else:
            # Loaded outside the job, because loading may ask a question.
            encoder = opened.models.encoder_for(model)
            with ShellJob() as job:
                result = search_library(model=encoder, job=job)
        folder = opened.folder
    show_hits(result, where, folder=folder, json=json, show_all=show_all, sheet=sheet, title=text)
