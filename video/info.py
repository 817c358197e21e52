"""Facts about a video stream, and the limits on reading it.

>>> VideoInfo(12.5, 25.0, 1920, 1080, "h264", "mp4", 0).scaled_size(256)
(455, 256)
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from vidseek.core.errors import DecodeLimitError
from vidseek.video.hints import SHRINK_VIDEO

MAX_ASPECT = 4
"""Frames are scaled by their short side, but the long side stays below this multiple of it."""


@dataclass(frozen=True)
class VideoInfo:
    """Facts about a file's video stream."""

    duration_seconds: float
    frame_rate: float
    """Average frame rate; 0 if unknown."""
    width: int
    """Display width in pixels, after rotation and pixel aspect."""
    height: int
    codec: str
    container: str
    """Demuxer for the file: mov, matroska, avi, mpegts, mpeg, flv, ogg, gif, asf or mxf."""
    rotation_degrees: int
    """Counter-clockwise rotation that makes the stored picture upright: 0, 90, 180 or 270."""

    def scaled_size(self, short_side: int | None) -> tuple[int, int]:
        """Width and height of a frame scaled to this short side. Frames are never scaled up."""
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
    """Limits on one file. A file that exceeds one fails with ``DecodeLimitError``."""

    base_seconds: float = 120.0
    """Time allowed for every file ..."""
    seconds_per_video_second: float = 4.0
    """... plus this for each second of video. Waiting for the consumer does not count."""
    stall_seconds: float = 60.0
    """Maximum time without a decoded picture or demuxed packet from the decoder."""
    memory_bytes: int = 3 << 30
    """Address space a worker may allocate beyond what it has at the start."""
    max_pixels: int = 8192 * 5120
    """Maximum pixels per stored frame."""
    max_duration_seconds: float = 48 * 3600.0

    def file_seconds(self, duration_seconds: float) -> float:
        """Time allowed for decoding a file of this length."""
        return self.base_seconds + self.seconds_per_video_second * max(0.0, duration_seconds)


DEFAULT_LIMITS = DecodeLimits()


def too_much_memory(path: Path, *, doing: str = "decoding") -> DecodeLimitError:
    """The error of a file that reached ``DecodeLimits.memory_bytes``."""
    return DecodeLimitError(f"{doing} it needs too much memory", path=path, hint=SHRINK_VIDEO)
