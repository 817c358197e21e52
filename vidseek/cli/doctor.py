"""``vidseek doctor``: check the installation and a library, and repair the library."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING, Annotated, Any

import typer

from vidseek.cli import output
from vidseek.cli.hints import shell_hint, with_hint
from vidseek.cli.jobs import ShellJob
from vidseek.cli.options import JsonOption, LibraryOption, library_folder, open_library

if TYPE_CHECKING:
    from vidseek.core.errors import LibraryError
    from vidseek.doctor import DoctorReport, Finding, LibraryHealth


def doctor(
    ctx: typer.Context,
    check_only: Annotated[
        bool, typer.Option("--check-only", help="Report problems without repairing them.")
    ] = False,
    library: LibraryOption = None,
    json: JsonOption = False,
) -> None:
    """Check the installation and the library; repair its indexes.

    Decodes, encodes and searches a small sample, and lists problems, each with the next step.
    Damaged search indexes are rebuilt from the database; your videos are not read. Exits with 1 if
    the installation or the library cannot be used.

    \b
    Example: vidseek doctor
    """
    from vidseek.core.errors import LibraryError, NotALibraryError

    folder = library_folder(ctx, library)
    trouble: LibraryError | None = None
    try:
        with open_library(ctx, library) as opened, ShellJob() as job:
            report = opened.doctor(repair=not check_only, job=job)
    except LibraryError as error:
        from vidseek.doctor import examine

        report, trouble = examine(), error
    no_library_yet = isinstance(trouble, NotALibraryError) and not folder.exists()
    if json:
        output.print_json(_report_json(report, None if no_library_yet else trouble))
    else:
        _print_report(report)
        if no_library_yet:
            _line("library", f"{folder}: none yet; run `vidseek index PATH` to create it")
        elif trouble is not None:
            _line("found", with_hint(str(trouble), trouble.hint))
        if report.is_healthy and (trouble is None or no_library_yet):
            _line("found", "no problems")
    if not report.works or (trouble is not None and not no_library_yet):
        raise typer.Exit(1)


def _print_report(report: DoctorReport) -> None:
    _line("vidseek", f"{report.vidseek}, Python {report.python}, {report.system}")
    _line("processor", f"{report.processor}, {output.counted(report.processors, 'core')}")
    if report.cpu_features:
        present = [name for name, there in report.cpu_features.items() if there]
        absent = [name for name, there in report.cpu_features.items() if not there]
        _line("  has", ", ".join(present) or "no instructions that speed up encoding")
        if absent:
            _line("  lacks", ", ".join(absent))
    _line("GPU", ", ".join(report.gpus) or "none")
    for decoder in report.decoders:
        version = "not installed" if decoder.version is None else decoder.version
        ffmpeg = "" if decoder.ffmpeg is None else f" (FFmpeg {decoder.ffmpeg})"
        _line("decoder", f"{decoder.package} {version}{ffmpeg}")
    _line("FAISS", report.faiss or "not installed")
    decoders = {decoder.package for decoder in report.decoders}
    others = [
        f"{name} {version}"
        for name, version in report.packages.items()
        if version is not None and name not in decoders and not name.startswith("faiss")
    ]
    _line("packages", ", ".join([*others, f"SQLite {report.sqlite}"]))
    tried = ", ".join(trial.step for trial in report.trials if trial.failure is None)
    _line("works", tried or "nothing")
    if report.library is not None:
        _print_library(report.library)
    for finding in report.findings:
        _line("found", finding.problem)
        if finding.hint is not None:
            _line("  do", shell_hint(finding.hint) or "")


def _print_library(health: LibraryHealth) -> None:
    _line("library", output.short_path(health.folder))
    numbers = health.statistics
    size = numbers.database_bytes
    facts = [
        output.counted(numbers.indexed, "video"),
        output.amount_of_time(numbers.video_seconds),
        output.counted(numbers.clips, "clip"),
        *([] if size is None else [f"{output.amount_of_bytes(size)} database"]),
        *([f"{numbers.damaged} damaged"] if numbers.damaged else []),
    ]
    _line("  content", ", ".join(facts))
    if health.network_share is not None:
        _line("  share", f"{health.network_share}: slower, and for one machine at a time")
    _line("  encoder", health.encoder or "none yet")
    if health.orphans_removed:
        _line("  removed", output.counted(health.orphans_removed, "unused file"))


def _line(label: str, text: str) -> None:
    lines = output.wrapped(output.printable(text), indent=11).lstrip()
    typer.echo(f"{output.styled(f'{label:<11}', bold=True)}{lines}")


def _report_json(report: DoctorReport, trouble: LibraryError | None) -> dict[str, Any]:
    answer = asdict(report)
    answer["findings"] = [_finding_json(finding) for finding in report.findings]
    if report.library is not None:
        answer["library"]["folder"] = str(report.library.folder)
        answer["library"]["findings"] = [_finding_json(each) for each in report.library.findings]
    answer["healthy"] = report.is_healthy and trouble is None
    answer["error"] = None if trouble is None else with_hint(str(trouble), trouble.hint)
    return answer


def _finding_json(finding: Finding) -> dict[str, str]:
    return {"problem": finding.problem, "next_step": shell_hint(finding.hint) or ""}
