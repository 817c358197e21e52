"""Reader based on decord (PyPI: decord2; the extra ``decord``).

PyAV provides the facts and packets, decord the pictures: decord neither lists packet sizes nor
knows the pixel aspect. It also gives up at a damaged packet, where PyAV takes over. PyAV measured
as fast or faster on every kind of file (docs/benchmarks/decoding.md), so it is the default.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from vidseek.core.errors import UnreadableVideoError
from vidseek.core.types import FrameBatch
from vidseek.video.info import VideoInfo
from vidseek.video.readers.packets import PacketTable
from vidseek.video.readers.pyav_reader import PyAVReader
from vidseek.video.readers.reader import BATCH_FRAMES, ReaderName

CONTAINERS = ("mov", "matroska", "avi", "mpegts", "mpeg", "flv", "ogg", "gif", "asf", "mxf")
"""Containers in which decord was compared with PyAV."""
INEXACT_CONTAINERS = ("mpegts", "mpeg")
"""Containers in which decord returns wrong pictures (observed: 12 for 0, 53 for 28 to 56).
It is also 3 pictures late behind an open GOP in HEVC. Both are covered by tests."""

logger = logging.getLogger(__name__)


class DecordReader:
    """An open video, decoded by decord. See ``VideoReader``."""

    name: ReaderName = "decord"

    def __init__(
        self, video: PyAVReader, path: Path, *, short_side: int | None, threads: int
    ) -> None:
        """Open a file that PyAV has already opened.

        Args:
            video: owned by this reader from now on.
            path: a file that ``is_unmistakable`` accepted.
            short_side: as for ``open_video``.
            threads: decoder threads.

        Raises:
            UnreadableVideoError: decord cannot open the file, or would decode it differently.
        """
        import decord

        decord.logging.set_level(decord.logging.QUIET)
        self._pyav = video
        self._path = path
        self._decord: Any = None
        if video.orientation.is_mirrored:
            raise UnreadableVideoError("mirrored; decord supports rotation only", path=path)
        if not video.has_ordinary_colours:
            raise UnreadableVideoError("decord does not convert its colours", path=path)
        if video.info.container not in CONTAINERS:
            raise UnreadableVideoError("decord is not tried with such files", path=path)
        if video.info.container in INEXACT_CONTAINERS or video.packets().has_leading_pictures:
            raise UnreadableVideoError("decord seeks to wrong pictures in such a file", path=path)
        if video.is_joined:
            raise UnreadableVideoError("its clock leaps; decord trusts it", path=path)
        if video.changes_size():
            raise UnreadableVideoError("decord stretches pictures of another size", path=path)
        width, height = video.info.scaled_size(short_side)
        try:
            self._decord = decord.VideoReader(
                str(path.absolute()), width=width, height=height, num_threads=threads
            )
            count = len(self._decord)
            # (count, 2) start and end of each picture, in seconds from the first
            self._seconds = np.asarray(
                self._decord.get_frame_timestamp(list(range(count))), dtype=np.float64
            ).reshape(count, 2)[:, 0]
            self._seconds += video.first_seconds
        except Exception as error:  # decord raises RuntimeError, DECORDError, IndexError ...
            raise UnreadableVideoError(
                f"decord cannot open it: {_brief(error)}", path=path
            ) from error
        if count == 0 or not np.all(np.diff(self._seconds) > 0):
            raise UnreadableVideoError("decord's times are out of order", path=path)

    @property
    def info(self) -> VideoInfo:
        """See ``VideoReader``."""
        return self._pyav.info

    @property
    def damaged(self) -> bool:
        """See ``VideoReader``."""
        return self._pyav.damaged

    def packets(self) -> PacketTable:
        """See ``VideoReader``."""
        return self._pyav.packets()

    def frames(self, rows: NDArray[np.intp]) -> Iterator[FrameBatch]:
        """See ``VideoReader``."""
        table = self.packets()
        done = 0
        try:
            for done in range(0, len(rows), BATCH_FRAMES):
                part = rows[done : done + BATCH_FRAMES]
                yield FrameBatch(self._pictures(table.pts_seconds[part]), table.pts_seconds[part])
            return
        except Exception as error:
            if isinstance(error, MemoryError):
                raise
            logger.debug("%s: decord gives way to PyAV: %s", self._path, _brief(error))
        # Most likely damaged: PyAV can continue behind the damage.
        yield from self._pyav.frames(rows[done:])

    def _pictures(self, seconds: NDArray[np.float64]) -> NDArray[np.uint8]:
        indices = np.searchsorted(self._seconds, seconds)
        indices = np.clip(indices, 1, max(1, len(self._seconds) - 1))
        before = np.abs(self._seconds[indices - 1] - seconds)
        if len(self._seconds) > 1:
            after = np.abs(self._seconds[indices] - seconds)
            indices = np.where(before <= after, indices - 1, indices)
        else:
            indices = indices - 1
        # decord's times are float32: 0.25 ms off after an hour.
        if np.abs(self._seconds[indices] - seconds).max() > 2e-3 + 1e-6 * seconds.max():
            raise UnreadableVideoError("decord's times differ from the packets'", path=self._path)
        pictures: NDArray[np.uint8] = self._decord.get_batch(indices.tolist()).asnumpy()
        return pictures

    def close(self) -> None:
        """See ``VideoReader``."""
        self._decord = None
        self._pyav.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def _brief(error: Exception) -> str:
    return str(error).splitlines()[0][:200] if str(error) else type(error).__name__
