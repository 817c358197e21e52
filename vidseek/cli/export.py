"""``vidseek export``: write the vectors of a library to a file."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from vidseek.cli import output
from vidseek.cli.filters import with_filters
from vidseek.cli.jobs import ShellJob
from vidseek.cli.options import JsonOption, LibraryOption, open_library

if TYPE_CHECKING:
    from vidseek.core.types import VideoFilter


@with_filters
def export(
    ctx: typer.Context,
    file: Annotated[
        Path, typer.Argument(metavar="OUT.parquet", help="Parquet file to write or replace.")
    ],
    *,
    frames: Annotated[
        bool, typer.Option("--frames", help="A row per sampled frame. Default: a row per clip.")
    ] = False,
    where: VideoFilter,
    model: Annotated[
        str | None,
        typer.Option(
            "--model",
            metavar="NAME",
            help="Vectors of this model from `vidseek model list`. Default: the active model.",
        ),
    ] = None,
    library: LibraryOption = None,
    json: JsonOption = False,
) -> None:
    """Write the vectors of all clips or frames to a Parquet file.

    Each row has the video's path and id, the start and end of the clip in seconds, and the vector.

    \b
    Example: vidseek export clips.parquet --in ~/Movies/2024
    """
    with open_library(ctx, library) as opened:
        vectors = opened.vectors("frames" if frames else "clips", where=where, model=model)
        with ShellJob() as job:
            rows = vectors.to_parquet(file, job=job)
    spec = vectors.spec
    if json:
        output.print_json(
            {
                "path": str(file.absolute()),
                "level": "frames" if frames else "clips",
                "rows": rows,
                "dimension": spec.dimension,
                "model": spec.source,
                "fingerprint": spec.fingerprint,
            }
        )
        return
    what = output.counted(rows, "frame" if frames else "clip")
    typer.echo(
        f"wrote vectors of {what}, {spec.dimension} numbers each by "
        f"{output.printable(spec.source)}, to {output.short_path(file.absolute())}"
    )
