"""Which videos of a library show the same as others, from the copies that it knows of."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection

from vidseek.core.types import TimeSpan
from vidseek.storage.store import LibraryStore

MIN_COPIED_SHARE = 0.5
"""A video of which this share is in another one is its copy; a shared ident does not make one."""


def copies_of(store: LibraryStore, video_ids: Collection[int]) -> dict[int, set[int]]:
    """Find the videos that are mostly in one of some videos.

    Args:
        store: the library.
        video_ids: the videos whose copies are wanted, at most 10,000.

    Returns:
        By video, the ids of its copies; without itself.
    """
    if not video_ids:
        return {}
    wanted = set(video_ids)
    shared: dict[tuple[int, int], list[TimeSpan]] = defaultdict(list)
    for match in store.copy_matches.read(of_videos=sorted(wanted)):
        shared[match.video_id, match.other_id].append(match.other_span)
        shared[match.other_id, match.video_id].append(match.span)
    found = {
        video_id: set(twins)
        for video_id, twins in store.videos.with_same_content(sorted(wanted)).items()
    }
    others = store.videos.by_id({other_id for _, other_id in shared})
    for (video_id, other_id), spans in shared.items():
        other = others.get(other_id)
        if video_id not in wanted or other is None:
            continue
        if _covered_seconds(spans) >= MIN_COPIED_SHARE * other.duration_seconds:
            found.setdefault(video_id, set()).add(other_id)
    return found


def _covered_seconds(spans: list[TimeSpan]) -> float:
    covered = end = 0.0
    for span in sorted(spans):
        covered += max(0.0, span.end_seconds - max(end, span.start_seconds))
        end = max(end, span.end_seconds)
    return covered
