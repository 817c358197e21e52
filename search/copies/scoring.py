"""How sure a match is: a score from 0 to 1, and the thresholds that make a verdict of it."""

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
"""Least score of a match. Of 517 calibration videos of `benchmarks/copies`, which are no copies,
none, one and 10 are accused; of 1,136 test videos none, 9 and 76 (docs/explanation/copies.md)."""
MIN_SIMILARITY = 0.25
"""Cosine less noise above which two frames speak for a match."""
DISTINCT_WEIGHT, FULL_COVERAGE_WEIGHT = 0.07, 0.1
PART_PENALTY = 0.06
SURE_SECONDS, STILL_DISTINCT, MOMENT_WEIGHT = 3.0, 0.2, 0.7
"""A match of less than these seconds, or of less than this more than one distinct frame, scores
less; one of a single frame so much of it."""
EDGE_SECONDS, EDGE_MARGIN_SECONDS = 10.0, 1.5
EDGE_WEIGHT = 0.75
"""What is like a common intro or outro scores so much of what it would score elsewhere..."""
BOILERPLATE_WEIGHT = 0.4
"""...and so much where five videos of the library are known to share it."""
REPEATED_SHARE = 0.4
"""A match more of which a better one shows already is the same again."""


@dataclass(frozen=True)
class ScoredAlignment:
    """A stretch of an upload that shows a stretch of a library video, and how sure that is."""

    video_id: int
    alignment: Alignment
    score: float
    crop: Crop | None = None
    """The crop of the picture that it was found in; None for the whole picture."""


def clip_to_ends(alignment: Alignment, query_seconds: float, reference_seconds: float) -> Alignment:
    """The same, ending where the videos do: a last frame stands for a while after it."""

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
    """How sure a match is, 0 to 1: how alike its frames are, how many different ones agree, and how
    much it is of both videos.

    Chosen on the benchmark's calibration sources and rounded; the weight of the whole is a small
    one, for how many copies of the world are whole is not known. A part of a picture is one of
    twenty that were looked at, each of which had its chance to look like something.

    Args:
        alignment: of two videos.
        query_seconds: length of the one.
        reference_seconds: length of the other.
        is_crop: whether it was found in a part of the picture.
    """
    score = alignment.similarity + DISTINCT_WEIGHT * math.log(max(alignment.distinct_frames, 1.0))
    shares = (
        alignment.query.duration_seconds / max(query_seconds, 1e-6),
        alignment.reference.duration_seconds / max(reference_seconds, 1e-6),
    )
    score += FULL_COVERAGE_WEIGHT * min(1.0, *shares)
    # A moment is little to go by, however alike, and so is a still, however long.
    evidence = min(
        1.0,
        alignment.query.duration_seconds / SURE_SECONDS,
        (alignment.distinct_frames - 1) / STILL_DISTINCT,
    )
    score *= MOMENT_WEIGHT + (1 - MOMENT_WEIGHT) * max(0.0, evidence)
    return min(1.0, max(0.0, score - PART_PENALTY * is_crop))


def is_edge(alignment: Alignment, query_seconds: float, reference_seconds: float) -> bool:
    """True for a few seconds that two videos begin, or end, with, and that are all of neither.

    That is what an intro or an outro looks like, which two innocent videos may share.
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
    """Each stretch of the upload once a video: it shows one stretch of it, the best of those found.

    Several looks at one upload find the same, and a weaker line beside the right one.
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
    alignment: Alignment, video: Video, query_seconds: float, crop: Crop | None
) -> ScoredAlignment:
    """The score of an alignment with a library video, edges discounted.

    Args:
        alignment: of the upload and the video.
        video: of the library.
        query_seconds: length of the upload.
        crop: that it was found in; None for the whole picture.
    """
    reference_seconds = video.duration_seconds
    score = match_score(
        alignment,
        query_seconds=query_seconds,
        reference_seconds=reference_seconds,
        is_crop=crop is not None,
    )
    if is_edge(alignment, query_seconds, reference_seconds):
        score *= EDGE_WEIGHT
    inside = clip_to_ends(alignment, query_seconds, reference_seconds)
    return ScoredAlignment(video.id, inside, score, crop)
