"""The score of a match, from 0 to 1, and the thresholds for verdicts."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Literal

from vidseek.core.types import TimeSpan, Video
from vidseek.search.copies.alignment.sequence import Alignment
from vidseek.search.copies.boilerplate import FULL_COVERAGE
from vidseek.search.copies.crops import Crop

Threshold = Literal["strict", "normal", "loose"]
THRESHOLDS: dict[Threshold, float] = {"strict": 0.45, "normal": 0.385, "loose": 0.33}
"""Minimum score of a match. Of 519 calibration videos of `benchmarks/copies` that are not copies,
none, none and 4 are flagged; of 503 test videos none, none and 7
(docs/benchmarks/copy-results.md)."""
MIN_SIMILARITY = 0.25
"""Minimum score-normalised cosine for a frame pair to count as a match."""
DISTINCT_WEIGHT, FULL_COVERAGE_WEIGHT = 0.07, 0.1
PART_PENALTY = 0.06
SURE_SECONDS, STILL_DISTINCT, MOMENT_WEIGHT = 3.0, 0.2, 0.7
"""A match scores less if it is shorter than ``SURE_SECONDS`` or has fewer than 1 +
``STILL_DISTINCT`` distinct frames; with a single frame, this share of its score."""
MAX_STILL_SCORE = THRESHOLDS["strict"] - 0.01
"""A still may be a picture that both films took from elsewhere, so a match of one is never sure."""
EDGE_SECONDS, EDGE_MARGIN_SECONDS = 10.0, 1.5
EDGE_WEIGHT = 0.75
"""Factor for a match that looks like a common intro or outro..."""
BOILERPLATE_WEIGHT = 0.4
"""...and for a match that is known boilerplate, shared by five library videos."""
REPEATED_SHARE = 0.4
"""A match is a repetition if a better match of the same video covers more than this share of it."""


@dataclass(frozen=True)
class ScoredAlignment:
    """A stretch of an upload that shows a stretch of a library video, with its score."""

    video_id: int
    alignment: Alignment
    score: float
    crop: Crop | None = None
    """The crop in which it was found; None for the whole picture."""


def clip_to_ends(alignment: Alignment, query_seconds: float, reference_seconds: float) -> Alignment:
    """Clip an alignment to the ends of the videos: the last frame represents the time after it."""

    def clipped(span: TimeSpan, end: float) -> TimeSpan:
        return TimeSpan(min(span.start_seconds, end), min(span.end_seconds, end))

    return replace(
        alignment,
        query=clipped(alignment.query, query_seconds),
        reference=clipped(alignment.reference, reference_seconds),
    )


def match_score(
    alignment: Alignment, *, query_seconds: float, reference_seconds: float, is_crop: bool
) -> float:
    """The score of a match, 0 to 1, from its similarity, its distinct frames and its share of both
    videos.

    The weights were chosen on the benchmark's calibration sources and rounded. Full coverage has a
    small weight because the share of whole copies in the world is unknown. A crop is penalised
    because each of twenty crops had its chance of a false match.

    Args:
        alignment: the alignment of the two videos.
        query_seconds: length of the query.
        reference_seconds: length of the library video.
        is_crop: whether the match was found in a crop.
    """
    score = alignment.similarity + DISTINCT_WEIGHT * math.log(max(alignment.distinct_frames, 1.0))
    shares = (
        alignment.query.duration_seconds / max(query_seconds, 1e-6),
        alignment.reference.duration_seconds / max(reference_seconds, 1e-6),
    )
    score += FULL_COVERAGE_WEIGHT * min(1.0, *shares)
    # A moment is little evidence, however similar, and so is a still, however long.
    evidence = min(
        1.0,
        alignment.query.duration_seconds / SURE_SECONDS,
        (alignment.distinct_frames - 1) / STILL_DISTINCT,
    )
    score *= MOMENT_WEIGHT + (1 - MOMENT_WEIGHT) * max(0.0, evidence)
    most = MAX_STILL_SCORE if alignment.is_still else 1.0
    return min(most, max(0.0, score - PART_PENALTY * is_crop))


def is_edge(alignment: Alignment, query_seconds: float, reference_seconds: float) -> bool:
    """True for a few seconds at the start or the end of both videos that cover neither of them.

    Intros and outros look like this, and two innocent videos may share one.
    """
    here, there = alignment.query, alignment.reference
    is_short = max(here.duration_seconds, there.duration_seconds) <= EDGE_SECONDS
    is_least = (
        here.duration_seconds < FULL_COVERAGE * query_seconds
        and there.duration_seconds < FULL_COVERAGE * reference_seconds
    )
    starts = max(here.start_seconds, there.start_seconds) <= EDGE_MARGIN_SECONDS
    ends = (
        min(here.end_seconds - query_seconds, there.end_seconds - reference_seconds)
        >= -EDGE_MARGIN_SECONDS
    )
    return is_short and is_least and (starts or ends)


def without_repetitions(matches: Sequence[ScoredAlignment]) -> list[ScoredAlignment]:
    """Keep the best match for each stretch of the upload and each library video.

    Several crops of an upload find the same match, and a weaker line beside the right one.
    """
    kept: list[ScoredAlignment] = []
    for match in sorted(matches, key=lambda each: -each.score):
        span = match.alignment.query
        others = [other.alignment.query for other in kept if other.video_id == match.video_id]
        shared = sum(span.overlap(other) for other in others)
        if not others or shared < REPEATED_SHARE * span.duration_seconds:
            kept.append(match)
    return kept


def score_alignment(
    alignment: Alignment,
    video: Video,
    query_seconds: float,
    crop: Crop | None,
    *,
    is_crop: bool = False,
) -> ScoredAlignment:
    """Score an alignment with a library video, with a discount for intros and outros.

    Args:
        alignment: the alignment of the upload with the video.
        video: the library video.
        query_seconds: length of the upload.
        crop: the crop in which it was found; None for the whole picture.
        is_crop: whether it was found in a crop of the library's picture.
    """
    reference_seconds = video.duration_seconds
    score = match_score(
        alignment,
        query_seconds=query_seconds,
        reference_seconds=reference_seconds,
        is_crop=is_crop or crop is not None,
    )
    if is_edge(alignment, query_seconds, reference_seconds):
        score *= EDGE_WEIGHT
    inside = clip_to_ends(alignment, query_seconds, reference_seconds)
    return ScoredAlignment(video.id, inside, score, crop)
