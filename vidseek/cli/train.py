"""``vidseek train``: the model, fine-tuned on captioned clips of one's own."""

from __future__ import annotations

import shlex
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from vidseek.cli import output
from vidseek.cli.jobs import ProgressLine, ShellJob, describe_progress
from vidseek.cli.options import JsonOption, YesOption
from vidseek.cli.questions import download_question

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
            help="JSON lines: path of a video, caption, and maybe start_seconds, end_seconds.",
        ),
    ],
    out: Annotated[Path, typer.Option(metavar="DIR", help="Folder for the model: new or empty.")],
    start: Annotated[
        str,
        typer.Option(
            "--from",
            metavar="NAME",
            help="builtin, the folder of a model, hf:ORG/NAME, or a name of `vidseek models`.",
        ),
    ] = "builtin",
    epochs: Annotated[
        int | None,
        typer.Option(
            metavar="N",
            help="How often every clip is seen. Default: 10, of a head 50.",
            show_default=False,
        ),
    ] = None,
    seed: Annotated[int, typer.Option(metavar="N", help="Of all that is random.")] = 1,
    yes: YesOption = False,
    json: JsonOption = False,
) -> None:
    """Fine-tune the model on captioned clips.

    About one video in seven is held out to measure with. A model is written only if it finds these
    better than before; `index` takes it as its model, in a new library. Of a model of others the
    towers stay as they are and a head that re-ranks is trained, for libraries that it indexed.
    Ctrl-C stops cleanly; the same command goes on from there. Needs the extra `train`.

    \b
    Example: vidseek train captions.jsonl --out my-model
    """
    if epochs is not None and epochs < 1:
        raise typer.BadParameter("at least 1 is needed", param_hint="--epochs")
    if seed < 0:
        raise typer.BadParameter("0 is the least", param_hint="--seed")
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
        output.say_aside("vidseek: stopped before the end; run it again to go on")
        raise typer.Exit(job.exit_code)
    if not report.improved:
        output.say_aside(
            f"vidseek: no {'head' if report.base else 'model'} was written: none was better than "
            f"{'what needs none' if report.base else 'the starting one'} on the held-out videos. "
            "More captions, or other --epochs, may help"
        )
        raise typer.Exit(1)


def describe_training(progress: Progress) -> ProgressLine:
    """Stage, how far it is, loss and time left; held-out figures stay on the screen."""
    from vidseek.training.user.report import TrainingProgress

    if not isinstance(progress, TrainingProgress):
        return describe_progress(progress)
    parts = [f"{progress.stage}, {progress.done:,}/{progress.total:,} {progress.unit}"]
    if progress.eta_seconds is not None:
        parts.append(f"{output.clock(progress.eta_seconds)} left")
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
        typer.echo(f"use it: vidseek index --model {folder} --library NEW PATH")
    elif report.improved:
        base = output.printable(report.base or "")
        typer.echo(f"use it in a library of {base}, which is not encoded again:")
        typer.echo(f"  vidseek model add {folder}")


def _changes(report: TrainingReport, name: str) -> str:
    """What a figure was and is; of a head between them what its base does without training."""
    figures = [report.before[name], report.after[name]]
    if name in report.pooled:
        figures.insert(1, report.pooled[name])
    return " -> ".join(f"{figure:5.1f} %" for figure in figures)
