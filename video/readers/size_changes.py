"""Tell from its keyframes, without decoding them, whether a video changes its size midway.

Calls and broadcasts do. Each codec repeats the size in the header of a keyframe; headers that
differ are taken for a change, though they may differ in something else.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from av.packet import Packet
    from av.video.stream import VideoStream

_FIXED_HEADERS = {
    "vp8": slice(6, 10),  # RFC 6386, 9.1
    "vp9": slice(4, 9),  # VP9 bitstream specification, 6.2
    "mpeg1video": slice(0, 8),  # ISO/IEC 11172-2, 2.4.2.3
    "mpeg2video": slice(0, 8),
}
_AV1_SEQUENCE_HEADER = 1


def changes_size(packets: Iterable[Packet[VideoStream]], codec: str, configuration: bytes) -> bool:
    """Whether the headers of a stream's keyframes differ.

    Args:
        packets: of the whole stream; read until the first difference.
        codec: FFmpeg's name of it.
        configuration: the codec's extradata.
    """
    first = None
    for packet in packets:
        if packet.has_sidedata("new_extradata"):
            return True
        if packet.is_keyframe:
            header = _header(bytes(packet), codec, configuration)
            if first is not None and header != first:
                return True
            first = header
    return False


def _header(data: bytes, codec: str, configuration: bytes) -> bytes:
    """The part of a keyframe with its size; empty where only the container has it."""
    if codec in _FIXED_HEADERS:
        return data[_FIXED_HEADERS[codec]]
    if codec == "h264":
        units = _units(data, 1 + (configuration[4] & 3) if configuration[:1] == b"\x01" else 0)
        return b"".join(unit for unit in units if unit[0] & 0x1F == 7)
    if codec == "hevc":
        units = _units(data, 1 + (configuration[21] & 3) if configuration[:1] == b"\x01" else 0)
        return b"".join(unit for unit in units if unit[0] >> 1 & 0x3F == 33)
    if codec == "av1":
        return _av1_sequence_header(data)
    return b""


def _units(data: bytes, length_bytes: int) -> Iterator[bytes]:
    """The units of H.264 and HEVC: each after its length, or after a start code."""
    if length_bytes == 0:
        yield from (unit.rstrip(b"\0") for unit in data.split(b"\0\0\1")[1:] if unit)
        return
    position = 0
    while position + length_bytes < len(data):
        start = position + length_bytes
        position = start + int.from_bytes(data[position:start], "big")
        if position > start:
            yield data[start:position]


def _av1_sequence_header(data: bytes) -> bytes:
    """The open bitstream unit with the size (AV1 specification, 5.3)."""
    position = 0
    while position + 2 <= len(data):
        head = data[position]
        position += 2 if head & 4 else 1
        size = shift = 0
        while position < len(data):
            byte = data[position]
            position += 1
            size |= (byte & 0x7F) << shift
            shift += 7
            if byte < 0x80:
                break
        if head >> 3 & 15 == _AV1_SEQUENCE_HEADER:
            return data[position : position + size]
        position += size
    return b""
