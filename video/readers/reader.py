"""Protocol for reading chosen frames of a video with exact times, and its factory.

with open_video(path, short_side=256) as video:
    table = video.packets()
    for batch in video.frames(table.keyframes):
        ...  # (N, H, W, 3) RGB, upright, square pixels; seconds from the file's start
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
from vidseek.video.info import VideoInfo
from vidseek.video.limits import DecodeLimits
from vidseek.video.readers.packets import PacketTable
from vidseek.video.sniff import is_unmistakable, sniff

logger = logging.getLogger(__name__)

BATCH_FRAMES = 32
"""Maximum number of frames per batch."""

ReaderName = Literal["pyav", "decord", "pillow"]
"""``pillow`` reads animated WebP, whichever of the others is asked for."""


class VideoReader(Protocol):
    """An open video file. Not thread-safe."""

    @property
    def name(self) -> ReaderName:
        """Name of the implementation."""

    @property
    def info(self) -> VideoInfo:
        """Facts about the stream. The duration is that of the packets in the file."""

    @property
    def damaged(self) -> bool:
        """True once an unreadable part was found."""

    def packets(self) -> PacketTable:
        """All pictures of the file, or of the span it was opened for, without decoding them."""

    def frames(self, rows: NDArray[np.intp]) -> Iterator[FrameBatch]:
        """Decode pictures of ``packets()``.

        Args:
            rows: (N,) ascending rows of the table.

        Yields:
            Batches of at most ``BATCH_FRAMES``, in order of time. The pictures of a batch have the
            same size; it changes between batches where the video's does. A damaged picture is
            replaced by the next intact picture, or left out.

        Raises:
            UnreadableVideoError: no frame could be decoded.
            DecodeLimitError: memory ran out.
        """

    def close(self) -> None:
        """Close the decoder and the file."""

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
        path: the file; sniffed before a decoder opens it.
        reader: implementation; PyAV reads files that decord cannot open.
        short_side: frames are scaled down until their short side has this many pixels.
        span: read only this part.
        threads: decoder threads; 0 for one per core.
        limits: limits on size and length.
        on_progress: called regularly while packets are read and pictures decoded.

    Raises:
        NotAVideoError: the file is not a supported video format.
        UnreadableVideoError: none of its pictures can be decoded.
        DecodeLimitError: it is larger or longer than the limits allow.
        MissingExtraError: ``reader`` is decord and decord is not installed.
    """
    from vidseek.video.readers.pyav_reader import PyAVReader

    check_installed(reader)
    demuxer = sniff(path)
    limits = limits or DecodeLimits()
    if demuxer == "webp":
        from vidseek.video.readers.pillow_reader import PillowReader

        return PillowReader(path, short_side=short_side, limits=limits, on_progress=on_progress)
    video = PyAVReader(
        path,
        demuxer=demuxer,
        short_side=short_side,
        span=span,
        threads=threads,
        limits=limits,
        on_progress=on_progress,
    )
    if reader != "decord" or not is_unmistakable(path):
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
    """Read the facts about a file. Decodes one picture.

    Raises:
        VideoError: as for ``open_video``.
    """
    with open_video(path, limits=limits) as video:
        return video.info


def check_limits(info: VideoInfo, limits: DecodeLimits, path: Path) -> None:
    """Refuse videos that are too large or too long.

    Raises:
        DecodeLimitError: the video exceeds a limit.
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
    """Group frames of equal size into batches."""
    pictures: list[NDArray[np.uint8]] = []
    seconds: list[float] = []
    for at, picture in frames:
        if pictures and picture.shape != pictures[0].shape:
            yield FrameBatch(np.stack(pictures), np.asarray(seconds, dtype=np.float64))
            pictures, seconds = [], []
        pictures.append(picture)
        seconds.append(at)
        if len(pictures) == BATCH_FRAMES:
            yield FrameBatch(np.stack(pictures), np.asarray(seconds, dtype=np.float64))
            pictures, seconds = [], []
    if pictures:
        yield FrameBatch(np.stack(pictures), np.asarray(seconds, dtype=np.float64))
