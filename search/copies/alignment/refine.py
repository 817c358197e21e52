"""From the strongest line to a match: fitting it, and preferring whole videos and speed 1."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from vidseek.core.types import TimeSpan
from vidseek.search.copies.alignment.hough import MAX_SPEED, MIN_SPEED, FramePairs, Line, fit_line
from vidseek.search.copies.alignment.sequence import Alignment, FrameSequence, time_limits
from vidseek.search.copies.alignment.stretch import (
    SAMPLED_FRAMES,
    STATIC_DISTINCT,
    Comparison,
    match_on_line,
    similarity_profile,
)

PLAIN_GAIN = 0.6
"""Prefer speed 1 if the frames are as similar at it as at the best speed, and if its match explains
this share of what the best speed explains."""
WHOLE_TOLERANCE, LITTLE_MOTION = 0.01, 3.0
"""A match of two whole videos at another speed may be less similar than the best line, by this
cosine, if it has fewer distinct frames than ``LITTLE_MOTION``. If it has more, it must be more
similar by this cosine."""
NEARLY_PLAIN = 0.14
"""Logarithm of the speed that videos of equal length may appear to have because of sampling."""
PLAIN_TOLERANCE = 0.02
"""Cosine by which frames may be less similar at speed 1 than at the best speed."""
MOVE_GAIN = 0.003
"""Cosine by which frames must be more similar for a line of speed 1 to be moved."""
PLAIN_REACH_SECONDS, COARSE_STEP_SECONDS, PLAIN_STEP_SECONDS = 10.0, 1.0, 0.25
"""How far around a match speed 1 is tried, in coarse steps everywhere and in fine steps around the
best offset."""
PIECE_GAIN, MIN_PIECE_SECONDS = 0.02, 2.0
"""A match is two pieces if, by this cosine, the frames are more similar along two successive lines
of speed 1 than along a single line of any speed; and the minimum length of each piece and distance
between them."""


def match_along(
    videos: Comparison, pairs: FramePairs, line: Line, width: float
) -> Alignment | None:
    """Fit a line and take its best stretch; None if no frames match along it."""
    line = fit_line(pairs, line, width)
    near = pairs.where(np.abs(line.distances(pairs)) <= width)
    match = _fitted_match(videos, pairs, line, width)
    if match is None or len(near.weights) == 0:
        return match
    whole = _whole_match(videos, width)
    if whole is not None:
        # With little motion any speed fits equally well; otherwise the true speed must fit better.
        tolerance = WHOLE_TOLERANCE if match.distinct_frames < LITTLE_MOTION else -WHOLE_TOLERANCE
        if whole.similarity >= match.similarity - tolerance:
            return whole
    # With little motion, neighbouring frames are alike, and a line may be tilted, lie beside the
    # right one, or lead from one piece of a film to another. Where no other speed is needed, take
    # speed 1 at its best offset, or the longer of two lines of speed 1 if two fit better.
    plain = _at_plain_speed(videos.query, videos.reference, match)
    if plain is None:
        return match
    unedited = match_on_line(videos, plain.line, plain.within)
    if unedited is None or plain.within is not None:
        return unedited or match
    min_gain = PLAIN_GAIN * _gain(match, videos.min_similarity)
    return unedited if _gain(unedited, videos.min_similarity) >= min_gain else match


def _whole_match(videos: Comparison, width: float) -> Alignment | None:
    """A match of the whole query with the whole reference at any speed; None if they do not match.

    This is the most common copy, and with little motion voting cannot tell it from other lines.
    """
    query, reference = videos.query, videos.reference
    if len(query) == 1 or len(reference) == 1:
        return None
    (first, last), (there, end) = time_limits(query), time_limits(reference)
    speed = (end - there) / max(last - first, 1e-6)
    # Treat nearly 1 as 1: the ends of videos are known to half a frame's distance only.
    if not MIN_SPEED <= speed <= MAX_SPEED or abs(math.log(speed)) <= NEARLY_PLAIN:
        return None
    match = match_on_line(videos, Line(speed, there - speed * first))
    return match if match and _is_whole(match, query, reference, width) else None


def _is_whole(
    match: Alignment, query: FrameSequence, reference: FrameSequence, margin: float
) -> bool:
    """True if a match covers both videos from end to end."""
    return all(
        span.start_seconds <= first + margin and span.end_seconds >= last - margin
        for span, (first, last) in (
            (match.query, time_limits(query)),
            (match.reference, time_limits(reference)),
        )
    )


@dataclass(frozen=True)
class _Plain:
    """A line of speed 1 or -1 that explains as much as a match does, or more."""

    line: Line
    within: TimeSpan | None = None
    """The part of the query that the line covers, if it is one of two pieces."""


def _at_plain_speed(
    query: FrameSequence, reference: FrameSequence, match: Alignment
) -> _Plain | None:
    """The line of speed 1 (or -1) along which the frames of a match are most similar.

    If two successive lines fit better, the longer one. None if the frames are less similar than
    along the match's own line. Similarities are interpolated to each frame's exact time: a matched
    filter, which separates neighbouring frames where votes and best partners do not.
    """
    sign = float(np.copysign(1.0, match.speed))
    rows = np.flatnonzero(
        (query.seconds >= match.query.start_seconds) & (query.seconds <= match.query.end_seconds)
    )
    if len(rows) > SAMPLED_FRAMES:
        rows = rows[np.linspace(0, len(rows) - 1, SAMPLED_FRAMES).astype(np.intp)]
    near = (reference.seconds >= match.reference.start_seconds - PLAIN_REACH_SECONDS) & (
        reference.seconds <= match.reference.end_seconds + PLAIN_REACH_SECONDS
    )
    columns = np.flatnonzero(near)
    if len(rows) < 2 or len(columns) < 2:
        return None
    current = Line(
        match.speed,
        float(match.reference_seconds(np.array([match.query.start_seconds]))[0])
        - match.speed * match.query.start_seconds,
    )
    seconds, times = query.seconds[rows], reference.seconds[columns]
    cosines = query.vectors[rows] @ reference.vectors[columns].T
    before = similarity_profile(cosines, seconds, times, current.speed, np.array([current.offset]))[
        0
    ].mean()

    def refined(piece: slice, offset: float) -> tuple[Line, float]:
        offsets = offset + np.arange(
            -COARSE_STEP_SECONDS, COARSE_STEP_SECONDS + 1e-6, PLAIN_STEP_SECONDS
        )
        values = similarity_profile(cosines[piece], seconds[piece], times, sign, offsets).sum(1)
        best = int(values.argmax())
        return Line(sign, float(offsets[best])), float(values[best])

    middle = float(seconds.mean())
    low, high = times[0] - sign * middle, times[-1] - sign * middle
    offsets = np.arange(low, high + COARSE_STEP_SECONDS, COARSE_STEP_SECONDS)
    # (O, 1 + R): summed similarity of the first frames along every line.
    sums = np.cumsum(similarity_profile(cosines, seconds, times, sign, offsets), axis=1)
    sums = np.concatenate([np.zeros((len(offsets), 1)), sums], axis=1)
    everything = slice(0, len(rows))
    line, total = refined(everything, float(offsets[sums[:, -1].argmax()]))
    after = sums[:, -1:] - sums
    cut = int((sums.max(0) + after.max(0)).argmax())
    pieces = [slice(0, cut), slice(cut, len(rows))]
    if (
        min(
            seconds[piece][-1] - seconds[piece][0] if piece.start < piece.stop else 0.0
            for piece in pieces
        )
        >= MIN_PIECE_SECONDS
    ):
        starts = (offsets[sums[:, cut].argmax()], offsets[after[:, cut].argmax()])
        lines = [refined(*each) for each in zip(pieces, starts, strict=True)]
        alone = max(float(before), total / len(rows))
        is_jump = abs(lines[0][0].offset - lines[1][0].offset) >= MIN_PIECE_SECONDS
        if is_jump and sum(value for _, value in lines) >= (alone + PIECE_GAIN) * len(rows):
            longer = int(pieces[1].stop - pieces[1].start > cut)
            piece = seconds[pieces[longer]]
            half = query.spacing_seconds / 2
            return _Plain(
                lines[longer][0], TimeSpan(float(piece[0]) - half, float(piece[-1]) + half)
            )
    if current.speed == sign and total < (before + MOVE_GAIN) * len(rows):
        return _Plain(current)
    return _Plain(line) if total >= (before - PLAIN_TOLERANCE) * len(rows) else None


def _gain(match: Alignment, min_similarity: float) -> float:
    """What a match explains: similarity above the minimum, times the seconds of both videos."""
    seconds = math.sqrt(match.query.duration_seconds * match.reference.duration_seconds)
    return (match.similarity - min_similarity) * seconds


def _fitted_match(
    videos: Comparison, pairs: FramePairs, line: Line, width: float
) -> Alignment | None:
    """The best stretch of a fitted line, after fitting the line again to that stretch."""
    match = match_on_line(videos, line)
    if match is None:
        return None
    if match.distinct_frames < STATIC_DISTINCT:
        # A single picture fits every speed: take speed 1 through the middles of the stretch.
        middles = [
            (span.start_seconds + span.end_seconds) / 2 for span in (match.query, match.reference)
        ]
        line = Line(1.0, middles[1] - middles[0])
        return match_on_line(videos, line) or match
    # Pairs beyond its ends, from another match on nearly the same line, may have bent the line.
    inside = (pairs.query >= match.query.start_seconds - width) & (
        pairs.query <= match.query.end_seconds + width
    )
    line = fit_line(pairs.where(inside), line, width)
    return match_on_line(videos, line) or match
