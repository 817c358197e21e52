"""Open a container with the sniffed demuxer, and list its video packets (PyAV)."""

from __future__ import annotations

import itertools
import logging
from array import array
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from vidseek.core.errors import NotAVideoError, SoundOnlyError, UnreadableVideoError
from vidseek.core.types import TimeSpan
from vidseek.video.hints import CONVERT_VIDEO, COPY_AGAIN
from vidseek.video.limits import too_much_memory
from vidseek.video.readers.clock import (
    LEAP_SECONDS,
    MAX_STEP_BACK_SECONDS,
    PacketClock,
    join_parts,
)
from vidseek.video.readers.packets import PacketTable, build_table
from vidseek.video.sniff import RAW_STREAMS

if TYPE_CHECKING:
    from av.container import InputContainer
    from av.packet import Packet
    from av.video.stream import VideoStream

logger = logging.getLogger(__name__)

_OPTIONS = {
    # Otherwise FFmpeg follows references inside a file to other files and to the network.
    # (QuickTime's external data references are off by default: enable_drefs, use_absolute_path.)
    "protocol_whitelist": "file",
}
_NAMES = {
    "mov": "mp4",
    "matroska": "matroska",
}
_PICTURE_CODECS = frozenset(("mjpeg", "png", "bmp", "gif", "webp", "tiff", "jpeg2000", "jpegls"))
_RAW_FRAME_RATE = 25
"""Of raw streams that do not name theirs, as in FFmpeg."""
_RETRIES = 50
"""Maximum number of consecutive unreadable stretches to skip."""
MAX_PRIMING_SECONDS = 0.1
"""Pictures that begin this long after the sound begin with it: nobody sees the difference."""

JOINT_PACKETS = 3
"""How far from a joint a packet may be reported as corrupt because of it: FFmpeg completes a
picture when it sees the next, and pictures are stored out of order."""


def open_container(path: Path, demuxer: str) -> InputContainer:
    """Open a file with the sniffed demuxer only.

    Raises:
        UnreadableVideoError: the container is damaged beyond use.
    """
    import av

    try:
        # An absolute path cannot be mistaken for an address such as "concat:a|b".
        container: InputContainer = av.open(
            str(path.absolute()),
            format=_NAMES.get(demuxer, demuxer),
            container_options=dict(_OPTIONS),
            **_metadata_options(av.__version__),
        )
    except MemoryError as error:
        raise too_much_memory(path, doing="opening") from error
    except (av.error.FFmpegError, OSError, ValueError) as error:
        raise _unopened(path, demuxer, error) from error
    return container


def _metadata_options(version: str) -> dict[str, Any]:
    """Options that make PyAV accept titles that are not UTF-8; it always does since version 19."""
    return {"metadata_errors": "replace"} if int(version.partition(".")[0]) < 19 else {}


def pick_stream(container: InputContainer, path: Path) -> VideoStream:
    """Choose the video stream that players show, and discard all others.

    Raises:
        NotAVideoError: the file has sound only. A cover picture does not count as video.
    """
    from av.stream import Discard, Disposition

    candidates = films(container)
    if not candidates:
        if container.streams.audio:
            raise SoundOnlyError("sound only, no pictures", path=path)
        raise NotAVideoError("no video stream in it", path=path)
    known = [s for s in candidates if s.codec_context is not None]
    if not known:
        raise UnreadableVideoError("its video codec is not known", path=path, hint=CONVERT_VIDEO)
    chosen = max(
        known,
        key=lambda s: (bool(s.disposition & Disposition.default), s.width * s.height, -s.index),
    )
    for stream in container.streams:
        if stream.index != chosen.index:
            stream.discard = Discard.all
    return chosen


def films(container: InputContainer) -> list[VideoStream]:
    """The video streams that are no cover pictures.

    Some programs store a cover as an ordinary stream of a single JPEG or PNG, even as the default.
    """
    from av.stream import Disposition

    pictures = Disposition.attached_pic | Disposition.timed_thumbnails
    streams = [s for s in container.streams.video if not s.disposition & pictures]
    has_company = len(streams) > 1 or len(container.streams.audio) > 0
    return [s for s in streams if not (has_company and _is_still(container, s))]


def _is_still(container: InputContainer, stream: VideoStream) -> bool:
    context = stream.codec_context
    if context is None or context.name not in _PICTURE_CODECS:
        return False
    if stream.frames:
        return stream.frames == 1
    # Matroska does not count its packets.
    with open_container(Path(container.name), container.format.name.split(",")[0]) as again:
        packets = again.demux(again.streams[stream.index])
        shown = (packet for packet in packets if packet.size)
        return len(list(itertools.islice(shown, 2))) < 2


