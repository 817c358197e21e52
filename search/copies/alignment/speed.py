"""The speed and direction at which a match plays, or that its frames do not tell.

In footage with little motion every frame resembles every other, and a line of any speed or
direction collects nearly the same similarity. Here the similarities are centred first: each frame's
mean over the other video is taken off, so that only what changes from second to second counts.
Speeds and directions are compared along the whole match, and a difference counts if it is large
beside its standard error (a paired t-test over the frames).
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from vidseek.search.copies.alignment.hough import MAX_SPEED, MIN_SPEED, SPEEDS, Line
from vidseek.search.copies.alignment.sequence import Alignment, FrameSequence, time_limits
from vidseek.search.copies.alignment.stretch import (
    Comparison,
    match_on_line,
    similarity_profile,
)

MAX_SETTLED_SECONDS = 120.0
"""The votes for a longer match settle its speed."""
MIN_FRAMES = 5, 4
"""Frames of the query and of the reference from which a speed can be told."""
FINE_STEPS = np.exp(np.linspace(-0.15, 0.15, 9))
"""Factors of a speed between those of the grid."""
SURE_DIRECTION, SURE_SPEED, REJECTED, FEW_FRAMES = 2.0, 1.5, 1.5, 8.0
"""Standard errors by which a direction or a speed must be better to be told, and by which a plain
speed must be worse to be given up; few frames need more for a direction, this over
their number. Of 88 clips that were played backwards or 1.5 times as fast, no
direction above the first limit was wrong."""
OTHER_SPEED, SAME_SPEED = 0.15, 0.03
"""Logarithms from which on two speeds are rivals, and from which on a match is moved."""
REACH_SECONDS = 10.0
MAX_OFFSETS = 400
STEP_SECONDS = 0.25
MAX_LOSS, MIN_KEPT = 0.05, 0.8
"""Mean cosine that a match may lose on the settled line, and the share of its length that it
keeps."""


@dataclass(frozen=True)
class _Scored:
    """A line with the centred similarity of each frame of the match along it."""

    line: Line
    values: NDArray[np.float64]

    @property
    def mean(self) -> float:
        return float(self.values.mean())

    def lead(self, other: _Scored) -> float:
        """Standard errors by which it is better than another line."""
        apart = self.values - other.values
        error = float(apart.std()) / math.sqrt(len(apart))
        return float(apart.mean()) / (error + 1e-4)


def settled(videos: Comparison, match: Alignment) -> Alignment:
    """A match at the speed and in the direction that its frames tell.

    Returns:
        The match itself, or a match on a better line; ``is_speed_known`` is False where the frames
        tell no speed.
    """
    if match.is_still:
        return replace(match, is_speed_known=False)
    if match.query.duration_seconds > MAX_SETTLED_SECONDS:
        return match
    lines = _Lines.of_match(videos, match)
    if lines is None:
        return replace(match, is_speed_known=False)
    tried = [lines.best(sign * speed) for speed in SPEEDS for sign in (1, -1)]
    whole = lines.whole()
    best = max([*tried, *whole], key=lambda each: each.mean)
    sign = float(np.copysign(1.0, best.line.speed))
    opposite = max(
        (each for each in tried if each.line.speed * sign < 0), key=lambda each: each.mean
    )
    if best.lead(opposite) < SURE_DIRECTION + FEW_FRAMES / len(lines.seconds):
        return replace(match, is_speed_known=False)
    # Speed 1, and the speed at which one whole video shows the other, are likelier than others.
    plain = lines.best(sign)
    usual = [plain, *(each for each in whole if each.line.speed * sign > 0)]
    likely = [each for each in usual if best.lead(each) < REJECTED]
    fine = [lines.best(float(step) * best.line.speed) for step in FINE_STEPS]
    chosen = max(likely or [best, *fine], key=lambda each: each.mean)
    rivals = likely if likely else [each for each in tried if each.line.speed * sign > 0]
    is_known = all(
        chosen.lead(rival) >= SURE_SPEED or not _differ(chosen.line, rival.line) for rival in rivals
    )
    if not is_known:
        if plain not in likely:
            return replace(match, is_speed_known=False)
        # A cut is likelier than a film at another speed.
        chosen = plain
    return _moved(videos, match, chosen.line, is_known=is_known)


def _moved(videos: Comparison, match: Alignment, line: Line, *, is_known: bool) -> Alignment:
    """The match on a line, unless that shows less."""
    if match.speed * line.speed > 0 and not _differ(Line(match.speed, 0.0), line, SAME_SPEED):
        return replace(match, is_speed_known=is_known)
    moved = match_on_line(videos, line)
    shorter = moved is None or (
        moved.query.duration_seconds < MIN_KEPT * match.query.duration_seconds
    )
    if moved is None or shorter or moved.similarity < match.similarity - MAX_LOSS:
        return replace(match, is_speed_known=False)
    return replace(moved, is_speed_known=is_known)


def _differ(first: Line, second: Line, least: float = OTHER_SPEED) -> bool:
    return abs(float(np.log(abs(first.speed / second.speed)))) > least


@dataclass(frozen=True)
class _Lines:
    """The frames of a match, for which lines are compared."""

    query: FrameSequence
    reference: FrameSequence
    seconds: NDArray[np.float64]
    """(R,) times of the query's frames in the match."""
    times: NDArray[np.float64]
    """(C,) times of the reference's frames around the match."""
    cosines: NDArray[np.float64]
    """(R, C) cosines, less the mean of each row and column."""

    @classmethod
    def of_match(cls, videos: Comparison, match: Alignment) -> _Lines | None:
        query, reference = videos.query, videos.reference
        here = (query.seconds >= match.query.start_seconds) & (
            query.seconds <= match.query.end_seconds
        )
        there = (reference.seconds >= match.reference.start_seconds - REACH_SECONDS) & (
            reference.seconds <= match.reference.end_seconds + REACH_SECONDS
        )
        if np.count_nonzero(here) < MIN_FRAMES[0] or np.count_nonzero(there) < MIN_FRAMES[1]:
            return None
        cosines = (query.vectors[here] @ reference.vectors[there].T).astype(np.float64)
        cosines -= cosines.mean(1, keepdims=True)
        cosines -= cosines.mean(0, keepdims=True)
        return cls(query, reference, query.seconds[here], reference.seconds[there], cosines)

    def best(self, speed: float, around: Iterable[float] = ()) -> _Scored:
        """The best line of a speed, of all offsets or of given ones."""
        middle = speed * float(self.seconds.mean())
        low, high = self.times[0] - middle, self.times[-1] - middle
        step = max(STEP_SECONDS, (high - low) / MAX_OFFSETS)
        offsets = np.array(list(around)) if around else np.arange(low, high + step, step)
        values = similarity_profile(self.cosines, self.seconds, self.times, speed, offsets)
        at = int(values.mean(1).argmax())
        return _Scored(Line(speed, float(offsets[at])), values[at])

    def whole(self) -> list[_Scored]:
        """The lines on which one whole video shows the other, forwards and backwards."""
        (first, last), (there, end) = time_limits(self.query), time_limits(self.reference)
        speed = (end - there) / max(last - first, 1e-6)
        if not MIN_SPEED <= speed <= MAX_SPEED:
            return []
        moved = np.arange(-1.0, 1.0 + 1e-6, STEP_SECONDS)
        forwards = self.best(speed, list(there - speed * first + moved))
        return [forwards, self.best(-speed, list(end + speed * first + moved))]
