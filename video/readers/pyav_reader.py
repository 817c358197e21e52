"""Reader based on PyAV: demuxes the whole stream, but decodes only what wanted pictures depend on.

It does not seek to wanted pictures, since containers often have wrong seek indexes: packets on
which no wanted picture depends are read and dropped, at about 3 microseconds each. Decoding
continues behind a damaged packet.
"""

from __future__ import annotations

import itertools
import logging
import math
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self, cast

import numpy as np
from numpy.typing import NDArray

from vidseek.core.errors import UnreadableVideoError
from vidseek.core.types import FrameBatch, TimeSpan
from vidseek.video import demux
from vidseek.video.colour import ColourTags, decoder_of, is_ordinary, to_rgb
from vidseek.video.hints import COPY_AGAIN
from vidseek.video.info import VideoInfo
from vidseek.video.limits import DecodeLimits, too_much_memory
from vidseek.video.orientation import Orientation
from vidseek.video.readers.packets import PacketTable
from vidseek.video.readers.reader import ReaderName, batched, check_limits
from vidseek.video.readers.size_changes import changes_size
from vidseek.video.readers.truncation import is_cut_short
from vidseek.video.sniff import RAW_STREAMS

if TYPE_CHECKING:
    from av.container import InputContainer
    from av.packet import Packet
    from av.video.codeccontext import VideoCodecContext
    from av.video.frame import VideoFrame
    from av.video.stream import VideoStream

logger = logging.getLogger(__name__)

