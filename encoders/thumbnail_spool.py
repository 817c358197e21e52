"""Keep the frames of a video that may become thumbnails until the video is cut into clips.

with ThumbnailSpool() as spool:
    spool.add(batch.data)
    jpeg = spool.read(row)
"""

from __future__ import annotations

import os
import tempfile
from collections import deque
from typing import Self

import numpy as np
from numpy.typing import NDArray

from vidseek.core.errors import EncoderError
from vidseek.video.thumbnail import encode_thumbnail

MAX_FRAME_BYTES = 24 << 20
"""Limit for uncompressed frames, about 70 at 462 x 260. Most videos of up to a minute fit entirely,
so that only their thumbnails are compressed."""

MAX_JPEG_BYTES = 16 << 20
"""Limit for compressed frames in memory; beyond it they go to a temporary file. A frame takes about
10 KB, so a day of video at one frame a second takes 860 MB."""


class ThumbnailSpool:
    """The frames of one video in bounded memory, each available as a JPEG.

    Any frame may become the middle frame of a clip. Cuts are found relative to statistics of the
    whole video, so their positions are known only after its last frame.
    """

    def __init__(self) -> None:
        self._batches: deque[NDArray[np.uint8]] = deque()
        self._batch_bytes = 0
        self._file = tempfile.SpooledTemporaryFile(  # noqa: SIM115 - closed at exit
            MAX_JPEG_BYTES, prefix="vidseek-"
        )
        self._ends = [0]
        """Offsets in the file: where each compressed frame ends, after a leading 0."""

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._file.close()

    def add(self, frames: NDArray[np.uint8]) -> None:
        """Add the next frames, (N, H, W, 3) uint8 RGB; they are not copied.

        Raises:
            EncoderError: the disk with the temporary folder is full.
        """
        self._batches.append(frames)
        self._batch_bytes += frames.nbytes
        while self._batch_bytes > MAX_FRAME_BYTES:
            oldest = self._batches.popleft()
            self._batch_bytes -= oldest.nbytes
            for frame in oldest:
                self._write(encode_thumbnail(frame))

    def _write(self, jpeg: bytes) -> None:
        try:
            self._file.write(jpeg)
        except OSError as error:
            raise EncoderError(
                f"{tempfile.gettempdir()}: thumbnails cannot be stored there "
                f"({error.strerror}): free some space, or set TMPDIR to a folder with more"
            ) from error
        self._ends.append(self._ends[-1] + len(jpeg))

    def read(self, row: int) -> bytes:
        """The JPEG file of a frame, counted from the video's first. Call it after all ``add``."""
        compressed = len(self._ends) - 1
        if row < compressed:
            start, end = self._ends[row : row + 2]
            self._file.seek(start, os.SEEK_SET)
            return self._file.read(end - start)
        row -= compressed
        for frames in self._batches:
            if row < len(frames):
                return encode_thumbnail(frames[row])
            row -= len(frames)
        raise IndexError(f"no frame {row + compressed}")
