"""``vidseek describe``: say what a video shows, in labels and captions."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

import typer

from vidseek.cli import output
from vidseek.cli.jobs import ShellJob
from vidseek.cli.session import Session, with_session
from vidseek.cli.values import parse_moment, whole_number

if TYPE_CHECKING:
    from vidseek.core.types import Description


@with_session
def describe(
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
    session: Session,
) -> None:
    """Say what a video shows.

    Gives labels by the library's model. With --captioner, also writes captions and stores them;
    `vidseek search --captions` finds their words.

    \b
    Example: vidseek describe holiday.mp4 --captioner hf:Salesforce/blip-image-captioning-base
    """
    path, span = parse_moment(video)
    with session.open(loads_model=labels > 0) as (library, model):
        writer = None if captioner is None else library.load_captioner(captioner)
        with ShellJob() as job:
            found = library.describe(
                path,
                writer,
                span=span,
                labels=labels,
                captions=captions,
                model=model,
                job=job,
            )
    session.show(
        lambda: _document(found),
        lambda: _print(found, says_none=labels > 0),
        warnings=found.warnings,
    )


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


def _print(found: Description, *, says_none: bool) -> None:
    span = output.span_clock(found.span.start_seconds, found.span.end_seconds)
    typer.echo(f"{output.short_path(found.video.path)}  {span}")
    for label in found.labels:
        typer.echo(f"  {label.confidence:>4.0%}  {output.printable(label.label)}")
    for caption in found.captions:
        span = output.span_clock(caption.span.start_seconds, caption.span.end_seconds)
        typer.echo(f"  {span}  {output.printable(caption.text)}")
    if says_none and not found.labels:
        typer.echo("  no label fits")
