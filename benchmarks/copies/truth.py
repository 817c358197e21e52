"""The library segments that an edited video shows, tracked through edits in time.

>>> whole = Segment("cat.mp4", 0.0, 10.0, 0.0, 10.0)
>>> whole.retimed(2.0)
Segment(source='cat.mp4', query_start_seconds=0.0, query_end_seconds=5.0, \
library_start_seconds=0.0, library_end_seconds=10.0, speed=2.0, mirrored=False)
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace

SLACK_SECONDS = 1e-6
"""Times that differ by less are the same: they come out of sums of floats."""


@dataclass(frozen=True)
class Segment:
    """A stretch of the query that shows a stretch of a library video, at one speed throughout."""

    source: str
    """Name of the source that it shows."""
    query_start_seconds: float
    query_end_seconds: float
    library_start_seconds: float
    library_end_seconds: float
    speed: float = 1.0
    """Library seconds a second of the query; negative where the query plays backwards."""
    mirrored: bool = False
    """True if the picture is a mirror image: an odd number of flips."""

    def __post_init__(self) -> None:
        if self.query_end_seconds < self.query_start_seconds:
            raise ValueError(f"Segment ends before it starts: {self}")
        if self.speed == 0:
            raise ValueError("Segment.speed is not 0: a still shows no stretch of the library")
        shown = (self.query_end_seconds - self.query_start_seconds) * abs(self.speed)
        if abs(self.library_end_seconds - self.library_start_seconds - shown) > 1e-3:
            raise ValueError(f"Segment shows {shown} s of the library at its speed, got {self}")

    def library_seconds(self, query_seconds: float) -> float:
        """The time in the library that the query shows at a time of its own."""
        since = (query_seconds - self.query_start_seconds) * self.speed
        start = self.library_start_seconds if self.speed > 0 else self.library_end_seconds
        return start + since

    def moved(self, seconds: float) -> Segment:
        """The same segment of a query that something was put in front of."""
        return replace(
            self,
            query_start_seconds=self.query_start_seconds + seconds,
            query_end_seconds=self.query_end_seconds + seconds,
        )

    def cut(self, start_seconds: float, end_seconds: float) -> Segment | None:
        """The truth for the part of the query from start to end, with times relative to start."""
        start = max(self.query_start_seconds, start_seconds)
        end = min(self.query_end_seconds, end_seconds)
        if end - start <= SLACK_SECONDS:
            return None
        library = sorted((self.library_seconds(start), self.library_seconds(end)))
        return replace(
            self,
            query_start_seconds=start - start_seconds,
            query_end_seconds=end - start_seconds,
            library_start_seconds=library[0],
            library_end_seconds=library[1],
        )

    def retimed(self, factor: float) -> Segment:
        """The segment of the query played ``factor`` times as fast."""
        return replace(
            self,
            query_start_seconds=self.query_start_seconds / factor,
            query_end_seconds=self.query_end_seconds / factor,
            speed=self.speed * factor,
        )

    def backwards(self, duration_seconds: float) -> Segment:
        """The segment when the query, of the given length in seconds, is played backwards."""
        return replace(
            self,
            query_start_seconds=duration_seconds - self.query_end_seconds,
            query_end_seconds=duration_seconds - self.query_start_seconds,
            speed=-self.speed,
        )

    def flipped(self) -> Segment:
        """The segment of the query's mirror image."""
        return replace(self, mirrored=not self.mirrored)


def merged(segments: Iterable[Segment]) -> tuple[Segment, ...]:
    """Segments in query order; segments that are contiguous in both videos are merged."""
    result: list[Segment] = []
    for segment in sorted(
        segments, key=lambda segment: (segment.query_start_seconds, segment.source)
    ):
        before = next((one for one in reversed(result) if _goes_on(one, segment)), None)
        if before is None:
            result.append(segment)
            continue
        library = (
            min(before.library_start_seconds, segment.library_start_seconds),
            max(before.library_end_seconds, segment.library_end_seconds),
        )
        result[result.index(before)] = replace(
            before,
            query_end_seconds=segment.query_end_seconds,
            library_start_seconds=library[0],
            library_end_seconds=library[1],
        )
    return tuple(result)


def _goes_on(before: Segment, after: Segment) -> bool:
    same = (before.source, before.mirrored) == (after.source, after.mirrored)
    if not same or abs(before.speed - after.speed) > SLACK_SECONDS:
        return False
    at = after.query_start_seconds
    return (
        abs(at - before.query_end_seconds) < SLACK_SECONDS
        and abs(before.library_seconds(at) - after.library_seconds(at)) < SLACK_SECONDS
    )