def seek_to(container: InputContainer, stream: VideoStream, start_pts: int) -> None:
    """Seek to the keyframe at or before a time in the stream."""
    container.seek(start_pts, stream=stream, backward=True, any_frame=False)


def packets_of(
    container: InputContainer, stream: VideoStream, *, on_damage: Callable[[], None]
) -> Iterator[Packet[VideoStream]]:
    """Demux a stream, skipping unreadable stretches. Yields no flush packet at the end."""
    if container.format.name in RAW_STREAMS:
        return _with_times(_packets_of(container, stream, on_damage), stream)
    return _packets_of(container, stream, on_damage)


def _with_times(
    packets: Iterator[Packet[VideoStream]], stream: VideoStream
) -> Iterator[Packet[VideoStream]]:
    """Number the packets of a raw stream at its frame rate.

    FFmpeg's filter ``dts2pts`` would give them the order of presentation; version 8.1 gives
    keyframes after the first the times of other pictures. The reader counts pictures instead.
    """
    assert stream.time_base is not None
    rate = stream.average_rate or stream.guessed_rate or _RAW_FRAME_RATE
    ticks = round(1 / (rate * stream.time_base))
    for number, packet in enumerate(packets):
        packet.dts, packet.duration = number * ticks, ticks
        yield packet


def _packets_of(
    container: InputContainer, stream: VideoStream, on_damage: Callable[[], None]
) -> Iterator[Packet[VideoStream]]:
    import av

    retries = 0
    while True:
        try:
            for packet in container.demux(stream):
                if packet.size == 0:
                    continue  # the flush packet at the end
                retries = 0
                yield packet
            return
        except MemoryError:
            raise
        except av.error.EOFError:
            return
        except av.error.FFmpegError as error:
            retries += 1
            on_damage()
            logger.debug("%s: %s", container.name, error)
            if retries > _RETRIES:
                return


@dataclass(frozen=True)
class Scan:
    """The packets of a stream, or of a part of it."""

    table: PacketTable
    base_pts: int
    """Time 0 of the table, in the stream's time base."""
    joined_pts: NDArray[np.float64] | None
    """(packets,) continuous times in the stream's time base; None if the file's own are."""
    joint_pts: frozenset[int] = frozenset()
    """Joined times of packets that only look damaged, because a part of the file ends with them."""


def start_of(container: InputContainer, stream: VideoStream) -> int | None:
    """Time 0 of players, in the stream's time base: where the first stream of the file begins.

    Encoders of sound begin a few milliseconds early, so a lead of up to ``MAX_PRIMING_SECONDS`` is
    ignored.
    """
    assert stream.time_base is not None
    first = stream.start_time
    if first is None or container.start_time is None:
        return first
    lead = float(first * stream.time_base) - container.start_time / 1e6
    longest = (container.duration or 0) / 1e6
    if starts_again(container):
        longest = min(longest, LEAP_SECONDS)
    return first - round(lead / stream.time_base) if MAX_PRIMING_SECONDS < lead < longest else first


