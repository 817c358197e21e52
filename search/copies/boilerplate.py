"""Stretches that several otherwise different videos share: intros, outros, advertisements.

shared = shared_spans(store.copy_matches.read(), videos)
boilerplate = find_boilerplate(shared, videos)         # video id -> its stretches
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from itertools import pairwise

from vidseek.core.types import CopyMatch, TimeSpan, Video

BOILERPLATE_VIDEOS = 5
"""A stretch that so many otherwise different videos share is boilerplate."""
MAX_BRIDGED_SECONDS = 15.0
FULL_COVERAGE = 0.8
"""A share of a video that counts as all of it."""

Pair = tuple[int, int]
Shared = dict[Pair, list[TimeSpan]]
"""(video, other) -> the video's stretches that the other shows too."""


def shared_spans(matches: Iterable[CopyMatch], videos: dict[int, Video]) -> Shared:
    """What pairs of videos share, both ways round."""
    by_pair: dict[Pair, list[tuple[TimeSpan, TimeSpan]]] = defaultdict(list)
    for one in matches:
        if one.video_id in videos and one.other_id in videos:
            by_pair[one.video_id, one.other_id].append((one.span, one.other_span))
    shared: Shared = defaultdict(list)
    for (video_id, other_id), spans in by_pair.items():
        for span, other in [*spans, *bridges(spans)]:
            shared[video_id, other_id].append(span)
            shared[other_id, video_id].append(other)
    return shared


def bridges(spans: Iterable[tuple[TimeSpan, TimeSpan]]) -> list[tuple[TimeSpan, TimeSpan]]:
    """Gaps between matches of two videos that must be the same too, though it was not seen.

    What both show before and after, so long apart in both, and for longer than the gap, is a copy
    with a part that is hard to see: dark, or covered. It counts for how much two videos share.

    Args:
        spans: of one video and of the other, a pair a match.
    """
    found = []
    for (before, other_before), (after, other_after) in pairwise(sorted(spans)):
        gap = after.start_seconds - before.end_seconds
        other_gap = other_after.start_seconds - other_before.end_seconds
        sure = before.duration_seconds + after.duration_seconds
        if 0 < gap <= min(sure, MAX_BRIDGED_SECONDS) and abs(gap - other_gap) <= 1.0 < other_gap:
            found.append(
                (
                    TimeSpan(before.end_seconds, after.start_seconds),
                    TimeSpan(other_before.end_seconds, other_after.start_seconds),
                )
            )
    return found


def covered_share(spans: Iterable[TimeSpan], duration_seconds: float) -> float:
    """Of a video, how much some spans cover together, 0 to 1."""
    covered = sum(span.duration_seconds for span in merged(list(spans)))
    return min(1.0, covered / duration_seconds) if duration_seconds > 0 else 0.0


def find_boilerplate(shared: Shared, videos: dict[int, Video]) -> dict[int, list[TimeSpan]]:
    """Of each video, the stretches that several videos share that are otherwise different."""
    partners: dict[int, list[int]] = defaultdict(list)
    alike: dict[int, list[int]] = defaultdict(list)
    for (video_id, other), spans in shared.items():
        here = covered_share(spans, videos[video_id].duration_seconds)
        there = covered_share(shared[other, video_id], videos[other].duration_seconds)
        some = alike if max(here, there) >= FULL_COVERAGE else partners
        some[video_id].append(other)
    originals = _originals(alike, videos)
    found: dict[int, list[TimeSpan]] = {video_id: [] for video_id in videos}
    for video_id, others in partners.items():
        by_original: dict[int, list[TimeSpan]] = defaultdict(list)
        for other in others:
            by_original[originals.get(other, other)] += shared[video_id, other]
        by_original.pop(originals.get(video_id, video_id), None)
        steps: list[tuple[float, int]] = []
        for spans in by_original.values():
            for span in merged(spans):
                steps += [(span.start_seconds, 1), (span.end_seconds, -1)]
        steps.sort()
        level = 0
        for (at, change), (following, _) in pairwise(steps):
            level += change
            # The video itself is one of the five.
            if level + 1 >= BOILERPLATE_VIDEOS and following > at:
                found[video_id].append(TimeSpan(at, following))
    return {video_id: merged(spans) for video_id, spans in found.items()}


def _originals(alike: dict[int, list[int]], videos: dict[int, Video]) -> dict[int, int]:
    """The video that each is counted as: five copies of one film are one film.

    The longest first, so that a short one that lies in several does not make one of them.
    """
    originals: dict[int, int] = {}
    for video_id in sorted(alike, key=lambda one: (-videos[one].duration_seconds, one)):
        if video_id not in originals:
            for one in (video_id, *alike[video_id]):
                originals.setdefault(one, video_id)
    return originals


def merged(spans: Sequence[TimeSpan]) -> list[TimeSpan]:
    """The union of some spans, in order."""
    joined: list[TimeSpan] = []
    for span in sorted(spans):
        if joined and span.start_seconds <= joined[-1].end_seconds:
            joined[-1] = joined[-1].union(span)
        else:
            joined.append(span)
    return joined
