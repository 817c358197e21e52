"""The filter options shared by ``search`` and ``similar``: which videos are searched."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING, Annotated

import typer

from vidseek.cli.expanded import Command, expand_parameter
from vidseek.cli.values import absolute_pattern, parse_date, parse_seconds, whole_number

if TYPE_CHECKING:
    from vidseek.core.types import VideoFilter

InOption = Annotated[
    str | None,
    typer.Option(
        "--in",
        metavar="GLOB",
        help="Only videos in this file, folder or pattern, such as '*/2024/*.mp4'.",
    ),
]
MinDurationOption = Annotated[
    float | None,
    typer.Option(
        parser=parse_seconds, metavar="TIME", help="Only videos at least this long: 90 or 1:30."
    ),
]
MaxDurationOption = Annotated[
    float | None,
    typer.Option(parser=parse_seconds, metavar="TIME", help="Only videos at most this long."),
]
MinHeightOption = Annotated[
    int | None,
    typer.Option(
        metavar="PIXELS",
        parser=whole_number(0),
        help="Only videos at least this high, such as 720.",
    ),
]
AfterOption = Annotated[
    datetime | None,
    typer.Option(
        parser=parse_date,
        metavar="DATE",
        help="Only files modified on or after this date: 2026-01-31.",
    ),
]
BeforeOption = Annotated[
    datetime | None,
    typer.Option(parser=parse_date, metavar="DATE", help="Only files modified before this date."),
]

HasLabelOption = Annotated[
    list[str] | None,
    typer.Option(
        "--label", metavar="NAME", help="Only videos with this label; see `vidseek label`."
    ),
]


def build_filter(
    *,
    within: InOption = None,
    min_duration: MinDurationOption = None,
    max_duration: MaxDurationOption = None,
    min_height: MinHeightOption = None,
    after: AfterOption = None,
    before: BeforeOption = None,
    has_label: HasLabelOption = None,
) -> VideoFilter:
    """Make a filter from the options of the command line."""
    from vidseek.core.types import VideoFilter

    return VideoFilter(
        path_glob=None if within is None else absolute_pattern(within),
        min_duration_seconds=min_duration,
        max_duration_seconds=max_duration,
        min_height=min_height,
        after=after,
        before=before,
        labels=tuple(has_label or ()),
    )


def with_filters(command: Command) -> Command:
    """Replace a command's parameter ``where`` by the options of ``build_filter``."""
    return expand_parameter(command, "where", build_filter)
