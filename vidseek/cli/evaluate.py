"""``vidseek evaluate``: measure how well captions find their videos."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from vidseek.cli import output
from vidseek.cli.jobs import ShellJob
from vidseek.cli.options import (
    JsonOption,
    LibraryOption,
    SearchModelOption,
    YesOption,
    open_library,
)

if TYPE_CHECKING:
    from vidseek.search.evaluation.report import EvaluationReport, RetrievalQuality


def evaluate(
    ctx: typer.Context,
    captions: Annotated[
        Path,
        typer.Argument(
            metavar="CAPTIONS.jsonl",
            readable=False,
            help="Captions of videos in this library, as JSON lines (see `train`).",
        ),
    ],
    video_to_text: Annotated[
        bool,
        typer.Option("--video-to-text", help="Also rank the captions for every captioned video."),
    ] = False,
    model: SearchModelOption = None,
    yes: YesOption = False,
    library: LibraryOption = None,
    json: JsonOption = False,
) -> None:
    """Measure how well captions find their videos.

    Every caption ranks all videos of the library. Prints recall at 1, 5 and 10 and the median rank,
    with 95 % intervals, and the lines that were not used.

    \b
    Example: vidseek evaluate captions.jsonl --video-to-text
    """
    with open_library(ctx, library, yes=yes) as opened:
        _ = opened.models.encoder_for(model)  # outside the job: loading may ask a question
        with ShellJob() as job:
            report = opened.evaluate(captions, video_to_text=video_to_text, model=model, job=job)
    if json:
        output.print_json(asdict(report))
    else:
        _print_report(report)


def _print_report(report: EvaluationReport) -> None:
    if report.problems:
        typer.echo("not used:")
    for problem in report.problems:
        typer.echo(f"  line {problem.line}: {output.printable(problem.reason)}")
    if report.merged_captions:
        merged = output.counted(report.merged_captions, "caption repeats", "captions repeat")
        typer.echo(f"{merged} another video's: each is searched once, and either video is right")
    typer.echo(f"model {output.printable(report.encoder)}")
    _print_quality("text to video", "captions", report.text_to_video)
    if report.video_to_text is not None:
        _print_quality("video to text", "videos and parts", report.video_to_text)


def _print_quality(title: str, asked: str, quality: RetrievalQuality) -> None:
    typer.echo(
        f"{title}: {quality.queries:,} {asked} of {output.counted(quality.videos, 'video')}, each "
        f"ranking {output.counted(quality.candidates, 'candidate')}"
    )
    for name, estimate in (
        ("R@1", quality.recall_at_1),
        ("R@5", quality.recall_at_5),
        ("R@10", quality.recall_at_10),
    ):
        interval = f"{estimate.low:.1%} to {estimate.high:.1%}"
        typer.echo(f"  {name:<12} {estimate.value:>6.1%}  ({interval})")
    rank = quality.median_rank
    typer.echo(f"  {'median rank':<12} {rank.value:>6g}  ({rank.low:g} to {rank.high:g})")