_PROBE_PACKETS = 600
"""Maximum number of packets to decode until the first picture appears."""
_SPAN_MARGIN_SECONDS = 1.0
_SPAN_SLACK_SECONDS = 10.0
"""A picture shown for longer hides where a span begins: the file is read from its start."""
_REORDERED_PACKETS = 16
"""Packets after which H.264 and HEVC must have shown a picture."""
BEST_EFFORT_FRAMES = 60
"""Frames to return if no wanted frame can be decoded."""
SLACK_SECONDS = 1e-4
"""Times that differ by less are equal: they come from different time bases."""


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
        self._joined_pts: NDArray[np.float64] | None = None
        self._joint_pts: frozenset[int] = frozenset()
        self._sought = False
        self._latest_seconds = 0.0
        self._order = _DecodedOrder()
        self._container: InputContainer | None
        self._stream: VideoStream
        self._context: VideoCodecContext
        self._open()
        assert self._container is not None
        self._base_pts = demux.start_of(self._container, self._stream)
        self._colour = ColourTags.of_stream(self._stream.codec_context)
        self._sizes: dict[tuple[int, int, float], tuple[int, int]] = {}
        self.orientation, self._info = self._probe()
        if span is None and self._info.duration_seconds > limits.max_duration_seconds:
            self.packets()  # the container's length counts leaps of the clock
        check_limits(self._info, limits, path)
        self._short_side = short_side

    # -- VideoReader -------------------------------------------------------------------------------

    @property
    def info(self) -> VideoInfo:
        """See ``VideoReader``."""
        return self._info

    @property
    def damaged(self) -> bool:
        """See ``VideoReader``."""
        return self._damaged

    @property
    def is_joined(self) -> bool:
        """True if the file's own times are not continuous. Known after ``packets()``."""
        return self._joined_pts is not None

    @property
    def first_seconds(self) -> float:
        """Time of the first picture according to the container: after 0 if sound begins first."""
        if self._stream.start_time is None or self._base_pts is None:
            return 0.0
        return (self._stream.start_time - self._base_pts) * float(self._stream.time_base or 1)

    def changes_size(self) -> bool:
        """True if the size of the pictures may change midway. Reads the file."""
        packets = demux.packets_of(self._reopen(), self._stream, on_damage=self._mark_damaged)
        context = self._stream.codec_context
        return changes_size(packets, context.codec.canonical_name, context.extradata or b"")

    def packets(self) -> PacketTable:
        """See ``VideoReader``."""
        if self._table is None:
            self._table = self._scan()
        return self._table

    def frames(self, rows: NDArray[np.intp]) -> Iterator[FrameBatch]:
        """See ``VideoReader``."""
        has_batch = False
        for batch in batched(self._frames(rows)):
            has_batch = True
            yield batch
        if not has_batch and len(rows):
            # No wanted picture can be decoded: return any that can.
            for batch in batched(
                self._frames(np.arange(len(self.packets())), at_most=BEST_EFFORT_FRAMES)
            ):
                has_batch = True
                yield batch
        if not has_batch:
            raise _undecodable(self._path)
        if self._damaged and self._span is None:
            self._trim_end()

    def close(self) -> None:
        """See ``VideoReader``."""
        if self._container is not None:
            self._container.close()
            self._container = None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    # -- opening -----------------------------------------------------------------------------------

    def _open(self) -> None:
        self._container = demux.open_container(self._path, self._demuxer)
        try:
            self._stream = demux.pick_stream(self._container, self._path)
            self._context = decoder_of(self._stream)
            self._context.thread_count = self._threads
            self._context.thread_type = "AUTO"
        except BaseException:
            self.close()
            raise

    def _reopen(self) -> InputContainer:
        """Return to the first packet by reopening the file: not all containers can seek."""
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
        self.has_ordinary_colours = is_ordinary(first, self._colour)
        orientation = Orientation()
        side_data = cast("Mapping[str, Any]", first.side_data)  # the stubs know one key only
        if (matrix := side_data.get("DISPLAYMATRIX")) is not None:
            orientation = Orientation.from_display_matrix(bytes(matrix))
        info = self._make_info(orientation, first.width, first.height)
        info = replace(info, hdr=ColourTags.of_frame(first, self._colour).is_hdr)
        self._sizes[self._stored_size(first)] = info.width, info.height
        return orientation, info

    def _first_frame(self) -> VideoFrame:
        import av

        assert self._container is not None
        context = self._context
        reason = None
        packets = demux.packets_of(self._container, self._stream, on_damage=self._mark_damaged)
        try:
            for number, packet in enumerate(packets):
                try:
                    for frame in context.decode(packet):
                        return frame
                except av.error.FFmpegError as error:
                    self._reraise_memory(error)
                    reason = error.strerror
                if number >= _PROBE_PACKETS:
                    break
            for frame in context.decode(None):
                return frame
        except av.error.FFmpegError as error:
            self._reraise_memory(error)
        except MemoryError as error:
            raise too_much_memory(self._path) from error
        raise _undecodable(self._path, reason)

    def _make_info(
        self, orientation: Orientation, width: int, height: int, *, aspect: float = 0.0
    ) -> VideoInfo:
        stream = self._stream
        assert self._container is not None
        aspect = aspect or float(stream.sample_aspect_ratio or 0)
        if aspect:
            # Like players: keep the height and stretch the width.
            width = max(1, round(width * aspect))
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
            has_sound=len(self._container.streams.audio) > 0,
            other_films=max(0, len(demux.films(self._container)) - 1),
        )

    # -- packets -----------------------------------------------------------------------------------

    def _seek_to_span(self) -> None:
        assert self._container is not None
        assert self._span is not None
        tick = float(self._stream.time_base or 1)
        start = max(0.0, self._span.start_seconds - _SPAN_MARGIN_SECONDS)
        demux.seek_to(self._container, self._stream, int((self._base_pts or 0) + start / tick))

    def _scan(self) -> PacketTable:
        import av

        if self._can_seek():
            # Far into a long file: start from the keyframe before, if the file supports seeking.
            assert self._span is not None
            self._sought = True
            try:
                found = self._scan_once(self._reopen())
                seconds, wanted = found.table.pts_seconds, self._span.start_seconds
                if len(seconds) and seconds[0] <= wanted < seconds[-1] + _SPAN_SLACK_SECONDS:
                    self._joined_pts, self._joint_pts = found.joined_pts, found.joint_pts
                    return found.table
            except av.error.FFmpegError as error:
                logger.debug("%s: cannot seek: %s", self._path, error)
            self._sought = False
        found = self._scan_once(self._reopen())
        table, self._base_pts = found.table, found.base_pts
        self._joined_pts, self._joint_pts = found.joined_pts, found.joint_pts
        if len(table) == 0:
            raise _undecodable(self._path)
        if self._span is None:
            self._info = _with_table(self._info, table)
            if self._is_short(table) or is_cut_short(self._path, self._demuxer):
                self._damaged = True
            check_limits(self._info, self._limits, self._path)
        return table

    def _is_short(self, table: PacketTable) -> bool:
        """Whether the header or the index lists more pictures than the file has."""
        pictures: float = table.packets
        if self._demuxer == "avi" and self._stream.average_rate:
            # An AVI also counts the pictures that were dropped while it was recorded.
            pictures = table.end_seconds * float(self._stream.average_rate)
        return bool(self._stream.frames) and pictures < 0.98 * self._stream.frames - 1

    def _can_seek(self) -> bool:
        """Whether the span is best read from its start. A clock that starts again is no index."""
        if self._span is None or self._span.start_seconds <= _SPAN_MARGIN_SECONDS:
            return False
        assert self._container is not None
        return not demux.starts_again(self._container)

    def _scan_once(self, container: InputContainer) -> demux.Scan:
        try:
            return demux.scan(
                container,
                self._stream,
                base_pts=self._base_pts,
                span=self._span,
                on_damage=self._mark_damaged,
                on_progress=self._on_progress,
            )
        except MemoryError as error:
            raise too_much_memory(self._path, doing="reading") from error

    # -- decoding ----------------------------------------------------------------------------------

    def _frames(
        self, rows: NDArray[np.intp], *, at_most: int | None = None
    ) -> Iterator[tuple[float, NDArray[np.uint8]]]:
        table = self.packets()
        if len(rows) == 0:
            return
        try:
            chosen = _Chooser(table.pts_seconds[rows])
            decode = self._decode_counting if self._demuxer in RAW_STREAMS else self._decode
            decoded = chosen.pick(decode(table, rows))
            for seconds, frame in itertools.islice(decoded, at_most):
                yield seconds, self._to_rgb(frame)
        except MemoryError as error:
            raise too_much_memory(self._path) from error

    def _decode(
        self, table: PacketTable, rows: NDArray[np.intp]
    ) -> Iterator[tuple[float, VideoFrame] | _StretchEnd]:
        """Decode the packets that the wanted pictures depend on."""
        assert self._base_pts is not None
        needed = table.to_decode(rows)
        wanted_seconds = np.full(table.packets, -np.inf)
        wanted_seconds[table.decode_index[rows]] = table.pts_seconds[rows]
        container = self._reopen()
        self._order.restart()
        context = self._context
        tick = float(self._stream.time_base or 1)
        last = int(np.flatnonzero(needed)[-1])
        decoding = False
        last_wanted = fallback = 0.0
        packets = demux.packets_of(container, self._stream, on_damage=self._mark_damaged)
        for number, packet in enumerate(packets):
            if number > last:
                break
            if number % 64 == 0:
                self._on_progress()
            if not needed[number]:
                if decoding:
                    yield from self._drain(tick, fallback)
                    yield _StretchEnd(last_wanted)
                    decoding = False
                continue
            decoding = True
            # Skip unwanted pictures that no other picture needs: half the cost with B-frames.
            is_wanted = wanted_seconds[number] > -np.inf
            context.skip_frame = "DEFAULT" if is_wanted else "NONREF"
            if is_wanted:
                last_wanted = max(last_wanted, float(wanted_seconds[number]))
            if self._joined_pts is not None:
                pts = float(self._joined_pts[number])
                packet.pts, packet.dts = (None if math.isnan(pts) else int(pts)), None
            time = packet.pts if packet.pts is not None else packet.dts
            fallback = fallback if time is None else (time - self._base_pts) * tick
            for frame in self._try_decode(packet):
                yield self._seconds(frame, tick, fallback), frame
        if decoding:
            yield from self._drain(tick, fallback)
            yield _StretchEnd(last_wanted)

    def _decode_counting(
        self, table: PacketTable, rows: NDArray[np.intp]
    ) -> Iterator[tuple[float, VideoFrame] | _StretchEnd]:
        """Decode a raw stream: its pictures have no times, but come out in order, one a packet."""
        exact = table.to_decode(rows)
        needed = exact.copy()
        for ahead in range(1, _REORDERED_PACKETS + 1):  # a picture may be stored after later ones
            needed[ahead:] |= exact[:-ahead]
        container = self._reopen()
        self._context.skip_frame = "DEFAULT"
        shown: int | None = None
        packets = demux.packets_of(container, self._stream, on_damage=self._mark_damaged)
        for number, packet in enumerate(itertools.chain(packets, [None])):
            if number % 64 == 0:
                self._on_progress()
            is_needed = packet is not None and needed[number]
            if is_needed and shown is None:
                shown = number
            if shown is None:
                continue
            for frame in self._try_decode(packet if is_needed else None):
                yield float(table.pts_seconds[min(shown, len(table) - 1)]), frame
                shown += 1
            if not is_needed:
                self._context.flush_buffers()
                yield _StretchEnd(float(table.pts_seconds[number - 1]))
                shown = None

    def _drain(self, tick: float, fallback: float) -> Iterator[tuple[float, VideoFrame]]:
        """Get the pictures that the decoder still buffers for reordering."""
        for frame in self._try_decode(None):
            yield self._seconds(frame, tick, fallback), frame
        self._context.flush_buffers()
        self._order.restart()

    def _try_decode(self, packet: Packet[VideoStream] | None) -> list[VideoFrame]:
        import av

        try:
            return self._context.decode(packet)
        except av.error.EOFError:
            return []
        except av.error.FFmpegError as error:
            self._reraise_memory(error)
            self._mark_damaged()
            return []

    def _seconds(self, frame: VideoFrame, tick: float, fallback: float) -> float:
        if frame.is_corrupt and frame.pts not in self._joint_pts:
            self._mark_damaged()
        assert self._base_pts is not None
        ticks = self._order.time_of(frame)
        seconds = fallback if ticks is None else float((ticks - self._base_pts) * tick)
        self._latest_seconds = max(self._latest_seconds, seconds)
        return seconds

    def _to_rgb(self, frame: VideoFrame) -> NDArray[np.uint8]:
        width, height = self._out_size(frame)
        if self.orientation.transpose:
            width, height = height, width
        return self.orientation.apply(to_rgb(frame, self._colour, width, height))

    def _out_size(self, frame: VideoFrame) -> tuple[int, int]:
        """Size to scale a frame to. Its own: broadcasts and calls change their size midway."""
        stored = self._stored_size(frame)
        if stored not in self._sizes:
            changed = self._make_info(self.orientation, frame.width, frame.height, aspect=stored[2])
            check_limits(replace(changed, duration_seconds=0.0), self._limits, self._path)
            self._sizes[stored] = changed.width, changed.height
        width, height = self._sizes[stored]
        return replace(self._info, width=width, height=height).scaled_size(self._short_side)

    def _stored_size(self, frame: VideoFrame) -> tuple[int, int, float]:
        """Width, height and pixel aspect as the decoder has them; an aspect of 0 is unknown."""
        return frame.width, frame.height, float(self._context.sample_aspect_ratio or 0)

    # -- damage ------------------------------------------------------------------------------------

    def _trim_end(self) -> None:
        """Let a damaged video end with its last decodable picture.

        The index of an MP4 lists pictures that an aborted download or copy has not written.
        """
        table = self.packets()
        rest = np.flatnonzero(table.pts_seconds >= self._latest_seconds - SLACK_SECONDS)
        if len(rest) > 1:
            for _ in self._decode(table, rest):
                pass
        unseen = table.pts_seconds[table.pts_seconds > self._latest_seconds + SLACK_SECONDS]
        if len(unseen):
            self._info = replace(self._info, duration_seconds=float(unseen[0]))

    def _mark_damaged(self) -> None:
        self._damaged = True

    def _reraise_memory(self, error: Exception) -> None:
        if isinstance(error, MemoryError):
            raise too_much_memory(self._path) from error


