"""``vidseek describe``: say what a video shows, in labels and captions."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

import typer

from vidseek.cli import output
from vidseek.cli.hints import with_hint
from vidseek.cli.jobs import ShellJob
from vidseek.cli.options import (
    JsonOption,
    LibraryOption,
    SearchModelOption,
    YesOption,
    open_library,
)
from vidseek.cli.values import parse_moment, whole_number

if TYPE_CHECKING:
    from vidseek.core.types import Description


def describe(
    ctx: typer.Context,
    video: Annotated[
        str,
        typer.Argument(
            metavar="VIDEO[@START-END]", help="A video of the library, or a part of it."
        ),
    ],
    *,
    captioner: Annotated[
        str | None,
        typer.Option(
            "--captioner",
            metavar="NAME",
            help="Write captions with this image-to-text model: hf:ORG/NAME or a folder. "
            "Default: labels, and the captions that are stored.",
        ),
    ] = None,
    captions: Annotated[
        int,
        typer.Option(
            "--captions",
            metavar="N",
            parser=whole_number(0),
            help="Captions of evenly spaced clips.",
        ),
    ] = 12,
    labels: Annotated[
        int, typer.Option("--labels", metavar="N", parser=whole_number(0), help="Labels at most.")
    ] = 8,
    model: SearchModelOption = None,
    yes: YesOption = False,
    library: LibraryOption = None,
    json: JsonOption = False,
) -> None:
    """Say what a video shows.

    Gives labels by the library's model. With --captioner, also writes captions and stores them;
    `vidseek search --captions` finds their words.

    \b
    Example: vidseek describe holiday.mp4 --captioner hf:Salesforce/blip-image-captioning-base
    """
    path, span = parse_moment(video)
    with open_library(ctx, library, yes=yes) as opened:
        encoder = opened.models.encoder_for(model) if labels else None  # may ask a question
        writer = None if captioner is None else opened.load_captioner(captioner)
        with ShellJob() as job:
            found = opened.describe(
                path,
                writer,
                span=span,
                labels=labels,
                captions=captions,
                model=encoder or model,
                job=job,
            )
    for warning in found.warnings:
        output.say_aside(f"vidseek: {with_hint(warning.message, warning.hint)}")
    if json:
        output.print_json(_document(found))
    else:
        _print(found)
        if labels and not found.labels:
            typer.echo("  no label fits")


def _document(found: Description) -> dict[str, Any]:
    return {
        "path": str(found.video.path),
        "start_seconds": round(found.span.start_seconds, 3),
        "end_seconds": round(found.span.end_seconds, 3),
        "labels": [
            {"label": each.label, "confidence": round(each.confidence, 4)} for each in found.labels
        ],
        "captions": [
            {
                "start_seconds": round(each.span.start_seconds, 3),
                "end_seconds": round(each.span.end_seconds, 3),
                "text": each.text,
                "model": each.source,
            }
            for each in found.captions
        ],
    }


def _print(found: Description) -> None:
    span = output.span_clock(found.span.start_seconds, found.span.end_seconds)
    typer.echo(f"{output.short_path(found.video.path)}  {span}")
    for label in found.labels:
        typer.echo(f"  {label.confidence:>4.0%}  {output.printable(label.label)}")
    for caption in found.captions:
        span = output.span_clock(caption.span.start_seconds, caption.span.end_seconds)
        typer.echo(f"  {span}  {output.printable(caption.text)}")
