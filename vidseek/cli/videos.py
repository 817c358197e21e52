"""``vidseek list``, ``info``, ``remove`` and ``relocate``: looking after what a library holds."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from vidseek.cli import output
from vidseek.cli.options import JsonOption, LibraryOption, confirm, open_library

if TYPE_CHECKING:
    from vidseek.core.types import Video
    from vidseek.library import VideoDetails


def list_videos(
    ctx: typer.Context,
    library: LibraryOption = None,
    json: JsonOption = False,
) -> None:
    """List the videos of the library.

    \b
    Example: vidseek list --json
    """
    with open_library(ctx, library) as opened:
        videos = opened.videos()
    if json:
        output.print_json([output.video_json(video) for video in videos])
    elif not output.is_for_person():
        output.print_columns(
            (
                video.path,
                video.state.value,
                f"{video.duration_seconds:.3f}",
                video.width,
                video.height,
                video.codec,
            )
            for video in videos
        )
    else:
        for video in videos:
            _print_video_line(video)
        total = sum(video.duration_seconds for video in videos)
        typer.echo(f"{output.counted(len(videos), 'video')}, {output.amount_of_time(total)}")


def info(
    ctx: typer.Context,
    video: Annotated[Path, typer.Argument(metavar="VIDEO", help="A video of the library.")],
    library: LibraryOption = None,
    json: JsonOption = False,
) -> None:
    """Show what is known of one video.

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


def remove(
    ctx: typer.Context,
    path: Annotated[
        Path, typer.Argument(metavar="PATH", help="A video, or a folder with all that is below.")
    ],
    yes: Annotated[
        bool, typer.Option("--yes", "-y", help="Do not ask before removing several.")
    ] = False,
    library: LibraryOption = None,
    json: JsonOption = False,
) -> None:
    """Take videos out of the library. The files themselves are not touched.

    \b
    Example: vidseek remove ~/Movies/old
    """
    with open_library(ctx, library) as opened:
        count = 0 if yes else len(opened.videos(under=path))
        if count > 1:
            confirm(f"Remove {output.counted(count, 'video')} from the library?")
        removed = opened.remove(path)
    if json:
        output.print_json({"removed": removed})
    else:
        typer.echo(f"removed {output.counted(removed, 'video')}; the files are where they were")


def relocate(
    ctx: typer.Context,
    old: Annotated[
        Path, typer.Argument(metavar="OLD", help="Folder or file, as the library has it.")
    ],
    new: Annotated[Path, typer.Argument(metavar="NEW", help="Where it is now.")],
    library: LibraryOption = None,
    json: JsonOption = False,
) -> None:
    """Tell where a moved folder is now.

    For a disk with a new mount point, say. Nothing is decoded again.

    \b
    Example: vidseek relocate /media/old-disk /media/new-disk
    """
    with open_library(ctx, library) as opened:
        relocated = opened.relocate(old, new)
    if json:
        output.print_json({"relocated": relocated})
    else:
        typer.echo(f"relocated {output.counted(relocated, 'video')}")


def _print_video_line(video: Video) -> None:
    notes = [] if video.state.value == "indexed" else [video.state.value]
    notes += ["damaged"] if video.damaged else []
    note = f"  ({', '.join(notes)})" if notes else ""
    size = f"{video.width}x{video.height}" if video.height else ""
    lead = f"{output.clock(video.duration_seconds):>8}  {size:>9}  "
    width = output.terminal_columns() - len(lead) - len(note)
    name = output.shorten(output.short_path(video.path), width)
    typer.echo(lead + name + output.styled(note, fg="yellow"))


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
