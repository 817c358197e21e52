"""Encode videos that the library knows with one more encoder: the same frames, the same clips.

again = Reencoder(store, encoder, workers=2, meter=meter, check_stop=check_stop)
again.run(store.videos.not_encoded_by(encoder.spec.fingerprint))

The files are read again, at the times of the frames that the clips are made of: pictures are not
kept but for a small one a clip. Every video is one transaction, and no other encoder's vectors are
touched.
"""

from __future__ import annotations

import logging
import os
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from itertools import chain

from vidseek.core.errors import EncoderError, LibraryError, VideoError
from vidseek.core.types import Clip, EncodedClip, FrameBatch, Video
from vidseek.encoders.base import Encoder
from vidseek.encoders.pipeline import encode_same_clips
from vidseek.indexer.discovery import error_reason
from vidseek.indexer.progress import ProgressMeter
from vidseek.indexer.report import FailedFile
from vidseek.storage.store import LibraryStore
from vidseek.video import DecodedVideo, DecodeJob, DecodePool, VideoInfo

logger = logging.getLogger(__name__)

GONE = "is gone: `vidseek index` on its folder notes it, or finds where it is now"
CHANGED = "changed since it was indexed: run `vidseek index` on it first"


class Stopped(Exception):  # noqa: N818 - no error: somebody asked
    """Unwinds to the run when it was asked to stop."""


class Reencoder:
    """One run over some videos, and what became of them."""

    def __init__(
        self,
        store: LibraryStore,
        encoder: Encoder,
        *,
        workers: int,
        meter: ProgressMeter,
        check_stop: Callable[[], None],
    ) -> None:
        """Prepare a run.

        Args:
            store: the library, which this process writes to.
            encoder: registered in the library.
            workers: decoding processes.
            meter: told of progress; one file a video.
            check_stop: called between batches of frames; raises ``Stopped`` to end the run.
        """
        self._store = store
        self._encoder = encoder
        self._workers = workers
        self._meter = meter
        self._check_stop = check_stop
        self._waiting: set[int] = set()
        self._done: set[int] = set()
        self._in_flight: deque[tuple[Video, list[Clip]]] = deque()
        self.encoded = 0
        """Videos that were encoded, or took over what was made of a copy."""
        self.failed: list[FailedFile] = []

    def run(self, videos: Sequence[Video]) -> None:
        """Encode videos.

        Raises:
            Stopped: by ``check_stop``; what is complete is kept.
            EncoderError, LibraryError: nothing more can be encoded, or stored.
        """
        self._waiting = {video.id for video in videos}
        jobs = self._jobs(videos)
        if (first := next(jobs, None)) is None:
            return
        short_side = self._encoder.spec.image_size
        with DecodePool(workers=self._workers, short_side=short_side) as pool:
            for decoded in pool.read(chain([first], jobs)):
                video, clips = self._in_flight[0]
                if video.id not in self._done:
                    self._encode(video, clips, decoded)
                self._in_flight.popleft()

    def _jobs(self, videos: Sequence[Video]) -> Iterator[DecodeJob]:
        for video in videos:
            self._check_stop()
            if video.id in self._done:
                continue
            if (reason := why_unusable(video)) is not None:
                self._fail(video, reason)
                continue
            clips = self._store.videos.clips(video.id)
            if not clips:
                self._fail(video, "the library has no clips of it: run `vidseek doctor`")
                continue
            times = sorted({seconds for clip in clips for seconds in clip.frame_seconds})
            self._in_flight.append((video, clips))
            yield DecodeJob(video.path, at_seconds=tuple(times))

    def _encode(self, video: Video, clips: Sequence[Clip], decoded: DecodedVideo) -> None:
        self._check_stop()
        self._meter.begin(video.path, video.size_bytes)

        def on_batch(info: VideoInfo, batch: FrameBatch) -> None:
            self._check_stop()
            self._meter.advance(float(batch.pts_seconds[-1]), info.duration_seconds)

        try:
            encoded = encode_same_clips(decoded, self._encoder, clips, on_batch=on_batch)
        except VideoError as error:
            self._fail(video, error.reason)
        except (LibraryError, EncoderError, Stopped):
            raise
        except Exception as error:  # one bad file never ends a run, whatever it makes us stumble on
            logger.exception("%s: unexpected error", os.fsencode(video.path))
            self._fail(video, f"unexpected {type(error).__name__}: {error}".splitlines()[0])
        else:
            # Asked again: what was read may be half of a file that was being replaced.
            if (reason := why_unusable(video)) is not None:
                self._fail(video, reason)
                return
            self._keep(video, encoded)
            for twin, ids in self._twins(video, clips):
                self._keep(twin, dict(zip(ids, encoded.values(), strict=True)))

    def _keep(self, video: Video, clips: dict[int, EncodedClip]) -> None:
        fingerprint = self._encoder.spec.fingerprint
        if not self._store.clip_vectors.add(video.id, clips, fingerprint=fingerprint):
            self._fail(video, "was removed from the library meanwhile")
            return
        self._done.add(video.id)
        self.encoded += 1
        self._meter.settle(video.size_bytes, encoded=True, video_seconds=video.duration_seconds)

    def _twins(self, video: Video, clips: Sequence[Clip]) -> Iterator[tuple[Video, list[int]]]:
        """Other files with the same content that are not encoded yet, and their clips' ids."""
        for twin in self._store.videos.with_hash(video.content_hash):
            if twin.id not in self._waiting or twin.id in self._done:
                continue
            others = self._store.videos.clips(twin.id)
            if [one.frame_seconds for one in others] == [one.frame_seconds for one in clips]:
                yield twin, [one.id for one in others]

    def _fail(self, video: Video, reason: str) -> None:
        """Note that a video stays as it is: other models go on finding it."""
        self._done.add(video.id)
        self.failed.append(FailedFile(video.path, reason))
        self._meter.settle(video.size_bytes, failed=True)


def why_unusable(video: Video) -> str | None:
    """Why a file is not the one whose clips the library holds; None if it is."""
    try:
        status = video.path.stat()
    except (FileNotFoundError, NotADirectoryError):
        return GONE
    except OSError as error:
        return error_reason(error)
    same = (status.st_size, status.st_mtime_ns) == (video.size_bytes, video.modified_ns)
    return None if same else CHANGED
