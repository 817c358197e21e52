"""Encode videos of the library with a further encoder: the same frames, the same clips.

    task = ReencodeTask(store, encoder)
    VideoPass(task, ...).run(store.videos.not_encoded_by(encoder.spec.fingerprint))

The files are read again at the times of the clips' frames, because the library stores only a small
thumbnail of each clip. Where the encoder shares the frame vectors of another one in the library,
the stored frames are used instead, and the files are not needed. Every video is one transaction,
and no other encoder's vectors are touched.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from vidseek.core.errors import Hint, VideoError
from vidseek.core.types import Clip, EncodedClip, FrameFeatures, Video
from vidseek.encoders.base import Encoder, FrameSharingEncoder
from vidseek.encoders.outputs import clip_vectors
from vidseek.encoders.pipeline import reencode_clips
from vidseek.indexer.report import FailedFile
from vidseek.indexer.tasks.stored_video import check_is_as_indexed, fill_has_sound
from vidseek.indexer.video_pass import OnBatch
from vidseek.storage.store import LibraryStore
from vidseek.video import DecodedVideo, DecodeJob, VideoInfo

EncodedClips = dict[int, EncodedClip]
"""By the id of the clip."""


class ReencodeTask:
    """See ``VideoTask``. Videos that cannot be read keep the vectors of other encoders."""

    def __init__(self, store: LibraryStore, encoder: Encoder) -> None:
        """Prepare a pass.

        Args:
            store: the library, which this process writes to.
            encoder: registered in the library.
        """
        self._store = store
        self._encoder = encoder
        self._clips: dict[int, list[Clip]] = {}
        """Of the videos in flight, by the video's id."""
        self.encoded = 0
        """Videos that this task encoded, or whose vectors it copied."""
        self.video_seconds = 0.0
        """Length of the videos that were decoded for that."""
        self.failed: list[FailedFile] = []

    def prepare(self, video: Video) -> DecodeJob | None:
        """Ask for the frames of the video's clips, unless a copy of it is encoded already."""
        # Checked again: another process may have moved or removed it since the pass began.
        stored = self._store.videos.get(video.id)
        if stored is None:
            return None
        clips = self._store.videos.clips(video.id)
        if clips and (encoded := self._from_stored_frames(clips)) is not None:
            self._add(video, encoded)
            return None
        check_is_as_indexed(stored)
        if not clips:
            raise VideoError(
                "the library has no clips of it", path=stored.path, hint=Hint("run_doctor")
            )
        copied = self._encoded_copy(stored, clips)
        if copied is not None:
            self._add(video, copied)
            return None
        self._clips[video.id] = clips
        times = sorted({seconds for clip in clips for seconds in clip.frame_seconds})
        return DecodeJob(stored.path, at_seconds=tuple(times))

    def encode(
        self, video: Video, decoded: DecodedVideo, on_batch: OnBatch
    ) -> tuple[EncodedClips, VideoInfo]:
        """Encode the clips."""
        clips = self._clips.pop(video.id)
        return reencode_clips(decoded, self._encoder, clips, on_batch=on_batch), decoded.info

    def store(self, video: Video, encoded: tuple[EncodedClips, VideoInfo]) -> None:
        """Store the vectors, unless the file has changed since it was indexed."""
        clips, info = encoded
        stored = self._store.videos.get(video.id)
        if stored is not None:
            # The file may have been replaced while it was decoded.
            check_is_as_indexed(stored)
            self._add(video, clips)
            fill_has_sound(self._store, stored, info)
            self.video_seconds += stored.duration_seconds

    def fail(self, video: Video, error: VideoError) -> None:
        """Note that a video stays as it is: it is found with the other encoders."""
        self.failed.append(FailedFile.of(video.path, error))

    def _add(self, video: Video, clips: EncodedClips) -> None:
        fingerprint = self._encoder.spec.fingerprint
        # False if another process has removed the video meanwhile.
        self.encoded += self._store.clip_vectors.add(video.id, clips, fingerprint=fingerprint)

    def _from_stored_frames(self, clips: Sequence[Clip]) -> EncodedClips | None:
        """Clips computed from frames that another encoder stored, if they are this one's, too."""
        encoder = self._encoder
        if not isinstance(encoder, FrameSharingEncoder):
            return None
        ids = np.array([clip.id for clip in clips], np.int64)
        for spec in self._store.encoders.specs():
            if not encoder.shares_frames(spec.fingerprint):
                continue
            with self._store.snapshot():
                stored, _ = self._store.clip_vectors.read_existing(np.sort(ids), spec.fingerprint)
                if len(stored) < len(ids):
                    continue
                features = self._store.clip_vectors.frame_features(ids, spec.fingerprint)
            return {
                clip.id: EncodedClip(
                    clip.span, clip.frame_seconds, _clip_vector(encoder, clip, frames), frames
                )
                for clip, frames in zip(clips, features, strict=True)
            }
        return None

    def _encoded_copy(self, video: Video, clips: Sequence[Clip]) -> EncodedClips | None:
        """Vectors of another file with the same bytes and the same clips, if it is encoded."""
        fingerprint = self._encoder.spec.fingerprint
        times = [clip.frame_seconds for clip in clips]
        for copy in self._store.videos.with_hash(video.content_hash):
            if copy.id == video.id:
                continue
            with self._store.snapshot():
                others = self._store.videos.clips(copy.id)
                ids = np.array([clip.id for clip in others], np.int64)
                stored, vectors = self._store.clip_vectors.read_existing(np.sort(ids), fingerprint)
                if len(stored) < len(ids) or [clip.frame_seconds for clip in others] != times:
                    continue
                features = self._store.clip_vectors.frame_features(ids, fingerprint)
            return {
                clip.id: EncodedClip(clip.span, clip.frame_seconds, vector, frames)
                for clip, vector, frames in zip(
                    clips, vectors[np.searchsorted(stored, ids)], features, strict=True
                )
            }
        return None


def _clip_vector(encoder: Encoder, clip: Clip, frames: FrameFeatures) -> NDArray[np.float32]:
    seconds = np.array(clip.frame_seconds, np.float64)
    (vector,) = clip_vectors(encoder, frames, seconds, [slice(0, len(frames))])
    return np.asarray(vector, np.float32)
