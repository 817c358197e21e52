"""The methods of a library that list its videos and keep their paths."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from pathlib import Path

from vidseek.core import arguments
from vidseek.core.errors import Hint, PathNotFoundError
from vidseek.core.paths import AnyPath
from vidseek.core.types import Clip, LibraryStatistics, Video, VideoState
from vidseek.opened import OpenedLibrary, possible_ids


@dataclass(frozen=True)
class VideoDetails:
    """Everything stored about one video."""

    video: Video
    clips: tuple[Clip, ...]
    """In order of time; empty if the video could not be read."""
    thumbnails: tuple[Path | None, ...]
    """A JPEG per clip, None if the file is gone."""


class LibraryCatalog(OpenedLibrary):
    """See ``vidseek.Library``."""

    def videos(
        self,
        *,
        states: Collection[VideoState] | None = None,
        under: AnyPath | None = None,
        damaged: bool | None = None,
    ) -> list[Video]:
        """List the videos of the library, ordered by path.

        Args:
            states: only videos in these states; None for all.
            under: only this file, or everything in this folder.
            damaged: True for videos with parts that could not be decoded, False for those without.
        """
        folder = None if under is None else arguments.path(under, "under")
        if states is not None:
            states = arguments.several(states, VideoState, "states")
        if damaged is not None:
            arguments.flag(damaged, "damaged")
        videos = self._store.videos.select(states=states, under=folder, damaged=damaged)
        return sorted(videos, key=lambda video: video.path)

    def failed(self) -> list[Video]:
        """List the files that could not be read; ``Video.failure`` says why."""
        return self.videos(states=[VideoState.FAILED])

    def info(self, path: AnyPath) -> VideoDetails:
        """Look up one video with its clips and thumbnails.

        Raises:
            PathNotFoundError: the video is not in the library.
        """
        return self._details(self._video_at(path))

    def video(self, video_id: int) -> VideoDetails:
        """Look up one video by its id.

        Args:
            video_id: ``Video.id``.

        Raises:
            PathNotFoundError: no video has this id.
        """
        return self._details(self.stored_video(video_id))

    def stored_video(self, video_id: int) -> Video:
        """Look up one video by its id, without its clips, which a long video has thousands of.

        Args:
            video_id: ``Video.id``.

        Raises:
            PathNotFoundError: no video has this id.
        """
        wanted = arguments.whole_number(video_id, "video_id")
        video = self._store.videos.by_id(possible_ids([wanted])).get(wanted)
        if video is None:
            raise PathNotFoundError(f"no video has the id {wanted}", hint=Hint("list_or_index"))
        return video

    def _video_at(self, path: AnyPath) -> Video:
        """Look up one video by its path, without its clips.

        Raises:
            PathNotFoundError: the video is not in the library.
        """
        wanted = arguments.path(path, "path")
        video = self._store.videos.at(wanted) or self._store.videos.at(wanted.resolve())
        if video is None:
            raise PathNotFoundError(
                f"{wanted} is not in the library {self.folder}",
                path=wanted,
                hint=Hint("list_or_index"),
            )
        return video

    def _details(self, video: Video) -> VideoDetails:
        clips = self._store.videos.clips(video.id)
        thumbnails = (
            self._store.thumbnail_path(video.content_hash, clip.middle_frame_seconds)
            for clip in clips
        )
        return VideoDetails(
            video, tuple(clips), tuple(path if path.is_file() else None for path in thumbnails)
        )

    def thumbnail(self, video: Video, seconds: float) -> Path | None:
        """The JPEG of a frame of a video.

        Args:
            video: a video of the library.
            seconds: the frame's time: the middle frame of a clip, or that of a hit's thumbnail.

        Returns:
            None if the library keeps no picture of that frame.
        """
        path = self._store.thumbnail_path(video.content_hash, seconds)
        return path if path.is_file() else None

    def change_number(self) -> int:
        """A number that grows with every change of the library, by this or any other process.

        While it is the same, every query has the same answer.
        """
        return self._store.sequence()

    def statistics(self) -> LibraryStatistics:
        """Counts and sizes of the library."""
        return self._store.statistics()

    def remove(self, path: AnyPath) -> int:
        """Remove a video, or all videos in a folder, from the library. The files are not touched.

        Returns:
            Number of videos removed.

        Raises:
            PathNotFoundError: the library has no video there.
            LibraryLockedError: another process kept the database busy for 30 seconds.
        """
        wanted = arguments.path(path, "path")
        videos = self._store.videos.select(under=wanted)
        if not videos:
            raise PathNotFoundError(
                f"the library {self.folder} has no video at {wanted}",
                path=wanted,
                hint=Hint("list_videos"),
            )
        return self._store.remove_videos([video.id for video in videos])

    def relocate(self, old: AnyPath, new: AnyPath, *, missing_ok: bool = False) -> int:
        """Update the path of a moved file or folder. No video is read.

        Args:
            old: the path in the library.
            new: where the file or folder is now.
            missing_ok: accept a new path where nothing is, such as on a disk that is not mounted.

        Returns:
            Number of videos with a new path.

        Raises:
            PathNotFoundError: the library has no video at ``old``, or nothing is at ``new``.
            LibraryError: another video is stored at a new path; nothing was changed.
            LibraryLockedError: another process kept the database busy for 30 seconds.
        """
        before, after = arguments.path(old, "old"), arguments.path(new, "new")
        if not arguments.flag(missing_ok, "missing_ok") and not after.exists():
            raise PathNotFoundError(
                f"{after} does not exist", path=after, hint=Hint("relocate_missing")
            )
        moved = self._store.videos.relocate(before, after)
        if moved == 0:
            raise PathNotFoundError(
                f"the library {self.folder} has no video at {before}",
                path=before,
                hint=Hint("list_videos"),
            )
        return moved
