"""The reader on PyAV: demuxes the whole stream, decodes only what leads to a wanted picture.

It never seeks by time inside a file (seeking is where containers lie): packets that nothing wanted leans
on are read and dropped, which costs about 3 microseconds each. Decoding goes on behind a damaged packet.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Self

import numpy as np
from numpy.typing import NDArray

from vidseek.encoders.video import demux
from vidseek.encoders.video.info import DecodeLimits, VideoInfo
from vidseek.encoders.video.orientation import Orientation
from vidseek.encoders.video.packets import PacketTable
from vidseek.encoders.video.reader import ReaderName, batched, check_limits
from vidseek.storage.errors import DecodeLimitError, UnreadableVideoError
from vidseek.storage.types import FrameBatch, TimeSpan

if TYPE_CHECKING:
    from av.container import InputContainer
    from av.packet import Packet
    from av.video.frame import VideoFrame
    from av.video.stream import VideoStream

logger = logging.getLogger(__name__)

_PROBE_PACKETS = 600
"""Packets that are tried until the first picture comes out."""
_SPAN_MARGIN_SECONDS = 1.0


class PyAVReader:
    """An open video, read by PyAV. See ``VideoReader``."""

    name: ReaderName = "pyav"

    def __init__(
        self,
        path: Path,
        *,
        demuxer: str,
        short_side: int | None,
        span: TimeSpan | None,
        threads: int,
        limits: DecodeLimits,
        on_progress: Callable[[], None] | None,
    ) -> None:
        self._path = path
        self._demuxer = demuxer
        self._span = span
        self._threads = threads
        self._limits = limits
        self._on_progress = on_progress or (lambda: None)
        self._damaged = False
        self._table: PacketTable | None = None
        self._base_pts: int | None = None
        self._sought = False
        self._container: InputContainer | None
        self._stream: VideoStream
        self._open()
        self._base_pts = self._stream.start_time
        self.orientation, self._info = self._probe()
        check_limits(self._info, limits, path)
        self._out_width, self._out_height = self._info.scaled_size(short_side)

    # -- VideoReader -------------------------------------------------------------------------------

    @property
    def info(self) -> VideoInfo:
        return self._info

    @property
    def damaged(self) -> bool:
        return self._damaged

    def packets(self) -> PacketTable:
        if self._table is None:
            self._table = self._scan()
        return self._table

    def frames(self, rows: NDArray[np.intp]) -> Iterator[FrameBatch]:
        got_one = False
        for batch in batched(self._frames(rows)):
            got_one = True
            yield batch
        if not got_one and len(rows):
            # Nothing wanted can be decoded: take whatever can.
            for batch in batched(self._frames(np.arange(len(self.packets())), at_most=BEST_EFFORT)):
                got_one = True
                yield batch
        if not got_one:
            raise UnreadableVideoError("no picture of it can be decoded", path=self._path)

    def close(self) -> None:
        if self._container is not None:
            self._container.close()
            self._container = None

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()

    # -- opening -----------------------------------------------------------------------------------

    def _open(self) -> None:
        self._container = demux.open_container(self._path, self._demuxer)
        try:
            self._stream = demux.pick_stream(self._container, self._path)
            context = self._stream.codec_context
            context.thread_count = self._threads
            context.thread_type = "AUTO"
        except BaseException:
            self.close()
            raise

    def _reopen(self) -> InputContainer:
        """Back to the first packet; a fresh container, because not all can seek."""
        self.close()
        self._open()
        assert self._container is not None
        if self._sought:
            self._seek_to_span()
        return self._container

    def _probe(self) -> tuple[Orientation, VideoInfo]:
        """Decode the first picture: only there does FFmpeg tell how it is to be turned."""
        stream = self._stream
        context = stream.codec_context
        if context.width * context.height > self._limits.max_pixels:
            check_limits(
                self._make_info(Orientation(), context.width, context.height),
                self._limits,
                self._path,
            )
        first = self._first_frame()
        orientation = Orientation()
        for side_data in first.side_data:
            if side_data.type.name == "DISPLAYMATRIX":
                orientation = Orientation.from_display_matrix(bytes(side_data))
        return orientation, self._make_info(orientation, first.width, first.height)

    def _first_frame(self) -> VideoFrame:
        import av

        assert self._container is not None
        context = self._stream.codec_context
        reason = "no picture of it can be decoded"
        packets = demux.packets_of(self._container, self._stream, on_damage=self._mark_damaged)
        try:
            for number, packet in enumerate(packets):
                try:
                    for frame in context.decode(packet):
                        return frame
                except av.error.FFmpegError as error:
                    self._reraise_memory(error)
                    reason = f"no picture of it can be decoded: {error.strerror}"
                if number >= _PROBE_PACKETS:
                    break
            for frame in context.decode(None):
                return frame
        except av.error.FFmpegError as error:
            self._reraise_memory(error)
        except MemoryError as error:
            raise DecodeLimitError("decoding it needs too much memory", path=self._path) from error
        finally:
            self._used = True
        raise UnreadableVideoError(reason, path=self._path)

    def _make_info(self, orientation: Orientation, width: int, height: int) -> VideoInfo:
        stream = self._stream
        assert self._container is not None
        aspect = stream.sample_aspect_ratio
        if aspect:
            # As players do: the height stays, the width is stretched.
            width = max(1, round(width * float(aspect)))
        if orientation.transpose:
            width, height = height, width
        duration = 0.0
        if stream.duration is not None and stream.time_base is not None:
            duration = float(stream.duration * stream.time_base)
        elif self._container.duration is not None:
            duration = self._container.duration / 1e6
        rate = stream.average_rate or stream.guessed_rate
        return VideoInfo(
            duration_seconds=max(0.0, duration),
            frame_rate=float(rate) if rate else 0.0,
            width=width,
            height=height,
            codec=stream.codec_context.codec.canonical_name,
            container=self._demuxer,
            rotation_degrees=orientation.rotation_degrees,
        )

    # -- packets -----------------------------------------------------------------------------------

    def _seek_to_span(self) -> None:
        assert self._container is not None and self._span is not None
        tick = float(self._stream.time_base or 1)
        start = max(0.0, self._span.start_seconds - _SPAN_MARGIN_SECONDS)
        demux.seek_to(self._container, self._stream, int((self._base_pts or 0) + start / tick))

    def _scan(self) -> PacketTable:
        import av

        if self._span is not None and self._span.start_seconds > _SPAN_MARGIN_SECONDS:
            # Far into a long file: start from the keyframe before, if the file can be sought.
            self._sought = True
            try:
                table, _ = self._scan_once(self._reopen(), self._span)
                if len(table) and table.pts_seconds[0] <= self._span.start_seconds:
                    return table
            except av.error.FFmpegError as error:
                logger.debug("%s: cannot seek: %s", self._path, error)
            self._sought = False
        table, self._base_pts = self._scan_once(self._reopen(), self._span)
        if len(table) == 0:
            raise UnreadableVideoError("no picture of it can be decoded", path=self._path)
        if self._span is None:
            self._info = _with_table(self._info, table)
            if self._stream.frames and table.packets < 0.98 * self._stream.frames - 1:
                self._damaged = True  # the index promises more than the file holds
            check_limits(self._info, self._limits, self._path)
        return table

    def _scan_once(
        self, container: InputContainer, span: TimeSpan | None
    ) -> tuple[PacketTable, int]:
        try:
            return demux.scan(
                container,
                self._stream,
                base_pts=self._base_pts,
                span=span,
                on_damage=self._mark_damaged,
                on_progress=self._on_progress,
            )
        except MemoryError as error:
            raise DecodeLimitError("reading it needs too much memory", path=self._path) from error

    # -- decoding ----------------------------------------------------------------------------------

    def _frames(
        self, rows: NDArray[np.intp], *, at_most: int | None = None
    ) -> Iterator[tuple[float, NDArray[np.uint8]]]:
        table = self.packets()
        if len(rows) == 0:
            return
        try:
            emitted = 0
            chosen = _Chooser(table.pts_seconds[rows])
            for seconds, frame in chosen.pick(self._decode(table, rows)):
                yield seconds, self._to_rgb(frame)
                emitted += 1
                if at_most is not None and emitted >= at_most:
                    return
        except MemoryError as error:
            raise DecodeLimitError("decoding it needs too much memory", path=self._path) from error

    def _decode(
        self, table: PacketTable, rows: NDArray[np.intp]
    ) -> Iterator[tuple[float, VideoFrame] | None]:
        """Decode what leads to the pictures wanted; None where a stretch ends."""
        assert self._base_pts is not None
        needed = table.to_decode(rows)
        wanted = np.zeros(table.packets, dtype=bool)
        wanted[table.decode_index[rows]] = True
        container = self._reopen()
        context = self._stream.codec_context
        tick = float(self._stream.time_base or 1)
        last = int(np.flatnonzero(needed)[-1])
        decoding = False
        fallback = 0.0
        packets = demux.packets_of(container, self._stream, on_damage=self._mark_damaged)
        for number, packet in enumerate(packets):
            if number > last:
                break
            if number % 64 == 0:
                self._on_progress()
            if not needed[number]:
                if decoding:
                    yield from self._drain(tick, fallback)
                    yield None
                    decoding = False
                continue
            decoding = True
            # Pictures that no other leans on cost half the decoding of a stream with B-frames.
            context.skip_frame = "DEFAULT" if wanted[number] else "NONREF"
            time = packet.pts if packet.pts is not None else packet.dts
            fallback = fallback if time is None else (time - self._base_pts) * tick
            for frame in self._try_decode(packet):
                yield self._seconds(frame, tick, fallback), frame
        if decoding:
            yield from self._drain(tick, fallback)
            yield None

    def _drain(self, tick: float, fallback: float) -> Iterator[tuple[float, VideoFrame]]:
        """Get the pictures that the decoder still holds back for reordering."""
        for frame in self._try_decode(None):
            yield self._seconds(frame, tick, fallback), frame
        self._stream.codec_context.flush_buffers()

    def _try_decode(self, packet: Packet | None) -> list[VideoFrame]:
        import av

        try:
            return self._stream.codec_context.decode(packet)
        except av.error.EOFError:
            return []
        except av.error.FFmpegError as error:
            self._reraise_memory(error)
            self._mark_damaged()
            return []

    def _seconds(self, frame: VideoFrame, tick: float, fallback: float) -> float:
        if frame.is_corrupt:
            self._mark_damaged()
        assert self._base_pts is not None
        if frame.pts is None:
            return fallback
        return float((frame.pts - self._base_pts) * tick)

    def _to_rgb(self, frame: VideoFrame) -> NDArray[np.uint8]:
        width, height = self._out_width, self._out_height
        if self.orientation.transpose:
            width, height = height, width
        scaled = frame.reformat(
            width=width, height=height, format="rgb24", interpolation="BICUBIC", threads=1
        )
        return self.orientation.apply(scaled.to_ndarray())

    # -- trouble -----------------------------------------------------------------------------------

    def _mark_damaged(self) -> None:
        self._damaged = True

    def _reraise_memory(self, error: Exception) -> None:
        if isinstance(error, MemoryError):
            raise DecodeLimitError("decoding it needs too much memory", path=self._path) from error


BEST_EFFORT = 60
"""Frames that are taken where none of those wanted can be decoded."""


class _Chooser:
    """Match decoded pictures, in order of time, with the times wanted."""

    def __init__(self, wanted_seconds: NDArray[np.float64]) -> None:
        self._wanted = wanted_seconds
        # Times are compared across time bases: allow a tenth of a millisecond.
        self._slack = 1e-4

    def pick(
        self, frames: Iterator[tuple[float, VideoFrame] | None]
    ) -> Iterator[tuple[float, VideoFrame]]:
        """Yield each picture that is the first at or after a time wanted."""
        position = 0
        last_seconds = float("-inf")
        held: tuple[float, VideoFrame] | None = None
        for item in frames:
            if item is None:
                # The stretch is over. What it was decoded for did not come out: its last picture,
                # if that is later than what was yielded, is the nearest there is.
                if (
                    held is not None
                    and position < len(self._wanted)
                    and held[0] > last_seconds
                    and abs(held[0] - self._wanted[position]) < 1.0
                ):
                    yield held
                    last_seconds = held[0]
                    position = int(
                        np.searchsorted(self._wanted, last_seconds + self._slack, side="right")
                    )
                held = None
                continue
            seconds, frame = item
            if position >= len(self._wanted):
                continue
            if seconds + self._slack < self._wanted[position] or seconds <= last_seconds:
                held = item
                continue
            yield item
            held = None
            last_seconds = seconds
            position = int(np.searchsorted(self._wanted, seconds + self._slack, side="right"))


def _with_table(info: VideoInfo, table: PacketTable) -> VideoInfo:
    from dataclasses import replace

    return replace(
        info,
        duration_seconds=table.end_seconds,
        frame_rate=table.frame_rate or info.frame_rate,
    )
