"""``vidseek models``: which models can be searched with."""

from __future__ import annotations

from dataclasses import asdict, astuple

import typer

from vidseek.cli import output
from vidseek.cli.options import JsonOption


def models(json: JsonOption = False) -> None:
    """List models that can be used instead of the built-in one.

    Take one with `index --model NAME` for a new library, or `model add NAME`; hf:ORG/NAME,
    open_clip:ARCHITECTURE/PRETRAINED or a folder names any other dual encoder.

    \b
    Example: vidseek models
    """
    from vidseek.encoders.hub.catalogue import CATALOGUE

    if json:
        output.print_json([asdict(model) for model in CATALOGUE])
        return
    if not output.is_for_person():
        output.print_columns(astuple(model) for model in CATALOGUE)
        return
    typer.echo(f"{output.styled('builtin', bold=True)}  in the package; English, needs no download")
    for model in CATALOGUE:
        size = output.amount_of_bytes(model.download_bytes)
        typer.echo(f"{output.styled(model.name, bold=True)}  {model.good_for}")
        typer.echo(
            output.wrapped(
                f"hf:{model.repository}, about {size}, vectors of {model.dimension}, "
                f"{model.frames_per_second:g} frames/s on two cores, {model.licence}",
                indent=5,
            )
        )
    typer.echo(
        "take one: vidseek index FOLDER --model NAME (a new library), or vidseek model add NAME"
    )
