"""Every kind of file that FFmpeg or Pillow reads safely is read, under any name."""

from __future__ import annotations

import struct
from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest
from PIL import Image
from videos import Picture, make_sound, number_of, numbered, write_video

from vidseek.core.errors import NotAVideoError, SoundOnlyError, UnreadableVideoError
from vidseek.video import DecodeJob, DecodePool, open_video, sniff

READERS = ["pyav", pytest.param("decord", marks=pytest.mark.full)]
COUNT = 30

# name -> (encoder, pixel format, options, demuxer)
KINDS: dict[str, tuple[str, str, dict[str, str], str]] = {
    "a.h264": ("libx264", "yuv420p", {"preset": "veryfast", "g": "12"}, "h264"),
    "a.hevc": ("libx265", "yuv420p", {"x265-params": "log-level=none:keyint=12"}, "hevc"),
    "a.obu": ("libsvtav1", "yuv420p", {"preset": "12", "svtav1-params": "lp=1"}, "obu"),
    "a.m2v": ("mpeg2video", "yuv420p", {"qscale": "3"}, "mpegvideo"),
    "a.nut": ("libx264", "yuv420p", {"preset": "veryfast"}, "nut"),
    "a.ivf": ("libvpx", "yuv420p", {"deadline": "realtime"}, "ivf"),
    "a.y4m": ("wrapped_avframe", "yuv420p", {}, "yuv4mpegpipe"),
    "a.rm": ("rv20", "yuv420p", {"qscale": "3"}, "rm"),
    "a.apng": ("apng", "rgb24", {}, "apng"),
    "a.dv": ("dvvideo", "yuv420p", {}, "dv"),
}
SIZES = {"a.dv": (720, 576), "a.rm": (176, 144)}


def encode(path: Path, name: str) -> Path:
    encoder, pixel_format, options, _ = KINDS[name]
    width, height = SIZES.get(name, (160, 96))
    with av.open(str(path), "w") as container:
        stream = container.add_stream(encoder, rate=25, options=options)
        assert isinstance(stream, av.VideoStream)
        stream.width, stream.height, stream.pix_fmt = width, height, pixel_format
        for number, data in enumerate(numbered(COUNT, width=width, height=height)):
            frame = av.VideoFrame.from_ndarray(data, format="rgb24").reformat(format=pixel_format)
            frame.pts = number
            frame.time_base = Fraction(1, 25)
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    return path


def read_numbers(path: Path, rows: np.ndarray, reader: Any) -> tuple[list[int], list[float]]:
    with open_video(path, reader=reader, short_side=96) as video:
        assert len(video.packets()) == COUNT
        assert video.info.duration_seconds == pytest.approx(COUNT / 25, abs=0.05)
        batches = list(video.frames(rows))
    numbers = [number_of(frame) for batch in batches for frame in batch.data]
    return numbers, [float(at) for batch in batches for at in batch.pts_seconds]


@pytest.mark.parametrize("reader", READERS)
@pytest.mark.parametrize("name", KINDS)
def test_the_right_pictures_at_the_right_times(name: str, reader: Any, tmp_path: Path) -> None:
    path = encode(tmp_path / name, name).rename(tmp_path / "file.bin")
    assert sniff(path) == KINDS[name][3]
    rows = np.array([0, 1, 5, 11, 12, 13, 20, 29])
    numbers, seconds = read_numbers(path, rows, reader)
    assert numbers == rows.tolist()
    np.testing.assert_allclose(seconds, rows / 25, atol=0.025)


def save_webp(path: Path, *, count: int = COUNT, milliseconds: int = 40) -> Path:
    pictures = [Image.fromarray(data) for data in numbered(count)]
    pictures[0].save(
        path, save_all=True, append_images=pictures[1:], duration=milliseconds, lossless=True
    )
    return path


@pytest.mark.parametrize("reader", READERS)
def test_an_animated_webp_is_a_film(reader: Any, tmp_path: Path) -> None:
    path = save_webp(tmp_path / "a.webp")
    rows = np.array([0, 7, 29])
    numbers, seconds = read_numbers(path, rows, reader)
    assert numbers == rows.tolist()
    np.testing.assert_allclose(seconds, rows / 25, atol=1e-6)


def test_an_animated_webp_is_decoded_in_the_decoding_process(tmp_path: Path) -> None:
    path = save_webp(tmp_path / "a.webp")
    with DecodePool(workers=1, short_side=48) as pool:
        for video in pool.read([DecodeJob(path)]):
            frames = np.concatenate([batch.data for batch in video.batches()])
            assert video.info.codec == "webp"
    assert [number_of(frame) for frame in frames] == [0, 25]


def test_transparent_animations_lie_over_grey(tmp_path: Path) -> None:
    path = tmp_path / "a.webp"
    pictures = [Image.new("RGBA", (64, 48), (0, 255, 0, alpha)) for alpha in (0, 255)]
    pictures[0].save(path, save_all=True, append_images=pictures[1:], duration=100, lossless=True)
    with open_video(path) as video:
        (batch,) = video.frames(np.array([0, 1]))
    assert batch.data[0, 20, 20].tolist() == [128, 128, 128]
    assert batch.data[1, 20, 20].tolist() == [0, 255, 0]


