"""Facts about a video stream.

>>> VideoInfo(12.5, 25.0, 1920, 1080, "h264", "mp4", 0).scaled_size(256)
(455, 256)
"""

from __future__ import annotations

from dataclasses import dataclass

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
    """Demuxer for the file, one of ``vidseek.video.sniff.DEMUXERS``."""
    rotation_degrees: int
    """Counter-clockwise rotation that makes the stored picture upright: 0, 90, 180 or 270."""
    hdr: bool = False
    """True if its pictures have a high dynamic range: PQ or HLG."""
    has_sound: bool = False
    """True if the file has a sound track, even a silent one."""
    other_films: int = 0
    """Further video streams in the file, such as another lens or programme. They are not read."""

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
