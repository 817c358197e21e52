"""Reading an upload: decoding, which may start before the library is open, and its descriptors.

with decoding_ahead(Path("upload.mp4")):           # a process decodes it
    library = vidseek.open(folder)                 # while the library opens
    verdict = library.check("upload.mp4")
"""

from __future__ import annotations

import hashlib
import math
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from pathlib import Path
from threading import Thread
from typing import Self

import numpy as np
from numpy.typing import NDArray

from vidseek.core.errors import PathNotFoundError, UnreadableVideoError, WeightsError
from vidseek.core.job import Job, Progress
from vidseek.core.paths import AnyPath, absolute_path
from vidseek.core.types import FrameBatch
from vidseek.encoders.copies.descriptor import CopyDescriptor, is_flat
from vidseek.search.copies.alignment.sequence import FrameSequence
from vidseek.video import DecodeJob, DecodePool, SamplingPlan
from vidseek.video.limits import DEFAULT_LIMITS, DecodeLimits

QUERY_INTERVAL_SECONDS = 0.5
SHORT_SIDE = 180
"""Short side in pixels at which an upload is decoded: enough to compare crops as well."""
HASHED_BYTES = 1 << 20
"""Bytes hashed between two looks at the job."""
MAX_KEPT_PICTURES = 160
"""Evenly spaced pictures of an upload that are kept for crops: 23 MB."""


@dataclass(frozen=True)
class Upload:
    """A decoded upload with its descriptors."""

    duration_seconds: float
    frames: FrameSequence
    """Descriptors of its frames, without flat frames."""
    pictures: NDArray[np.uint8]
    """(K, H, W, 3) uint8 RGB, evenly spaced."""
    picture_seconds: NDArray[np.float64]
    """(K,) presentation times of the pictures."""


class UploadDecoder:
    """Decodes an upload in another process."""

    def __init__(
        self,
        path: Path,
        *,
        timeout_seconds: float = math.inf,
        limits: DecodeLimits = DEFAULT_LIMITS,
    ) -> None:
        """Start decoding; errors of the file are raised by ``batches``.

        Args:
            path: the upload.
            timeout_seconds: maximum time for decoding it, if less than the limits allow.
            limits: what the file may be and take.
        """
        self.path = absolute_path(path)
        limits = _limits(limits, timeout_seconds)
        self._pool = DecodePool(workers=1, short_side=SHORT_SIDE, limits=limits)
        plan = SamplingPlan("dense", QUERY_INTERVAL_SECONDS)
        self._reading = self._pool.read([DecodeJob(self.path, plan, None)])  # ends with the pool
        self._video = next(self._reading)
        self._is_taken = False

    def batches(self) -> Iterator[FrameBatch]:
        """Two frames per second in order of time; may be called once.

        Raises:
            ValueError: it was called before.
            VideoError: the file cannot be read.
        """
        if self._is_taken:
            raise ValueError(f"{self.path}: an upload can be decoded only once")
        self._is_taken = True
        return self._video.batches()

    @property
    def duration_seconds(self) -> float:
        """Exact length; final after ``batches()``."""
        return self._video.duration_seconds

    def close(self) -> None:
        """Stop decoding."""
        self._pool.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def _limits(limits: DecodeLimits, timeout_seconds: float) -> DecodeLimits:
    if math.isinf(timeout_seconds):
        return limits
    return replace(
        limits,
        base_seconds=timeout_seconds,
        seconds_per_video_second=0.0,
        stall_seconds=min(limits.stall_seconds, timeout_seconds),
    )


_AHEAD: dict[Path, UploadDecoder] = {}


@contextmanager
def decoding_ahead(path: AnyPath, *, timeout_seconds: float = math.inf) -> Iterator[None]:
    """Decode an upload in advance; the next check of it inside the context uses the decoder."""
    decoder = UploadDecoder(absolute_path(path), timeout_seconds=timeout_seconds)
    _AHEAD[decoder.path] = decoder
    try:
        yield
    finally:
        _AHEAD.pop(decoder.path, None)
        decoder.close()


def upload_decoder(
    path: Path, *, timeout_seconds: float = math.inf, limits: DecodeLimits = DEFAULT_LIMITS
) -> UploadDecoder:
    """The decoder of an upload that is decoded in advance, or a new one."""
    return _AHEAD.pop(path, None) or UploadDecoder(
        path, timeout_seconds=timeout_seconds, limits=limits
    )


