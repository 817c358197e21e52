"""Compute copy descriptors of videos that were indexed without them, without encoding them again.

    task = BackfillTask(store, descriptor)
    VideoPass(task, ...).run(store.videos.without_copy_descriptors(descriptor.fingerprint))

An older vidseek stored no descriptors, or another descriptor computed those that are stored. The
frames are the sampled frames of the clips. Every video is one transaction. A file that can no
longer be read is reported in the log and stays as it is.
"""

from __future__ import annotations

import logging
from dataclasses import replace

from vidseek.core.errors import VideoError
from vidseek.core.paths import printable_path
from vidseek.core.types import CopyFrames, Video
from vidseek.encoders.copies.descriptor import CopyDescriptor
from vidseek.encoders.pipeline import compute_descriptors
from vidseek.indexer.tasks.stored_video import check_is_as_indexed, fill_has_sound
from vidseek.indexer.video_pass import OnBatch
from vidseek.storage.store import LibraryStore
from vidseek.video import DecodedVideo, DecodeJob, VideoInfo

logger = logging.getLogger(__name__)


class BackfillTask:
    """See ``VideoTask``. Videos that cannot be read are found by search, but not as copies."""

    def __init__(self, store: LibraryStore, descriptor: CopyDescriptor) -> None:
        """Prepare a pass.

        Args:
            store: the library, which this process writes to.
            descriptor: computes the descriptors.
        """
        self._store = store
        self._descriptor = descriptor

    def prepare(self, video: Video) -> DecodeJob | None:
        """Ask for the frames of the video's clips, unless a copy of it has descriptors already."""
        # Checked again: another process may have moved or removed it since the pass began.
        stored = self._store.videos.get(video.id)
        if stored is None:
            return None
        copied = self._descriptors_of_copy(stored)
        if copied is not None:
            self._add(video, copied)
            return None
        check_is_as_indexed(stored)
        clips = self._store.videos.clips(video.id)
        times = sorted({seconds for clip in clips for seconds in clip.frame_seconds})
        return DecodeJob(stored.path, at_seconds=tuple(times))

    def encode(
        self, video: Video, decoded: DecodedVideo, on_batch: OnBatch
    ) -> tuple[CopyFrames, VideoInfo]:
        """Compute the descriptors."""
        return compute_descriptors(decoded, self._descriptor, on_batch=on_batch), decoded.info

    def store(self, video: Video, encoded: tuple[CopyFrames, VideoInfo]) -> None:
        """Store the descriptors, unless the file has changed since it was indexed."""
        frames, info = encoded
        stored = self._store.videos.get(video.id)
        if stored is not None:
            # The file may have been replaced while it was decoded.
            check_is_as_indexed(stored)
            self._add(video, frames)
            fill_has_sound(self._store, stored, info)

    def fail(self, video: Video, error: VideoError) -> None:
        """Leave a video as it is."""
        logger.warning("%s: no copy descriptors: %s", printable_path(video.path), error.reason)

    def _add(self, video: Video, frames: CopyFrames) -> None:
        # Stores nothing if another process has removed the video meanwhile.
        self._store.copy_descriptors.add(
            replace(frames, video_id=video.id), self._descriptor.fingerprint
        )

    def _descriptors_of_copy(self, video: Video) -> CopyFrames | None:
        """What is stored of another file with the same bytes."""
        copies = {copy.id for copy in self._store.videos.with_hash(video.content_hash)}
        found = self._store.copy_descriptors.read(
            self._descriptor.fingerprint, video_ids=copies - {video.id}
        )
        return next(found, None)
