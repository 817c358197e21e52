"""``vidseek train``: fine-tune the model on your own captioned clips."""

from __future__ import annotations

import shlex
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from vidseek.cli import output
from vidseek.cli.jobs import ProgressLine, ShellJob, describe_progress, time_left
from vidseek.cli.options import JsonOption, YesOption
from vidseek.cli.questions import download_question
from vidseek.cli.values import whole_number

if TYPE_CHECKING:
    from vidseek.core.job import Progress
    from vidseek.training.user.report import TrainingReport

FIGURES = {
    "recall_at_1": "recall at 1",
    "recall_at_5": "recall at 5",
    "recall_at_10": "recall at 10",
    "mean_reciprocal_rank": "mean reciprocal rank",
}


def train(
    captions: Annotated[
        Path,
        typer.Argument(
            metavar="CAPTIONS",
            readable=False,
            help="JSON lines with path, caption, and optional start_seconds and end_seconds.",
        ),
    ],
    out: Annotated[
        Path,
        typer.Option(metavar="DIR", readable=False, help="Folder for the model; new or empty."),
    ],
    start: Annotated[
        str,
        typer.Option(
            "--from",
            metavar="NAME",
            help="Model to start from: builtin, a model folder, hf:ORG/NAME, or a name from "
            "`vidseek models`.",
        ),
    ] = "builtin",
    epochs: Annotated[
        int | None,
        typer.Option(
            metavar="N",
            parser=whole_number(1),
            help="Passes over the training clips. Default: 10, or 50 for a head.",
            show_default=False,
        ),
    ] = None,
    seed: Annotated[
        int, typer.Option(metavar="N", parser=whole_number(0), help="Random seed.")
    ] = 1,
    yes: YesOption = False,
    json: JsonOption = False,
) -> None:
    """Fine-tune the model on captioned clips.

    About one video in seven is held out for evaluation. A model is written only if it retrieves the
    held-out videos better than the starting model; use it with `index --model` in a new library.
    A third-party model is left as it is, and a head that scores its best hits again is trained, for
    libraries indexed with that model. Ctrl-C stops cleanly; run the same command again to continue.
    Needs the extra `train`.

    \b
    Example: vidseek train captions.jsonl --out my-model
    """
    from vidseek.training.user.train import train_on_captions

    with ShellJob(describe_training) as job:
        report = train_on_captions(
            captions,
            out,
            start=start,
            epochs=epochs,
            seed=seed,
            confirm_download=download_question(yes=yes),
            job=job,
        )
    if json:
        output.print_json(_report_json(report))
    else:
        _print_report(report)
    if report.interrupted:
        output.say_aside("vidseek: stopped early; run the same command again to continue")
        raise typer.Exit(job.exit_code)
    if not report.improved:
        output.say_aside(
            f"vidseek: no {'head' if report.base else 'model'} was written: none retrieved the "
            f"held-out videos better than {'untrained pooling' if report.base else 'the start'}. "
            "More captions or other --epochs may help"
        )
        raise typer.Exit(1)


def describe_training(progress: Progress) -> ProgressLine:
    """Stage, how far it is, loss and time left; held-out figures stay on the screen."""
    from vidseek.training.user.report import TrainingProgress

    if not isinstance(progress, TrainingProgress):
        return describe_progress(progress)
    parts = [f"{progress.stage}, {progress.done:,}/{progress.total:,} {progress.unit}"]
    if progress.eta_seconds is not None:
        parts.append(time_left(progress.eta_seconds))
    if progress.loss is not None:
        parts.append(f"loss {progress.loss:.3f}")
    if progress.figures is not None:
        shown = (f"{FIGURES[name]} {value:.1f} %" for name, value in progress.figures.items())
        parts.append(f"held out: {', '.join(shown)}")
    return ProgressLine(
        ", ".join(parts),
        share=describe_progress(progress).share,
        lasting=progress.figures is not None,
    )


def _report_json(report: TrainingReport) -> dict[str, Any]:
    facts = asdict(report)
    facts["folder"] = str(report.folder)
    facts["seconds"] = round(report.seconds, 3)
    for name in ("before", "pooled", "after"):
        facts[name] = {key: round(value, 3) for key, value in facts[name].items()}
    return facts


def _print_report(report: TrainingReport) -> None:
    if report.problems:
        typer.echo("not used:")
    for problem in report.problems:
        typer.echo(f"  line {problem.line}: {output.printable(problem.reason)}")
    if report.before:
        typer.echo(
            f"{output.counted(report.clips, 'clip')} of {output.counted(report.videos, 'video')}; "
            f"held out: {output.counted(report.held_out_videos, 'video')}"
        )
    if report.base is not None and report.before:
        typer.echo(f"{'':<21} {'mean':>7} {'by words':>10} {'head':>10}")
    for name, label in FIGURES.items():
        if name in report.before and name in report.after:
            typer.echo(f"{label:<21} {_changes(report, name)}")
    folder = shlex.quote(output.short_path(report.folder))
    if report.improved and report.base is None:
        typer.echo(f"to use it, run: vidseek index --model {folder} --library NEW PATH")
    elif report.improved:
        base = output.printable(report.base or "")
        typer.echo(f"to use it in a library indexed with {base}, run (nothing is encoded again):")
        typer.echo(f"  vidseek model add {folder}")


def _changes(report: TrainingReport, name: str) -> str:
    """A figure before and after; for a head, between them the figure without training."""
    figures = [report.before[name], report.after[name]]
    if name in report.pooled:
        figures.insert(1, report.pooled[name])
    return " -> ".join(f"{figure:5.1f} %" for figure in figures)
