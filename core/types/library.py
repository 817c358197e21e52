"""Facts about a library: its models, files and statistics."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

from vidseek.core.types.encoder import EncoderSpec
from vidseek.core.types.video import VideoState


@dataclass(frozen=True)
class LibraryModel:
    """A model with which some or all of a library's videos are encoded."""

    spec: EncoderSpec
    is_active: bool
    """True if it is the default for searches and new videos are encoded with it."""
    encoded_videos: int
    """Searchable videos encoded with it."""
    videos: int
    """All searchable videos."""

    @property
    def is_complete(self) -> bool:
        """True if every searchable video is encoded with it."""
        return self.encoded_videos == self.videos


class FileStamp(NamedTuple):
    """Facts that show whether a file changed since it was indexed, without reading it."""

    id: int
    """The video's id."""
    size_bytes: int
    modified_ns: int
    state: VideoState


@dataclass(frozen=True)
class LibraryStatistics:
    """Counts and sizes of a library's content."""

    indexed: int
    """Searchable videos."""
    missing: int
    failed: int
    damaged: int
    """Searchable videos with parts that could not be decoded."""
    clips: int
    """Clips of searchable videos."""
    video_seconds: float
    """Total length of the searchable videos."""
    video_bytes: int
    """Total size of the searchable files."""
    database_bytes: int | None
    """Size of library.db including its log; None on a database server."""
    vectors: dict[str, int]
    """Searchable clip vectors, by encoder fingerprint."""
    copy_videos: int
    """Searchable videos with copy descriptors, whose copies can be detected."""
