"""Recall and median rank with their intervals.

Captions of one video are not independent observations. Both intervals therefore take the captioned
video as the unit.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from vidseek.core.captions import CaptionProblem

Z = 1.959964
"""95 % of a normal distribution lie within so many standard deviations."""
SAMPLES = 1000


@dataclass(frozen=True)
class Estimate:
    """A measured value with its 95 % interval."""

    value: float
    low: float
    high: float


@dataclass(frozen=True)
class RetrievalQuality:
    """How early the right answer comes."""

    queries: int
    """Number of queries."""
    videos: int
    """Captioned videos: the independent observations."""
    candidates: int
    """Number of candidates that each query ranks."""
    recall_at_1: Estimate
    """Share of the queries whose right answer comes first, 0 to 1, with a Wilson interval."""
    recall_at_5: Estimate
    """Share whose right answer is among the first 5."""
    recall_at_10: Estimate
    """Share whose right answer is among the first 10."""
    median_rank: Estimate
    """Median rank of the right answer, 1 or more, with a bootstrap interval."""


@dataclass(frozen=True)
class EvaluationReport:
    """How well captions find their videos, and videos their captions."""

    encoder: str
    """Name of the model."""
    fingerprint: str
    text_to_video: RetrievalQuality
    video_to_text: RetrievalQuality | None
    """None if it was not asked for."""
    problems: tuple[CaptionProblem, ...]
    """Lines that were not used: not readable, or of no video in the library."""
    merged_captions: int = 0
    """Captions that repeat those of another video or part: a caption is asked once, and everything
    that it describes is a right answer."""


def retrieval_quality(
    ranks: NDArray[np.int64], videos: NDArray[np.int64], *, candidates: int
) -> RetrievalQuality:
    """Summarise ranks.

    Args:
        ranks: (Q,) rank of each query's right answer; 0 is best. At least one query.
        videos: (Q,) id of the video that each query is about.
        candidates: how many candidates were ranked.
    """
    _, groups = np.unique(videos, return_inverse=True)
    count = int(groups.max()) + 1
    at_1, at_5, at_10 = (wilson(float((ranks < k).mean()), count) for k in (1, 5, 10))
    return RetrievalQuality(
        queries=len(ranks),
        videos=count,
        candidates=candidates,
        recall_at_1=at_1,
        recall_at_5=at_5,
        recall_at_10=at_10,
        median_rank=_median(ranks + 1, groups, count),
    )


def wilson(share: float, count: int) -> Estimate:
    """A share of ``count`` independent observations with its score interval (Wilson 1927).

    >>> wilson(1.0, 10).low > 0.7
    True
    """
    centre = share + Z**2 / (2 * count)
    reach = Z * math.sqrt(share * (1 - share) / count + Z**2 / (4 * count**2))
    scale = 1 + Z**2 / count
    low, high = (centre - reach) / scale, (centre + reach) / scale
    return Estimate(share, max(min(low, share), 0.0), min(max(high, share), 1.0))


def _median(ranks: NDArray[np.int64], groups: NDArray[np.intp], count: int) -> Estimate:
    """The median with a percentile interval, drawing whole videos."""
    order = np.argsort(ranks, kind="stable")
    ranks, groups = ranks[order], groups[order]
    random = np.random.default_rng(0)
    medians = []
    for _ in range(SAMPLES):
        times_drawn = np.bincount(random.integers(0, count, count), minlength=count)[groups]
        up_to = np.cumsum(times_drawn)
        medians.append(ranks[np.searchsorted(up_to, up_to[-1] / 2)])
    low, high = np.percentile(medians, [2.5, 97.5])
    value = float(np.median(ranks))
    return Estimate(value, min(float(low), value), max(float(high), value))
