"""``vidseek related``: what to watch next."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

import typer

from vidseek.cli import output
from vidseek.cli.filters import with_filters
from vidseek.cli.jobs import ShellJob
from vidseek.cli.session import Session, with_session
from vidseek.cli.values import number_between, parse_moment, whole_number

if TYPE_CHECKING:
    from vidseek.core.types import VideoFilter
    from vidseek.discovery import Part
    from vidseek.search.understanding.related import RelatedVideo


@with_session
@with_filters
def related(
    videos: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="VIDEO[@START-END]", help="What was liked: videos, parts of videos or pictures."
        ),
    ] = None,
    *,
    liked: Annotated[
        list[str] | None,
        typer.Option(metavar="VIDEO", help="A further video that was liked. May be repeated."),
    ] = None,
    disliked: Annotated[
        list[str] | None,
        typer.Option(metavar="VIDEO", help="A video that was disliked. May be repeated."),
    ] = None,
    k: Annotated[
        int,
        typer.Option("-k", metavar="N", parser=whole_number(1), help="Number of videos to return."),
    ] = 10,
    diversity: Annotated[
        float,
        typer.Option(
            metavar="0-1",
            parser=number_between(0, 1),
            help="0 for the most similar videos, more for greater differences among them.",
        ),
    ] = 0.3,
    where: VideoFilter,
    session: Session,
) -> None:
    """Recommend videos of the library that are like others.

    Leaves out the given videos and their copies, and says which part each result is nearest to.

    \b
    Example: vidseek related --liked trip.mp4 --liked trains.mp4@1:00-2:00 --disliked news.mp4
    """
    wanted = [_part(text) for text in [*(videos or []), *(liked or [])]]
    unwanted = [_part(text) for text in disliked or []]
    with session.open() as (library, model), ShellJob() as job:
        found = library.related(
            wanted,
            k,
            disliked=unwanted,
            where=where,
            diversity=diversity,
            model=model,
            job=job,
        )
    if not found:
        output.say_aside("vidseek: the library has no other video to recommend")
    session.show(lambda: [_json(each) for each in found], lambda: _print(found))


def _part(text: str) -> Part:
    path, span = parse_moment(text)
    return path if span is None else (path, span)


def _json(found: RelatedVideo) -> dict[str, Any]:
    because = found.because
    return {
        "path": str(found.video.path),
        "score": round(found.score, 6),
        "because": {
            "path": str(because.path),
            "start_seconds": round(because.span.start_seconds, 3),
            "end_seconds": round(because.span.end_seconds, 3),
        },
    }


def _print(found: list[RelatedVideo]) -> None:
    if not output.is_for_person():
        output.print_columns(
            (rank, each.video.path, round(each.score, 6), _because(each))
            for rank, each in enumerate(found, 1)
        )
        return
    for rank, each in enumerate(found, 1):
        name = output.shorten(output.short_path(each.video.path), output.terminal_columns() - 13)
        score = output.styled(f"{each.score:>6.3f}", fg="green")
        typer.echo(f"{rank:>3}  {score}  {output.styled(name, bold=True)}")
        typer.echo(output.styled(f"     because of {_because(each)}", dim=True))


def _because(found: RelatedVideo) -> str:
    span, path = found.because.span, output.short_path(found.because.path)
    if span.duration_seconds == 0:
        return path
    return f"{output.span_clock(span.start_seconds, span.end_seconds)} of {path}"