def test_a_cut_animated_webp_is_unreadable(tmp_path: Path) -> None:
    path = save_webp(tmp_path / "a.webp")
    content = path.read_bytes()
    path.write_bytes(content[: len(content) * 2 // 3])
    with open_video(path) as video, pytest.raises(UnreadableVideoError):
        list(video.frames(np.arange(len(video.packets()))))


def test_still_pictures_are_no_films(tmp_path: Path) -> None:
    for name in ("a.webp", "a.png"):
        Image.new("RGBA", (64, 48), (0, 255, 0, 9)).save(tmp_path / name)
        with pytest.raises(NotAVideoError):
            sniff(tmp_path / name)
    pictures = [Image.new("RGB", (64, 48), colour) for colour in ("red", "blue")]
    pictures[0].save(tmp_path / "b.png", save_all=True, append_images=pictures[1:], duration=100)
    assert sniff(tmp_path / "b.png") == "apng"


def pictures(count: int, level: int, side: int = 64) -> Iterator[Picture]:
    for _ in range(count):
        yield np.full((side, side, 3), level, np.uint8)


def mux(path: Path, streams: list[tuple[str, str, int, int, int]], *, sound: bool = False) -> Path:
    """Streams of (encoder, pixel format, frames, level, side), the first flagged as default."""
    from av.stream import Disposition

    with av.open(str(path), "w") as container:
        added = []
        for number, (encoder, pixel_format, _, _, side) in enumerate(streams):
            stream = container.add_stream(encoder, rate=10)
            assert isinstance(stream, av.VideoStream)
            stream.width = stream.height = side
            stream.pix_fmt = pixel_format
            stream.disposition = Disposition.default if number == 0 else Disposition(0)
            added.append(stream)
        audio = container.add_stream("aac", rate=16000, layout="mono") if sound else None
        for stream, (_, pixel_format, count, level, side) in zip(added, streams, strict=True):
            for number, data in enumerate(pictures(count, level, side)):
                frame = av.VideoFrame.from_ndarray(data, format="rgb24")
                frame = frame.reformat(format=pixel_format)
                frame.pts = number
                container.mux(stream.encode(frame))
            container.mux(stream.encode(None))
        if audio is not None:
            for number in range(8):
                silence = av.AudioFrame.from_ndarray(
                    np.zeros((1, 1024), np.float32), format="fltp", layout="mono"
                )
                silence.sample_rate, silence.pts = 16000, number * 1024
                container.mux(audio.encode(silence))
            container.mux(audio.encode(None))
    return path


@pytest.mark.parametrize("name", ["a.mkv", "a.mp4", "a.mov"])
@pytest.mark.parametrize("reader", READERS)
def test_a_cover_that_is_the_default_stream_is_no_film(
    name: str, reader: Any, tmp_path: Path
) -> None:
    cover, film = ("mjpeg", "yuvj420p", 1, 250, 128), ("libx264", "yuv420p", 10, 60, 64)
    path = mux(tmp_path / name, [cover, film])
    with open_video(path, reader=reader) as video:
        assert video.info.codec == "h264"
        assert video.info.other_films == 0
        (batch,) = video.frames(np.array([5]))
        assert batch.data.mean() == pytest.approx(60, abs=4)


@pytest.mark.parametrize("name", ["a.mkv", "a.mp4"])
def test_sound_with_a_cover_is_sound_only(name: str, tmp_path: Path) -> None:
    path = mux(tmp_path / name, [("mjpeg", "yuvj420p", 1, 250, 128)], sound=True)
    with pytest.raises(SoundOnlyError):
        open_video(path)
    with DecodePool(workers=1, short_side=48) as pool:
        for video in pool.read([DecodeJob(path)]):
            with pytest.raises(SoundOnlyError):
                _ = video.info


@pytest.mark.parametrize("name", ["a.mkv", "a.mp4", "a.avi"])
def test_a_film_of_jpegs_is_a_film(name: str, tmp_path: Path) -> None:
    path = mux(tmp_path / name, [("mjpeg", "yuvj420p", 10, 60, 128)], sound=True)
    with open_video(path) as video:
        assert len(video.packets()) == 10


@pytest.mark.parametrize("has_sound", [True, False])
@pytest.mark.parametrize("name", ["a.mkv", "a.mp4", "a.avi", "a.ts"])
def test_a_sound_track_is_told(name: str, has_sound: bool, tmp_path: Path) -> None:
    film = ("libx264", "yuv420p", 10, 60, 64)
    with open_video(mux(tmp_path / name, [film], sound=has_sound)) as video:
        assert video.info.has_sound == has_sound


def test_a_second_film_is_counted(tmp_path: Path) -> None:
    front, back = ("libx264", "yuv420p", 10, 60, 64), ("libx264", "yuv420p", 10, 200, 128)
    with open_video(mux(tmp_path / "a.mp4", [front, back])) as video:
        assert video.info.other_films == 1
        (batch,) = video.frames(np.array([5]))
        assert batch.data.mean() == pytest.approx(60, abs=4)


def test_lists_of_other_files_stay_refused_behind_new_magic_numbers(tmp_path: Path) -> None:
    real = write_video(tmp_path / "real.mp4", numbered(5))
    for content in (
        b"rtsp://127.0.0.1/a\n",
        b"RTSPtext\nrtsp://127.0.0.1/a\n",
        f".RMF#EXTM3U\n{real}\n".encode(),
        f"#EXTM3U\n{real}\n".encode(),
        struct.pack("<4sI4s", b"RIFF", 4, b"WEBP"),
    ):
        path = tmp_path / "list.rm"
        path.write_bytes(content)
        with pytest.raises(NotAVideoError):
            open_video(path)


def test_sound_only_is_told_apart(tmp_path: Path) -> None:
    with pytest.raises(SoundOnlyError):
        open_video(make_sound(tmp_path / "song.m4a"))
