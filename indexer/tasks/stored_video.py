"""Stored videos whose files are read again."""

from __future__ import annotations

from vidseek.core.errors import Hint, VideoError
from vidseek.core.types import Video
from vidseek.indexer.discovery import error_reason
from vidseek.storage.store import LibraryStore
from vidseek.video import VideoInfo


def check_is_as_indexed(video: Video) -> None:
    """Make sure that a file has the size and modification time with which it was indexed.

    Raises:
        VideoError: it has changed, no longer exists, or cannot be accessed.
    """
    hint = Hint("index_folder", {"folder": str(video.path.parent)})
    try:
        status = video.path.stat()
    except (FileNotFoundError, NotADirectoryError):
        raise VideoError("no longer exists", path=video.path, hint=hint) from None
    except OSError as error:
        raise VideoError(error_reason(error), path=video.path) from error
    if (status.st_size, status.st_mtime_ns) != (video.size_bytes, video.modified_ns):
        raise VideoError("changed since it was indexed", path=video.path, hint=hint)


def fill_has_sound(store: LibraryStore, video: Video, info: VideoInfo) -> None:
    """Store whether a video has sound, which is unknown if an older vidseek indexed it."""
    if video.has_sound is None:
        store.videos.set_has_sound(video.content_hash, has_sound=info.has_sound)