def scan(
    container: InputContainer,
    stream: VideoStream,
    *,
    base_pts: int | None,
    span: TimeSpan | None,
    on_damage: Callable[[], None],
    on_progress: Callable[[], None],
) -> Scan:
    """List the packets of a stream: all of them, or those needed for a span.

    Args:
        container: just opened, or positioned before the span.
        stream: a stream of the container.
        base_pts: time 0 in the stream's time base; None takes the first shown picture.
        span: seconds from time 0; packets are read until a keyframe after its end.
        on_damage: called for every unreadable stretch.
        on_progress: called regularly.
    """
    assert stream.time_base is not None
    tick = float(stream.time_base)
    # Arrays rather than lists: a day of video has 5 million packets.
    pts, dts, durations = array("d"), array("d"), array("f")
    sizes, flags = array("l"), array("b")
    end_pts = None
    if span is not None:
        end_pts = (base_pts or 0) + span.end_seconds / tick
    nan = float("nan")
    corrupt: list[int] = []
    packet = None
    for packet in packets_of(container, stream, on_damage=on_damage):
        # AVI stores decoding times only; without B-frames they equal the presentation times.
        time = packet.pts if packet.pts is not None else packet.dts
        if packet.is_corrupt:
            corrupt.append(len(pts))
        if end_pts is not None and time is not None and packet.is_keyframe and time > end_pts:
            if not pts or not time - pts[-1] > LEAP_SECONDS / tick:
                break
            end_pts = None  # perhaps a leap of the clock, not the end of the span
        pts.append(nan if time is None else time)
        dts.append(nan if packet.dts is None else packet.dts)
        sizes.append(packet.size)
        flags.append(packet.is_keyframe | (packet.is_discard << 1))
        durations.append(0.0 if packet.duration is None else packet.duration * tick)
        if len(pts) % 256 == 0:
            on_progress()
    if packet is not None and not _is_written(packet, stream):
        on_damage()
    times, hidden = np.asarray(pts, np.float64), (np.asarray(flags, np.int8) & 2) > 0
    clock = PacketClock(
        pts_seconds=times * tick,
        dts_seconds=np.asarray(dts, np.float64) * tick,
        is_keyframe=(np.asarray(flags, np.int8) & 1) > 0,
        is_shown=~hidden,
        duration_seconds=np.asarray(durations, np.float64),
        starts_again=starts_again(container),
    )
    joined = join_parts(clock, has_sound_between=partial(_has_sound_between, container))
    joined_pts = None
    at_joint = [row for row in corrupt if _is_at_joint(joined - clock.pts_seconds, row)]
    if len(at_joint) < len(corrupt):
        on_damage()
    if joined is not clock.pts_seconds:
        times = joined_pts = np.round(joined / tick)
        durations = array("f", np.where(clock.duration_seconds > LEAP_SECONDS, 0, durations))
    shown = times[~np.isnan(times) & ~hidden]
    if base_pts is None or (span is None and len(shown) and shown.min() < base_pts):
        base_pts = int(shown.min()) if len(shown) else 0
    table = build_table((times - base_pts) * tick, sizes, flags, durations)
    return Scan(table, base_pts, joined_pts, frozenset(int(times[row]) for row in at_joint))


def _is_at_joint(shift_seconds: NDArray[np.float64], row: int) -> bool:
    """Whether parts of the file meet at a packet: its neighbours are not shifted alike.

    The counters of MPEG-TS also start again there, which FFmpeg reports as lost data.
    """
    near = shift_seconds[max(0, row - JOINT_PACKETS) : row + JOINT_PACKETS + 1]
    near = near[~np.isnan(near)]
    return len(near) > 0 and bool(np.ptp(near) > MAX_STEP_BACK_SECONDS)


def _is_written(packet: Packet[VideoStream], stream: VideoStream) -> bool:
    """False for a packet that the index lists but an aborted download or copy has not written."""
    data = bytes(packet)
    configuration = stream.codec_context.extradata or b""
    if stream.codec_context.name in ("h264", "hevc") and configuration.startswith(b"\x01"):
        # Each unit begins with its length: in 1 to 4 bytes, as the configuration record says.
        width = 1 + (configuration[4 if stream.codec_context.name == "h264" else 21] & 3)
        return 0 < int.from_bytes(data[:width], "big") <= len(data) - width
    return any(data)


def starts_again(container: InputContainer) -> bool:
    """Whether the clock is known to start again in such files: MPEG-TS, MPEG-PS and Ogg."""
    from av.format import Flags

    return Flags.ts_discont in Flags(container.format.flags)


def _has_sound_between(container: InputContainer, start_seconds: float, end_seconds: float) -> bool:
    """Whether the sound goes on in the middle of a stretch without pictures."""
    quarter = (end_seconds - start_seconds) / 4
    with open_container(Path(container.name), container.format.name.split(",")[0]) as again:
        import av

        if not again.streams.audio:
            return False
        try:
            for packet in again.demux(again.streams.audio):
                if packet.pts is None or packet.time_base is None:
                    continue
                at = float(packet.pts * packet.time_base)
                if start_seconds + quarter < at < end_seconds - quarter:
                    return True
        except av.error.FFmpegError as error:
            logger.debug("%s: %s", container.name, error)
    return False


def _unopened(path: Path, demuxer: str, error: Exception) -> UnreadableVideoError:
    if demuxer == "mov" and not _has_box(path, b"moov"):
        reason = "the file is cut short: its index (moov) is missing"
    else:
        strerror = getattr(error, "strerror", None) or str(error)
        reason = f"the {_NAMES.get(demuxer, demuxer)} container cannot be read: {strerror}"
    return UnreadableVideoError(reason, path=path, hint=COPY_AGAIN)


def _has_box(path: Path, name: bytes) -> bool:
    """Walk the top-level boxes of an MP4."""
    size = path.stat().st_size
    with path.open("rb") as file:
        position = 0
        while position + 8 <= size:
            file.seek(position)
            head = file.read(16)
            length = int.from_bytes(head[:4], "big")
            if head[4:8] == name:
                return True
            if length == 1:
                length = int.from_bytes(head[8:16], "big")
            if length < 8:
                return False
            position += length
    return False
