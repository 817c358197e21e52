"""Make a long video by repeating the packets of a short one, without encoding.

loop_video(Path("short.mp4"), Path("hour.mp4"), seconds=3600)
"""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path

import av


def enlarge_video(source: Path, target: Path, *, width: int, height: int) -> None:
    """Re-encode a video at another size: H.264, a keyframe at least every 250 frames."""
    with av.open(str(source)) as reading, av.open(str(target), "w") as writing:
        rate = reading.streams.video[0].average_rate or Fraction(25)
        stream = writing.add_stream("libx264", rate=rate)
        stream.width, stream.height, stream.pix_fmt = width, height, "yuv420p"
        stream.options = {"preset": "ultrafast", "g": "250"}
        for number, frame in enumerate(reading.decode(video=0)):
            resized = frame.reformat(width=width, height=height, format="yuv420p")
            resized.pts, resized.time_base = number, 1 / rate
            writing.mux(stream.encode(resized))
        writing.mux(stream.encode(None))


def loop_video(source: Path, target: Path, *, seconds: float) -> None:
    """Repeat a video up to a length.

    Args:
        source: a short video; its first picture is a keyframe.
        target: a file in a container that supports the codec.
        seconds: minimum length of the result, which exceeds it by less than the source's length.
    """
    with av.open(str(source)) as reading:
        original = reading.streams.video[0]
        packets = [packet for packet in reading.demux(original) if packet.dts is not None]
        base = original.time_base
        assert base is not None
        first = min(packet.dts for packet in packets)
        last = max(packet.dts + (packet.duration or 0) for packet in packets)
        times = [(packet.pts, packet.dts) for packet in packets]
        with av.open(str(target), "w") as writing:
            stream = writing.add_stream_from_template(original, opaque=True)
            stream.time_base = base
            shift = 0
            while shift * base < seconds:
                for packet, (pts, dts) in zip(packets, times, strict=True):
                    packet.stream = stream
                    packet.time_base = base
                    packet.pts, packet.dts = pts + shift, dts + shift
                    writing.mux(packet)
                    packet.time_base = base
                shift += last - first
