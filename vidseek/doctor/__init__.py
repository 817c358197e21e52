"""Check this machine and a library: facts, problems, and the next step for each problem.

report = examine(examine_library(store))
for finding in report.findings:
    print(finding.problem, "->", finding.hint)
"""

from __future__ import annotations

import platform
import sqlite3

from vidseek.core.errors import Hint
from vidseek.core.processors import processor_count
from vidseek.doctor.library import examine_library
from vidseek.doctor.machine import RULES, cpu_features, cpu_line, examine_machine
from vidseek.doctor.report import Decoder, DoctorReport, Finding, LibraryHealth, Trial
from vidseek.doctor.trial import try_installation

__all__ = [
    "Decoder",
    "DoctorReport",
    "Finding",
    "LibraryHealth",
    "Trial",
    "examine",
    "examine_library",
]


def examine(library: LibraryHealth | None = None) -> DoctorReport:
    """Examine this machine and what is installed.

    Args:
        library: result of ``examine_library``, to be part of the report.
    """
    import vidseek

    machine = examine_machine()
    trials = try_installation()
    findings = [finding for rule in RULES for finding in rule(machine)]
    findings += [
        Finding(f"this installation cannot {trial.step}: {trial.failure}", Hint("reinstall"))
        for trial in trials
        if trial.failure is not None
    ]
    return DoctorReport(
        vidseek=vidseek.__version__,
        python=platform.python_version(),
        system=platform.platform(),
        packages=machine.packages,
        sqlite=sqlite3.sqlite_version,
        decoders=machine.decoders,
        processor=cpu_line("model name") or platform.processor() or platform.machine(),
        processors=processor_count(),
        cpu_features=cpu_features(),
        gpus=machine.gpus,
        faiss=machine.faiss,
        trials=trials,
        library=library,
        findings=(*findings, *(library.findings if library else ())),
    )
