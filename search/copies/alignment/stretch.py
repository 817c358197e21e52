"""The best stretch of a line: where two videos match along it.

The frames of the sparser video are walked along the line, each with its most similar partner in the
other video; the stretch with the largest sum of similarity above a threshold is the match (Kadane's
maximum subarray; Bentley, CACM 1984).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from vidseek.core.types import TimeSpan
from vidseek.search.copies.alignment.hough import Line
from vidseek.search.copies.alignment.sequence import Alignment, FrameSequence, time_limits

MAX_GAP_SECONDS = 5.0
"""Longest gap inside a match."""
STATIC_SIMILARITY = 0.9
"""Above this cosine, frames of the *same* video begin to count as a single frame."""
STATIC_DISTINCT = 2.0
"""A match with fewer distinct frames is a single picture, which says nothing about time."""
MIN_STILL_FRAMES, MAX_STILL_DISTINCT = 3, 1.06
"""At least this many frames are a still if they make no more distinct frames than this. Stills held
for 8 s made at most 1.02, and cuts of one second from the same 18 clips at least 1.09."""
CERTAIN_FRAMES = 2.0
"""With this many distinct frames a match scores half its similarity; with many, all of it."""
SAMPLED_FRAMES = 256
"""Frames sampled from a longer match: more than enough to be sure."""


@dataclass(frozen=True)
class _Walk:
    """The frames of the sparser video along a line, each with its partner in the other video."""

    rows: NDArray[np.intp]
    """(K,) ascending frames of the sparser video for which the other video has frames."""
    partners: NDArray[np.intp]
    """(K,) the most similar of the other video's frames near the line."""
    partner_seconds: NDArray[np.float64]
    """(K,) times on the line."""
    similarities: NDArray[np.float32]
    """(K,) cosines, less bias."""


@dataclass(frozen=True)
class Comparison:
    """Two videos while they are aligned."""

    query: FrameSequence
    reference: FrameSequence
    min_similarity: float
    """Cosine, less bias, above which two frames count as the same."""
    matches: list[Alignment] = field(default_factory=list)
    """The matches found so far."""


def match_on_line(
    videos: Comparison, line: Line, within: TimeSpan | None = None
) -> Alignment | None:
    """The best stretch of a line; None if there is nothing on it.

    Args:
        videos: the two videos and their matches so far, which are not found again.
        line: where the reference shows the query.
        within: only this part of the query; None for all of it.
    """
    query, reference = videos.query, videos.reference
    # A library may store a frame every ten seconds, so that most query frames have no partner:
    # walk along the frames of the sparser video.
    by_query = reference.spacing_seconds <= 1.01 * query.spacing_seconds * abs(line.speed)
    base, other = (query, reference) if by_query or len(query) == 1 else (reference, query)
    walk = _walk(base, other, line if base is query else line.inverse())
    for match in videos.matches:
        # Do not find an earlier match on the same line again.
        walk.similarities[_shown_by(match, base, walk, base is query)] = -1.0
    if within is not None:
        at = base.seconds[walk.rows] if base is query else walk.partner_seconds
        walk.similarities[(at < within.start_seconds) | (at > within.end_seconds)] = -1.0
    stretch = _best_stretch(walk, base, videos.min_similarity)
    if stretch is None:
        return None
    return _as_alignment(videos, base, walk, stretch, line)


def _walk(base: FrameSequence, other: FrameSequence, line: Line) -> _Walk:
    reach = 1.5 * other.spacing_seconds if len(other) > 1 else 1.0
    expected = np.asarray(line.at(base.seconds))
    rows = np.flatnonzero(
        (expected >= other.seconds[0] - reach) & (expected <= other.seconds[-1] + reach)
    )
    expected = expected[rows]
    after = np.searchsorted(other.seconds, expected)
    best = np.full(len(rows), -1.0, np.float32)
    partners = np.zeros(len(rows), np.intp)
    for step in (-2, -1, 0, 1):
        places = np.clip(after + step, 0, len(other) - 1)
        cosines = np.einsum("nd,nd->n", base.vectors[rows], other.vectors[places])
        cosines -= base.bias_of(rows) + other.bias_of(places)
        near = np.abs(other.seconds[places] - expected) <= reach
        better = near & (cosines > best)
        best[better] = cosines[better]
        partners[better] = places[better]
    return _Walk(rows, partners, expected, best)


def _shown_by(
    match: Alignment, base: FrameSequence, walk: _Walk, by_query: bool
) -> NDArray[np.bool_]:
    """(K,) True for frames of a walk that lie in a match together with their partners."""
    spans = (match.query, match.reference) if by_query else (match.reference, match.query)
    inside = np.ones(len(walk.rows), np.bool_)
    for span, seconds in zip(spans, (base.seconds[walk.rows], walk.partner_seconds), strict=True):
        inside &= (seconds >= span.start_seconds) & (seconds <= span.end_seconds)
    return inside


