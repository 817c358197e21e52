"""``vidseek model add``, ``switch``, ``drop`` and ``list``: manage a library's models."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

import typer

from vidseek.cli import output
from vidseek.cli.hints import with_hint
from vidseek.cli.jobs import ShellJob, describe_indexing
from vidseek.cli.options import (
    JsonOption,
    LibraryOption,
    WorkersOption,
    YesOption,
    open_library,
)
from vidseek.cli.priority import give_way
from vidseek.cli.questions import confirm

if TYPE_CHECKING:
    from vidseek.core.types import LibraryModel
    from vidseek.indexer import ModelReport

StoredModelArgument = Annotated[
    str,
    typer.Argument(
        metavar="NAME",
        help="A model from `vidseek model list`: its name, or at least 4 digits of its "
        "fingerprint.",
    ),
]


def add(
    ctx: typer.Context,
    name: Annotated[
        str,
        typer.Argument(
            metavar="NAME",
            help="builtin, a name from `vidseek models`, hf:ORG/NAME, "
            "open_clip:ARCHITECTURE/PRETRAINED, or a model folder.",
        ),
    ],
    no_switch: Annotated[
        bool,
        typer.Option("--no-switch", help="Keep the current model active afterwards."),
    ] = False,
    workers: WorkersOption = None,
    yes: YesOption = False,
    library: LibraryOption = None,
    json: JsonOption = False,
) -> None:
    """Encode the library with another model, then search with it.

    The videos are read again; searches use the old model meanwhile. Ctrl-C stops cleanly; run the
    same command again to continue. Running it later encodes videos indexed since.

    \b
    Example: vidseek model add clip-base
    """
    give_way()
    with open_library(ctx, library, yes=yes) as opened:
        # Loaded before the progress display starts: it may ask a question or fail.
        encoder = opened.models.load(name)
        with ShellJob(describe_indexing) as job:
            report = opened.models.add(
                encoder,
                switch=not no_switch,
                workers=workers,
                job=job,
            )
    if json:
        output.print_json(_report_json(report))
    else:
        _print_report(report, no_switch=no_switch)
    if report.interrupted:
        output.say_aside("vidseek: stopped early; run the same command again to continue")
        raise typer.Exit(job.exit_code)
    if not report.model.is_complete:
        output.say_aside(_what_is_missing(report))
        raise typer.Exit(1)


def switch(
    ctx: typer.Context,
    name: StoredModelArgument,
    partial: Annotated[
        bool,
        typer.Option(
            "--partial",
            help="Switch even if the model has not encoded every video; the rest cannot be found.",
        ),
    ] = False,
    yes: YesOption = False,
    library: LibraryOption = None,
    json: JsonOption = False,
) -> None:
    """Search with another of the library's models from now on.

    New videos are encoded with it as well.

    \b
    Example: vidseek model switch builtin
    """
    with open_library(ctx, library, yes=yes) as opened:
        model = opened.models.switch(name, partial=partial)
    if json:
        output.print_json(_model_json(model))
    else:
        typer.echo(f"the library is now searched with {_name(model)}")


def drop(
    ctx: typer.Context,
    name: StoredModelArgument,
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Do not ask for confirmation.")] = False,
    library: LibraryOption = None,
    json: JsonOption = False,
) -> None:
    """Delete a model's vectors and search index from the library.

    The active model cannot be dropped. The videos and the model's own files are not touched.

    \b
    Example: vidseek model drop builtin
    """
    with open_library(ctx, library) as opened:
        model = opened.models.find(name)
        if not yes and not model.is_active:  # dropping the active model is refused anyway
            videos = output.counted(model.encoded_videos, "video")
            confirm(f"Delete the vectors of {videos} made by {_name(model)}?")
        freed = opened.models.drop(model.spec.fingerprint)
    if json:
        answer = {"name": _name(model), "fingerprint": model.spec.fingerprint}
        output.print_json({**answer, "freed_bytes": freed})
    else:
        typer.echo(f"dropped {_name(model)}, freed {output.amount_of_bytes(freed)}")


def list_models(
    ctx: typer.Context,
    library: LibraryOption = None,
    json: JsonOption = False,
) -> None:
    """List the models that the library is encoded with.

    \b
    Example: vidseek model list
    """
    with open_library(ctx, library) as opened:
        models = opened.models.list()
    if json:
        output.print_json([_model_json(model) for model in models])
    elif not output.is_for_person():
        output.print_columns(tuple(_model_json(model).values()) for model in models)
    elif not models:
        typer.echo("no model yet; to choose one, run: vidseek index --model NAME PATH")
    else:
        for model in models:
            _print_model(model)


def _print_model(model: LibraryModel) -> None:
    share = f"{model.encoded_videos:,} of {output.counted(model.videos, 'video')}"
    notes = ["active"] if model.is_active else []
    notes += [] if model.is_complete else ["incomplete"]
    note = f"  ({', '.join(notes)})" if notes else ""
    typer.echo(
        f"{output.styled(model.spec.fingerprint, dim=True)}  {share}  "
        f"{output.styled(output.printable(_name(model)), bold=True)}"
        f"{output.styled(note, fg='green' if model.is_complete else 'yellow')}"
    )


def _print_report(report: ModelReport, *, no_switch: bool) -> None:
    model = report.model
    videos = output.counted(model.videos, "video")
    typer.echo(
        f"encoded {report.encoded:,}  failed {len(report.failed):,}  "
        f"{_name(model)} has encoded {model.encoded_videos:,} of {videos}"
    )
    if report.encoded and report.seconds > 0:
        typer.echo(
            f"{output.amount_of_time(report.video_seconds)} of video in "
            f"{output.amount_of_time(report.seconds)}, "
            f"{report.video_seconds / report.seconds:.0f}x realtime"
        )
    output.print_failures(
        [(file.path, with_hint(file.reason, file.hint)) for file in report.failed]
    )
    if report.switched:
        typer.echo("the library is now searched with it")
    elif no_switch and model.is_complete and not model.is_active:
        typer.echo(f"to use it, run: vidseek model switch {_name(model)}")


def _what_is_missing(report: ModelReport) -> str:
    model = report.model
    missing = output.counted(model.videos - model.encoded_videos, "video")
    rest = "" if model.is_active else f", or `vidseek model switch --partial {_name(model)}`"
    state = "" if model.is_active else "not switched: "
    return (
        f"vidseek: {state}{missing} of {model.videos:,} could not be encoded; fix them and run the "
        f"same command again{rest}"
    )


def _name(model: LibraryModel) -> str:
    return model.spec.source


def _model_json(model: LibraryModel) -> dict[str, Any]:
    return {
        "name": _name(model),
        "fingerprint": model.spec.fingerprint,
        "dimension": model.spec.dimension,
        "encoded_videos": model.encoded_videos,
        "videos": model.videos,
        "complete": model.is_complete,
        "active": model.is_active,
    }


def _report_json(report: ModelReport) -> dict[str, Any]:
    return {
        "model": _model_json(report.model),
        "encoded": report.encoded,
        "failed": [
            {"path": str(file.path), "reason": with_hint(file.reason, file.hint)}
            for file in report.failed
        ],
        "switched": report.switched,
        "video_seconds": round(report.video_seconds, 3),
        "seconds": round(report.seconds, 3),
    }
