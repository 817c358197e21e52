"""Merging: adjacent clips of a video with similar scores become one moment.

Greedy, best first. The best clip that is not yet part of a moment starts a new moment, which grows
to the better of its two neighbours in time while that neighbour scores within ``margin`` of the
*best* clip (not of the last clip added: slowly falling scores would otherwise drag a moment through
a whole video) and the moment stays under ``MAX_MOMENT_SECONDS``.
"""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from vidseek.core.types import Clip, TimeSpan

MAX_MOMENT_SECONDS = 30.0
"""Maximum length of a moment: a viewer would have to search inside a longer hit."""
ADJACENT_SECONDS = 0.5
"""Clips cover a video without gaps; this tolerance is for rounding and damaged stretches."""
DEFAULT_MARGIN = 0.02
"""How far below the best clip a neighbour may score, where the encoder is not calibrated and for
queries by picture or video. On the scenes of two vlogs: spans found by title met the scene (IoU 0.3
within 5 hits) in 23 % of cases without merging, 32 % at 0.02, 27 % at 0.05; spans found by the
scene's middle half had a mean IoU with it of 0.65, 0.68 and 0.64."""
NEIGHBOUR_ODDS = 0.8
"""With a calibration, a neighbour joins if its odds of matching are at least this share of the best
clip's odds."""


@dataclass(frozen=True)
class ScoredClip:
    """A clip and its score."""

    clip: Clip
    score: float


@dataclass(frozen=True)
class Moment:
    """A clip, a run of adjacent clips, or the clips of a sequence."""

    clips: tuple[Clip, ...]
    """In order of time, at least one."""
    score: float
    """Score of the best clip; of a sequence, see ``chains.score_of_evidence``."""
    best: Clip
    """The best clip, one of ``clips``."""
    is_sequence: bool = False
    """Whether the clips are the steps of a sequence, with time between them."""

    @property
    def video_id(self) -> int:
        """The video that all the clips belong to."""
        return self.clips[0].video_id

    @property
    def span(self) -> TimeSpan:
        """From the start of the first clip to the end of the last."""
        return self.clips[0].span.union(self.clips[-1].span)


def merge_margin(confidence_scale: float | None) -> float:
    """How far below the best clip a neighbour may score and still join.

    Args:
        confidence_scale: of the ``EncoderSpec``; it makes a difference of scores a ratio of odds.
    """
    if confidence_scale is None or confidence_scale <= 0:
        return DEFAULT_MARGIN
    return -math.log(NEIGHBOUR_ODDS) / confidence_scale


def find_moments(ranked: Sequence[ScoredClip], *, margin: float) -> Iterator[Moment]:
    """Merge clips into moments, one by one: a caller rarely needs all of them.

    Args:
        ranked: clips of any videos, best first; each clip once.
        margin: see ``merge_margin``.

    Yields:
        Moments, best first; every clip is in exactly one moment.
    """
    timelines: dict[int, list[ScoredClip]] = defaultdict(list)
    for scored in ranked:
        timelines[scored.clip.video_id].append(scored)
    position: dict[int, int] = {}
    for timeline in timelines.values():
        timeline.sort(key=lambda scored: (scored.clip.span, scored.clip.id))
        position.update({scored.clip.id: index for index, scored in enumerate(timeline)})

    taken: set[int] = set()
    for best in ranked:
        if best.clip.id in taken:
            continue
        timeline = timelines[best.clip.video_id]
        first, last = _grow(timeline, position[best.clip.id], taken, margin)
        run = timeline[first : last + 1]
        taken.update(scored.clip.id for scored in run)
        yield Moment(tuple(scored.clip for scored in run), best.score, best.clip)


def _grow(
    timeline: Sequence[ScoredClip], best: int, taken: set[int], margin: float
) -> tuple[int, int]:
    """First and last position of the run around ``best``."""
    first = last = best
    min_score = timeline[best].score - margin
    while True:
        span = timeline[first].clip.span.union(timeline[last].clip.span)
        choices = []
        if first > 0 and _joins(timeline[first - 1], timeline[first], span, min_score, taken):
            choices.append(first - 1)
        if last + 1 < len(timeline) and _joins(
            timeline[last + 1], timeline[last], span, min_score, taken
        ):
            choices.append(last + 1)
        if not choices:
            return first, last
        chosen = max(choices, key=lambda index: (timeline[index].score, -index))
        first, last = min(first, chosen), max(last, chosen)


def _joins(
    neighbour: ScoredClip, edge: ScoredClip, span: TimeSpan, min_score: float, taken: set[int]
) -> bool:
    if neighbour.clip.id in taken or neighbour.score < min_score:
        return False
    earlier, later = sorted((neighbour.clip.span, edge.clip.span))
    if later.start_seconds - earlier.end_seconds > ADJACENT_SECONDS:
        return False
    return span.union(neighbour.clip.span).duration_seconds <= MAX_MOMENT_SECONDS
