"""Library videos and the segments that they share, without files."""

from __future__ import annotations

from pathlib import Path

from vidseek.core.types import CopyMatch, TimeSpan, Video


def video(number: int, seconds: float = 60.0, *, height: int = 360, size: int = 1000) -> Video:
    return Video(
        id=number,
        path=Path(f"/films/{number:02d}.mp4"),
        content_hash=f"{number:064d}",
        size_bytes=size,
        modified_ns=0,
        duration_seconds=seconds,
        frame_rate=25.0,
        width=height * 16 // 9,
        height=height,
        codec="h264",
    )


def match(one: int, other: int, start: float, end: float, there: float | None = None) -> CopyMatch:
    at = start if there is None else there
    span, other_span = TimeSpan(start, end), TimeSpan(at, at + end - start)
    return CopyMatch(one, other, span, other_span, 1.0, 0.5, False)
