"""Files whose clock starts again, leaps or begins late: every picture once and in order."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest
from videos import add_sound, number_of, numbered, shift_times, write_video

from vidseek.core.types import TimeSpan
from vidseek.video import DecodeLimits, SamplingPlan, choose_frames, open_video
from vidseek.video.readers.clock import PacketClock, join_parts

READERS = ["pyav", pytest.param("decord", marks=pytest.mark.full)]
WRAP_SECONDS = 2**33 / 90_000
"""Length of the clock of MPEG-TS and MPEG-PS."""
RATE = 25

Shift = Callable[[int], tuple[float, float]]
"""Seconds to add to the presentation and the decoding time of a packet, by its number."""


def part(path: Path, first: int, stop: int, **options: Any) -> Path:
    """A film that shows the numbers from ``first`` on."""
    pictures = itertools.islice(numbered(stop), first, stop)
    return write_video(path, pictures, gop=25, b_frames=2, **options)


def joined(path: Path, *parts: Path, header_bytes: int = 0) -> Path:
    """The bytes of the parts, one after the other."""
    first, *others = (part.read_bytes() for part in parts)
    path.write_bytes(first + b"".join(data[header_bytes:] for data in others))
    return path


def retimed(source: Path, path: Path, shift: Shift) -> Path:
    """A copy whose packets have other times."""
    with av.open(str(source)) as old, av.open(str(path), "w") as new:
        stream = new.add_stream_from_template(old.streams.video[0])
        for number, packet in enumerate(old.demux(video=0)):
            if packet.size == 0:
                continue
            shift_times(packet, *shift(number))
            packet.stream = stream
            new.mux(packet)
    return path


def leap(at_seconds: float, leap_seconds: float) -> Shift:
    """From the keyframe at a time on, every time is later."""

    def shift(number: int) -> tuple[float, float]:
        later = leap_seconds if number >= at_seconds * RATE else 0.0
        return later, later

    return shift


def check_numbers(
    path: Path, count: int, *, reader: Any = "pyav", seconds: float | None = None
) -> None:
    """Each number from 0 on is read once, a 25th of a second after the one before."""
    with open_video(path, reader=reader) as video:
        table = video.packets()
        assert len(table) == count
        assert video.info.duration_seconds == pytest.approx(seconds or count / RATE, abs=0.05)
        batches = list(video.frames(np.arange(count)))
        assert path.suffix == ".mpg" or not video.damaged
    numbers = [number_of(frame) for batch in batches for frame in batch.data]
    times = np.concatenate([batch.pts_seconds for batch in batches])
    assert sorted(set(numbers)) == numbers
    assert len(numbers) >= count - 1  # PyAV drops no picture but the last of an MPEG-PS part
    assert times == pytest.approx(np.array(numbers) / RATE, abs=0.041)


@pytest.mark.parametrize("suffix", ["ts", "mpg"])
@pytest.mark.parametrize(
    ("first_start", "second_start"),
    [(0.0, 0.0), (0.0, 3600.0), (3600.0, 0.0), (WRAP_SECONDS - 2.5, 20.0)],
    ids=["again", "leap", "back", "wrap"],
)
def test_joined_recordings_are_laid_end_to_end(
    suffix: str, first_start: float, second_start: float, tmp_path: Path
) -> None:
    codec = "mpeg2" if suffix == "mpg" else "h264"
    first = part(tmp_path / f"a.{suffix}", 0, 50, codec=codec, start_seconds=first_start)
    second = part(tmp_path / f"b.{suffix}", 50, 100, codec=codec, start_seconds=second_start)
    third = part(tmp_path / f"c.{suffix}", 100, 110, codec=codec)
    check_numbers(joined(tmp_path / f"joined.{suffix}", first, second, third), 110)


def test_joined_recordings_with_sound(tmp_path: Path) -> None:
    parts = [
        part(tmp_path / f"{n}.ts", 50 * n, 50 * n + 50, sound=True, start_seconds=start)
        for n, start in enumerate((3600.0, 0.0, 7200.0))
    ]
    check_numbers(joined(tmp_path / "joined.ts", *parts), 150)


def test_packets_lost_in_a_joined_recording_are_damage(tmp_path: Path) -> None:
    first = part(tmp_path / "a.ts", 0, 50)
    lost = bytearray(first.read_bytes())
    packets = len(lost) // 188
    del lost[packets // 3 * 188 : (packets // 3 + 8) * 188]
    (tmp_path / "a.ts").write_bytes(lost)
    path = joined(tmp_path / "joined.ts", first, part(tmp_path / "b.ts", 50, 100))
    with open_video(path) as video:
        for _ in video.frames(np.arange(len(video.packets()))):
            pass
        assert video.damaged


@pytest.mark.parametrize("suffix", ["ts", "mpg"])
def test_a_clock_of_33_bits_starts_again(suffix: str, tmp_path: Path) -> None:
    codec = "mpeg2" if suffix == "mpg" else "h264"
    start = WRAP_SECONDS - 2.0
    check_numbers(part(tmp_path / f"a.{suffix}", 0, 75, codec=codec, start_seconds=start), 75)


@pytest.mark.parametrize("reader", READERS)
@pytest.mark.parametrize("suffix", ["mp4", "mkv", "flv"])
def test_a_leap_is_joined_in_every_container(reader: Any, suffix: str, tmp_path: Path) -> None:
    film = part(tmp_path / "film.mp4", 0, 100)
    for hours in (1, 5):
        path = retimed(film, tmp_path / f"leap{hours}.{suffix}", leap(2.0, hours * 3600.0))
        check_numbers(path, 100, reader=reader)


@pytest.mark.parametrize("reader", READERS)
def test_a_clock_that_starts_again_in_flash_video(reader: Any, tmp_path: Path) -> None:
    parts = [part(tmp_path / f"{n}.flv", 50 * n, 50 * n + 50) for n in range(2)]
    check_numbers(joined(tmp_path / "joined.flv", *parts, header_bytes=13), 100, reader=reader)


@pytest.mark.parametrize("back_seconds", [2.0, 500.0])
def test_a_clock_that_starts_again_in_matroska(back_seconds: float, tmp_path: Path) -> None:
    film = part(tmp_path / "film.mp4", 0, 100)
    options = {"cluster_time_limit": "1000"}
    path = tmp_path / "back.mkv"
    with av.open(str(film)) as old, av.open(str(path), "w", container_options=options) as new:
        stream = new.add_stream_from_template(old.streams.video[0])
        for packet in old.demux(video=0):
            if packet.size:
                shift_times(packet, 1000.0, 1000.0)
                packet.stream = stream
                new.mux(packet)
    data = bytearray(path.read_bytes())
    clusters = [at for at in range(len(data)) if data.startswith(b"\x1f\x43\xb6\x75", at)]
    for cluster in clusters[2:]:
        at = data.index(b"\xe7", cluster + 4)  # the cluster's time
        value = slice(at + 2, at + 2 + (data[at + 1] & 0x7F))
        milliseconds = int.from_bytes(data[value], "big") - round(back_seconds * 1000)
        data[value] = milliseconds.to_bytes(value.stop - value.start, "big")
    path.write_bytes(data)
    check_numbers(path, 100)


@pytest.mark.parametrize("suffix", ["mp4", "mkv", "ts"])
def test_a_packet_with_a_wild_time_moves_nothing_else(suffix: str, tmp_path: Path) -> None:
    film = part(tmp_path / "film.mp4", 0, 100)

    def shift(number: int) -> tuple[float, float]:
        return (500.0 if number in (30, 60, 61) else 0.0), 0.0

    path = retimed(film, tmp_path / f"wild.{suffix}", shift)
    with open_video(path) as video:
        rows = choose_frames(video.packets(), SamplingPlan("dense", 0.5))
        assert video.info.duration_seconds == pytest.approx(4.0, abs=0.05)
        batches = list(video.frames(rows))
    numbers = [number_of(frame) for batch in batches for frame in batch.data]
    assert numbers == pytest.approx([0, 12, 25, 37, 50, 62, 75, 87], abs=3)


@pytest.mark.parametrize("suffix", ["mp4", "ts", "mkv"])
def test_decoding_times_that_are_doubled_or_missing_change_nothing(
    suffix: str, tmp_path: Path
) -> None:
    film = part(tmp_path / "film.mp4", 0, 100)

    def shift(number: int) -> tuple[float, float]:
        return 0.0, (-0.039 if number % 10 == 5 else 0.0)

    check_numbers(retimed(film, tmp_path / f"doubled.{suffix}", shift), 100)


def test_pictures_dropped_while_recording_are_no_damage(tmp_path: Path) -> None:
    film = write_video(tmp_path / "film.avi", numbered(100), codec="mpeg4", gop=25)
    path = retimed(film, tmp_path / "dropped.avi", leap(2.0, 1.0))
    with open_video(path) as video:
        assert len(video.packets()) == 100
        assert video.info.duration_seconds == pytest.approx(5.0, abs=0.05)
        assert not video.damaged


@pytest.mark.parametrize("suffix", ["mkv", "mp4"])
def test_times_that_lost_the_order_of_pictures(suffix: str, tmp_path: Path) -> None:
    film = part(tmp_path / "film.mp4", 0, 100)
    path = tmp_path / f"stored.{suffix}"
    with av.open(str(film)) as old, av.open(str(path), "w") as new:
        stream = new.add_stream_from_template(old.streams.video[0])
        for packet in old.demux(video=0):
            if packet.size:
                packet.pts = packet.dts
                packet.stream = stream
                new.mux(packet)
    with open_video(path) as video:
        batches = list(video.frames(np.arange(len(video.packets()))))
        assert not video.damaged
    numbers = [number_of(frame) for batch in batches for frame in batch.data]
    assert sorted(set(numbers)) == numbers
    assert len(numbers) >= 95


def test_a_picture_held_for_minutes_stays_where_it_is(tmp_path: Path) -> None:
    pts = [number / 25 for number in range(50)] + [900 + number / 25 for number in range(50)]
    for suffix in ("mp4", "mkv"):
        path = write_video(tmp_path / f"held.{suffix}", numbered(100), pts=pts, gop=50)
        with open_video(path) as video:
            assert video.packets().pts_seconds == pytest.approx(pts, abs=0.002)


def test_slides_are_no_leaps_even_in_a_transport_stream(tmp_path: Path) -> None:
    pts = [20.0 * number for number in range(12)]
    path = write_video(tmp_path / "slides.ts", numbered(12), pts=pts)
    with open_video(path) as video:
        assert video.packets().pts_seconds == pytest.approx(pts, abs=0.01)


@pytest.mark.parametrize("reader", READERS)
def test_a_part_of_a_joined_file_is_found_by_its_joined_times(reader: Any, tmp_path: Path) -> None:
    film = part(tmp_path / "film.mp4", 0, 100)
    leaps = retimed(film, tmp_path / "leap.mkv", leap(2.0, 7200.0))
    parts = [part(tmp_path / f"{n}.ts", 50 * n, 50 * n + 50) for n in range(2)]
    for path in (leaps, joined(tmp_path / "joined.ts", *parts)):
        span = TimeSpan(2.5, 3.5)
        with open_video(path, reader=reader, span=span) as video:
            rows = choose_frames(video.packets(), SamplingPlan("dense", 0.25), span=span)
            numbers = [number_of(frame) for batch in video.frames(rows) for frame in batch.data]
        assert numbers == pytest.approx([62, 68, 75, 81], abs=1)


def test_a_leap_does_not_make_a_file_too_long(tmp_path: Path) -> None:
    film = part(tmp_path / "film.mp4", 0, 100)
    path = retimed(film, tmp_path / "leap.mkv", leap(2.0, 50 * 3600.0))
    limits = DecodeLimits(max_duration_seconds=60.0)
    with open_video(path, limits=limits) as video:
        assert len(video.packets()) == 100
        assert video.info.duration_seconds == pytest.approx(4.0, abs=0.05)


@pytest.mark.parametrize("reader", READERS)
@pytest.mark.parametrize("suffix", ["mp4", "mkv", "ts", "mov"])
def test_times_count_from_where_the_sound_begins(reader: Any, suffix: str, tmp_path: Path) -> None:
    film = part(tmp_path / "film.mp4", 0, 50)
    path = add_sound(film, tmp_path / f"late.{suffix}", pictures_late_seconds=3.0)
    with open_video(path, reader=reader) as video:
        table = video.packets()
        rows = choose_frames(table, SamplingPlan("dense", 1.0))
        batches = list(video.frames(rows))
        assert video.info.duration_seconds == pytest.approx(5.0, abs=0.1)
    times = np.concatenate([batch.pts_seconds for batch in batches])
    assert times == pytest.approx([3.0, 4.0], abs=0.1)
    assert [number_of(frame) for batch in batches for frame in batch.data] == [0, 25]


@pytest.mark.parametrize("suffix", ["mp4", "mkv"])
def test_sound_that_begins_a_few_milliseconds_early_moves_nothing(
    suffix: str, tmp_path: Path
) -> None:
    film = part(tmp_path / "film.mp4", 0, 50)
    path = add_sound(film, tmp_path / f"film.{suffix}", pictures_late_seconds=0.06)
    with open_video(path) as video:
        assert video.packets().pts_seconds[0] == 0.0


def test_sound_through_a_gap_proves_that_it_is_real() -> None:
    clock = PacketClock.of([0.0, 0.5, 1.0, 60.0, 60.5], keys=[1, 0, 0, 1, 0])
    assert join_parts(clock).tolist() == [0.0, 0.5, 1.0, 1.5, 2.0]
    asked = []

    def has_sound_between(start: float, end: float) -> bool:
        asked.append((start, end))
        return True

    held = join_parts(clock, has_sound_between=has_sound_between)
    assert held is clock.pts_seconds
    assert asked == [(1.0, 60.0)]


def test_an_ordinary_clock_is_returned_as_it_is() -> None:
    times = np.array([0.0, 0.12, 0.04, 0.08, 0.24, 0.16, 0.2])
    clock = PacketClock.of(times, keys=[1, 0, 0, 0, 1, 0, 0])
    assert join_parts(clock) is clock.pts_seconds
    assert join_parts(PacketClock.of([], keys=[])).tolist() == []
