"""``vidseek summary``: key frames and a reel of a video."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from vidseek.cli import output
from vidseek.cli.jobs import ShellJob
from vidseek.cli.session import Session, with_session
from vidseek.cli.values import parse_moment, parse_seconds, whole_number

if TYPE_CHECKING:
    from vidseek.library import Library
    from vidseek.search.understanding.summary import KeyFrame

DEFAULT_REEL_SECONDS = 30.0


@with_session
def summary(
    video: Annotated[
        str,
        typer.Argument(metavar="VIDEO[@START-END]", help="A video of the library, or a part."),
    ],
    *,
    frames: Annotated[
        int | None,
        typer.Option(
            metavar="N",
            parser=whole_number(1),
            help="Number of key frames. Default: 12.",
            show_default=False,
        ),
    ] = None,
    seconds: Annotated[
        float | None,
        typer.Option(
            metavar="TIME",
            parser=parse_seconds,
            help="Whole clips that last this long together. Default for a reel: 30.",
            show_default=False,
        ),
    ] = None,
    query: Annotated[
        str | None, typer.Option(metavar="TEXT", help="Summarise only what matches this text.")
    ] = None,
    out: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE",
            help="Write a page (.html), a picture (.jpg), a reel (.mp4) or a list (.json).",
        ),
    ] = None,
    session: Session,
) -> None:
    """Choose key frames, or a reel, that cover what a video shows.

    Leaves out blank and blurred frames and repetitions. In order of time.

    \b
    Example: vidseek summary holiday.mp4 --seconds 30 --out reel.mp4
    """
    if frames is not None and seconds is not None:
        raise typer.BadParameter("give --frames or --seconds, not both")
    file = None if out is None else out.expanduser().absolute()
    if file is not None:
        from vidseek.exports.summary import check_suffix

        if check_suffix(file) == ".mp4" and frames is None and seconds is None:
            seconds = DEFAULT_REEL_SECONDS
    path, span = parse_moment(video)
    with session.open() as (library, model), ShellJob() as job:
        found = library.summary(
            path,
            frames=frames,
            seconds=seconds,
            span=span,
            query=query,
            model=model,
            job=job,
        )
        thumbnails = _thumbnails(library, found)
        if file is not None:
            from vidseek.exports.summary import write_summary

            notes = write_summary(found, thumbnails, file, title=query or "", job=job)
            for note in notes:
                output.say_aside(f"vidseek: {output.short_path(note.path)}: {note.reason}")
    session.show(lambda: _document(found, thumbnails), lambda: _print(found, thumbnails))
    if file is not None:
        output.say_aside(f"vidseek: wrote {output.short_path(file)}")


def _thumbnails(library: Library, frames: list[KeyFrame]) -> list[Path | None]:
    """The library's picture of each frame, or of the middle of its clip."""
    if not frames:
        return []
    video = frames[0].video
    clips = library.video(video.id).clips
    found: list[Path | None] = []
    for frame in frames:
        clip = min(
            clips, key=lambda clip: min(abs(at - frame.seconds) for at in clip.frame_seconds)
        )
        found.append(
            library.thumbnail(video, frame.seconds)
            or library.thumbnail(video, clip.middle_frame_seconds)
        )
    return found


def _document(frames: list[KeyFrame], thumbnails: list[Path | None]) -> Any:
    from vidseek.exports.summary import summary_json

    return summary_json(frames, thumbnails)


def _print(frames: list[KeyFrame], thumbnails: list[Path | None]) -> None:
    if not output.is_for_person():
        output.print_columns(
            (frame.video.path, round(frame.seconds, 3), thumbnail)
            for frame, thumbnail in zip(frames, thumbnails, strict=True)
        )
    else:
        for number, frame in enumerate(frames, 1):
            span = output.span_clock(frame.span.start_seconds, frame.span.end_seconds)
            typer.echo(f"{number:>3}  {output.clock(frame.seconds)}  in {span}")
        if not frames:
            typer.echo("nothing to summarise: every frame is blank")
