"""``vidseek failed``: list the files that could not be read, or retry them.

The rule for retrying is in ``vidseek.indexer.plan``.
"""

from __future__ import annotations

from typing import Annotated

import typer

from vidseek.cli import output
from vidseek.cli.hints import shell_hint, with_hint
from vidseek.cli.index import EMPTY_REPORT, run_index
from vidseek.cli.options import JsonOption, LibraryOption, YesOption, open_library


def failed(
    ctx: typer.Context,
    retry: Annotated[bool, typer.Option("--retry", help="Try to read these files again.")] = False,
    yes: YesOption = False,
    library: LibraryOption = None,
    json: JsonOption = False,
) -> None:
    """List the files that could not be read.

    Each is listed with the reason. `index` skips them until they change.

    \b
    Example: vidseek failed --retry
    """
    with open_library(ctx, library, yes=yes) as opened:
        videos = opened.failed()
        if retry and videos:
            run_index(opened, [video.path for video in videos], retry_failed=True, json=json)
        elif json and retry:
            output.print_json(EMPTY_REPORT)
        elif json:
            output.print_json(
                [
                    {
                        "path": str(video.path),
                        "reason": video.failure,
                        "hint": shell_hint(video.failure_hint),
                    }
                    for video in videos
                ]
            )
        elif not output.is_for_person():
            output.print_columns((video.path, video.failure) for video in videos)
        elif not videos:
            typer.echo("no failed files")
        else:
            output.print_failures(
                [
                    (video.path, with_hint(video.failure or "", video.failure_hint))
                    for video in videos
                ]
            )
            typer.echo("to try again, run: vidseek failed --retry")
