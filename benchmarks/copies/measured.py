"""Systems with their answers on two folders: calibrated on one, judged on the other.

systems = read_systems(Path("copies-test"), Path("copies-calibration"), plan="fast")
"""

from __future__ import annotations

import math
import sys
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from benchmarks.copies.bootstrap import Ranking
from benchmarks.copies.judging import Judged, judge
from benchmarks.copies.manifest import Manifest, read_manifest
from benchmarks.copies.results import Answer, read_answers, results_file
from benchmarks.copies.systems.semantic import SIMILARITIES, semantic_name
from benchmarks.copies.systems.system import Plan
from benchmarks.copies.systems.vpdq import DEFAULT_SHARE
from benchmarks.copies.thresholds import Calibrated, calibrate
from vidseek.search.copies.scoring import THRESHOLDS

OURS, VPDQ, SEMANTIC = "vidseek", "vPDQ", "semantic"


@dataclass(frozen=True)
class Measured:
    """One system on both folders."""

    name: str
    test: list[Judged]
    thresholds: dict[str, Calibrated]
    default: float | None
    """Its shipped decision score; None if it has none."""


@dataclass(frozen=True)
class Folder:
    """A benchmark folder with the answers of several systems."""

    path: Path
    manifest: Manifest
    answers: dict[str, dict[str, Answer]]
    """By the name of the system's results."""

    @staticmethod
    def read(path: Path, plan: Plan) -> Folder:
        """All available answers; those of vidseek for one plan."""
        files = {
            OURS: results_file(path, "ours", plan),
            VPDQ: results_file(path, "vpdq", "dense"),
            **{
                semantic_name(least): results_file(path, semantic_name(least), "dense")
                for least in SIMILARITIES
            },
        }
        answers = {name: read_answers(file) for name, file in files.items()}
        found = {name: some for name, some in answers.items() if some}
        return Folder(path, read_manifest(path), found)

    def asked_of_all(self, names: Iterable[str]) -> set[str]:
        """Queries that all the given systems have answered."""
        return set.intersection(*(set(self.answers[name]) for name in names))


def best_similarity(folder: Folder, *, partial: bool = False) -> str | None:
    """Name of the semantic system with the best micro-AP; None without semantic systems."""
    names = [
        semantic_name(similarity)
        for similarity in SIMILARITIES
        if semantic_name(similarity) in folder.answers
    ]
    if not names:
        return None
    only = folder.asked_of_all(names) if partial else None
    ranked = {
        name: Ranking.of(
            judge(folder.manifest, folder.answers[name], only=only)
        ).micro_average_precision()
        for name in names
    }
    return max(ranked, key=lambda name: ranked[name])


def read_systems(
    data: Path,
    calibration: Path,
    *,
    plan: Plan,
    without: Sequence[str] = (),
    partial: bool = False,
) -> list[Measured]:
    """vidseek's system, and the other systems that were run on both folders.

    Args:
        data: the folder that is reported on.
        calibration: the folder that thresholds and the semantic model's similarity are taken from.
        plan: of our library.
        without: kinds of negatives that thresholds are not calibrated on.
        partial: take the queries that all systems have answered, instead of refusing.

    Raises:
        ValueError: ours was not run over both folders, or a system was not asked everything.
    """
    test, other = Folder.read(data, plan), Folder.read(calibration, plan)
    for folder in (test, other):
        if OURS not in folder.answers:
            raise ValueError(f"{folder.path}: `run --system ours --plan {plan}` comes first")
    chosen = {OURS: OURS, VPDQ: VPDQ, SEMANTIC: best_similarity(other, partial=partial)}
    names = {}
    for name, stored in chosen.items():
        if stored in test.answers and stored in other.answers:
            names[name] = stored
        else:
            print(f"{name}: not run over both folders, left out", file=sys.stderr)
    asked = [folder.asked_of_all(names.values()) if partial else None for folder in (test, other)]
    defaults = {OURS: math.nextafter(THRESHOLDS["normal"], 0), VPDQ: DEFAULT_SHARE}
    return [
        Measured(
            name,
            judge(test.manifest, test.answers[stored], only=asked[0]),
            calibrate(judge(other.manifest, other.answers[stored], only=asked[1]), without=without),
            defaults.get(name),
        )
        for name, stored in names.items()
    ]
