"""``vidseek calibrate``: fit the confidence of hits to a library and its model."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from vidseek.cli import output
from vidseek.cli.exit_codes import EXIT_ERROR
from vidseek.cli.jobs import ShellJob
from vidseek.cli.options import JsonOption, LibraryOption, YesOption, open_library

if TYPE_CHECKING:
    from vidseek.search.moments.calibration.report import CalibrationReport


def calibrate(
    ctx: typer.Context,
    captions: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE",
            readable=False,
            help="Captions of videos in this library, as JSON lines (see `train`). Calibrates far "
            "better than queries without labels.",
        ),
    ] = None,
    queries: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE",
            readable=False,
            help="Queries, one per line, instead of the bundled ones.",
        ),
    ] = None,
    hubness: Annotated[
        bool | None,
        typer.Option(
            "--hubness/--no-hubness",
            help="Correct for hub clips, which match every query. Default: keep the current "
            "setting.",
            show_default=False,
        ),
    ] = None,
    override: Annotated[
        bool,
        typer.Option(
            "--override",
            help="Calibrate without captions even if the model has its own calibration.",
        ),
    ] = False,
    forget: Annotated[
        bool, typer.Option("--forget", help="Remove the library's calibration.")
    ] = False,
    yes: YesOption = False,
    library: LibraryOption = None,
    json: JsonOption = False,
) -> None:
    """Fit the confidence of hits to this library.

    Third-party models report no confidence until you calibrate them. The new confidence is stored
    if it is better on queries that it was not fitted to. Later searches with the active model use
    it. Calibrate again after the library has grown a lot.

    \b
    Example: vidseek calibrate --captions captions.jsonl
    """
    if (captions is not None) + (queries is not None) + forget > 1:
        raise typer.BadParameter("--captions, --queries and --forget exclude each other")
    if forget and hubness is not None:
        raise typer.BadParameter("--forget also removes the hub correction; it takes no --hubness")
    with open_library(ctx, library, yes=yes) as opened:
        if forget:
            forgotten = opened.forget_calibration()
            if json:
                output.print_json({"forgotten": forgotten})
            else:
                typer.echo("calibration removed" if forgotten else "there was no calibration")
            return
        from vidseek.search.moments.calibration.queries import read_query_file

        _ = opened.encoder  # outside the job, because loading may ask a question
        with ShellJob() as job:
            report = opened.calibrate(
                captions,
                queries=None if queries is None else read_query_file(queries),
                override=override,
                hubness=hubness,
                job=job,
            )
    if json:
        output.print_json(_report_json(report))
    else:
        _print_report(report)
    if not report.stored:
        raise typer.Exit(EXIT_ERROR)


def _report_json(report: CalibrationReport) -> dict[str, Any]:
    facts = asdict(report)
    facts["half_sure_score"] = report.half_sure_score
    facts["calibration"]["hubness"] = report.calibration.hubness is not None
    return facts


def _print_report(report: CalibrationReport) -> None:
    from vidseek.search.moments.confidence import DEFAULT_MIN_CONFIDENCE

    if report.problems:
        typer.echo("not used:")
    for problem in report.problems:
        typer.echo(f"  line {problem.line}: {output.printable(problem.reason)}")
    kind = "captions" if report.error is not None else "queries without labels"
    what = "calibrated" if report.stored else "did not calibrate"
    typer.echo(
        f"{what} {output.printable(report.encoder)} on "
        f"{output.counted(report.calibration.clips, 'clip')} with {report.queries:,} {kind}"
    )
    if report.calibration.hubness is not None:
        typer.echo("scores are corrected for hub clips, which match every query")
    typer.echo(
        f"confidence is 50 % at a score of {report.half_sure_score:.3f}; {report.answered:.0%} of "
        f"the queries have a confident hit ({DEFAULT_MIN_CONFIDENCE:.0%} or more)"
    )
    _print_comparison(report)
    if not report.stored:
        typer.echo("the library keeps its confidence: the new one is no better on held-out videos")
    if report.error_by_chance is not None:
        typer.echo(
            "a perfect calibration on as few captions would show an error of "
            f"{report.error_by_chance:.3f}"
        )
    else:
        typer.echo("the calibration error cannot be measured without --captions")


def _print_comparison(report: CalibrationReport) -> None:
    """The confidence before and after, on queries that the new one was not fitted to."""
    before, after = report.before, report.after
    if after is None:
        return
    columns = [after] if before is None else [before, after]
    labelled = after.error is not None
    rows = {
        "right answers shown" if labelled else "best hits shown": [
            f"{each.shown:.0%}" for each in columns
        ],
        "wrong answers shown" if labelled else "runners-up shown": [
            f"{each.wrong_shown:.0%}" for each in columns
        ],
    }
    if labelled:
        rows["calibration error"] = [f"{each.error:.3f}" for each in columns]
        rows["cross-entropy"] = [f"{each.loss:.3f}" for each in columns]
    heads = ["now"] if before is None else ["before", "now"]
    typer.echo(f"{'on held-out queries':<22}{''.join(f'{head:>9}' for head in heads)}")
    for name, cells in rows.items():
        typer.echo(f"  {name:<20}{''.join(f'{cell:>9}' for cell in cells)}")
