"""Bootstrap intervals over sources. Sources are independent; queries from the same source are not.

ranking = Ranking.of(judged)
low, high = interval(sample(ranking.micro_average_precision, ranking.sources))
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from benchmarks.copies.judging import Judged

SAMPLES = 1000

Counts = NDArray[np.int64]
"""(S,) how often each source was drawn."""


def sources_of(judged: Sequence[Judged]) -> tuple[list[str], NDArray[np.intp]]:
    """The distinct first sources of the queries, and (Q,) the position of each query's source."""
    names = sorted({query.entry.sources[0] for query in judged})
    place = {name: number for number, name in enumerate(names)}
    return names, np.array([place[query.entry.sources[0]] for query in judged], np.intp)


def samples(
    figure: Callable[[Counts], float], sources: int, *, seed: int = 0
) -> NDArray[np.float64]:
    """(SAMPLES,) a figure over sources drawn with replacement. The draws are always the same."""
    random = np.random.default_rng(seed)
    even = np.full(sources, 1 / sources)
    return np.array([figure(random.multinomial(sources, even)) for _ in range(SAMPLES)])


def interval(sampled: NDArray[np.float64]) -> tuple[float, float]:
    """The middle 95 %."""
    low, high = np.quantile(sampled, [0.025, 0.975])
    return float(low), float(high)


@dataclass(frozen=True)
class Ranking:
    """All pairs of queries and library videos in one ranking, best score first."""

    ends: NDArray[np.intp]
    """(E,) the last pair of each score."""
    correct: NDArray[np.bool_]
    """(N,) True where the query shows the library's video."""
    owners: NDArray[np.intp]
    """(N,) the query's source."""
    positives: NDArray[np.int64]
    """(S,) number of pairs to find, by source."""

    @staticmethod
    def of(judged: Sequence[Judged]) -> Ranking:
        """Rank the matches, except pairs that share an intro: those are neither right nor wrong."""
        names, places = sources_of(judged)
        rows = [
            (score, source in query.true_sources, place)
            for query, place in zip(judged, places, strict=True)
            for source, score in query.scores.items()
            if source not in query.shared_sources
        ]
        rows.sort(key=lambda row: -row[0])
        scores = np.array([row[0] for row in rows], np.float64)
        ends = np.flatnonzero(np.append(scores[1:] != scores[:-1], True)) if rows else scores
        return Ranking(
            ends.astype(np.intp),
            np.array([row[1] for row in rows], np.bool_),
            np.array([row[2] for row in rows], np.intp),
            np.bincount(
                places, [len(query.true_sources) for query in judged], minlength=len(names)
            ).astype(np.int64),
        )

    @property
    def sources(self) -> int:
        """Number of sources, S."""
        return len(self.positives)

    def micro_average_precision(self, counts: Counts | None = None) -> float:
        """`metrics.micro_average_precision`, each query weighted by the draws of its source."""
        if counts is None:
            counts = np.ones(self.sources, np.int64)
        total = int(counts @ self.positives)
        if total == 0 or len(self.ends) == 0:
            return 0.0
        weights = counts[self.owners]
        hits = np.cumsum(weights * self.correct)[self.ends]
        precision = hits / np.maximum(np.cumsum(weights)[self.ends], 1)
        return float((precision * np.diff(hits / total, prepend=0.0)).sum())


def mean_share(
    groups: Sequence[str], successes: Sequence[bool], places: NDArray[np.intp]
) -> Callable[[Counts], float]:
    """Mean over groups of the share of successes, as a figure for ``samples``.

    Args:
        groups: (Q,) the group of each query.
        successes: (Q,).
        places: (Q,) the source of each query.
    """
    names = {name: number for number, name in enumerate(sorted(set(groups)))}
    rows = np.array([names[name] for name in groups], np.intp)
    right = np.asarray(successes, np.float64)

    def figure(counts: Counts) -> float:
        weights = counts[places]
        all_of = np.bincount(rows, weights, minlength=len(names))
        hits = np.bincount(rows, weights * right, minlength=len(names))
        drawn = all_of > 0
        return float((hits[drawn] / all_of[drawn]).mean()) if drawn.any() else 0.0

    return figure
