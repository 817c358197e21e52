"""What is known of a video before its frames are read, and the limits under which it is read.

>>> VideoInfo(12.5, 25.0, 1920, 1080, "h264", "mp4", 0).scaled_size(256)
(455, 256)
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from vidseek.core.errors import DecodeLimitError
from vidseek.video.hints import SHRINK_VIDEO

MAX_ASPECT = 4
"""A picture is scaled by its short side, but its long side gets no longer than this many of it."""


@dataclass(frozen=True)
class VideoInfo:
    """Facts of a file's video stream."""

    duration_seconds: float
    frame_rate: float
    """Average frames a second; 0 where it is unknown."""
    width: int
    """Display width in pixels, after rotation and pixel aspect."""
    height: int
    codec: str
    container: str
    """Demuxer that reads the file: mov, matroska, avi, mpegts, mpeg, flv, ogg, gif, asf or mxf."""
    rotation_degrees: int
    """How far the stored picture is turned counter-clockwise to stand upright: 0, 90, 180, 270."""

    def scaled_size(self, short_side: int | None) -> tuple[int, int]:
        """Width and height of a frame scaled down, never up, to this short side."""
        if short_side is None:
            return self.width, self.height
        scale = min(
            1.0,
            short_side / min(self.width, self.height),
            MAX_ASPECT * short_side / max(self.width, self.height),
        )
        return max(1, round(self.width * scale)), max(1, round(self.height * scale))


@dataclass(frozen=True)
class DecodeLimits:
    """What one file may cost. A file that reaches a limit fails with ``DecodeLimitError``."""

    base_seconds: float = 120.0
    """Time that every file may take ..."""
    seconds_per_video_second: float = 4.0
    """... plus this much for every second of video. Waiting for the consumer does not count."""
    stall_seconds: float = 60.0
    """Time without any sign of life (a decoded picture, a demuxed packet) from the decoder."""
    memory_bytes: int = 3 << 30
    """Address space a worker may take on top of what it has when it starts."""
    max_pixels: int = 8192 * 5120
    """Pixels of one stored frame."""
    max_duration_seconds: float = 48 * 3600.0

    def file_seconds(self, duration_seconds: float) -> float:
        """Time that a file of this length may take to decode."""
        return self.base_seconds + self.seconds_per_video_second * max(0.0, duration_seconds)


DEFAULT_LIMITS = DecodeLimits()


def too_much_memory(path: Path, *, doing: str = "decoding") -> DecodeLimitError:
    """The error of a file that reached ``DecodeLimits.memory_bytes``."""
    return DecodeLimitError(f"{doing} it needs too much memory", path=path, hint=SHRINK_VIDEO)
