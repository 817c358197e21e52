"""Videos, their clips and their decoded frames."""

from __future__ import annotations

import enum
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from vidseek.core.errors import Hint
from vidseek.core.types.time import TimeSpan


class VideoState(enum.StrEnum):
    """State of a file in the library."""

    INDEXED = "indexed"
    """Encoded and searchable."""
    MISSING = "missing"
    """Encoded, but the file was missing at the last check. Not searched."""
    FAILED = "failed"
    """Could not be read; ``Video.failure`` gives the reason."""
    SKIPPED = "skipped"
    """Has sound and no pictures. Remembered, so that it is not read again."""


@dataclass(frozen=True)
class Video:
    """A video file in the library."""

    id: int
    """0 before it is stored."""
    path: Path
    """Absolute path."""
    content_hash: str
    """SHA-256 of the file's bytes, hexadecimal."""
    size_bytes: int
    modified_ns: int
    """Modification time of the file when it was read, nanoseconds since the epoch."""
    duration_seconds: float
    frame_rate: float
    """Average frame rate; 0 if unknown."""
    width: int
    """Display width in pixels, after rotation and pixel aspect."""
    height: int
    codec: str
    state: VideoState = VideoState.INDEXED
    damaged: bool = False
    """True if parts of the file could not be decoded."""
    hdr: bool = False
    """True if its pictures have a high dynamic range (PQ or HLG). False of a video that vidseek
    0.2 or earlier indexed."""
    failure: str | None = None
    """Why the file could not be read, on one line (states FAILED and SKIPPED)."""
    failure_hint: Hint | None = None
    """The next step after the failure, if there is one to suggest; it has no values."""
    has_sound: bool | None = None
    """Whether the file has a sound track, silent or not. None if unknown: vidseek 0.3 or earlier
    indexed it, or it could not be read."""


@dataclass(frozen=True)
class Clip:
    """A shot or part of a shot: the unit of search."""

    id: int
    video_id: int
    span: TimeSpan
    frame_seconds: tuple[float, ...]
    """Presentation times of the sampled frames, ascending; at least one."""

    @property
    def middle_frame_seconds(self) -> float:
        """Time of the middle sampled frame, whose thumbnail the library stores."""
        return self.frame_seconds[len(self.frame_seconds) // 2]


@dataclass(frozen=True)
class FrameBatch:
    """Decoded frames of one video, in order of time."""

    data: NDArray[np.uint8]
    """(N, H, W, 3) uint8 RGB, upright, square pixels."""
    pts_seconds: NDArray[np.float64]
    """(N,) float64 presentation times from the file's start."""

    def __post_init__(self) -> None:
        if self.data.ndim != 4 or self.data.shape[3] != 3 or self.data.dtype != np.uint8:
            raise ValueError(
                f"FrameBatch needs (N, H, W, 3) uint8, got {self.data.shape} {self.data.dtype}"
            )
        if self.pts_seconds.shape != self.data.shape[:1]:
            raise ValueError(
                f"FrameBatch has {len(self.data)} frames and {self.pts_seconds.shape} times"
            )

    def __len__(self) -> int:
        return len(self.data)
