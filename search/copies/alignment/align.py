"""Align two videos: which seconds show the same pictures, at what speed and in which direction.

query = FrameSequence(vectors, seconds, bias)     # (N, D) float32 unit vectors, (N,), (N,)
for match in align(query, reference):
    print(match.query, match.reference, match.speed, match.score)

Pairs of similar frames vote for lines ``reference = speed * query + offset``: a Hough transform, as
for temporal alignment in Douze, Jegou, Schmid & Perez (ECCV 2010), over offsets *and* speeds. A
pair's weight falls with the number of other frames that each of the two is similar to (Jegou, Douze
& Schmid, "On the burstiness of visual elements", CVPR 2009): in a static scene every frame is
similar to every other, which says nothing about time. The strongest line is fitted by least
squares. The stretch of it with the largest sum of similarity above a threshold (Kadane's maximum
subarray; Bentley, CACM 1984) is a match. The pairs that it explains are removed, and the remaining
pairs vote again.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from vidseek.search.copies.alignment.hough import FramePairs, find_pairs, strongest_line
from vidseek.search.copies.alignment.refine import match_along
from vidseek.search.copies.alignment.sequence import Alignment, FrameSequence
from vidseek.search.copies.alignment.speed import settled
from vidseek.search.copies.alignment.stretch import (
    STATIC_DISTINCT,
    Comparison,
    times_like,
)

MIN_SIMILARITY = 0.5
"""Minimum cosine, less bias, for a frame pair to count as the same. It depends on the descriptor;
`copies.scoring.MIN_SIMILARITY` is for the shipped one."""
MIN_VOTES, MIN_VOTES_SHARE = 0.1, 0.05
"""Lines with fewer votes, or a smaller share of the first line's votes, are noise."""
MAX_OVERLAP = 0.3


def align(
    query: FrameSequence,
    reference: FrameSequence,
    *,
    min_similarity: float = MIN_SIMILARITY,
    max_segments: int = 10,
) -> list[Alignment]:
    """Find the stretches that two videos have in common.

    Args:
        query: N frames, one or two per second.
        reference: M frames, with vectors of the query's dimension.
        min_similarity: minimum cosine, less bias, for a frame pair to count as a match.
        max_segments: maximum number of matches.

    Returns:
        Matches, best score first; empty if either video has no frames. Matches may overlap in the
        query (where the reference repeats something) or in the reference, but not in both.

    Raises:
        ValueError: the vectors have different dimensions.
    """
    if len(query) == 0 or len(reference) == 0:
        return []
    if query.vectors.shape[1] != reference.vectors.shape[1]:
        raise ValueError(
            f"vectors of {query.vectors.shape[1]} and {reference.vectors.shape[1]} dimensions "
            "cannot be compared: both videos need the same descriptor"
        )
    pairs = find_pairs(query, reference, min_similarity)
    spacings = [video.spacing_seconds for video in (query, reference) if len(video) > 1]
    width = max(1.0, *spacings) if spacings else 1.0
    videos = Comparison(query, reference, min_similarity)
    # The first line is examined however weak it is: two stills may be the same picture.
    min_votes = 0.0
    for _ in range(3 * max_segments):
        line, votes = strongest_line(pairs, width)
        if votes <= min_votes:
            break
        min_votes = max(min_votes, MIN_VOTES, MIN_VOTES_SHARE * votes)
        match = match_along(videos, pairs, line, width)
        if match is not None:
            match = settled(videos, match)
        gone = np.zeros(len(pairs.query), np.bool_)
        if match is not None:
            gone = _explained(videos, pairs, match, width)
            if not any(_overlap(match, other) > MAX_OVERLAP for other in videos.matches):
                videos.matches.append(match)
                if len(videos.matches) == max_segments:
                    break
        pairs = pairs.where(~gone if gone.any() else np.abs(line.distances(pairs)) > width)
    return sorted(videos.matches, key=lambda match: -match.score)


def _explained(
    videos: Comparison, pairs: FramePairs, match: Alignment, margin: float
) -> NDArray[np.bool_]:
    """(H,) True for pairs that a match explains."""
    if match.distinct_frames < STATIC_DISTINCT:
        # A still is similar to itself at every time, so one match explains all of its pairs, but
        # not those of what is shown right before or after it.
        here = np.isin(pairs.query, times_like(videos.query, match.query))
        return here | np.isin(pairs.reference, times_like(videos.reference, match.reference))
    here = (pairs.query >= match.query.start_seconds - margin) & (
        pairs.query <= match.query.end_seconds + margin
    )
    there = (pairs.reference >= match.reference.start_seconds - margin) & (
        pairs.reference <= match.reference.end_seconds + margin
    )
    return here & there


def _overlap(first: Alignment, second: Alignment) -> float:
    """The intersection of two matches, in both videos, over the area of the smaller match."""
    common = first.query.overlap(second.query) * first.reference.overlap(second.reference)
    areas = [
        match.query.duration_seconds * match.reference.duration_seconds for match in (first, second)
    ]
    return common / min(areas) if min(areas) > 0 else float(common > 0)
