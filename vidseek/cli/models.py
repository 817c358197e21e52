"""``vidseek models``: list the models that vidseek can search with."""

from __future__ import annotations

from dataclasses import asdict, astuple

import typer

from vidseek.cli import output
from vidseek.cli.options import JsonOption


def models(json: JsonOption = False) -> None:
    """List models to use instead of the built-in one.

    Use one with `index --model NAME` in a new library, or `model add NAME` in an existing one. Most
    other models that compare pictures with texts (dual encoders, such as CLIP) work too:
    hf:ORG/NAME, open_clip:ARCHITECTURE/PRETRAINED, or a folder.

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
    typer.echo(f"{output.styled('builtin', bold=True)}  included; English; no download")
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
        "to use one: vidseek index FOLDER --model NAME (new library), or vidseek model add NAME"
    )
