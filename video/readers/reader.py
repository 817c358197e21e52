"""Read chosen frames of a video with exact times: an interface with two implementations.

with open_video(path, short_side=256) as video:
    table = video.packets()
    for batch in video.frames(table.keyframes):
        ...  # (N, H, W, 3) RGB, upright, square pixels; seconds from the stream's start
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator
from importlib.util import find_spec
from pathlib import Path
from typing import Literal, Protocol, Self

import numpy as np
from numpy.typing import NDArray

from vidseek.core.errors import DecodeLimitError, Hint, MissingExtraError, VideoError
from vidseek.core.types import FrameBatch, TimeSpan
from vidseek.video.hints import SHRINK_VIDEO, SPLIT_VIDEO
from vidseek.video.info import DecodeLimits, VideoInfo
from vidseek.video.readers.packets import PacketTable
from vidseek.video.sniff import is_unmistakable, sniff

logger = logging.getLogger(__name__)

BATCH_FRAMES = 32
"""Most frames of a batch."""

ReaderName = Literal["pyav", "decord"]


class VideoReader(Protocol):
    """An open video file. Not for use by several threads at once."""

    @property
    def name(self) -> ReaderName:
        """Which implementation this is."""

    @property
    def info(self) -> VideoInfo:
        """Facts of the stream; the length is that of the packets there are."""

    @property
    def damaged(self) -> bool:
        """True once a part has turned out to be unreadable."""

    def packets(self) -> PacketTable:
        """All pictures of the file (of the span it was opened for), without decoding any."""

    def frames(self, rows: NDArray[np.intp]) -> Iterator[FrameBatch]:
        """Decode pictures of ``packets()``.

        Args:
            rows: (N,) ascending rows of the table.

        Yields:
            Batches of at most ``BATCH_FRAMES``, in order of time. A picture that is damaged is
            replaced by the next good one, or left out.

        Raises:
            UnreadableVideoError: not one frame could be decoded.
            DecodeLimitError: memory ran out.
        """

    def close(self) -> None:
        """Free decoder and file."""

    def __enter__(self) -> Self: ...

    def __exit__(self, *_: object) -> None: ...


def open_video(
    path: Path,
    *,
    reader: ReaderName = "pyav",
    short_side: int | None = None,
    span: TimeSpan | None = None,
    threads: int = 1,
    limits: DecodeLimits | None = None,
    on_progress: Callable[[], None] | None = None,
) -> VideoReader:
    """Open a video file.

    Args:
        path: the file; sniffed before a decoder sees it.
        reader: implementation to use; PyAV takes over what decord cannot open.
        short_side: frames are scaled down until their short side is this many pixels.
        span: only this part will be read.
        threads: of the decoder; 0 for one a core.
        limits: on size and length.
        on_progress: called now and then while packets are read and pictures decoded.

    Raises:
        NotAVideoError: the bytes are no video of a kind that is read.
        UnreadableVideoError: a video, but no picture of it can be decoded.
        DecodeLimitError: it is larger or longer than the limits allow.
        MissingExtraError: ``reader`` is decord and decord is not installed.
    """
    from vidseek.video.readers.pyav_reader import PyAVReader

    check_installed(reader)
    demuxer = sniff(path)
    video = PyAVReader(
        path,
        demuxer=demuxer,
        short_side=short_side,
        span=span,
        threads=threads,
        limits=limits or DecodeLimits(),
        on_progress=on_progress,
    )
    if reader == "pyav" or not is_unmistakable(path):
        return video
    from vidseek.video.readers.decord_reader import DecordReader

    try:
        return DecordReader(video, path, short_side=short_side, threads=threads)
    except VideoError as error:
        logger.debug("decord gives way to PyAV: %s", error)
        return video


def check_installed(reader: ReaderName) -> None:
    """Refuse a reader whose package is not installed; decord comes with an extra.

    Raises:
        MissingExtraError: decord is asked for and not installed.
    """
    if reader == "decord" and find_spec("decord") is None:
        raise MissingExtraError(
            "decord is not installed", hint=Hint("install_extra", {"extra": "decord"})
        )


def probe(path: Path, *, limits: DecodeLimits | None = None) -> VideoInfo:
    """Read a file's facts; decodes one picture.

    Raises:
        VideoError: as for ``open_video``.
    """
    with open_video(path, limits=limits) as video:
        return video.info


def check_limits(info: VideoInfo, limits: DecodeLimits, path: Path) -> None:
    """Refuse what is too large or too long.

    Raises:
        DecodeLimitError: with what was found and what is allowed.
    """
    if info.width * info.height > limits.max_pixels:
        raise DecodeLimitError(
            f"pictures of {info.width} x {info.height} pixels; the limit is "
            f"{limits.max_pixels / 1e6:.0f} million pixels",
            path=path,
            hint=SHRINK_VIDEO,
        )
    if info.duration_seconds > limits.max_duration_seconds:
        raise DecodeLimitError(
            f"{info.duration_seconds / 3600:.1f} hours long; the limit is "
            f"{limits.max_duration_seconds / 3600:.1f}",
            path=path,
            hint=SPLIT_VIDEO,
        )


def batched(frames: Iterator[tuple[float, NDArray[np.uint8]]]) -> Iterator[FrameBatch]:
    """Gather single frames of one size into batches."""
    pictures: list[NDArray[np.uint8]] = []
    seconds: list[float] = []
    for at, picture in frames:
        pictures.append(picture)
        seconds.append(at)
        if len(pictures) == BATCH_FRAMES:
            yield FrameBatch(np.stack(pictures), np.asarray(seconds, dtype=np.float64))
            pictures, seconds = [], []
    if pictures:
        yield FrameBatch(np.stack(pictures), np.asarray(seconds, dtype=np.float64))
