"""Limits on decoding one file: time, memory, size and length."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from vidseek.core.errors import DecodeLimitError
from vidseek.video.hints import SHRINK_VIDEO


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
    """Address space a worker may allocate beyond its size at start."""
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
