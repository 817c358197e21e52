"""Search filters and hits."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from vidseek.core.types.time import TimeSpan
from vidseek.core.types.video import Video


@dataclass(frozen=True)
class VideoFilter:
    """Which videos may answer. A field that is None does not restrict."""

    path_glob: str | None = None
    """Shell pattern against the absolute path; ``*`` also matches ``/``. Without a wildcard, a file
    or a folder with everything below it."""
    min_duration_seconds: float | None = None
    max_duration_seconds: float | None = None
    min_height: int | None = None
    """Display height in pixels."""
    after: datetime | None = None
    """Modified at this time or later; naive times are local."""
    before: datetime | None = None
    """Modified before this time."""

    @property
    def is_empty(self) -> bool:
        """True if every video passes."""
        return self == VideoFilter()


@dataclass(frozen=True)
class FrameMatch:
    """A sampled frame of a hit and how well it matched."""

    seconds: float
    score: float


@dataclass(frozen=True)
class SearchHit:
    """A moment that answers a query."""

    video: Video
    span: TimeSpan
    score: float
    """Comparable within one query only."""
    confidence: float | None
    """Probability that the moment matches, 0 to 1; None where the encoder is not calibrated."""
    frames: tuple[FrameMatch, ...] = ()
    thumbnail: Path | None = None
    """JPEG of the best frame, or None where it is gone."""