def _best_stretch(walk: _Walk, base: FrameSequence, min_similarity: float) -> slice | None:
    """The part of the walk with the largest sum above ``min_similarity`` and no gap too long."""
    gains = walk.similarities - min_similarity
    good = np.flatnonzero(gains > 0)
    if len(good) == 0:
        return None
    times = base.seconds[walk.rows]
    longest = MAX_GAP_SECONDS
    if len(base) > 1:
        longest = max(longest, 3 * base.spacing_seconds)
    breaks = np.flatnonzero(np.diff(times[good]) > longest)
    starts = good[np.append(0, breaks + 1)]
    ends = good[np.append(breaks, len(good) - 1)] + 1
    best, most = None, 0.0
    for start, end in zip(starts, ends, strict=True):
        sums = np.append(0.0, np.cumsum(gains[start:end], dtype=np.float64))
        rises = sums[1:] - np.minimum.accumulate(sums)[:-1]
        last = int(rises.argmax())
        if rises[last] > most:
            most = float(rises[last])
            first = int(sums[: last + 1].argmin())
            best = slice(int(start) + first, int(start) + last + 1)
    return best


def _as_alignment(
    videos: Comparison, base: FrameSequence, walk: _Walk, stretch: slice, line: Line
) -> Alignment:
    query, reference = videos.query, videos.reference
    other = reference if base is query else query
    similarities = walk.similarities[stretch]
    good = similarities > videos.min_similarity
    rows, partners = walk.rows[stretch], walk.partners[stretch]
    distinct = min(
        _distinct_frames(base.vectors, rows[good]),
        _distinct_frames(other.vectors, partners[good]),
    )
    # A frame represents the time until halfway to its neighbours.
    half = base.spacing_seconds / 2 if len(base) > 1 else 0.0
    ends = np.array([base.seconds[rows[0]] - half, base.seconds[rows[-1]] + half])
    if base is reference:
        ends = np.sort((ends - line.offset) / line.speed)
    start, end = (float(at) for at in np.clip(ends, *time_limits(query)))
    there = np.sort([line.at(start), line.at(end)])
    low, high = (float(at) for at in np.clip(there, *time_limits(reference)))
    similarity = float(similarities.mean())
    return Alignment(
        TimeSpan(start, end),
        TimeSpan(low, high),
        line.speed,
        score=max(0.0, similarity) * distinct / (distinct + CERTAIN_FRAMES),
        similarity=similarity,
        distinct_frames=distinct,
        is_still=shows_still(query, [TimeSpan(start, end)])
        or shows_still(reference, [TimeSpan(low, high)]),
    )


def shows_still(sequence: FrameSequence, spans: Sequence[TimeSpan]) -> bool:
    """True if a video shows a single picture in all of these stretches."""
    inside = np.zeros(len(sequence), np.bool_)
    for span in spans:
        inside |= (sequence.seconds >= span.start_seconds) & (sequence.seconds <= span.end_seconds)
    rows = np.flatnonzero(inside)
    return (
        len(rows) >= MIN_STILL_FRAMES
        and _distinct_frames(sequence.vectors, rows) <= MAX_STILL_DISTINCT
    )


def times_like(sequence: FrameSequence, span: TimeSpan) -> NDArray[np.float64]:
    """Times of the frames that are like the picture that a still match shows in a stretch.

    Args:
        sequence: one of the two videos.
        span: its stretch; its ends may reach into what is shown before and after the picture.
    """
    middle = (span.start_seconds + span.end_seconds) / 2
    picture = sequence.vectors[np.abs(sequence.seconds - middle).argmin()]
    like: NDArray[np.float64] = sequence.seconds[sequence.vectors @ picture >= STATIC_SIMILARITY]
    return like


def _distinct_frames(vectors: NDArray[np.float32], rows: NDArray[np.intp]) -> float:
    """Number of different pictures: each frame counts 1 over the number of frames like it."""
    if len(rows) > SAMPLED_FRAMES:
        rows = rows[np.linspace(0, len(rows) - 1, SAMPLED_FRAMES).astype(np.intp)]
    return float((1 / alikeness(vectors[rows]).sum(axis=1)).sum())


def alikeness(vectors: NDArray[np.float32]) -> NDArray[np.float32]:
    """(N, N) how much pairs of frames of one video count as the same picture, 0 to 1."""
    likeness = (vectors @ vectors.T - STATIC_SIMILARITY) / (1 - STATIC_SIMILARITY)
    np.fill_diagonal(likeness, 1.0)
    alike: NDArray[np.float32] = np.clip(likeness, 0, 1)
    return alike


def similarity_profile(
    cosines: NDArray[np.floating[Any]],
    seconds: NDArray[np.float64],
    times: NDArray[np.float64],
    speed: float,
    offsets: NDArray[np.float64],
) -> NDArray[np.float64]:
    """(O, R) similarity of R frames to the reference along O lines of the same speed.

    Args:
        cosines: (R, C) cosines of the frames with C frames of the reference.
        seconds: (R,) times of the frames.
        times: (C,) times of the reference's frames.
        speed: speed of the lines.
        offsets: (O,) offsets of the lines.
    """
    at = speed * seconds[None] + offsets[:, None]
    after = np.clip(np.searchsorted(times, at), 1, len(times) - 1)
    steps = np.diff(times)
    share = np.clip((at - times[after - 1]) / np.maximum(steps[after - 1], 1e-6), 0, 1)
    rows = np.arange(len(seconds))[None]
    values = (1 - share) * cosines[rows, after - 1] + share * cosines[rows, after]
    # Beyond the ends of the reference nothing matches.
    reach = float(np.median(steps))
    return np.where((at < times[0] - reach) | (at > times[-1] + reach), 0.0, values)
