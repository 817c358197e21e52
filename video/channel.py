"""Messages between the main process and its decoding processes, over pipes.

A message is a JSON header followed by raw bytes. Pickle is ruled out: a decoding process may have
been taken over by a hostile file, and unpickling its reply would run its code.
"""

from __future__ import annotations

import json
import struct
from typing import IO, Any

from vidseek.core.errors import (
    DecodeLimitError,
    Hint,
    InternalVideoError,
    NotAVideoError,
    SoundOnlyError,
    UnreadableVideoError,
    VideoError,
)
from vidseek.video.hints import VIDEO_HINTS

_LENGTHS = struct.Struct("<IQ")
MAX_HEADER_BYTES = 1 << 24
MAX_PAYLOAD_BYTES = 1 << 32

_ERRORS: dict[str, type[VideoError]] = {
    kind.__name__: kind
    for kind in (
        NotAVideoError,
        SoundOnlyError,
        UnreadableVideoError,
        DecodeLimitError,
        InternalVideoError,
    )
}


def send(stream: IO[bytes], header: dict[str, Any], *payload: memoryview | bytes) -> None:
    """Write a message. Blocks until the other side has room for it."""
    text = json.dumps(header).encode()
    views = [memoryview(part).cast("B") for part in payload]
    stream.write(_LENGTHS.pack(len(text), sum(len(view) for view in views)))
    stream.write(text)
    for view in views:
        stream.write(view)
    stream.flush()


def receive(stream: IO[bytes]) -> tuple[dict[str, Any], bytearray] | None:
    """Read a message. Returns None at the end of the stream, even if it cuts a message short.

    Raises:
        ValueError: the bytes are not a valid message.
    """
    lengths = _read(stream, _LENGTHS.size)
    if lengths is None:
        return None
    header_length, payload_length = _LENGTHS.unpack(lengths)
    if header_length > MAX_HEADER_BYTES or payload_length > MAX_PAYLOAD_BYTES:
        raise ValueError("a message longer than the limit")
    text = _read(stream, header_length)
    payload = _read(stream, payload_length)
    if text is None or payload is None:
        return None
    header = json.loads(bytes(text))
    if not isinstance(header, dict):
        raise ValueError("a message without a header")
    return header, payload


def error_to_header(error: VideoError) -> dict[str, Any]:
    """Encode an error as a message header. The receiver already knows the path."""
    header = {"kind": "error", "error": type(error).__name__, "reason": error.reason}
    return header if error.hint is None else {**header, "hint": error.hint.action}


def error_from_header(header: dict[str, Any], path: Any) -> VideoError:
    """Decode the error in a message header."""
    kind = _ERRORS.get(str(header.get("error")), UnreadableVideoError)
    action = header.get("hint")
    hint = Hint(action) if isinstance(action, str) and action in VIDEO_HINTS else None
    return kind(str(header.get("reason")).splitlines()[0][:500], path=path, hint=hint)


def _read(stream: IO[bytes], size: int) -> bytearray | None:
    data = bytearray(size)
    view = memoryview(data)
    done = 0
    while done < size:
        got = stream.readinto(view[done:])  # type: ignore[attr-defined]
        if not got:
            return None
        done += got
    return data
