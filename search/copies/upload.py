"""An upload on its way to the copy descriptor: decoded from the moment that it is named.

with decoding_ahead(Path("upload.mp4")):           # a process decodes it...
    library = vidseek.open(folder)                 # ...while this takes its time
    verdict = library.check("upload.mp4")
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from threading import Thread
from typing import Self

import numpy as np
from numpy.typing import NDArray

from vidseek.core.errors import WeightsError
from vidseek.core.job import Job, Progress
from vidseek.core.paths import AnyPath, absolute_path
from vidseek.core.types import FrameBatch
from vidseek.encoders.copies.descriptor import CopyDescriptor, is_flat
from vidseek.search.copies.alignment.sequence import FrameSequence
from vidseek.video import DecodeJob, DecodePool, SamplingPlan

QUERY_INTERVAL_SECONDS = 0.5
SHORT_SIDE = 180
"""Pixels at which an upload is decoded: crops of its picture are compared as well."""
MAX_KEPT_PICTURES = 160
"""Of an upload, evenly spread: what crops are taken of. 23 MB."""


@dataclass(frozen=True)
class Upload:
    """What is known of a video that is asked about."""

    duration_seconds: float
    frames: FrameSequence
    """Its frames but the flat ones."""
    pictures: NDArray[np.uint8]
    """(K, H, W, 3) uint8 RGB, evenly spread."""
    picture_seconds: NDArray[np.float64]
    """(K,)."""


class UploadDecoder:
    """A video that is to be checked, being decoded."""

    def __init__(self, path: Path) -> None:
        """Begin to decode; what is wrong with the file is told by ``batches``."""
        self.path = absolute_path(path)
        self._pool = DecodePool(workers=1, short_side=SHORT_SIDE)
        plan = SamplingPlan("dense", QUERY_INTERVAL_SECONDS)
        self._reading = self._pool.read([DecodeJob(self.path, plan, None)])  # given up with it
        self._video = next(self._reading)
        self._is_taken = False

    def batches(self) -> Iterator[FrameBatch]:
        """Two frames a second, in order of time; once.

        Raises:
            ValueError: they were taken before.
            VideoError: the file cannot be read.
        """
        if self._is_taken:
            raise ValueError(f"{self.path}: an upload is decoded once")
        self._is_taken = True
        return self._video.batches()

    @property
    def duration_seconds(self) -> float:
        """Exact length. Final after ``batches()``."""
        return self._video.duration_seconds

    def close(self) -> None:
        """Decode no further."""
        self._pool.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


_AHEAD: dict[Path, UploadDecoder] = {}


@contextmanager
def decoding_ahead(path: AnyPath) -> Iterator[None]:
    """Decode an upload in advance: a check of it that begins inside takes over what is decoded."""
    decoder = UploadDecoder(absolute_path(path))
    _AHEAD[decoder.path] = decoder
    try:
        yield
    finally:
        _AHEAD.pop(decoder.path, None)
        decoder.close()


def upload_decoder(path: Path) -> UploadDecoder:
    """The decoder of an upload that is decoded in advance, or a new one."""
    return _AHEAD.pop(path, None) or UploadDecoder(path)


def read_upload(path: Path, descriptor: CopyDescriptor, job: Job) -> Upload:
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
        with upload_decoder(path) as decoder:
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
        # A program that ends while ONNX Runtime loads is aborted.
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
    # What fails here fails again at the first frame, where it is raised.
    with suppress(WeightsError):
        descriptor.load()


def frame_sequence(
    descriptor: CopyDescriptor, vectors: NDArray[np.float32], seconds: NDArray[np.float64]
) -> FrameSequence:
    """(N, D) vectors and (N,) times with the bias of the vectors; N may be 0."""
    bias = descriptor.noise(vectors) if len(vectors) else np.zeros(0, np.float32)
    return FrameSequence(vectors, seconds, bias)


class FrameReservoir:
    """Pictures evenly spread over a video whose length is not known before."""

    def __init__(self, most: int) -> None:
        self._most = most
        self._every = 1
        self._seen = 0
        self._pictures: list[NDArray[np.uint8]] = []
        self._seconds: list[float] = []

    def add(self, pictures: NDArray[np.uint8], seconds: NDArray[np.float64]) -> None:
        """Look at some more pictures."""
        for picture, at in zip(pictures, seconds.tolist(), strict=True):
            if self._seen % self._every == 0:
                self._pictures.append(picture.copy())
                self._seconds.append(at)
                if len(self._pictures) > self._most:
                    self._pictures, self._seconds = self._pictures[::2], self._seconds[::2]
                    self._every *= 2
            self._seen += 1

    def all(self) -> tuple[NDArray[np.uint8], NDArray[np.float64]]:
        """(K, H, W, 3) and (K,)."""
        if not self._pictures:
            return np.zeros((0, 1, 1, 3), np.uint8), np.zeros(0)
        # A video may change its size midway; what is looked at must not.
        size = self._pictures[0].shape
        same = [index for index, picture in enumerate(self._pictures) if picture.shape == size]
        return (
            np.stack([self._pictures[index] for index in same]),
            np.array([self._seconds[index] for index in same]),
        )
