"""Metrics of copy detection: pairs of videos, accusations, seconds, groups.

>>> micro_average_precision([0.9, 0.8, 0.7], [True, False, True], positives=2)
0.8333333333333333
>>> Proportion(0, 300).interval()
(0.0, 0.012642971224546036)
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from benchmarks.copies.truth import Segment

NORMAL_95 = 1.959963984540054
"""Quantile of the normal distribution that leaves 2.5 % on either side."""

Boxes = NDArray[np.float64]
"""(N, 4) seconds: query start and end, library start and end. One row a segment of one pair."""


def boxes(segments: Iterable[Segment]) -> Boxes:
    """Segments of one pair of videos as boxes; (0, 4) if there are none."""
    rows = [
        (
            segment.query_start_seconds,
            segment.query_end_seconds,
            segment.library_start_seconds,
            segment.library_end_seconds,
        )
        for segment in segments
    ]
    return np.array(rows, np.float64).reshape(-1, 4)


# -- pairs of videos -------------------------------------------------------------------------------


def micro_average_precision(scores: ArrayLike, correct: ArrayLike, *, positives: int) -> float:
    """Area under precision over recall of all pairs of all queries in one ranking.

    The sum over ranks i of P(i) times the gain in recall, as in the video similarity challenge
    (Pizzi et al. 2023). Pairs of equal score are one step: none of them can be
    put before another.

    Args:
        scores: (N,) of the pairs that were found, in any order, comparable between queries.
        correct: (N,) True where the pair is a copy.
        positives: how many pairs there are to be found; those not among the N count as missed.

    Raises:
        ValueError: there is nothing to be found, or more was found than there is.
    """
    ranked, right = np.asarray(scores, np.float64), np.asarray(correct, bool)
    if ranked.shape != right.shape or ranked.ndim != 1:
        raise ValueError(f"{ranked.shape} scores but {right.shape} judgements")
    if positives < 1 or right.sum() > positives:
        raise ValueError(f"{right.sum()} correct pairs of {positives} that there are")
    if len(ranked) == 0:
        return 0.0
    order = np.argsort(-ranked, kind="stable")
    ranked, hits = ranked[order], np.cumsum(right[order])
    ends = np.flatnonzero(np.append(ranked[1:] != ranked[:-1], True))
    precision = hits[ends] / (ends + 1)
    recall = hits[ends] / positives
    return float((precision * np.diff(recall, prepend=0.0)).sum())


# -- accusations -----------------------------------------------------------------------------------


@dataclass(frozen=True)
class Proportion:
    """A count out of a total."""

    successes: int
    trials: int

    def __post_init__(self) -> None:
        if not 0 <= self.successes <= self.trials:
            raise ValueError(f"Proportion has {self.successes} of {self.trials}")

    @property
    def value(self) -> float:
        """The share, 0 to 1; NaN for a total of 0."""
        return self.successes / self.trials if self.trials else math.nan

    def interval(self, *, quantile: float = NORMAL_95) -> tuple[float, float]:
        """Wilson's score interval (Wilson 1927), which is honest at 0 of n and n of n as well.

        Args:
            quantile: of the normal distribution; the default is for 95 %.
        """
        if self.trials == 0:
            return 0.0, 1.0
        square = quantile**2
        centre = self.successes + square / 2
        spread = math.sqrt(self.successes * (1 - self.value) + square / 4)
        low, high = (
            (centre + sign * quantile * spread) / (self.trials + square) for sign in (-1, 1)
        )
        # At the ends the interval is closed; the sums above are off by a rounding error.
        return (
            0.0 if self.successes == 0 else low,
            1.0 if self.successes == self.trials else high,
        )


def gate_threshold(negative_scores: ArrayLike, *, false_positive_rate: float = 0.01) -> float:
    """The score that an upload must exceed to be accused, at a given false positive rate.

    Freeze it on the negatives of *calibration* sources, then use it on other sources.

    Args:
        negative_scores: (N,) the best score of each video that is not a copy; 0 or -inf if nothing
            was found.
        false_positive_rate: part of the N that may be accused, rounded down to whole videos.

    Raises:
        ValueError: there are no negatives.
    """
    scores = np.sort(np.asarray(negative_scores, np.float64))[::-1]
    if len(scores) == 0:
        raise ValueError("a threshold needs the scores of videos that are not copies")
    allowed = math.floor(false_positive_rate * len(scores) + 1e-9)
    return -math.inf if allowed >= len(scores) else float(scores[allowed])


def accused(scores: ArrayLike, threshold: float) -> Proportion:
    """Share of uploads above the threshold: recall for copies, false accusations for negatives."""
    values = np.asarray(scores, np.float64)
    return Proportion(int((values > threshold).sum()), len(values))


# -- seconds ---------------------------------------------------------------------------------------


@dataclass(frozen=True)
class PairScore:
    """Precision and recall of the seconds of one pair of videos."""

    precision: float
    recall: float
    has_prediction: bool
    has_truth: bool


@dataclass(frozen=True)
class SegmentScore:
    """Seconds over many pairs."""

    precision: float
    """Mean over the pairs for which something was predicted."""
    recall: float
    """Mean over the pairs that have something to predict."""
    misses: Proportion
    """Of the pairs with a copy: nothing was predicted (the false rejection rate)."""
    false_alarms: Proportion
    """Of the pairs without: something was (the false alarm rate)."""

    @property
    def f1(self) -> float:
        """Harmonic mean of precision and recall."""
        both = self.precision + self.recall
        return 2 * self.precision * self.recall / both if both > 0 else 0.0


def pair_score(predicted: Boxes, true: Boxes) -> PairScore:
    """Segment precision and recall of VCSL (He et al. 2022, CVPR) for one pair of videos.

    On each axis, the seconds of every box that intersections with boxes of the other side cover
    (each second once a box), over the seconds of all boxes; the two axes multiplied. A predicted
    second counts only against true boxes that the prediction meets in both videos. These are the
    sums of VCSL's published code; without its 1e-6 in the denominators.

    Args:
        predicted: (N, 4) boxes; N may be 0.
        true: (M, 4) boxes; M may be 0.

    Returns:
        Nothing predicted: precision 1; nothing to predict: recall 1; otherwise 0 beside them.
    """
    if len(predicted) == 0 or len(true) == 0:
        return PairScore(
            precision=float(len(predicted) == 0),
            recall=float(len(true) == 0),
            has_prediction=len(predicted) > 0,
            has_truth=len(true) > 0,
        )
    return PairScore(_covered(predicted, true), _covered(true, predicted), True, True)


def _covered(some: Boxes, others: Boxes) -> float:
    """Share of the seconds of ``some`` covered by ``others``, multiplied over both axes."""
    starts = np.maximum(some[:, None, 0::2], others[None, :, 0::2])  # (N, M, 2 axes)
    ends = np.minimum(some[:, None, 1::2], others[None, :, 1::2])
    meet = (ends > starts).all(axis=2)
    product = 1.0
    for axis in range(2):
        whole = (some[:, 2 * axis + 1] - some[:, 2 * axis]).sum()
        covered = sum(
            _union(starts[row, meet[row], axis], ends[row, meet[row], axis])
            for row in range(len(some))
        )
        product *= covered / whole if whole > 0 else 0.0
    return float(product)


def _union(starts: NDArray[np.float64], ends: NDArray[np.float64]) -> float:
    """Length of the union of intervals."""
    order = np.argsort(starts)
    starts, ends = starts[order], np.maximum.accumulate(ends[order])
    before = np.concatenate([[-np.inf], ends[:-1]])
    return float(np.maximum(ends - np.maximum(starts, before), 0).sum())


def segment_score(pairs: Collection[tuple[Boxes, Boxes]]) -> SegmentScore:
    """VCSL's micro average: over pairs of videos, of predicted and of true boxes.

    Pairs without a prediction say nothing of precision, pairs without a copy nothing of recall;
    they are left out of the one mean and are in the other.
    """
    scores = [pair_score(predicted, true) for predicted, true in pairs]
    precisions = [score.precision for score in scores if score.has_prediction]
    recalls = [score.recall for score in scores if score.has_truth]
    copies = [score for score in scores if score.has_truth]
    others = [score for score in scores if not score.has_truth]
    return SegmentScore(
        precision=float(np.mean(precisions)) if precisions else 0.0,
        recall=float(np.mean(recalls)) if recalls else 0.0,
        misses=Proportion(sum(not score.has_prediction for score in copies), len(copies)),
        false_alarms=Proportion(sum(score.has_prediction for score in others), len(others)),
    )


@dataclass(frozen=True)
class BoundaryError:
    """Distance between the ends of predicted and true segments."""

    median_seconds: float
    """Over starts and ends in both videos; not a number if nothing was found."""
    ninetieth_seconds: float
    """90th percentile."""
    found: Proportion
    """True segments that overlap a prediction. The others have no error, hence this count."""


def boundary_error(pairs: Iterable[tuple[Boxes, Boxes]]) -> BoundaryError:
    """Distances between each true segment's ends and those of the prediction that fits it best.

    Args:
        pairs: predicted and true boxes, a pair of videos each. The best fit is the box with the
            largest intersection over union in the plane of both videos.
    """
    distances: list[float] = []
    found = total = 0
    for predicted, true in pairs:
        total += len(true)
        for box in true if len(predicted) else ():
            sides = np.minimum(predicted[:, 1::2], box[1::2])
            sides -= np.maximum(predicted[:, 0::2], box[0::2])
            common = np.maximum(sides, 0).prod(axis=1)
            areas = (predicted[:, 1::2] - predicted[:, 0::2]).prod(axis=1)
            united = areas + (box[1::2] - box[0::2]).prod() - common
            best = int(np.argmax(common / np.maximum(united, 1e-12)))
            if common[best] > 0:
                found += 1
                distances += np.abs(predicted[best] - box).tolist()
    median, ninetieth = np.quantile(distances, [0.5, 0.9]) if distances else (math.nan, math.nan)
    return BoundaryError(float(median), float(ninetieth), Proportion(found, total))


# -- groups ----------------------------------------------------------------------------------------


@dataclass(frozen=True)
class GroupScore:
    """Agreement of groups of videos with the true groups, by pairs of videos in the same group."""

    together: int
    """Pairs that share a group in both."""
    predicted: int
    """Pairs that share a predicted group."""
    true: int
    """Pairs that share a true group."""

    @property
    def precision(self) -> float:
        """Share of the predicted pairs that are true; 1 if there are none."""
        return self.together / self.predicted if self.predicted else 1.0

    @property
    def recall(self) -> float:
        """Share of the true pairs that are predicted; 1 if there are none."""
        return self.together / self.true if self.true else 1.0

    @property
    def f1(self) -> float:
        """Harmonic mean of the two."""
        both = self.predicted + self.true
        return 2 * self.together / both if both else 1.0


def group_score(
    predicted: Sequence[Collection[str]], true: Sequence[Collection[str]]
) -> GroupScore:
    """Pairwise precision and recall of groups.

    Args:
        predicted: names of each group's videos; a video of no group is alone.
        true: the same.

    Raises:
        ValueError: a video is in two groups.
    """
    found, wanted = _pairs(predicted), _pairs(true)
    return GroupScore(len(found & wanted), len(found), len(wanted))


def _pairs(groups: Sequence[Collection[str]]) -> set[tuple[str, str]]:
    names = [name for group in groups for name in group]
    if len(set(names)) < len(names):
        twice = next(name for name in names if names.count(name) > 1)
        raise ValueError(f"{twice} is in two groups")
    return {pair for group in groups for pair in itertools.combinations(sorted(group), 2)}
