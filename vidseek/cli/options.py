"""Options that several commands share, and how their text becomes values."""

from __future__ import annotations

import gc
import re
import sys
from collections.abc import Callable
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from vidseek.core.types import TimeSpan, VideoFilter
    from vidseek.library import Library

_CLOCK = re.compile(r"(?:(?:(\d+):)?(\d+):)?(\d+(?:\.\d+)?)", re.ASCII)
_MOMENT = re.compile(r"(?P<path>.+)@(?P<start>[\d:.]+)-(?P<end>[\d:.]+)", re.DOTALL | re.ASCII)


def parse_seconds(text: str) -> float:
    """Seconds from ``90``, ``1:30``, ``1:02:03`` or ``90.5``.

    Raises:
        typer.BadParameter: it is none of these.
    """
    found = _CLOCK.fullmatch(text.strip())
    if found is None:
        raise typer.BadParameter(f"{text!r} is no time; write seconds (90) or minutes (1:30)")
    hours, minutes, seconds = found.groups()
    return int(hours or 0) * 3600 + int(minutes or 0) * 60 + float(seconds)


def parse_date(text: str) -> datetime:
    """A local date or time from ``2026-01-31`` or ``2026-01-31T18:00``.

    Raises:
        typer.BadParameter: it is no date.
    """
    try:
        return datetime.fromisoformat(text.strip())
    except ValueError:
        raise typer.BadParameter(
            f"{text!r} is no date; write 2026-01-31 or 2026-01-31T18:00"
        ) from None


def parse_moment(text: str) -> tuple[Path, TimeSpan | None]:
    """A file, or a part of one, from ``FILE`` or ``FILE@START-END``.

    A file whose name really ends like that is that file.

    Raises:
        typer.BadParameter: the part ends before it starts.
    """
    from vidseek.core.types import TimeSpan

    whole = Path(text).expanduser()
    found = _MOMENT.fullmatch(text)
    if found is None or whole.exists():
        return whole, None
    start, end = parse_seconds(found["start"]), parse_seconds(found["end"])
    if end <= start:
        raise typer.BadParameter(f"the part {found['start']}-{found['end']} ends before it starts")
    return Path(found["path"]).expanduser(), TimeSpan(start, end)


def absolute_pattern(pattern: str) -> str:
    """What ``--in`` compares absolute paths with.

    A file or folder is taken from the current folder; a pattern with wildcards that does not start
    at the root matches anywhere.
    """
    if pattern.startswith("~"):
        pattern = str(Path(pattern).expanduser())
    if pattern and not any(character in pattern for character in "*?["):
        from vidseek.core.paths import absolute_path

        return str(absolute_path(pattern))
    return (
        pattern
        if pattern.startswith(("/", "*")) or not pattern
        else f"*/{pattern.removeprefix('./')}"
    )


def build_filter(
    *,
    within: str | None,
    min_duration: float | None,
    max_duration: float | None,
    min_height: int | None,
    after: datetime | None,
    before: datetime | None,
) -> VideoFilter:
    """The filter that the shared options of ``search`` and ``similar`` describe."""
    from vidseek.core.types import VideoFilter

    return VideoFilter(
        path_glob=None if within is None else absolute_pattern(within),
        min_duration_seconds=min_duration,
        max_duration_seconds=max_duration,
        min_height=min_height,
        after=after,
        before=before,
    )


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


def download_question(*, yes: bool) -> Callable[[str, int], bool]:
    """What asks, on stderr, whether a model may be downloaded.

    Without a terminal it raises typer.BadParameter: nobody is there to answer.
    """

    def ask(repository: str, size_bytes: int) -> bool:
        if yes:
            return True
        question = f"Download the model {repository}, {size_bytes:,} bytes?"
        if not sys.stdin.isatty():
            raise typer.BadParameter(f"{question} Nobody can answer here; add --yes")
        return typer.confirm(question, err=True)

    return ask


def confirm(question: str) -> None:
    """Ask on stderr; without a terminal, refuse.

    Raises:
        typer.BadParameter: nobody is there to answer.
        typer.Abort: the answer is no.
    """
    if not sys.stdin.isatty():
        raise typer.BadParameter(f"{question} Nobody can answer here; add --yes")
    typer.confirm(question, abort=True, err=True)


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
InOption = Annotated[
    str | None,
    typer.Option(
        "--in",
        metavar="GLOB",
        help="Only videos whose path matches: a file, a folder, or a pattern like '*/2024/*.mp4'.",
    ),
]
MinDurationOption = Annotated[
    float | None,
    typer.Option(
        parser=parse_seconds, metavar="TIME", help="Only videos this long or longer: 90 or 1:30."
    ),
]
MaxDurationOption = Annotated[
    float | None,
    typer.Option(parser=parse_seconds, metavar="TIME", help="Only videos this long or shorter."),
]
MinHeightOption = Annotated[
    int | None,
    typer.Option(metavar="PIXELS", help="Only videos with at least this many lines, like 720."),
]
AfterOption = Annotated[
    datetime | None,
    typer.Option(
        parser=parse_date, metavar="DATE", help="Only files modified on this date or later."
    ),
]
BeforeOption = Annotated[
    datetime | None,
    typer.Option(parser=parse_date, metavar="DATE", help="Only files modified before this date."),
]
PerVideoOption = Annotated[
    int | None,
    typer.Option("--per-video", metavar="N", help="At most N moments of one video."),
]
AllOption = Annotated[
    bool,
    typer.Option("--all", help="Show weak matches too (JSON always has them, with confidence)."),
]
