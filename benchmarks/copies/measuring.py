"""The commands `run`, `calibrate` and `report`."""

from __future__ import annotations

import argparse
import math
import sys
from pathlib import Path

from benchmarks.copies.judging import judge
from benchmarks.copies.manifest import read_manifest
from benchmarks.copies.measured import SEMANTIC, Folder, best_similarity, read_systems
from benchmarks.copies.metrics import accused
from benchmarks.copies.negatives import FIELD_NEGATIVE_KINDS, NEGATIVE_KINDS
from benchmarks.copies.results import Answer, read_answers, results_file
from benchmarks.copies.run import run
from benchmarks.copies.systems.semantic import (
    SIMILARITIES,
    SemanticFrames,
    SemanticSystem,
    semantic_name,
)
from benchmarks.copies.systems.system import PLANS, Plan
from benchmarks.copies.systems.vpdq import VpdqSystem
from benchmarks.copies.tables import percent, table
from benchmarks.copies.thresholds import calibrate, negatives_of
from vidseek.search.copies.scoring import THRESHOLDS


def add_measuring(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the commands to the parser's."""
    ask = commands.add_parser("run", help="ask a system every query")
    ask.set_defaults(act=_run)
    ask.add_argument("--data", type=Path, required=True, help="folder that `generate` made")
    ask.add_argument("--system", choices=("ours", "vpdq", SEMANTIC), required=True)
    ask.add_argument(
        "--calibration",
        type=Path,
        metavar="FOLDER",
        help="of the semantic model, ask only at the similarity that was best there",
    )
    freeze = commands.add_parser("calibrate", help="print thresholds")
    freeze.set_defaults(act=_calibrate)
    tell = commands.add_parser("report", help="print tables of all systems")
    tell.set_defaults(act=_report)
    tell.add_argument("--data", type=Path, required=True, help="folder that is reported on")
    tell.add_argument("--out", type=Path, help="file to write instead of printing")
    tell.add_argument("--plot", type=Path, help="PNG to draw (needs matplotlib)")
    for command in (ask, tell):
        command.add_argument(
            "--partial", action="store_true", help="take the queries that all systems have answered"
        )
    for command in (ask, freeze, tell):
        command.add_argument("--plan", choices=PLANS, help="of our library; fast if not given")
    for command in (freeze, tell):
        command.add_argument(
            "--calibration", type=Path, required=True, help="folder that thresholds are frozen on"
        )
        command.add_argument(
            "--without",
            nargs="+",
            choices=("edited", *NEGATIVE_KINDS, *FIELD_NEGATIVE_KINDS),
            default=(),
            metavar="KIND",
            help="kinds of negatives that thresholds are not frozen on",
        )


# -- run -------------------------------------------------------------------------------------------


def _run(arguments: argparse.Namespace) -> None:
    folder: Path = arguments.data
    if arguments.system != "ours" and arguments.plan == "fast":
        raise ValueError(f"--system {arguments.system} looks at every second: --plan dense")
    if arguments.system == "ours":
        from benchmarks.copies.systems.ours import OurSystem

        plan: Plan = arguments.plan or "fast"
        run(folder, [OurSystem(folder, plan)], plan, on_answer=_show)
    elif arguments.system == "vpdq":
        run(folder, [VpdqSystem(folder)], "dense", on_answer=_show)
    else:
        systems = _semantic(folder, arguments.calibration, partial=arguments.partial)
        run(folder, systems, "dense", on_answer=_show)


def _semantic(folder: Path, calibration: Path | None, *, partial: bool) -> list[SemanticSystem]:
    """At all similarities if the best is still to be chosen, otherwise at the chosen similarity."""
    chosen = list(SIMILARITIES)
    if calibration is not None:
        best = best_similarity(Folder.read(calibration, "fast"), partial=partial)
        if best is None:
            raise ValueError(f"{calibration}: `run --system semantic` without --calibration first")
        chosen = [similarity for similarity in SIMILARITIES if semantic_name(similarity) == best]
    frames = SemanticFrames(folder)
    return [SemanticSystem(frames, least) for least in chosen]


def _show(place: int, queries: int, answer: Answer) -> None:
    best = answer.matches[0] if answer.matches else None
    what = f"{best.source} {best.score:.3f}" if best else answer.failure or "nothing"
    print(
        f"{place + 1}/{queries} {answer.query}: {what} ({answer.seconds:.1f} s)",
        file=sys.stderr,
        flush=True,
    )


# -- figures ---------------------------------------------------------------------------------------


def _calibrate(arguments: argparse.Namespace) -> None:
    """Ours alone: its thresholds are shipped."""
    folder: Path = arguments.calibration
    path = results_file(folder, "ours", arguments.plan or "fast")
    judged = judge(read_manifest(folder), read_answers(path))
    rows = []
    for name, threshold in calibrate(judged, without=arguments.without).items():
        upper = percent(threshold.accused.interval()[1])
        # `check` accuses at the threshold itself, so it is written a little above.
        written = math.ceil(1000 * threshold.score + 1e-6) / 1000
        counts = (
            str(threshold.accused.successes),
            str(threshold.accused.trials),
            str(threshold.sources),
        )
        rows.append([name, f"{threshold.score:.4f}", f"{written:.3f}", *counts, upper])
    head = ["threshold", "score above", "to ship", "accused", "of negatives", "of sources"]
    print(table([*head, "at most, %"], rows))
    scores = [query.score for query in negatives_of(judged, without=arguments.without)]
    rows = []
    for shipped, least in THRESHOLDS.items():
        found = accused(scores, math.nextafter(least, 0))
        counts = (str(found.successes), str(found.trials))
        rows.append([f"{shipped}, ships", str(least), *counts, percent(found.interval()[1])])
    head = ["threshold", "score at least", "accused", "of negatives", "at most, %"]
    print(table(head, rows), end="")


def _report(arguments: argparse.Namespace) -> None:
    from benchmarks.copies.report import markdown

    systems = read_systems(
        arguments.data,
        arguments.calibration,
        plan=arguments.plan or "fast",
        without=arguments.without,
        partial=arguments.partial,
    )
    text = markdown(systems)
    if arguments.out is None:
        print(text, end="")
    else:
        arguments.out.write_text(text, encoding="utf-8")
    if arguments.plot is not None:
        from benchmarks.copies.plot import draw

        draw(systems, arguments.plot)
