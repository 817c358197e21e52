"""``vidseek classify``: say what videos show, in labels."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from vidseek.cli import output
from vidseek.cli.filters import with_filters
from vidseek.cli.jobs import ShellJob
from vidseek.cli.session import Session, with_session
from vidseek.cli.values import number_between, one_of, parse_moment, whole_number

if TYPE_CHECKING:
    from vidseek.core.types import LabelledMoment, VideoFilter

_SETS = ("everyday", "actions", "places")


@with_session
@with_filters
def classify(
    videos: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="VIDEO[@START-END]",
            help="Videos of the library, or parts of them. Default: all.",
        ),
    ] = None,
    *,
    label: Annotated[
        list[str] | None,
        typer.Option("--label", metavar="TEXT", help="A label, in plain words. May be repeated."),
    ] = None,
    labels: Annotated[
        Path | None,
        typer.Option("--labels", metavar="FILE", help="A text file with a label on each line."),
    ] = None,
    label_set: Annotated[
        str | None,
        typer.Option(
            "--set",
            metavar="NAME",
            parser=one_of(*_SETS),
            help="Labels that come with vidseek: everyday, actions or places.",
        ),
    ] = None,
    k: Annotated[
        int,
        typer.Option(
            "-k", metavar="N", parser=whole_number(1), help="Labels per video or clip, at most."
        ),
    ] = 5,
    min_confidence: Annotated[
        float,
        typer.Option(
            metavar="NUMBER",
            parser=number_between(0, 1),
            help="Leave out labels less confident than this.",
        ),
    ] = 0.1,
    clips: Annotated[
        bool, typer.Option("--clips", help="Label every clip, not the whole video.")
    ] = False,
    where: VideoFilter,
    session: Session,
) -> None:
    """Label videos with words.

    Compares the stored vectors of videos with each label. Videos that show none of the labels get
    `none of these`. Without labels, those learned from examples with `vidseek label` are used.

    \b
    Example: vidseek classify --label "a beach" --label "a city street" --in ~/Movies/2024
    """
    names = _label_names(label, labels, label_set)
    parts = [parse_moment(each) for each in videos or []] or None
    with session.open(loads_model=names is not None) as (library, model), ShellJob() as job:
        result = library.classify(
            parts,
            names,
            where=where,
            k=k,
            min_confidence=min_confidence,
            by_clip=clips,
            model=model,
            job=job,
        )
    session.show(
        lambda: [_moment_json(moment) for moment in result],
        lambda: _print(result),
        warnings=result.warnings,
    )


def _label_names(
    label: list[str] | None, file: Path | None, label_set: str | None
) -> list[str] | None:
    """The labels of the command line; None if none are given."""
    from vidseek.search.understanding.label_sets import bundled_labels, read_labels

    names = list(label or [])
    if file is not None:
        names += read_labels(file)
    if label_set is not None:
        names += bundled_labels(label_set)
    return names if names else None


def _moment_json(moment: LabelledMoment) -> dict[str, Any]:
    return {
        "path": str(moment.video.path),
        "start_seconds": round(moment.span.start_seconds, 3),
        "end_seconds": round(moment.span.end_seconds, 3),
        "labels": [
            {"label": each.label, "confidence": round(each.confidence, 4)} for each in moment.labels
        ],
    }


def _print(moments: Iterable[LabelledMoment]) -> None:
    for moment in moments:
        _print_moment(moment)


def _print_moment(moment: LabelledMoment) -> None:
    if not output.is_for_person():
        output.print_columns(
            (
                moment.video.path,
                f"{moment.span.start_seconds:.3f}",
                f"{moment.span.end_seconds:.3f}",
                each.label,
                f"{each.confidence:.4f}",
            )
            for each in moment.labels
        )
        return
    span = output.span_clock(moment.span.start_seconds, moment.span.end_seconds)
    typer.echo(f"{output.short_path(moment.video.path)}  {span}")
    for each in moment.labels:
        typer.echo(f"  {each.confidence:>4.0%}  {output.printable(each.label)}")
