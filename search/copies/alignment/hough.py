"""Votes of pairs of similar frames for lines ``reference = speed * query + offset``."""

from __future__ import annotations

import itertools
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from vidseek.search.copies.alignment.sequence import FrameSequence

SPEEDS = (0.5, 0.57, 0.67, 0.8, 0.9, 1.0, 1.11, 1.25, 1.5, 1.75, 2.0)
"""Reference seconds per query second, forwards and backwards. The fit finds speeds in between."""
MIN_SPEED, MAX_SPEED = 0.45, 2.2
SPEED_PRIOR, BACKWARDS_PRIOR = 0.95, 0.9
"""Weights of other speeds and of playing backwards: a few frames fit many lines, so these need more
evidence."""
PAIRS_PER_FRAME = 20
"""Maximum reference frames that a query frame votes for: the most similar ones."""
BLOCK_ENTRIES = 4_000_000
"""Number of similarities in memory at once: 16 MB."""


def strongest_votes(
    query_seconds: NDArray[np.float64],
    reference_seconds: NDArray[np.float64],
    strengths: NDArray[np.float64],
    *,
    width_seconds: float,
) -> float:
    """The votes of pairs of similar frames for their best line, by which candidates are ranked.

    Args:
        query_seconds: (H,) time of each pair's query frame.
        reference_seconds: (H,) time of its reference frame.
        strengths: (H,) weight of each pair, 0 to 1.
        width_seconds: maximum distance from a line at which a pair counts for it.
    """
    return strongest_line(FramePairs(query_seconds, reference_seconds, strengths), width_seconds)[1]


@dataclass(frozen=True)
class FramePairs:
    """Pairs of similar frames."""

    query: NDArray[np.float64]
    """(H,) seconds."""
    reference: NDArray[np.float64]
    """(H,) seconds."""
    weights: NDArray[np.float64]
    """(H,) weight of the pair, 0 to 1."""

    def where(self, mask: NDArray[np.bool_]) -> FramePairs:
        """The pairs that a (H,) mask selects."""
        return FramePairs(self.query[mask], self.reference[mask], self.weights[mask])


@dataclass(frozen=True)
class Line:
    """Where in the reference each moment of the query is shown."""

    speed: float
    """Reference seconds per query second; negative where the query plays backwards."""
    offset: float
    """Reference second at query second 0."""

    def at(self, query_seconds: NDArray[np.float64] | float) -> NDArray[np.float64] | float:
        """Reference seconds at these query seconds."""
        return self.speed * query_seconds + self.offset

    def distances(self, pairs: FramePairs) -> NDArray[np.float64]:
        """(H,) distances in reference seconds, divided by the speed if that is above 1."""
        distances: NDArray[np.float64] = pairs.reference - self.at(pairs.query)
        return distances / max(1.0, abs(self.speed))

    def inverse(self) -> Line:
        """The line from the reference to the query."""
        return Line(1 / self.speed, -self.offset / self.speed)


def find_pairs(query: FrameSequence, reference: FrameSequence, min_similarity: float) -> FramePairs:
    """Pairs of frames whose cosine, less the bias of both, is above ``min_similarity``."""
    block = max(1, BLOCK_ENTRIES // len(reference))
    rows, columns, similarities = [], [], []
    row_counts = np.zeros(len(query), np.intp)
    column_counts = np.zeros(len(reference), np.intp)
    for start in range(0, len(query), block):
        rows_here = slice(start, start + block)
        cosines = query.vectors[rows_here] @ reference.vectors.T
        if query.bias is not None:
            cosines -= query.bias[rows_here, None]
        if reference.bias is not None:
            cosines -= reference.bias
        above = cosines > min_similarity
        counts = np.count_nonzero(above, axis=1)
        row_counts[start : start + block] = counts
        column_counts += np.count_nonzero(above, axis=0)
        crowded = np.flatnonzero(counts > PAIRS_PER_FRAME)
        if len(crowded):
            crowd_cosines = cosines[crowded]
            best = np.argpartition(crowd_cosines, -PAIRS_PER_FRAME, axis=1)[:, -PAIRS_PER_FRAME:]
            kept = np.zeros(crowd_cosines.shape, np.bool_)
            np.put_along_axis(kept, best, True, axis=1)
            above[crowded] = kept
        row, column = np.nonzero(above)
        rows.append(row + start)
        columns.append(column)
        similarities.append(cosines[row, column])
    row, column = np.concatenate(rows), np.concatenate(columns)
    crowd = np.maximum(row_counts[row], column_counts[column])
    surplus = np.concatenate(similarities).astype(np.float64) - min_similarity
    strength = surplus / (1 - min_similarity)
    return FramePairs(query.seconds[row], reference.seconds[column], strength / crowd)


def strongest_line(pairs: FramePairs, width: float) -> tuple[Line, float]:
    """The line with the most votes, over the grid of speeds and offsets ``width`` apart."""
    best, most = Line(1.0, 0.0), 0.0
    if len(pairs.weights) == 0:
        return best, most
    for speed, sign in itertools.product(SPEEDS, (1, -1)):
        offsets = pairs.reference - sign * speed * pairs.query
        low = offsets.min()
        step = width * max(1.0, speed)
        bins = ((offsets - low) / step).astype(np.intp)
        votes = np.bincount(bins, pairs.weights)
        # Sum neighbouring bins, so that pairs on the border of two bins are not split.
        joined = votes + np.append(votes[1:], 0.0)
        place = int(joined.argmax())
        prior = (1.0 if speed == 1.0 else SPEED_PRIOR) * (BACKWARDS_PRIOR if sign < 0 else 1.0)
        if prior * joined[place] > most:
            most = float(prior * joined[place])
            best = Line(sign * speed, float(low + (place + 1) * step))
    return best, most


def fit_line(pairs: FramePairs, line: Line, width: float) -> Line:
    """Fit a line to the pairs near it by weighted least squares, until no more pairs come near.

    The grid's speed may be off by a tenth: only some pairs are near at first, and each round brings
    the line closer to the rest.
    """
    count = 0
    for _ in range(10):
        near = np.abs(line.distances(pairs)) <= width
        if np.count_nonzero(near) <= count:
            break
        count = int(np.count_nonzero(near))
        line = _least_squares(pairs.where(near), line)
    return line


def _least_squares(pairs: FramePairs, line: Line) -> Line:
    share = pairs.weights / pairs.weights.sum()
    middle_query = float(share @ pairs.query)
    middle_reference = float(share @ pairs.reference)
    across = pairs.query - middle_query
    spread = float(share @ across**2)
    if spread < 0.25:  # seconds squared: a single moment, which fits any speed
        return Line(line.speed, middle_reference - line.speed * middle_query)
    speed = float(share @ (across * (pairs.reference - middle_reference))) / spread
    if speed * line.speed <= 0 or not MIN_SPEED <= abs(speed) <= MAX_SPEED:
        speed = line.speed
    # A few frames half a second apart cannot tell 0.98 from 1.
    plain = np.copysign(1.0, speed)
    if abs(speed - plain) * float(np.ptp(pairs.query)) <= 0.5:
        speed = float(plain)
    return Line(speed, middle_reference - speed * middle_query)
