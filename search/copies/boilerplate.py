"""Boilerplate: stretches that several otherwise different videos share, such as intros and ads.

shared = shared_spans(store.copy_matches.read(), videos)
boilerplate = find_boilerplate(shared, videos)         # video id -> its stretches
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from itertools import pairwise

from vidseek.core.types import CopyMatch, TimeSpan, Video

BOILERPLATE_VIDEOS = 5
"""A stretch is boilerplate if at least this many otherwise different videos share it."""
MAX_BRIDGED_SECONDS = 15.0
FULL_COVERAGE = 0.8
"""A video counts as fully covered from this share on."""

Pair = tuple[int, int]
Shared = dict[Pair, list[TimeSpan]]
"""(video, other) -> the stretches of the video that the other video also shows."""


def shared_spans(matches: Iterable[CopyMatch], videos: dict[int, Video]) -> Shared:
    """The stretches that pairs of videos share, in both directions."""
    by_pair: dict[Pair, list[tuple[TimeSpan, TimeSpan]]] = defaultdict(list)
    for match in matches:
        if match.video_id in videos and match.other_id in videos:
            by_pair[match.video_id, match.other_id].append((match.span, match.other_span))
    shared: Shared = defaultdict(list)
    for (video_id, other_id), spans in by_pair.items():
        for span, other in [*spans, *bridges(spans)]:
            shared[video_id, other_id].append(span)
            shared[other_id, video_id].append(other)
    return shared


def bridges(spans: Iterable[tuple[TimeSpan, TimeSpan]]) -> list[tuple[TimeSpan, TimeSpan]]:
    """Gaps between matches of two videos that must match too, although no match was found.

    If both videos match before and after a gap of equal length in both, for longer than the gap,
    the gap is a part of the copy that is hard to see: dark, or covered. It counts towards coverage.

    Args:
        spans: one pair per match, of a span in each video.
    """
    gaps = []
    for (before, other_before), (after, other_after) in pairwise(sorted(spans)):
        gap = after.start_seconds - before.end_seconds
        other_gap = other_after.start_seconds - other_before.end_seconds
        sure = before.duration_seconds + after.duration_seconds
        if 0 < gap <= min(sure, MAX_BRIDGED_SECONDS) and abs(gap - other_gap) <= 1.0 < other_gap:
            gaps.append(
                (
                    TimeSpan(before.end_seconds, after.start_seconds),
                    TimeSpan(other_before.end_seconds, other_after.start_seconds),
                )
            )
    return gaps


def covered_share(spans: Iterable[TimeSpan], duration_seconds: float) -> float:
    """The share of a video that spans cover together, 0 to 1."""
    covered = sum(span.duration_seconds for span in merged(list(spans)))
    return min(1.0, covered / duration_seconds) if duration_seconds > 0 else 0.0


def find_boilerplate(shared: Shared, videos: dict[int, Video]) -> dict[int, list[TimeSpan]]:
    """For each video id, the stretches that it shares with several otherwise different videos."""
    partners: dict[int, list[int]] = defaultdict(list)
    duplicates: dict[int, list[int]] = defaultdict(list)
    for (video_id, other), spans in shared.items():
        here = covered_share(spans, videos[video_id].duration_seconds)
        there = covered_share(shared[other, video_id], videos[other].duration_seconds)
        related = duplicates if max(here, there) >= FULL_COVERAGE else partners
        related[video_id].append(other)
    originals = _originals(duplicates, videos)
    boilerplate: dict[int, list[TimeSpan]] = {video_id: [] for video_id in videos}
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
            # The video itself counts towards ``BOILERPLATE_VIDEOS``.
            if level + 1 >= BOILERPLATE_VIDEOS and following > at:
                boilerplate[video_id].append(TimeSpan(at, following))
    return {video_id: merged(spans) for video_id, spans in boilerplate.items()}


def _originals(duplicates: dict[int, list[int]], videos: dict[int, Video]) -> dict[int, int]:
    """The video that each video is counted as: five copies of one film count once.

    Longest first, so that a short video contained in several films does not join them.
    """
    originals: dict[int, int] = {}
    for video_id in sorted(duplicates, key=lambda other: (-videos[other].duration_seconds, other)):
        if video_id not in originals:
            for other in (video_id, *duplicates[video_id]):
                originals.setdefault(other, video_id)
    return originals


def merged(spans: Sequence[TimeSpan]) -> list[TimeSpan]:
    """The union of spans, in order."""
    joined: list[TimeSpan] = []
    for span in sorted(spans):
        if joined and span.start_seconds <= joined[-1].end_seconds:
            joined[-1] = joined[-1].union(span)
        else:
            joined.append(span)
    return joined
