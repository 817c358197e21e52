"""Videos of a shelf that are known copies of each other, and what their hits are."""

from __future__ import annotations

import numpy as np

from vidseek.core.types import CopyFrames, CopyMatch, SearchHit, TimeSpan, Video

DESCRIPTOR = "a" * 16


def described(shelf, video: Video) -> None:
    """Give a video copy frames, without which it has no matches."""
    clips = shelf.store.videos.clips(video.id)
    seconds = np.array([time for clip in clips for time in clip.frame_seconds])
    frames = CopyFrames(video.id, seconds, np.zeros((len(seconds), 4), np.int8))
    shelf.store.copy_descriptors.add(frames, fingerprint=DESCRIPTOR)


def link(
    shelf,
    video: Video,
    other: Video,
    span: tuple[float, float],
    other_span: tuple[float, float],
    *,
    speed: float = 1.0,
) -> None:
    """Store that two videos share a stretch."""
    known = shelf.store.copy_matches.read(of_videos=[video.id])
    match = CopyMatch(
        video.id, other.id, TimeSpan(*span), TimeSpan(*other_span), speed, 0.9, mirrored=False
    )
    shelf.store.copy_matches.add(video.id, [*(m for m in known if m.video_id == video.id), match])


def add(shelf, name: str, colours: list[str], **fields: object) -> Video:
    video = shelf.add(name, colours, **fields)
    described(shelf, video)
    return video


def places(hits: list[SearchHit]) -> list[tuple[str, float, float]]:
    return [(hit.video.path.name, hit.span.start_seconds, hit.span.end_seconds) for hit in hits]


def copies_of(hit: SearchHit) -> list[tuple[str, float, float]]:
    return [
        (copy.video.path.name, copy.span.start_seconds, copy.span.end_seconds)
        for copy in hit.copies
    ]
