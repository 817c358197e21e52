from __future__ import annotations

from pathlib import Path

import av
import pytest
from videos import picture, write_video

from vidseek.video.readers.size_changes import changes_size


@pytest.mark.parametrize(
    ("codec", "suffix"),
    [("h264", "ts"), ("hevc", "ts"), ("vp9", "mkv"), ("av1", "mkv"), ("mpeg2", "ts")],
)
def test_keyframes_tell_their_size(codec: str, suffix: str, tmp_path: Path) -> None:
    packets = []
    for name, width, height in (("a", 160, 96), ("b", 160, 96), ("c", 176, 96)):
        frames = [picture(1, width=width, height=height)] * 4
        path = write_video(tmp_path / f"{name}.{suffix}", frames, codec=codec, gop=2)
        with av.open(str(path)) as film:
            stream = film.streams.video[0]
            kind = stream.codec_context.codec.canonical_name
            packets.append([packet for packet in film.demux(stream) if packet.size])
    first, same, wider = packets
    assert not changes_size([*first, *same], kind, b"")
    assert changes_size([*first, *wider], kind, b"")


def test_a_configuration_outside_the_stream_is_no_change(tmp_path: Path) -> None:
    path = write_video(tmp_path / "a.mp4", [picture(1)] * 30, gop=10)
    with av.open(str(path)) as film:
        stream = film.streams.video[0]
        configuration = stream.codec_context.extradata
        assert configuration is not None
        packets = [packet for packet in film.demux(stream) if packet.size]
    assert not changes_size(packets, "h264", configuration)
