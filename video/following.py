"""Frames of a video that is still being written, or of a camera, as they come.

FFmpeg waits at the end of a file for more (its option ``follow``), until nothing has come for some
seconds. Frames are decoded in this process: a camera or a recording is the user's own.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from vidseek.core.errors import NotAVideoError, UnreadableVideoError, VideoError
from vidseek.video.sniff import sniff

if TYPE_CHECKING:
    from av.container import InputContainer

DEVICES = "/dev/video"
"""Cameras of Linux."""
_ADDRESS = re.compile(r"[a-z][a-z0-9+.-]+://", re.IGNORECASE)
_NETWORK = "rtsp,rtp,udp,tcp,tls,http,https,hls,crypto"
_SHORT_NAMES = {"mov": "mp4"}


def is_address(source: str) -> bool:
    """True for an address on the network, such as ``rtsp://camera/stream``."""
    return _ADDRESS.match(source) is not None


def follow_frames(
    source: str, *, every_seconds: float, short_side: int, stall_seconds: float
) -> Iterator[tuple[float, NDArray[np.uint8]]]:
    """Decode frames until the source ends, or nothing comes for some seconds.

    Args:
        source: a file, ``/dev/video0``, or an address.
        every_seconds: how far frames are apart at least.
        short_side: pixels of the shorter side of the pictures, if they are larger.
        stall_seconds: how long to wait for more.

    Yields:
        The time of a frame, in seconds of the source, and its (H, W, 3) uint8 RGB picture. Times
        may jump, where a camera restarts.

    Raises:
        NotAVideoError: it is no video.
        UnreadableVideoError: it cannot be opened, or no frame of it be decoded.
    """
    import av

    container = _open(source, stall_seconds)
    count, last, decoded = 0, -np.inf, 0
    with container:
        if not container.streams.video:
            raise _error(NotAVideoError, "no video stream in it", source)
        # A stall, a lost connection or a damaged end ends what can be read.
        with suppress(av.error.FFmpegError):
            for frame in container.decode(video=0):
                decoded += 1
                seconds = decoded / 25 if frame.time is None else float(frame.time)
                if last <= seconds < last + every_seconds:
                    continue
                last = seconds
                count += 1
                yield seconds, _picture(frame, short_side)
    if count == 0:
        raise _error(UnreadableVideoError, "none of its frames can be decoded", source)


def _open(source: str, stall_seconds: float) -> InputContainer:
    import av

    options: dict[str, str] = {}
    demuxer: str | None = None
    opened_name = source
    if is_address(source):
        options["protocol_whitelist"] = _NETWORK
        if source.lower().startswith("rtsp:"):
            options["rtsp_transport"] = "tcp"
    elif source.startswith(DEVICES):
        demuxer = "v4l2"
    else:
        path = Path(source)
        found = sniff(path)
        demuxer = _SHORT_NAMES.get(found, found)
        options |= {"protocol_whitelist": "file", "follow": "1"}
        opened_name = f"file:{path.absolute()}"
    try:
        opened: InputContainer = av.open(
            opened_name,
            format=demuxer,
            container_options=options,
            timeout=(stall_seconds, stall_seconds),
        )
    except (av.error.FFmpegError, OSError, ValueError) as error:
        reason = f"cannot be opened: {getattr(error, 'strerror', None) or error}"
        raise _error(UnreadableVideoError, reason, source) from error
    return opened


def _error(kind: type[VideoError], reason: str, source: str) -> VideoError:
    """An error about a source. An address is no path: it would lose a slash."""
    if is_address(source):
        return kind(f"{source}: {reason}")
    return kind(reason, path=source)


def _picture(frame: Any, short_side: int) -> NDArray[np.uint8]:
    scale = min(1.0, short_side / min(frame.width, frame.height))
    width, height = max(1, round(frame.width * scale)), max(1, round(frame.height * scale))
    picture: NDArray[np.uint8] = frame.to_ndarray(format="rgb24", width=width, height=height)
    return picture
