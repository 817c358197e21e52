"""Time spans in a video.

>>> TimeSpan(2.0, 6.0).iou(TimeSpan(4.0, 8.0))
0.3333333333333333
"""

from __future__ import annotations

import math
from dataclasses import dataclass


@dataclass(frozen=True, order=True)
class TimeSpan:
    """A span of a video, in seconds of presentation time from the start of its stream."""

    start_seconds: float
    end_seconds: float

    def __post_init__(self) -> None:
        if not (math.isfinite(self.start_seconds) and math.isfinite(self.end_seconds)):
            raise ValueError(f"TimeSpan needs finite seconds, got {self}")
        if self.end_seconds < self.start_seconds:
            raise ValueError(f"TimeSpan ends before it starts: {self}")

    @property
    def duration_seconds(self) -> float:
        """Length in seconds, never negative."""
        return self.end_seconds - self.start_seconds

    def overlap(self, other: TimeSpan) -> float:
        """Seconds that both spans cover."""
        return max(
            0.0,
            min(self.end_seconds, other.end_seconds) - max(self.start_seconds, other.start_seconds),
        )

    def union(self, other: TimeSpan) -> TimeSpan:
        """The smallest span that covers both."""
        return TimeSpan(
            min(self.start_seconds, other.start_seconds), max(self.end_seconds, other.end_seconds)
        )

    def iou(self, other: TimeSpan) -> float:
        """Intersection over union, 0 to 1; 0 for two empty spans."""
        overlap = self.overlap(other)
        covered = self.duration_seconds + other.duration_seconds - overlap
        return overlap / covered if covered > 0 else 0.0
