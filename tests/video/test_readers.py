"""Contract suite of both readers: they return the right pictures at the right times."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest
from videos import (
    make_video,
    number_of,
    numbered,
    picture,
    remuxed,
    set_rotation,
    write_video,
)

from vidseek.core.errors import DecodeLimitError, Hint, MissingExtraError, UnreadableVideoError
from vidseek.core.types import TimeSpan
from vidseek.video import (
    DecodeLimits,
    DecodePool,
    SamplingPlan,
    VideoReader,
    choose_frames,
    open_video,
    probe,
)
from vidseek.video.readers import reader as reader_module
from vidseek.video.readers.reader import ReaderName

READERS = ["pyav", pytest.param("decord", marks=pytest.mark.full)]
COUNT = 60

KINDS: dict[str, dict[str, Any]] = {
    "plain.mp4": {},
    "b_frames.mp4": {"b_frames": 3},
    "short_gop.mp4": {"gop": 10, "b_frames": 2},
    "all_keyframes.mp4": {"gop": 1},
    "b_frames.mkv": {"b_frames": 3, "gop": 10},
    "hevc_open_gop.mp4": {"codec": "hevc", "gop": 20},
    "vp9.webm": {"codec": "vp9"},
    "av1.mkv": {"codec": "av1", "gop": 20},
    "mpeg4.avi": {"codec": "mpeg4", "gop": 12},
    "mpeg2.ts": {"codec": "mpeg2", "gop": 12, "b_frames": 2},
    "h264.ts": {"gop": 25, "b_frames": 2},
    "mpeg2.mpg": {"codec": "mpeg2", "gop": 10, "b_frames": 2},
    "h264.flv": {},
    "mpeg4.wmv": {"codec": "mpeg4"},
    "mpeg2.mxf": {"codec": "mpeg2"},
    "animated.gif": {"codec": "gif"},
    "late.mp4": {"start_seconds": 5.0},
    "with_sound.mov": {"sound": True},
}


def read_all(video: VideoReader, rows: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    batches = list(video.frames(rows))
    return (
        np.concatenate([batch.data for batch in batches]),
        np.concatenate([batch.pts_seconds for batch in batches]),
    )


@pytest.fixture(scope="session")
def numbered_videos(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("numbered")
    for name, options in KINDS.items():
        write_video(folder / name, numbered(COUNT), **options)
    return folder


@pytest.mark.parametrize("reader", READERS)
@pytest.mark.parametrize("name", KINDS)
def test_the_right_pictures_at_the_right_times(
    name: str, reader: Any, numbered_videos: Path
) -> None:
    wanted = np.array([0, 1, 2, 9, 10, 13, 14, 24, 25, 26, 41, 58, 59])
    with open_video(numbered_videos / name, reader=reader) as video:
        table = video.packets()
        assert len(table) == COUNT
        assert video.info.duration_seconds == pytest.approx(COUNT / 25, abs=0.002)
        assert video.info.frame_rate == pytest.approx(25, rel=0.01)
        assert (video.info.width, video.info.height) == (160, 96)
        frames, pts = read_all(video, wanted)
        assert [number_of(frame) for frame in frames] == wanted.tolist()
        np.testing.assert_allclose(pts, wanted / 25, atol=0.0011)  # Matroska has milliseconds
        assert not video.damaged


@pytest.mark.full
def test_decord_reads_what_it_reads_rightly_and_leaves_the_rest(numbered_videos: Path) -> None:
    names = {}
    for name in KINDS:
        with open_video(numbered_videos / name, reader="decord") as video:
            names[name] = video.name
    assert names["plain.mp4"] == names["b_frames.mp4"] == names["vp9.webm"] == "decord"
    # Found here: decord gives picture 12 for 0 in MPEG-TS, and pictures 3 late behind an open GOP.
    assert names["mpeg2.ts"] == names["h264.ts"] == names["hevc_open_gop.mp4"] == "pyav"


@pytest.mark.parametrize("reader", READERS)
def test_keyframes_alone(reader: Any, numbered_videos: Path) -> None:
    with open_video(numbered_videos / "short_gop.mp4", reader=reader) as video:
        keyframes = video.packets().keyframes
        assert keyframes.tolist() == [0, 10, 20, 30, 40, 50]
        frames, _ = read_all(video, keyframes)
        assert [number_of(frame) for frame in frames] == keyframes.tolist()


@pytest.mark.parametrize("reader", READERS)
def test_variable_frame_rate_keeps_its_times(reader: Any, tmp_path: Path) -> None:
    pts = np.cumsum([0.0] + [0.04, 0.2, 0.5] * 9).tolist()
    path = write_video(tmp_path / "vfr.mp4", numbered(len(pts)), pts=pts)
    with open_video(path, reader=reader) as video:
        rows = np.arange(len(video.packets()))
        frames, seconds = read_all(video, rows)
    assert [number_of(frame) for frame in frames] == rows.tolist()
    np.testing.assert_allclose(seconds, pts, atol=0.001)
    dense = choose_frames(video.packets(), SamplingPlan("dense", 0.5))
    ticks = np.arange(0, video.info.duration_seconds, 0.5)
    shown = [max(i for i, at in enumerate(pts) if at <= tick + 1e-3) for tick in ticks]
    assert dense.tolist() == sorted(set(shown))


@pytest.mark.parametrize("reader", READERS)
@pytest.mark.parametrize("degrees", [90, 180, 270])
def test_rotation_is_applied(reader: Any, degrees: int, tmp_path: Path) -> None:
    upright = picture(7)
    stored = np.rot90(upright, -degrees // 90)
    path = write_video(tmp_path / "turned.mp4", [stored] * 10, rotation_degrees=degrees)
    with open_video(path, reader=reader) as video:
        assert (video.info.width, video.info.height) == (160, 96)
        assert video.info.rotation_degrees == degrees
        assert video.name == reader
        frames, _ = read_all(video, np.array([0, 5]))
    assert frames.shape == (2, 96, 160, 3)
    assert np.abs(frames[0].astype(int) - upright).mean() < 12


@pytest.mark.parametrize("reader", READERS)
@pytest.mark.parametrize("degrees", [0, 90])
def test_mirroring_is_applied(reader: Any, degrees: int, tmp_path: Path) -> None:
    upright = picture(8)
    stored = np.rot90(upright, -degrees // 90)[:, ::-1]
    path = write_video(tmp_path / "mirrored.mp4", [stored] * 10)
    set_rotation(path, degrees, mirrored=True)
    with open_video(path, reader=reader) as video:
        frames, _ = read_all(video, np.array([3]))
    assert frames.shape == (1, 96, 160, 3)
    assert np.abs(frames[0].astype(int) - upright).mean() < 12


@pytest.mark.parametrize("reader", READERS)
@pytest.mark.parametrize(
    ("aspect", "size"), [(Fraction(4, 3), (213, 96)), (Fraction(1, 2), (80, 96))]
)
def test_pixel_aspect_is_applied(
    reader: Any, aspect: Fraction, size: tuple[int, int], tmp_path: Path
) -> None:
    path = write_video(tmp_path / "wide.mp4", [picture(2)] * 5, sample_aspect=aspect)
    with open_video(path, reader=reader) as video:
        assert (video.info.width, video.info.height) == size
        frames, _ = read_all(video, np.array([0]))
    assert frames.shape[2:0:-1] == size


@pytest.mark.parametrize("reader", READERS)
@pytest.mark.parametrize("codec", ["h264", "hevc", "vp9", "mpeg2"])
def test_pictures_that_change_their_size_are_not_stretched(
    codec: str, reader: Any, tmp_path: Path
) -> None:
    # In MPEG-TS, every keyframe carries its headers.
    suffix = "mkv" if codec == "vp9" else "ts"
    tall = [picture(1, width=96, height=160)] * 10
    parts = [
        write_video(tmp_path / f"wide.{suffix}", [picture(1)] * 10, codec=codec),
        write_video(tmp_path / f"tall.{suffix}", tall, codec=codec),
    ]
    path = remuxed(tmp_path / "both.mkv", *parts)
    with open_video(path, reader=reader, short_side=48) as video:
        assert len(video.packets()) == 20
        shapes = [batch.data.shape for batch in video.frames(np.array([0, 5, 15]))]
    assert shapes == [(2, 48, 80, 3), (1, 80, 48, 3)]


@pytest.mark.parametrize("reader", READERS)
def test_a_pixel_aspect_that_changes_is_applied(reader: Any, tmp_path: Path) -> None:
    square = write_video(tmp_path / "a.ts", [picture(1)] * 10)
    wide = write_video(tmp_path / "b.ts", [picture(1)] * 10, sample_aspect=Fraction(4, 3))
    path = tmp_path / "both.ts"
    path.write_bytes(square.read_bytes() + wide.read_bytes())
    with open_video(path, reader=reader) as video:
        shapes = [batch.data.shape for batch in video.frames(np.array([0, 15]))]
    assert shapes == [(1, 96, 160, 3), (1, 96, 213, 3)]


@pytest.mark.parametrize("reader", READERS)
def test_frames_are_scaled_down_and_never_up(reader: Any, tmp_path: Path) -> None:
    path = make_video(tmp_path / "a.mp4", [picture(3, width=320, height=180)], seconds_each=0.4)
    for short_side, expected in ((90, (90, 160)), (500, (180, 320)), (None, (180, 320))):
        with open_video(path, reader=reader, short_side=short_side) as video:
            frames, _ = read_all(video, np.array([0]))
            assert frames.shape[1:3] == expected


@pytest.mark.full
def test_both_readers_show_the_same_colours(tmp_path: Path) -> None:
    path = make_video(tmp_path / "a.mp4", [picture(4), picture(5)], seconds_each=1.0)
    shown = []
    readers: list[ReaderName] = ["pyav", "decord"]
    for reader in readers:
        with open_video(path, reader=reader, short_side=48) as video:
            assert video.name == reader
            shown.append(read_all(video, np.array([0, 30]))[0].astype(int))
    assert np.abs(shown[0] - shown[1]).mean() < 2.0


@pytest.mark.parametrize("reader", READERS)
def test_one_frame_is_a_video_too(reader: Any, tmp_path: Path) -> None:
    path = write_video(tmp_path / "one.mp4", [picture(1)])
    with open_video(path, reader=reader) as video:
        rows = choose_frames(video.packets(), SamplingPlan())
        frames, pts = read_all(video, rows)
    assert len(frames) == 1
    assert pts.tolist() == [0.0]
    assert video.info.duration_seconds == pytest.approx(0.04)


@pytest.mark.parametrize("reader", READERS)
def test_odd_names_are_names(reader: Any, tmp_path: Path, monkeypatch: Any) -> None:
    monkeypatch.chdir(tmp_path)
    for name in ('naïve – 视频 "quoted" #1.mp4', "%d.mp4", "-i.mp4", "concat:a|b.mp4", "a?b=c.mp4"):
        write_video(tmp_path / "plain.mp4", [picture(1)] * 3).rename(tmp_path / name)
        with open_video(Path(name), reader=reader) as video:
            assert len(read_all(video, np.array([0, 2]))[0]) == 2


@pytest.mark.parametrize("reader", READERS)
def test_a_span_is_read_without_the_rest(reader: Any, tmp_path: Path) -> None:
    path = write_video(tmp_path / "long.mp4", numbered(500), gop=25, b_frames=2)
    span = TimeSpan(12.0, 14.0)
    with open_video(path, reader=reader, span=span) as video:
        table = video.packets()
        assert len(table) < 150  # of 500
        rows = choose_frames(table, SamplingPlan("dense", 0.5), span=span)
        frames, pts = read_all(video, rows)
    assert [number_of(frame) for frame in frames] == [300, 312, 325, 337]
    np.testing.assert_allclose(pts, np.array([300, 312, 325, 337]) / 25, atol=1e-4)


def test_probe_tells_the_facts(tmp_path: Path) -> None:
    info = probe(write_video(tmp_path / "a.mkv", numbered(50), codec="vp9"))
    assert (info.codec, info.container, info.width, info.height) == ("vp9", "matroska", 160, 96)
    assert info.duration_seconds == pytest.approx(2.0, abs=0.05)
    assert info.frame_rate == pytest.approx(25)


def test_size_and_length_are_limited(tmp_path: Path) -> None:
    path = write_video(tmp_path / "a.mp4", numbered(50))
    with pytest.raises(DecodeLimitError) as large:
        open_video(path, limits=DecodeLimits(max_pixels=10_000))
    assert large.value.hint == Hint("shrink_video")
    with pytest.raises(DecodeLimitError) as long:
        open_video(path, limits=DecodeLimits(max_duration_seconds=1.0))
    assert long.value.hint == Hint("split_video")


@pytest.mark.parametrize("reader", READERS)
def test_damage_in_the_middle_is_stepped_over(reader: Any, tmp_path: Path) -> None:
    path = write_video(tmp_path / "a.mp4", numbered(100), gop=10)
    data = bytearray(path.read_bytes())
    start = data.index(b"mdat") + 4
    end = data.index(b"moov")
    middle = (start + end) // 2
    data[middle : middle + 600] = b"\xff" * 600
    path.write_bytes(data)
    with open_video(path, reader=reader) as video:
        frames, pts = read_all(video, np.arange(0, 100, 5))
        assert video.damaged
    assert len(frames) >= 17
    assert np.all(np.diff(pts) > 0)
    assert [number_of(frame) for frame in frames[:8]] == list(range(0, 40, 5))
    assert [number_of(frame) for frame in frames[-6:]] == list(range(70, 100, 5))


@pytest.mark.parametrize("reader", READERS)
def test_a_file_cut_short_is_read_as_far_as_it_goes(reader: Any, tmp_path: Path) -> None:
    path = write_video(tmp_path / "a.mp4", numbered(100), gop=10, faststart=True)
    data = path.read_bytes()
    path.write_bytes(data[: len(data) * 2 // 3])
    with open_video(path, reader=reader) as video:
        rows = choose_frames(video.packets(), SamplingPlan("dense", 0.2))
        frames, pts = read_all(video, rows)
        assert video.damaged
        assert 1.0 < video.info.duration_seconds < 4.0
    assert [number_of(frame) for frame in frames[:4]] == [0, 5, 10, 15]
    assert 1.0 < pts[-1] < 4.0


def test_a_file_without_its_index_says_so(tmp_path: Path) -> None:
    path = write_video(tmp_path / "a.mp4", numbered(100))
    data = path.read_bytes()
    path.write_bytes(data[: len(data) // 2])
    with pytest.raises(UnreadableVideoError, match="moov") as caught:
        open_video(path)
    assert "\n" not in caught.value.reason
    assert caught.value.path == path
    assert caught.value.hint == Hint("copy_again")


def test_decord_that_is_not_installed_is_asked_for(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = write_video(tmp_path / "a.mp4", [picture(1)])
    monkeypatch.setattr(reader_module, "find_spec", lambda name: None)
    with pytest.raises(MissingExtraError) as caught:
        open_video(path, reader="decord")
    assert caught.value.hint == Hint("install_extra", {"extra": "decord"})
    with pytest.raises(MissingExtraError):
        DecodePool(workers=1, short_side=90, reader="decord")


def recorded_live(path: Path) -> Path:
    """A Matroska file as live recorders write it: its parts do not tell their sizes."""
    film = write_video(path.with_name("film.mp4"), numbered(50), gop=10, sound=True)
    options = {"live": "1"}
    with av.open(str(film)) as old, av.open(str(path), "w", options=options) as new:
        streams = [new.add_stream_from_template(stream) for stream in old.streams]
        for packet in old.demux():
            if packet.size:
                packet.stream = streams[packet.stream_index]
                new.mux(packet)
    return path


@pytest.mark.parametrize("name", ["a.mkv", "a.webm", "live.mkv", "a.flv", "a.wmv"])
@pytest.mark.parametrize("share", [0.4, 0.75, 0.97])
def test_a_file_that_ends_within_a_part_is_damaged(name: str, share: float, tmp_path: Path) -> None:
    path = tmp_path / name
    if name == "live.mkv":
        recorded_live(path)
    else:
        codec = "vp9" if name == "a.webm" else "h264"
        write_video(path, numbered(50), gop=10, codec=codec, sound=name != "a.webm")
    data = path.read_bytes()
    for end, is_damaged in ((len(data), False), (round(len(data) * share), True)):
        path.write_bytes(data[:end])
        with open_video(path) as video:
            frames, _ = read_all(video, np.arange(0, len(video.packets()), 5))
            assert (video.damaged, len(frames) > 0) == (is_damaged, True)
