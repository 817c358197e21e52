"""``vidseek list``: list the videos of a library."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from vidseek.cli import output
from vidseek.cli.options import JsonOption, LibraryOption, open_library

if TYPE_CHECKING:
    from vidseek.core.types import Video


def list_videos(
    ctx: typer.Context,
    damaged: Annotated[
        bool,
        typer.Option("--damaged", help="Only videos with parts that could not be decoded."),
    ] = False,
    library: LibraryOption = None,
    json: JsonOption = False,
) -> None:
    """List the videos in the library.

    \b
    Example: vidseek list --json
    """
    with open_library(ctx, library) as opened:
        videos = opened.videos(damaged=True if damaged else None)
        labels = opened.labels.of_videos(videos)
    if json:
        output.print_json(
            [{**output.video_json(video), "labels": labels.get(video.id, [])} for video in videos]
        )
    elif not output.is_for_person():
        output.print_columns(
            (
                video.path,
                video.state.value,
                f"{video.duration_seconds:.3f}",
                video.width,
                video.height,
                video.codec,
                ", ".join(labels.get(video.id, [])),
            )
            for video in videos
        )
    else:
        for video in videos:
            _print_video_line(video, labels.get(video.id, []))
        total = sum(video.duration_seconds for video in videos)
        typer.echo(f"{output.counted(len(videos), 'video')}, {output.amount_of_time(total)}")


def _print_video_line(video: Video, labels: list[str]) -> None:
    notes = [] if video.state.value == "indexed" else [video.state.value]
    notes += ["damaged"] if video.damaged else []
    notes += map(output.printable, labels)
    note = f"  ({', '.join(notes)})" if notes else ""
    size = f"{video.width}x{video.height}" if video.height else ""
    lead = f"{output.clock(round(video.duration_seconds)):>8}  {size:>9}  "
    width = output.terminal_columns() - len(lead) - len(note)
    name = output.shorten(output.short_path(video.path), width)
    typer.echo(lead + name + output.styled(note, fg="yellow"))
