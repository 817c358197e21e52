"""An upload on its way to the copy descriptor: it is decoded from the moment that it is named.

with CopyUpload(Path("upload.mp4")) as upload:     # a process decodes it...
    library = vidseek.open(folder)                 # ...while this takes its time
    verdict = library.check(upload)
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Self

from vidseek.core.paths import absolute_path
from vidseek.core.types import FrameBatch
from vidseek.video import DecodeJob, DecodePool, SamplingPlan

QUERY_INTERVAL_SECONDS = 0.5
SHORT_SIDE = 180
"""Pixels at which an upload is decoded: parts of a picture are looked at as well."""


class CopyUpload:
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
            raise ValueError(f"{self.path}: an upload can be checked once; make another CopyUpload")
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
