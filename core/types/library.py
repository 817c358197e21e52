"""What a library holds."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

from vidseek.core.types.encoder import EncoderSpec
from vidseek.core.types.video import VideoState


@dataclass(frozen=True)
class LibraryModel:
    """A model that a library's videos are encoded with, all of them or some."""

    spec: EncoderSpec
    is_active: bool
    """It answers where no other is asked for, and new videos are encoded with it."""
    encoded_videos: int
    """Searchable videos that are encoded with it."""
    videos: int
    """Searchable videos that there are."""

    @property
    def is_complete(self) -> bool:
        """True if it knows every searchable video."""
        return self.encoded_videos == self.videos


class FileStamp(NamedTuple):
    """What tells without reading a file whether it changed since it was indexed."""

    id: int
    """The video's id."""
    size_bytes: int
    modified_ns: int
    state: VideoState


@dataclass(frozen=True)
class LibraryStatistics:
    """How much a library holds."""

    indexed: int
    """Videos that can be searched."""
    missing: int
    failed: int
    damaged: int
    """Searchable videos of which parts could not be decoded."""
    clips: int
    """Clips of searchable videos."""
    video_seconds: float
    """Length of the searchable videos together."""
    video_bytes: int
    """Size of the searchable files together."""
    database_bytes: int | None
    """Size of library.db with its log; None on a database server."""
    vectors: dict[str, int]
    """Searchable clip vectors for each encoder's fingerprint."""
    copy_videos: int
    """Searchable videos of which copies can be found: their frames are described."""
