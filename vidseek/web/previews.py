"""Short silent films of a part of a video, for hovering and for codecs that browsers do not play.

A process of its own decodes the part under the limits of indexing; only its small pictures are
encoded here. The films are kept in a temporary folder, the latest used longest.
"""

from __future__ import annotations

import threading
from collections import OrderedDict
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from vidseek.core.errors import UnreadableVideoError
from vidseek.core.job import Job
from vidseek.core.types import TimeSpan, Video

if TYPE_CHECKING:
    from av.container import OutputContainer
    from av.video.stream import VideoStream

MAX_PREVIEW_SECONDS = 12.0
FRAMES_PER_SECOND = 12
SHORT_SIDE = 240
MAX_CACHE_BYTES = 256 << 20
_ENCODERS = (
    ("libx264", ".mp4", "mp4", {"preset": "veryfast", "crf": "27"}),
    ("libvpx-vp9", ".webm", "webm", {"deadline": "realtime", "cpu-used": "8", "crf": "36"}),
)
"""Encoder, suffix, container and options; the first that this build of FFmpeg has is used."""
MEDIA_TYPES = {".mp4": "video/mp4", ".webm": "video/webm"}


@dataclass(frozen=True)
class PreviewKey:
    """What a preview shows."""

    content_hash: str
    start_milliseconds: int
    end_milliseconds: int

    @property
    def stem(self) -> str:
        """Name of its file, without the suffix."""
        return f"{self.content_hash[-16:]}-{self.start_milliseconds}-{self.end_milliseconds}"


def preview_key(video: Video, start_seconds: float, end_seconds: float) -> PreviewKey:
    """The preview of a span, cut to the video and to ``MAX_PREVIEW_SECONDS``."""
    length = max(video.duration_seconds, 0.04)
    start = min(start_seconds, max(0.0, length - 0.04))
    end = min(
        max(end_seconds, start + 0.04), start + MAX_PREVIEW_SECONDS, max(length, start + 0.04)
    )
    return PreviewKey(video.content_hash, round(start * 1000), round(end * 1000))


class Previews:
    """The previews of a server. Thread-safe; one film is made once, however many ask for it."""

    def __init__(self, folder: Path, *, max_bytes: int = MAX_CACHE_BYTES) -> None:
        self._folder = folder
        self._max_bytes = max_bytes
        folder.mkdir(parents=True, exist_ok=True)
        self._sizes: OrderedDict[Path, int] = OrderedDict()
        self._making: dict[PreviewKey, threading.Lock] = {}
        self._guard = threading.Lock()

    def get(self, path: Path, key: PreviewKey, job: Job) -> tuple[str, bytes]:
        """The film of a part of a video.

        Args:
            path: the video.
            key: which part.
            job: cancels.

        Returns:
            Its media type and bytes.

        Raises:
            VideoError: the part cannot be decoded.
            JobCancelledError: the job was cancelled.
        """
        with self._guard:
            lock = self._making.setdefault(key, threading.Lock())
        while not lock.acquire(timeout=0.2):
            job.check()
        try:
            film = self._kept(key) or self._make(path, key, job)
            return MEDIA_TYPES[film.suffix], film.read_bytes()
        finally:
            lock.release()
            with self._guard:
                if not lock.locked():
                    self._making.pop(key, None)

    def _kept(self, key: PreviewKey) -> Path | None:
        with self._guard:
            for _, suffix, _, _ in _ENCODERS:
                film = self._folder / f"{key.stem}{suffix}"
                if film in self._sizes:
                    self._sizes.move_to_end(film)
                    return film
        return None

    def _make(self, path: Path, key: PreviewKey, job: Job) -> Path:
        span = TimeSpan(key.start_milliseconds / 1000, key.end_milliseconds / 1000)
        pictures, seconds = _decode(path, span, job)
        film = _encode(self._folder / key.stem, pictures, seconds)
        with self._guard:
            self._sizes[film] = film.stat().st_size
            # The new film stays, whatever its size: it is about to be read.
            while sum(self._sizes.values()) > self._max_bytes and len(self._sizes) > 1:
                oldest, _ = self._sizes.popitem(last=False)
                oldest.unlink(missing_ok=True)
        return film


def _decode(path: Path, span: TimeSpan, job: Job) -> tuple[list[NDArray[np.uint8]], list[float]]:
    """The pictures of a span and their times, at most ``FRAMES_PER_SECOND``."""
    from vidseek.video import DecodeJob, DecodePool, SamplingPlan

    pictures: list[NDArray[np.uint8]] = []
    seconds: list[float] = []
    plan = SamplingPlan("dense", 1 / FRAMES_PER_SECOND)
    with DecodePool(workers=1, short_side=SHORT_SIDE) as pool:
        for decoded in pool.read([DecodeJob(path, plan, span)]):
            for batch in decoded.batches():
                job.check()
                pictures.extend(picture.copy() for picture in batch.data)
                seconds.extend(batch.pts_seconds.tolist())
    if not pictures:
        raise UnreadableVideoError("no picture of that part can be decoded", path=path)
    return pictures, seconds


def _encode(stem: Path, pictures: list[NDArray[np.uint8]], seconds: list[float]) -> Path:
    """Write a film; returns its path."""
    import av
    from av.video.stream import VideoStream

    name, suffix, container, options = next(
        each for each in _ENCODERS if each[0] in av.codecs_available
    )
    film = stem.with_name(f"{stem.name}{suffix}")
    unfinished = stem.with_name(f"{stem.name}.unfinished")
    height, width = (size // 2 * 2 for size in pictures[0].shape[:2])
    try:
        with av.open(
            str(unfinished), "w", format=container, options=_container_options(container)
        ) as output:
            stream = output.add_stream(name, rate=FRAMES_PER_SECOND, options=dict(options))
            assert isinstance(stream, VideoStream)
            stream.width, stream.height, stream.pix_fmt = max(width, 2), max(height, 2), "yuv420p"
            _write(output, stream, pictures, seconds)
        unfinished.replace(film)
    finally:
        unfinished.unlink(missing_ok=True)
    return film


def _container_options(container: str) -> dict[str, str]:
    # The index first: a browser plays before it has read the end.
    return {"movflags": "faststart"} if container == "mp4" else {}


def _write(
    output: OutputContainer,
    stream: VideoStream,
    pictures: list[NDArray[np.uint8]],
    seconds: list[float],
) -> None:
    import av

    last = -1
    for picture, at in zip(pictures, seconds, strict=True):
        tick = max(last + 1, round((at - seconds[0]) * FRAMES_PER_SECOND))
        frame = av.VideoFrame.from_ndarray(picture, format="rgb24")
        # A video may change its size midway.
        frame = frame.reformat(stream.width, stream.height, "yuv420p")
        frame.pts, last = tick, tick
        output.mux(stream.encode(frame))
    output.mux(stream.encode())
