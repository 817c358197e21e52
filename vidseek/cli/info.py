"""``vidseek info``: details of one video."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from vidseek.cli import output
from vidseek.cli.options import JsonOption, LibraryOption, open_library

if TYPE_CHECKING:
    from vidseek.catalog import VideoDetails


def info(
    ctx: typer.Context,
    video: Annotated[
        Path, typer.Argument(metavar="VIDEO", readable=False, help="A video in the library.")
    ],
    library: LibraryOption = None,
    json: JsonOption = False,
) -> None:
    """Show the details of one video.

    Size, length, codec, state, and its clips with their thumbnails.

    \b
    Example: vidseek info ~/Movies/beach.mp4
    """
    with open_library(ctx, library) as opened:
        details = opened.info(video)
    if json:
        output.print_json(_details_json(details))
        return
    for name, value in output.video_json(details.video).items():
        if value is not None:
            typer.echo(f"{name:<17} {output.printable(str(value))}")
    typer.echo(f"{'clips':<17} {len(details.clips)}")
    for clip, thumbnail in zip(details.clips, details.thumbnails, strict=True):
        span = output.span_clock(clip.span.start_seconds, clip.span.end_seconds)
        picture = "" if thumbnail is None else output.short_path(thumbnail)
        typer.echo(f"  {span:<13}  {output.styled(picture, dim=True)}".rstrip())


def _details_json(details: VideoDetails) -> dict[str, object]:
    clips = [
        {
            "start_seconds": round(clip.span.start_seconds, 3),
            "end_seconds": round(clip.span.end_seconds, 3),
            "frames": len(clip.frame_seconds),
            "thumbnail": None if thumbnail is None else str(thumbnail),
        }
        for clip, thumbnail in zip(details.clips, details.thumbnails, strict=True)
    ]
    return {**output.video_json(details.video), "clips": clips}
