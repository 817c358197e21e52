"""Which seconds of one video show which seconds of another, at what speed, forwards or backwards.

query = FrameSequence(vectors, seconds, bias)     # (N, D) float32 unit vectors, (N,), (N,)
for match in align(query, reference):
    print(match.query, match.reference, match.speed, match.score)

Pairs of similar frames vote for lines ``reference = speed * query + offset``: a Hough transform, as
for temporal alignment in Douze, Jegou, Schmid & Perez (ECCV 2010), over offsets *and* speeds. A
pair counts the less, the more other frames each of the two is similar to (Jegou, Douze & Schmid,
"On the burstiness of visual elements", CVPR 2009): of a scene that stands still, every frame is
similar to every other, and says nothing of when. The strongest line is fitted by least squares;
along it, the stretch with the largest sum of similarity above a threshold (Kadane's maximum
subarray; Bentley, CACM 1984) is a match. What it explains is taken out, and the rest votes again.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from vidseek.search.copies.alignment.hough import FramePairs, find_pairs, strongest_line
from vidseek.search.copies.alignment.refine import match_along
from vidseek.search.copies.alignment.sequence import Alignment, FrameSequence
from vidseek.search.copies.alignment.stretch import STATIC_DISTINCT, Comparison

MIN_SIMILARITY = 0.5
"""Frames whose cosine, less their bias, is below this are not the same. Depends on the descriptor:
`copies.MIN_SIMILARITY` is that of the one that ships."""
MIN_VOTES, MIN_VOTES_SHARE = 0.1, 0.05
"""Lines with fewer votes, or fewer than this part of the first line's, are noise."""
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
        query: of N frames, one or two a second.
        reference: of M frames, whose vectors are as long as the query's.
        min_similarity: cosine above which two frames speak for a match.
        max_segments: matches at most.

    Returns:
        Matches, best score first; none if either is empty. They may share parts of the query (the
        reference shows something twice) or of the reference, not of both.

    Raises:
        ValueError: the vectors are of different lengths.
    """
    if len(query) == 0 or len(reference) == 0:
        return []
    if query.vectors.shape[1] != reference.vectors.shape[1]:
        raise ValueError(
            f"vectors of {query.vectors.shape[1]} and {reference.vectors.shape[1]} dimensions "
            "cannot be compared: describe both videos with one descriptor"
        )
    pairs = find_pairs(query, reference, min_similarity)
    spacings = [video.spacing_seconds for video in (query, reference) if len(video) > 1]
    width = max(1.0, *spacings) if spacings else 1.0
    videos = Comparison(query, reference, min_similarity)
    # The first line is looked at however weak it is: two stills may be one picture.
    min_votes = 0.0
    for _ in range(3 * max_segments):
        line, votes = strongest_line(pairs, width)
        if votes <= min_votes:
            break
        min_votes = max(min_votes, MIN_VOTES, MIN_VOTES_SHARE * votes)
        match = match_along(videos, pairs, line, width)
        gone = np.zeros(len(pairs.query), np.bool_)
        if match is not None:
            gone = _explained(pairs, match, width)
            if not any(_overlap(match, other) > MAX_OVERLAP for other in videos.matches):
                videos.matches.append(match)
                if len(videos.matches) == max_segments:
                    break
        pairs = pairs.where(~gone if gone.any() else np.abs(line.distances(pairs)) > width)
    return sorted(videos.matches, key=lambda match: -match.score)


def _explained(pairs: FramePairs, match: Alignment, margin: float) -> NDArray[np.bool_]:
    """Which pairs a match accounts for."""
    here = (pairs.query >= match.query.start_seconds - margin) & (
        pairs.query <= match.query.end_seconds + margin
    )
    there = (pairs.reference >= match.reference.start_seconds - margin) & (
        pairs.reference <= match.reference.end_seconds + margin
    )
    # A picture that stands still is like itself at every time: once is enough.
    return here | there if match.distinct_frames < STATIC_DISTINCT else here & there


def _overlap(first: Alignment, second: Alignment) -> float:
    """Common part of two matches, in both videos, over the smaller one."""
    common = first.query.overlap(second.query) * first.reference.overlap(second.reference)
    areas = [
        match.query.duration_seconds * match.reference.duration_seconds for match in (first, second)
    ]
    return common / min(areas) if min(areas) > 0 else float(common > 0)
