"""``vidseek search`` and ``vidseek similar``: finding moments."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Annotated

import typer

from vidseek.cli import output
from vidseek.cli.options import (
    AfterOption,
    AllOption,
    BeforeOption,
    CountOption,
    InOption,
    JsonOption,
    LibraryOption,
    MaxDurationOption,
    MinDurationOption,
    MinHeightOption,
    PerVideoOption,
    SearchModelOption,
    YesOption,
    build_filter,
    open_library,
    parse_moment,
)

if TYPE_CHECKING:
    from vidseek.core.types import SearchHit, VideoFilter


def search(
    ctx: typer.Context,
    text: Annotated[str, typer.Argument(metavar="TEXT", help="What to look for, in plain words.")],
    k: CountOption = 10,
    not_text: Annotated[
        str | None,
        typer.Option("--not", metavar="TEXT", help="What must not be seen."),
    ] = None,
    within: InOption = None,
    min_duration: MinDurationOption = None,
    max_duration: MaxDurationOption = None,
    min_height: MinHeightOption = None,
    after: AfterOption = None,
    before: BeforeOption = None,
    per_video: PerVideoOption = None,
    tight: Annotated[
        bool,
        typer.Option("--refine", help="End hits where the scene ends, not where the score falls."),
    ] = False,
    show_all: AllOption = False,
    model: SearchModelOption = None,
    yes: YesOption = False,
    library: LibraryOption = None,
    json: JsonOption = False,
) -> None:
    """Find moments by words.

    Hits are moments of videos, best first, each with its time, its confidence and a thumbnail.

    \b
    Example: vidseek search "a dog catching a frisbee" --not people --in ~/Movies/2024
    """
    where = build_filter(
        within=within,
        min_duration=min_duration,
        max_duration=max_duration,
        min_height=min_height,
        after=after,
        before=before,
    )
    with open_library(ctx, library, yes=yes) as opened:
        hits = opened.search(
            text,
            k=k,
            not_text=not_text,
            where=where,
            per_video=per_video,
            refine_spans=tight,
            model=model,
        )
    _answer(hits, where, json=json, show_all=show_all)


def similar(
    ctx: typer.Context,
    file: Annotated[
        str,
        typer.Argument(
            metavar="FILE[@START-END]",
            help="A video, a part of one (clip.mp4@1:30-1:45), or a picture.",
        ),
    ],
    k: CountOption = 10,
    others: Annotated[
        bool, typer.Option("--others", help="Leave out the file's own moments.")
    ] = False,
    within: InOption = None,
    min_duration: MinDurationOption = None,
    max_duration: MaxDurationOption = None,
    min_height: MinHeightOption = None,
    after: AfterOption = None,
    before: BeforeOption = None,
    per_video: PerVideoOption = None,
    model: SearchModelOption = None,
    yes: YesOption = False,
    library: LibraryOption = None,
    json: JsonOption = False,
) -> None:
    """Find moments by a picture or a video.

    The file need not be in the library. Hits are those that look most like it, shown as
    `search` shows them.

    \b
    Example: vidseek similar holiday.mp4@1:30-1:45
    """
    where = build_filter(
        within=within,
        min_duration=min_duration,
        max_duration=max_duration,
        min_height=min_height,
        after=after,
        before=before,
    )
    path, span = parse_moment(file)
    with open_library(ctx, library, yes=yes) as opened:
        hits = opened.similar(
            path,
            span=span,
            k=k,
            where=where,
            per_video=per_video,
            exclude_itself=others,
            model=model,
        )
    _answer(hits, where, json=json)


def _answer(
    hits: Sequence[SearchHit], where: VideoFilter, *, json: bool, show_all: bool = False
) -> None:
    """Programs get every hit; a person gets those worth looking at, or is told that none is."""
    if json:
        output.print_json([output.hit_json(hit) for hit in hits])
        return
    from vidseek.search.moments.confidence import filter_confident

    shown = list(hits) if show_all else filter_confident(hits)
    output.print_hits(shown)
    if not shown:
        why = (
            f"--all shows {output.counted(len(hits), 'weak one')}" if hits else _why_nothing(where)
        )
        typer.echo(f"no confident match: {why}", err=not output.is_for_person())


def _why_nothing(where: VideoFilter) -> str:
    return "the library has no videos" if where.is_empty else "no video passes the filters"
