"""Make small real videos for tests, with PyAV: no ffmpeg program is needed.

make_video(folder / "a.mp4", [picture(0), picture(1)], seconds_each=2.0)   # a cut at 2 s
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from contextlib import ExitStack
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
from av.packet import Packet
from numpy.typing import NDArray

Picture = NDArray[np.uint8]

# Two streams of every kind that the readers are held against: codec -> (encoder, options)
CODECS = {
    "h264": ("libx264", {"preset": "ultrafast", "crf": "20"}),
    "hevc": ("libx265", {"preset": "ultrafast", "x265-params": "log-level=none"}),
    "mpeg4": ("mpeg4", {"qscale": "3"}),
    "mpeg2": ("mpeg2video", {"qscale": "3"}),
    "av1": ("libsvtav1", {"preset": "12", "svtav1-params": "lp=1"}),
    "vp9": ("libvpx-vp9", {"deadline": "realtime", "cpu-used": "8"}),
    "gif": ("gif", {}),
}


def picture(seed: int, *, width: int = 160, height: int = 96) -> Picture:
    """A coarse coloured pattern, different for every seed, that survives compression."""
    random = np.random.default_rng(seed)
    cells = random.integers(20, 236, size=(3, 5, 3), dtype=np.uint8)
    rows = np.arange(height) * 3 // height
    columns = np.arange(width) * 5 // width
    return np.ascontiguousarray(cells[rows][:, columns])


def numbered(count: int, *, width: int = 160, height: int = 96) -> Iterator[Picture]:
    """Pictures that encode their number; see ``number_of``."""
    for number in range(count):
        frame = np.full((height, width, 3), 128, dtype=np.uint8)
        for bit in range(10):
            left = bit * width // 10
            right = (bit + 1) * width // 10
            frame[:, left:right] = 235 if number >> bit & 1 else 16
        yield frame


def number_of(frame: Picture) -> int:
    """Read the number off a decoded picture of ``numbered``, at any size."""
    width = frame.shape[1]
    middle = frame[frame.shape[0] // 4 : 3 * frame.shape[0] // 4].mean(axis=(0, 2))
    bits = [
        middle[round((bit + 0.3) * width / 10) : round((bit + 0.7) * width / 10) + 1].mean() > 125
        for bit in range(10)
    ]
    return sum(1 << bit for bit, is_set in enumerate(bits) if is_set)


def make_video(
    path: Path,
    pictures: Sequence[Picture],
    *,
    seconds_each: float = 2.0,
    frame_rate: int = 25,
    moving: bool = True,
    **options: object,
) -> Path:
    """A video that shows each picture in turn, drifting slowly if ``moving``."""

    def frames() -> Iterator[Picture]:
        for still in pictures:
            for number in range(round(seconds_each * frame_rate)):
                yield np.roll(still, number // 2, axis=1) if moving else still

    return write_video(path, frames(), frame_rate=frame_rate, **options)  # type: ignore[arg-type]


def write_video(
    path: Path,
    frames: Iterable[Picture],
    *,
    frame_rate: int = 25,
    codec: str = "h264",
    gop: int = 250,
    b_frames: int = 0,
    pts: Sequence[float] | None = None,
    start_seconds: float = 0.0,
    sample_aspect: Fraction | None = None,
    rotation_degrees: int = 0,
    sound: bool = False,
    faststart: bool = False,
    options: dict[str, str] | None = None,
) -> Path:
    """Encode pictures into a file; the container follows from the name.

    Args:
        path: where to.
        frames: (H, W, 3) uint8 RGB, all of one size.
        frame_rate: pictures a second.
        codec: key of ``CODECS``.
        gop: most pictures from one keyframe to the next.
        b_frames: in a row.
        pts: seconds of each picture, for a variable frame rate.
        start_seconds: time of the first picture.
        sample_aspect: width of a pixel over its height.
        rotation_degrees: counter-clockwise turn to be applied by the player (mp4 only).
        sound: add a silent sound track.
        faststart: index before the pictures (mp4 only).
        options: more options of the encoder.
    """
    encoder, encoder_options = CODECS[codec]
    tick = Fraction(1, 1000) if pts is not None else Fraction(1, frame_rate)
    container_options = {"movflags": "faststart"} if faststart else {}
    with av.open(str(path), "w", container_options=container_options) as container:
        stream = container.add_stream(encoder, rate=frame_rate)
        assert isinstance(stream, av.VideoStream)
        context = stream.codec_context
        context.time_base = tick
        stream.time_base = tick
        stream.pix_fmt = "rgb8" if codec == "gif" else "yuv420p"
        context.gop_size = gop
        if codec in ("h264", "mpeg4", "mpeg2"):
            context.max_b_frames = b_frames
        merged = dict(encoder_options) | (options or {})
        if codec == "h264":
            merged.setdefault("x264-params", f"scenecut=0:bframes={b_frames}:b-adapt=0")
        stream.options = merged
        if sample_aspect is not None:
            context.sample_aspect_ratio = sample_aspect
        sound_stream = container.add_stream("aac", rate=16000, layout="mono") if sound else None
        number = 0
        for number, data in enumerate(frames):
            if number == 0:
                stream.height, stream.width = data.shape[:2]
            frame = av.VideoFrame.from_ndarray(np.ascontiguousarray(data), format="rgb24")
            at = number * (1 / frame_rate) if pts is None else pts[number]
            frame.pts = round((at + start_seconds) / tick)
            frame.time_base = tick
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
        if sound_stream is not None:
            _write_silence(container, sound_stream, (number + 1) / frame_rate)
    if rotation_degrees:
        set_rotation(path, rotation_degrees)
    return path


def make_sound(path: Path, *, seconds: float = 1.0) -> Path:
    """A file with a sound track and no pictures."""
    with av.open(str(path), "w") as container:
        _write_silence(container, container.add_stream("aac", rate=16000, layout="mono"), seconds)
    return path


def add_sound(film: Path, path: Path, *, pictures_late_seconds: float) -> Path:
    """Copy a film without sound, with sound that begins earlier than the pictures."""
    with av.open(str(film)) as old, av.open(str(path), "w") as new:
        pictures = new.add_stream_from_template(old.streams.video[0])
        sound = new.add_stream("aac", rate=16000, layout="mono")
        seconds = 0.0
        for packet in old.demux(video=0):
            if packet.size == 0:
                continue
            shift_times(packet, pictures_late_seconds, pictures_late_seconds)
            seconds = max(seconds, float((packet.pts or 0) * packet.time_base))
            packet.stream = pictures
            new.mux(packet)
        _write_silence(new, sound, seconds)
    return path


def remuxed(path: Path, *parts: Path) -> Path:
    """The packets of the parts, one after the other, 25 a second.

    The container has the configuration of the first part only.
    """
    number = 0
    with av.open(str(path), "w") as new, ExitStack() as opened:
        films = [opened.enter_context(av.open(str(part))) for part in parts]
        stream = new.add_stream_from_template(films[0].streams.video[0])
        for film in films:
            for packet in film.demux(video=0):
                if packet.size:
                    packet.time_base = Fraction(1, 25)
                    packet.pts = packet.dts = number
                    packet.duration = 1
                    packet.stream = stream
                    new.mux(packet)
                    number += 1
    return path


def shift_times(packet: Packet[av.VideoStream], pts_seconds: float, dts_seconds: float) -> None:
    """Add to the times of a packet that has both."""
    assert packet.pts is not None
    assert packet.dts is not None
    packet.pts += round(pts_seconds / packet.time_base)
    packet.dts += round(dts_seconds / packet.time_base)


def set_rotation(path: Path, degrees: int, *, mirrored: bool = False) -> None:
    """Write the display matrix into the track header of an MP4 made by ``write_video``.

    FFmpeg's muxer takes the matrix from side data that PyAV cannot set, so the bytes are patched.

    Args:
        path: an MP4 with one video track.
        degrees: counter-clockwise turn that the player is to apply: 0, 90, 180 or 270.
        mirrored: mirror left to right as well, before the turn.
    """
    turns = {0: (1, 0, 0, 1), 90: (0, -1, 1, 0), 180: (-1, 0, 0, -1), 270: (0, 1, -1, 0)}
    a, b, c, d = turns[degrees % 360]
    if mirrored:
        a, b = -a, -b
    data = bytearray(path.read_bytes())
    at = data.index(b"tkhd")
    version = data[at + 4]
    matrix = at + (4 + 4 + (32 if version == 1 else 20) + 16)
    one = 1 << 16
    values = (a * one, b * one, 0, c * one, d * one, 0, 0, 0, 1 << 30)
    data[matrix : matrix + 36] = b"".join(value.to_bytes(4, "big", signed=True) for value in values)
    path.write_bytes(data)


def _write_silence(
    container: av.container.OutputContainer, stream: av.AudioStream, seconds: float
) -> None:
    samples = 1024
    for number in range(max(1, int(seconds * 16000 / samples))):
        frame = av.AudioFrame.from_ndarray(
            np.zeros((1, samples), dtype=np.float32), format="fltp", layout="mono"
        )
        frame.sample_rate = 16000
        frame.pts = number * samples
        frame.time_base = Fraction(1, 16000)
        container.mux(stream.encode(frame))
    container.mux(stream.encode(None))