class HashedUpload:
    """An upload known by its bytes; it is decoded when first needed, and once."""

    def __init__(self, path: Path, job: Job, *, limits: DecodeLimits = DEFAULT_LIMITS) -> None:
        """Hash the file.

        Args:
            path: the upload.
            job: cancels.
            limits: what the file may be and take.

        Raises:
            PathNotFoundError: it does not exist.
            UnreadableVideoError: it cannot be opened.
            JobCancelledError: the caller cancelled.
        """
        if not path.is_file():
            what = "is not a file" if path.exists() else "does not exist"
            what = "is a folder" if path.is_dir() else what
            raise PathNotFoundError(f"{path} {what}: give a video to check.", path=path)
        self.path = path
        self._limits = limits
        self.content_hash = _hash_file(path, job)
        self._decoded: Upload | None = None

    def decoded(self, descriptor: CopyDescriptor, job: Job) -> Upload:
        """The upload's frames and their descriptors.

        Raises:
            VideoError: the file cannot be read.
            JobCancelledError: the caller cancelled.
        """
        if self._decoded is None:
            self._decoded = read_upload(self.path, descriptor, job, self._limits)
        return self._decoded


def _hash_file(path: Path, job: Job) -> str:
    digest = hashlib.sha256()
    try:
        with path.open("rb") as file:
            while block := file.read(HASHED_BYTES):
                job.check()
                digest.update(block)
    except OSError as error:
        reason = f"cannot be opened: {error.strerror or error}"
        raise UnreadableVideoError(reason, path=path) from error
    return digest.hexdigest()


def read_upload(
    path: Path, descriptor: CopyDescriptor, job: Job, limits: DecodeLimits = DEFAULT_LIMITS
) -> Upload:
    """Decode an upload and compute the descriptors of its frames.

    Raises:
        VideoError: the file cannot be read.
        JobCancelledError: the caller cancelled.
    """
    vectors, times = [], []
    kept = FrameReservoir(MAX_KEPT_PICTURES)
    loading = Thread(target=_load, args=(descriptor,))  # while the decoder starts
    loading.start()
    try:
        with upload_decoder(path, timeout_seconds=job.seconds_left, limits=limits) as decoder:
            for batch in decoder.batches():
                job.check()
                useful = ~is_flat(batch.data)
                vectors.append(descriptor.describe(batch.data[useful]))
                times.append(batch.pts_seconds[useful].copy())
                kept.add(batch.data[useful], batch.pts_seconds[useful])
                frames = sum(map(len, times))
                job.report(Progress(stage="reading the upload", done=frames, unit="frames"))
            duration_seconds = decoder.duration_seconds
    finally:
        # A program that exits while ONNX Runtime loads is aborted.
        loading.join()
    described = np.concatenate(vectors)
    pictures, picture_seconds = kept.all()
    return Upload(
        duration_seconds,
        frame_sequence(descriptor, described, np.concatenate(times)),
        pictures,
        picture_seconds,
    )


def _load(descriptor: CopyDescriptor) -> None:
    # An error here is raised again at the first frame.
    with suppress(WeightsError):
        descriptor.load()


def frame_sequence(
    descriptor: CopyDescriptor, vectors: NDArray[np.float32], seconds: NDArray[np.float64]
) -> FrameSequence:
    """A sequence of (N, D) vectors and (N,) times with the bias of the vectors; N may be 0."""
    bias = descriptor.noise(vectors) if len(vectors) else np.zeros(0, np.float32)
    return FrameSequence(vectors, seconds, bias)


class FrameReservoir:
    """Collects evenly spaced pictures of a video whose length is not known in advance."""

    def __init__(self, most: int) -> None:
        self._most = most
        self._every = 1
        self._seen = 0
        self._pictures: list[NDArray[np.uint8]] = []
        self._seconds: list[float] = []

    def add(self, pictures: NDArray[np.uint8], seconds: NDArray[np.float64]) -> None:
        """Add the next pictures."""
        for picture, at in zip(pictures, seconds.tolist(), strict=True):
            if self._seen % self._every == 0:
                self._pictures.append(picture.copy())
                self._seconds.append(at)
                if len(self._pictures) > self._most:
                    self._pictures, self._seconds = self._pictures[::2], self._seconds[::2]
                    self._every *= 2
            self._seen += 1

    def all(self) -> tuple[NDArray[np.uint8], NDArray[np.float64]]:
        """The collected pictures (K, H, W, 3) and their times (K,)."""
        if not self._pictures:
            return np.zeros((0, 1, 1, 3), np.uint8), np.zeros(0)
        # A video may change its size midway; the pictures must be of one size.
        size = self._pictures[0].shape
        same = [index for index, picture in enumerate(self._pictures) if picture.shape == size]
        return (
            np.stack([self._pictures[index] for index in same]),
            np.array([self._seconds[index] for index in same]),
        )
