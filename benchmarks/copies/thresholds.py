"""Decision thresholds, calibrated on the negatives of separate sources.

thresholds = calibrated(judge(manifest, answers))
thresholds.normal
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from benchmarks.copies.judging import Judged
from benchmarks.copies.metrics import Proportion, accused, gate_threshold

RATES = {"strict": 0.0, "normal": 0.01, "loose": 0.05}
"""Part of the negatives that may be accused. Strict: the highest score that one of them has."""


@dataclass(frozen=True)
class Calibrated:
    """A threshold, and how often non-copies exceed it."""

    name: str
    score: float
    accused: Proportion
    sources: int
    """The negatives are of so many sources; those of one source are not independent."""


def negatives_of(judged: Sequence[Judged], *, without: Sequence[str] = ()) -> list[Judged]:
    """Non-copies, except those of the given kinds."""
    return [
        query
        for query in judged
        if query.entry.negative is not None and query.entry.negative not in without
    ]


def calibrate(judged: Sequence[Judged], *, without: Sequence[str] = ()) -> dict[str, Calibrated]:
    """The three thresholds.

    Args:
        judged: of calibration sources; copies among them are left out.
        without: kinds of negatives to leave out.

    Raises:
        ValueError: there are no negatives.
    """
    negatives = negatives_of(judged, without=without)
    scores = [entry.score for entry in negatives]
    sources = {entry.entry.sources[0] for entry in negatives}
    thresholds = {}
    for name, rate in RATES.items():
        score = gate_threshold(scores, false_positive_rate=rate)
        thresholds[name] = Calibrated(name, score, accused(scores, score), len(sources))
    return thresholds
