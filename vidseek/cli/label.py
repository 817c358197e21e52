"""``vidseek label``: label moments, and teach the library to recognise the labels."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from vidseek.cli import output
from vidseek.cli.hints import with_hint
from vidseek.cli.jobs import ShellJob
from vidseek.cli.last_search import last_hits
from vidseek.cli.options import JsonOption, LibraryOption, open_library
from vidseek.cli.values import parse_moment

if TYPE_CHECKING:
    from vidseek.core.types import TimeSpan, TrainedLabel

NameArgument = Annotated[str, typer.Argument(metavar="NAME", help="The label, in your own words.")]
_HIT_HELP = "A hit's number in the last search, a video, or a part of one (clip.mp4@1:30-1:45)."


def add(
    ctx: typer.Context,
    name: NameArgument,
    hits: Annotated[list[str], typer.Argument(metavar="HIT", help=_HIT_HELP)],
    counterexample: Annotated[
        bool, typer.Option("--not", help="These moments do not show the label.")
    ] = False,
    library: LibraryOption = None,
    json: JsonOption = False,
) -> None:
    """Add examples of a label.

    A handful of examples from different videos is enough to begin. `vidseek label train` learns
    from them.

    \b
    Example: vidseek label add goal 1 2 5 match.mp4@12:30-12:40
    """
    with open_library(ctx, library) as opened:
        moments = _moments(opened.folder, hits)
        added = opened.labels.add(name, moments, shown=not counterexample)
    if json:
        output.print_json({"label": name, "added": added})
        return
    noun = "counterexample" if counterexample else "example"
    typer.echo(f"{output.counted(added, noun)} of {output.printable(name)}")


def remove(
    ctx: typer.Context,
    name: NameArgument,
    hits: Annotated[list[str] | None, typer.Argument(metavar="HIT", help=_HIT_HELP)] = None,
    library: LibraryOption = None,
    json: JsonOption = False,
) -> None:
    """Remove a label, or some of its examples.

    \b
    Example: vidseek label remove goal match.mp4@12:30-12:40
    """
    with open_library(ctx, library) as opened:
        moments = _moments(opened.folder, hits) if hits else None
        removed = opened.labels.remove(name, moments)
        _warn_of_labels_without_examples(opened.labels.list(), name if moments else "")
    if json:
        output.print_json({"label": name, "removed": removed})
    elif moments is None:
        typer.echo(f"removed the label {output.printable(name)}")
    else:
        typer.echo(f"removed {output.counted(removed, 'example')} of {output.printable(name)}")


def train(
    ctx: typer.Context,
    name: Annotated[
        str | None, typer.Argument(metavar="NAME", help="The label. Default: all.")
    ] = None,
    library: LibraryOption = None,
    json: JsonOption = False,
) -> None:
    """Learn labels from their examples, and label the library's clips.

    `vidseek index` labels new videos afterwards. Needs the extra `labels`.

    \b
    Example: vidseek label train
    """
    with open_library(ctx, library) as opened, ShellJob() as job:
        trained = opened.labels.train(name, job=job)
        _warn_of_labels_without_examples(opened.labels.list(), name)
    _show(trained, json=json)


def list_labels(
    ctx: typer.Context, library: LibraryOption = None, json: JsonOption = False
) -> None:
    """List the labels of the library.

    \b
    Example: vidseek label list
    """
    with open_library(ctx, library) as opened:
        labels = opened.labels.list()
    _show(labels, json=json)


def _moments(folder: Path, hits: list[str]) -> list[tuple[Path, TimeSpan | None]]:
    """The parts of videos that the command line names."""
    from vidseek.core.types import TimeSpan

    remembered = last_hits(folder) if any(hit.isdecimal() for hit in hits) else []
    moments: list[tuple[Path, TimeSpan | None]] = []
    for hit in hits:
        if not hit.isdecimal() or Path(hit).exists():
            moments.append(parse_moment(hit))
            continue
        number = int(hit)
        if not 1 <= number <= len(remembered):
            what = output.counted(len(remembered), "hit")
            raise typer.BadParameter(
                f"the last search of this library showed {what}, got {number}", param_hint="HIT"
            )
        moment = remembered[number - 1]
        moments.append((moment.path, TimeSpan(moment.start_seconds, moment.end_seconds)))
    return moments


def _warn_of_labels_without_examples(labels: list[TrainedLabel], name: str | None) -> None:
    """Say of labels that were learned from examples since removed that they stay on their clips.

    Args:
        labels: all labels.
        name: the label to look at; None for all.
    """
    from vidseek.core.errors import Hint

    for label in labels:
        if label.positives or not label.clips or name not in (None, label.name):
            continue
        clips = output.counted(label.clips, "clip")
        message = (
            f"the label {output.printable(label.name)!r} has no example left and is on {clips}"
        )
        hint = Hint("remove_label", {"label": label.name})
        output.say_aside(f"vidseek: {with_hint(message, hint)}")


def _show(labels: list[TrainedLabel], *, json: bool) -> None:
    if json:
        output.print_json([_label_json(label) for label in labels])
        return
    if not output.is_for_person():
        output.print_columns(
            (label.name, label.positives, label.negatives, label.clips, label.accuracy)
            for label in labels
        )
        return
    for label in labels:
        typer.echo(f"{output.printable(label.name)}: {_summary(label)}")


def _label_json(label: TrainedLabel) -> dict[str, object]:
    return {
        "label": label.name,
        "examples": label.positives,
        "counterexamples": label.negatives,
        "model": label.fingerprint,
        "accuracy": None if label.accuracy is None else round(label.accuracy, 4),
        "clips": label.clips,
    }


def _summary(label: TrainedLabel) -> str:
    parts = [output.counted(label.positives, "example")]
    if label.negatives:
        parts.append(output.counted(label.negatives, "counterexample"))
    if label.fingerprint is None:
        return ", ".join([*parts, "not trained"])
    measured = (
        "accuracy not measured: examples from one video only"
        if label.accuracy is None
        else f"accuracy {label.accuracy:.0%}"
    )
    return ", ".join([*parts, output.counted(label.clips, "clip"), measured])
