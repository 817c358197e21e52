"""Judge a system's answers: each query with its matches and the truth.

judged = judge(manifest, read_answers(results_file(folder, "ours", "fast")))
[query.is_caught(0.2) for query in judged if query.entry.negative is None]
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from benchmarks.copies.manifest import Entry, Manifest
from benchmarks.copies.metrics import Boxes
from benchmarks.copies.results import Answer
from benchmarks.copies.systems.system import Found
from benchmarks.copies.truth import Segment

NOTHING_FOUND = 0.0
"""Score of a query without matches."""


@dataclass(frozen=True)
class Judged:
    """A query with its answer."""

    entry: Entry
    answer: Answer

    @cached_property
    def scores(self) -> dict[str, float]:
        """Best score of each matched library video."""
        scores: dict[str, float] = {}
        for match in self.answer.matches:
            scores[match.source] = max(match.score, scores.get(match.source, NOTHING_FOUND))
        return scores

    @property
    def score(self) -> float:
        """Best score of any library video."""
        return max(self.scores.values(), default=NOTHING_FOUND)

    @cached_property
    def true_sources(self) -> frozenset[str]:
        """Library videos that appear in the query."""
        return frozenset(segment.source for segment in self.entry.segments)

    @property
    def shared_sources(self) -> frozenset[str]:
        """Library videos that share an intro with a negative."""
        return frozenset(segment.source for segment in self.entry.shared)

    def is_accused(self, threshold: float) -> bool:
        """True if any library video scores more than the threshold."""
        return self.score > threshold

    def is_caught(self, threshold: float) -> bool:
        """True if it is flagged and the best-scoring library video appears in it.

        Where several score the same, one of them.
        """
        best = (source for source, score in self.scores.items() if score == self.score)
        return self.is_accused(threshold) and any(source in self.true_sources for source in best)

    def pairs(self, threshold: float) -> list[tuple[Boxes, Boxes]]:
        """Predicted and true segments of each library video that was matched or appears."""
        found = [match for match in self.answer.matches if match.score > threshold]
        sources = {match.source for match in found} | self.true_sources
        return [
            (_boxes_of(found, source), _boxes_of(self.entry.segments, source))
            for source in sorted(sources)
        ]

    @property
    def edit(self) -> str | None:
        """Name of its only edit; None if it has none or several."""
        return self.entry.edits[0].name if len(self.entry.edits) == 1 else None


def _boxes_of(stretches: Sequence[Found] | Sequence[Segment], source: str) -> Boxes:
    rows = [
        (
            match.query_start_seconds,
            match.query_end_seconds,
            match.library_start_seconds,
            match.library_end_seconds,
        )
        for match in stretches
        if match.source == source
    ]
    return np.array(rows, np.float64).reshape(-1, 4)


def judge(
    manifest: Manifest,
    answers: Mapping[str, Answer],
    *,
    only: Collection[str] | None = None,
) -> list[Judged]:
    """All queries with their answers, in the manifest's order.

    Args:
        manifest: of the benchmark.
        answers: of one system.
        only: names of the queries to judge; all if None.

    Raises:
        ValueError: some were not asked.
    """
    queries = [entry for entry in manifest.entries if entry.role == "query"]
    if only is not None:
        queries = [entry for entry in queries if entry.work in only]
    missing = [entry.work for entry in queries if entry.work not in answers]
    if missing:
        raise ValueError(f"{len(missing)} of {len(queries)} queries were not asked ({missing[0]})")
    return [Judged(entry, answers[entry.work]) for entry in queries]