class _DecodedOrder:
    """Guesses the time of decoded pictures where the container lost their order.

    AVI, and files converted by careless tools, give pictures that are stored before others that
    are shown first the times of storing. This is ``guess_correct_pts`` of FFmpeg.
    """

    def __init__(self) -> None:
        self._last_pts = self._last_dts = float("-inf")
        self._faulty_pts = self._faulty_dts = 0

    def time_of(self, frame: VideoFrame) -> int | None:
        """Its presentation time, or, if those go back more often, its decoding time."""
        pts, dts = frame.pts, frame.dts
        if dts is not None:
            self._faulty_dts += dts <= self._last_dts
            self._last_dts = dts
        if pts is not None:
            self._faulty_pts += pts <= self._last_pts
            self._last_pts = pts
        return pts if dts is None or self._faulty_pts <= self._faulty_dts else dts

    def restart(self) -> None:
        """Another stretch of the file follows."""
        self._last_pts = self._last_dts = float("-inf")


@dataclass(frozen=True)
class _StretchEnd:
    """Marks the end of a stretch of consecutive decoding."""

    last_wanted_seconds: float


class _Chooser:
    """Match decoded pictures, in order of time, with the wanted times."""

    def __init__(self, wanted_seconds: NDArray[np.float64]) -> None:
        self._wanted = wanted_seconds
        self._position = 0
        self._last = float("-inf")

    def pick(
        self, decoded: Iterator[tuple[float, VideoFrame] | _StretchEnd]
    ) -> Iterator[tuple[float, VideoFrame]]:
        """Yield, for each wanted time, the first picture at or after it."""
        pending: tuple[float, VideoFrame] | None = None
        for item in decoded:
            if isinstance(item, _StretchEnd):
                # Damaged: the wanted picture is missing from the stretch. Its last picture is the
                # nearest available.
                if pending is not None and self._next_wanted() <= item.last_wanted_seconds:
                    yield self._taken(pending)
                    self._position = int(
                        np.searchsorted(self._wanted, item.last_wanted_seconds, side="right")
                    )
                pending = None
            elif item[0] <= self._last or item[0] + SLACK_SECONDS < self._next_wanted():
                pending = item if item[0] > self._last else pending
            else:
                pending = None
                yield self._taken(item)

    def _next_wanted(self) -> float:
        if self._position >= len(self._wanted):
            return float("inf")
        return float(self._wanted[self._position])

    def _taken(self, item: tuple[float, VideoFrame]) -> tuple[float, VideoFrame]:
        self._last = item[0]
        self._position = int(np.searchsorted(self._wanted, item[0] + SLACK_SECONDS, side="right"))
        return item


def _undecodable(path: Path, reason: str | None = None) -> UnreadableVideoError:
    message = "no picture of it can be decoded" + (f": {reason}" if reason else "")
    return UnreadableVideoError(message, path=path, hint=COPY_AGAIN)


def _with_table(info: VideoInfo, table: PacketTable) -> VideoInfo:
    return replace(
        info,
        duration_seconds=table.end_seconds,
        frame_rate=table.frame_rate or info.frame_rate,
    )
