"""Describe videos that the library holds already for finding copies, without encoding them again.

backfill = DescriptorBackfill(store, descriptor, workers=2, meter=meter, ...)
backfill.run(store.videos.without_copy_descriptors(descriptor.fingerprint))

An older vidseek kept no copy frames, or one with another descriptor kept those. The frames are the
ones that the clips are made of. Every video is one transaction; files with the same bytes are read
once; one that cannot be read any more is told in the log and stays as it is.
"""

from __future__ import annotations

import logging
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from itertools import chain

from vidseek.core.errors import EncoderError, LibraryError, VideoError
from vidseek.core.types import CopyFrames, FrameBatch, Video
from vidseek.encoders.copies.descriptor import CopyDescriptor
from vidseek.encoders.pipeline import describe_video
from vidseek.indexer.progress import ProgressMeter
from vidseek.indexer.tasks.reencode import Stopped, why_unusable
from vidseek.storage.store import LibraryStore
from vidseek.video import DecodedVideo, DecodeJob, DecodePool, VideoInfo

logger = logging.getLogger(__name__)


class DescriptorBackfill:
    """One run over some videos."""

    def __init__(
        self,
        store: LibraryStore,
        descriptor: CopyDescriptor,
        *,
        workers: int,
        short_side: int,
        meter: ProgressMeter,
        check_stop: Callable[[], None],
    ) -> None:
        """Prepare a run.

        Args:
            store: of the library, which this process writes to.
            descriptor: describes frames.
            workers: decoding processes.
            short_side: of the frames in pixels; as when the videos were indexed.
            meter: told of progress; one file a video.
            check_stop: called between batches of frames; raises ``Stopped`` to end the run.
        """
        self._store = store
        self._descriptor = descriptor
        self._workers = workers
        self._short_side = short_side
        self._meter = meter
        self._check_stop = check_stop
        self._waiting: dict[int, Video] = {}
        self._in_flight: deque[Video] = deque()
        self._deferred: list[Video] = []

    def run(self, videos: Sequence[Video]) -> None:
        """Describe videos.

        Raises:
            Stopped: by ``check_stop``; what is complete is kept.
            EncoderError, LibraryError: nothing more can be described, or stored.
        """
        self._waiting = {video.id: video for video in videos}
        while videos:
            self._read(videos)
            # Those with the bytes of one that was in flight: if it could be read, they are done.
            videos, self._deferred = self._deferred, []

    def _read(self, videos: Sequence[Video]) -> None:
        jobs = self._jobs(videos)
        if (first := next(jobs, None)) is None:
            return
        with DecodePool(workers=self._workers, short_side=self._short_side) as pool:
            for decoded in pool.read(chain([first], jobs)):
                self._describe(self._in_flight[0], decoded)
                self._in_flight.popleft()

    def _jobs(self, videos: Sequence[Video]) -> Iterator[DecodeJob]:
        for video in videos:
            self._check_stop()
            if video.id not in self._waiting:
                continue
            if any(video.content_hash == other.content_hash for other in self._in_flight):
                self._deferred.append(video)
            elif (known := self._of_a_twin(video)) is not None:
                self._keep(video, known)
            elif (reason := why_unusable(video)) is not None:
                self._skip(video, reason)
            else:
                self._in_flight.append(video)
                clips = self._store.videos.clips(video.id)
                times = sorted({seconds for clip in clips for seconds in clip.frame_seconds})
                yield DecodeJob(video.path, at_seconds=tuple(times))

    def _describe(self, video: Video, decoded: DecodedVideo) -> None:
        self._check_stop()
        self._meter.begin(video.path, video.size_bytes)

        def on_batch(info: VideoInfo, batch: FrameBatch) -> None:
            self._check_stop()
            self._meter.advance(float(batch.pts_seconds[-1]), info.duration_seconds)

        try:
            frames = describe_video(decoded, self._descriptor, on_batch=on_batch)
        except VideoError as error:
            self._skip(video, error.reason)
        except (LibraryError, EncoderError, Stopped):
            raise
        except Exception as error:  # one bad file never ends a run, whatever it makes us stumble on
            logger.exception("%s: unexpected error", video.path)
            self._skip(video, f"unexpected {type(error).__name__}: {error}".splitlines()[0])
        else:
            # Asked again: what was read may be half of a file that was being replaced.
            if (reason := why_unusable(video)) is not None:
                self._skip(video, reason)
                return
            same = video.content_hash
            for twin in [one for one in self._waiting.values() if one.content_hash == same]:
                self._keep(twin, frames)

    def _of_a_twin(self, video: Video) -> CopyFrames | None:
        """What is kept of another file with the same content."""
        twins = {one.id for one in self._store.videos.with_hash(video.content_hash)}
        others = twins - self._waiting.keys()
        if not others:
            return None
        found = self._store.copy_descriptors.read(self._descriptor.fingerprint, video_ids=others)
        return next(found, None)

    def _keep(self, video: Video, frames: CopyFrames) -> None:
        fingerprint = self._descriptor.fingerprint
        if not self._store.copy_descriptors.add(replace(frames, video_id=video.id), fingerprint):
            self._skip(video, "was removed from the library meanwhile")
            return
        del self._waiting[video.id]
        self._meter.settle(video.size_bytes, encoded=True, video_seconds=video.duration_seconds)

    def _skip(self, video: Video, reason: str) -> None:
        """Leave a video as it is: it is found by words, and not as a copy."""
        logger.warning("%s: not described for finding copies: %s", video.path, reason)
        del self._waiting[video.id]
        self._meter.settle(video.size_bytes, failed=True)
