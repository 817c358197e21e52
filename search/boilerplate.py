"""Stretches that several otherwise different videos share: intros, outros, advertisements.

shared = shared_spans(database.copy_matches(), videos)
boilerplate = find_boilerplate(shared, videos)         # video id -> its stretches
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from itertools import pairwise

from vidseek.storage.types import CopyMatch, TimeSpan, Video

BOILERPLATE_VIDEOS = 5
"""A stretch that so many otherwise different videos share is boilerplate."""
WHOLE = 0.8
"""A share of a video that counts as all of it."""

Pair = tuple[int, int]
Shared = dict[Pair, list[TimeSpan]]
"""(video, other) -> the video's stretches that the other shows too."""


def shared_spans(matches: Iterable[CopyMatch], videos: dict[int, Video]) -> Shared:
    """What pairs of videos share, both ways round."""
    shared: Shared = defaultdict(list)
    for one in matches:
        if one.video_id in videos and one.other_id in videos:
            shared[one.video_id, one.other_id].append(one.span)
            shared[one.other_id, one.video_id].append(one.other_span)
    return shared


def covered_share(spans: Iterable[TimeSpan], duration_seconds: float) -> float:
    """Of a video, how much some spans cover together, 0 to 1."""
    covered = sum(span.duration_seconds for span in merged(list(spans)))
    return min(1.0, covered / duration_seconds) if duration_seconds > 0 else 0.0


def find_boilerplate(shared: Shared, videos: dict[int, Video]) -> dict[int, list[TimeSpan]]:
    """Of each video, the stretches that several videos share that are otherwise different."""
    partners: dict[int, list[int]] = defaultdict(list)
    for (video_id, other), spans in shared.items():
        here = covered_share(spans, videos[video_id].duration_seconds)
        there = covered_share(shared[other, video_id], videos[other].duration_seconds)
        if max(here, there) < WHOLE:
            partners[video_id].append(other)
    found: dict[int, list[TimeSpan]] = {video_id: [] for video_id in videos}
    for video_id, others in partners.items():
        steps: list[tuple[float, int]] = []
        for other in others:
            for span in merged(shared[video_id, other]):
                steps += [(span.start_seconds, 1), (span.end_seconds, -1)]
        steps.sort()
        level = 0
        for (at, change), (following, _) in pairwise(steps):
            level += change
            # The video itself is one of the five.
            if level + 1 >= BOILERPLATE_VIDEOS and following > at:
                found[video_id].append(TimeSpan(at, following))
    return {video_id: merged(spans) for video_id, spans in found.items()}


def merged(spans: Sequence[TimeSpan]) -> list[TimeSpan]:
    """The union of some spans, in order."""
    joined: list[TimeSpan] = []
    for span in sorted(spans):
        if joined and span.start_seconds <= joined[-1].end_seconds:
            joined[-1] = joined[-1].union(span)
        else:
            joined.append(span)
    return joined
