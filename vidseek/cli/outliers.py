"""``vidseek outliers``: moments unlike the rest."""

from __future__ import annotations

from json import dumps
from typing import TYPE_CHECKING, Annotated, Any

import typer

from vidseek.cli import output
from vidseek.cli.filters import with_filters
from vidseek.cli.jobs import ShellJob
from vidseek.cli.options import CountOption
from vidseek.cli.session import Session, with_session
from vidseek.cli.values import absolute_pattern, parse_moment, parse_seconds

if TYPE_CHECKING:
    from vidseek.core.types import VideoFilter
    from vidseek.search.understanding.outliers import Outlier

STALL_SECONDS = 30.0


@with_session
@with_filters
def outliers(
    video: Annotated[
        str | None,
        typer.Argument(
            metavar="VIDEO[@START-END]",
            help="A video of the library, compared with itself. Default: all videos.",
        ),
    ] = None,
    *,
    k: CountOption = 10,
    where: VideoFilter,
    normal: Annotated[
        str | None,
        typer.Option(
            metavar="GLOB",
            help="Normal footage: a file, folder or pattern. Default: the examined videos.",
        ),
    ] = None,
    stream: Annotated[
        bool,
        typer.Option(
            "--stream",
            help="Watch a growing file, a camera or an address, and print each event as JSON.",
        ),
    ] = False,
    allow_network: Annotated[
        bool, typer.Option("--allow-network", help="With --stream: read from an address.")
    ] = False,
    stall: Annotated[
        float | None,
        typer.Option(
            metavar="TIME",
            parser=parse_seconds,
            help="With --stream: end when nothing was written for this long. Default: 30.",
        ),
    ] = None,
    session: Session,
) -> None:
    """Find moments that are unlike the rest, or unlike normal footage.

    The score counts standard deviations above what is usual in the same video: 3 or more is
    unusual.

    \b
    Example: vidseek outliers --in cameras/today --normal cameras/last-week
    """
    from vidseek.core.types import VideoFilter as Filter

    if stream:
        if video is None or normal is not None or not where.is_empty:
            raise typer.BadParameter("--stream takes a video, a camera or an address alone")
        seconds = STALL_SECONDS if stall is None else stall
        _watch(session, video, stall=seconds, allow_network=allow_network)
        return
    path, span = (None, None) if video is None else parse_moment(video)
    footage = None if normal is None else Filter(path_glob=absolute_pattern(normal))
    with session.open(loads_model=False) as (library, model), ShellJob() as job:
        found = library.outliers(
            path, k, span=span, where=where, normal=footage, model=model, job=job
        )
    if not found:
        output.say_aside(
            "vidseek: there is nothing to compare: no video passes the filters, "
            "or each is a single clip or blank"
        )
    session.show(lambda: [_json(each) for each in found], lambda: _print(found))


def _watch(session: Session, source: str, *, stall: float, allow_network: bool) -> None:
    with session.open() as (library, model), ShellJob() as job:
        events = 0
        for event in library.watch(
            source, stall_seconds=stall, allow_network=allow_network, model=model, job=job
        ):
            events += 1
            line = {
                "path": source,
                "start_seconds": round(event.start_seconds, 3),
                "end_seconds": round(event.end_seconds, 3),
                "score": round(event.score, 4),
                "nearest": {"path": source, "start_seconds": round(event.nearest_seconds, 3)},
            }
            typer.echo(dumps(line))
    if not events:
        output.say_aside(f"vidseek: the stream of {source} has ended; nothing in it was unusual")


def _json(found: Outlier) -> dict[str, Any]:
    return {
        "path": str(found.video.path),
        "start_seconds": round(found.span.start_seconds, 3),
        "end_seconds": round(found.span.end_seconds, 3),
        "score": round(found.score, 4),
        "nearest": {
            "path": str(found.nearest.video.path),
            "start_seconds": round(found.nearest.span.start_seconds, 3),
            "end_seconds": round(found.nearest.span.end_seconds, 3),
        },
    }


def _print(found: list[Outlier]) -> None:
    if not output.is_for_person():
        output.print_columns((rank, *_columns(each)) for rank, each in enumerate(found, 1))
        return
    for rank, each in enumerate(found, 1):
        time = output.span_clock(each.span.start_seconds, each.span.end_seconds)
        normal = each.nearest
        usual = output.span_clock(normal.span.start_seconds, normal.span.end_seconds)
        score = output.styled(f"{each.score:>6.1f}", fg="green")
        typer.echo(f"{rank:>3}  {score}  {time}  {output.short_path(each.video.path)}")
        near = f"     nearest normal clip: {usual} of {output.short_path(normal.video.path)}"
        typer.echo(output.styled(near, dim=True))


def _columns(found: Outlier) -> list[object]:
    nearest = found.nearest
    return [
        found.video.path,
        round(found.span.start_seconds, 3),
        round(found.span.end_seconds, 3),
        round(found.score, 4),
        nearest.video.path,
        round(nearest.span.start_seconds, 3),
        round(nearest.span.end_seconds, 3),
    ]
