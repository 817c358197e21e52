"""Alignment of two videos, on vectors that change like those of real videos."""

from __future__ import annotations

import numpy as np
import pytest
from frame_sequences import DIMENSION, SyntheticVideo, shown
from numpy.typing import NDArray

from vidseek.core.types import TimeSpan
from vidseek.search.copies.alignment import hough
from vidseek.search.copies.alignment.align import align
from vidseek.search.copies.alignment.sequence import Alignment, FrameSequence


def clip(video: SyntheticVideo, start: float, end: float, *, speed: float = 1.0) -> FrameSequence:
    """A query that shows the video from start to end, at a speed, two frames per second.

    Frames are taken a fifth of a second beside those of the library.
    """
    count = int((end - start) / abs(speed) * 2)
    times = np.arange(count) / 2
    there = (start if speed > 0 else end) + speed * (times + 0.2)
    return shown(video.at(there), times, noise=0.5)


def joined(*parts: FrameSequence) -> FrameSequence:
    vectors, times, start = [], [], 0.0
    for part in parts:
        vectors.append(part.vectors)
        times.append(start + part.seconds - part.seconds[0])
        start += len(part) / 2
    return FrameSequence(np.concatenate(vectors), np.concatenate(times))


def assert_spans(
    match: Alignment,
    query: tuple[float, float],
    library: tuple[float, float],
    *,
    within: float = 0.75,
) -> None:
    got = (match.query.start_seconds, match.query.end_seconds)
    assert got == pytest.approx(query, abs=within)
    got = (match.reference.start_seconds, match.reference.end_seconds)
    assert got == pytest.approx(library, abs=within)


def test_a_copy_of_the_whole() -> None:
    video = SyntheticVideo(1, 60)
    (match,) = align(video.frames(), video.frames())
    assert_spans(match, (0, 60), (0, 60), within=0.3)
    assert match.speed == 1.0
    assert match.similarity == pytest.approx(1.0, abs=1e-4)
    assert match.score > 0.9


@pytest.mark.parametrize("rate", [2.0, 1.0])
def test_a_trimmed_copy_in_noise(rate: float) -> None:
    video = SyntheticVideo(2, 300)
    (match,) = align(clip(video, 101.3, 131.3), video.frames(rate=rate))
    assert_spans(match, (0, 30), (101.5, 131.5))
    assert match.speed == 1.0
    assert match.score > 0.6


@pytest.mark.parametrize("speed", [0.5, 0.67, 0.75, 0.97, 1.2, 1.5, 2.0])
def test_a_copy_at_another_speed(speed: float) -> None:
    video = SyntheticVideo(3, 300)
    (match, *others) = align(clip(video, 100, 160, speed=speed), video.frames())
    assert others == []
    assert match.speed == pytest.approx(speed, rel=0.02)
    assert_spans(match, (0, 60 / speed), (100, 160), within=1.0)


def test_a_long_copy_at_a_speed_between_those_of_the_grid() -> None:
    video = SyntheticVideo(4, 1200)
    (match,) = align(clip(video, 0, 1200, speed=1.04), video.frames(rate=1.0))
    assert match.speed == pytest.approx(1.04, abs=0.002)
    assert match.reference.duration_seconds > 1190


@pytest.mark.parametrize("speed", [-1.0, -1.5])
def test_a_reversed_copy(speed: float) -> None:
    video = SyntheticVideo(5, 200)
    (match,) = align(clip(video, 50, 80, speed=speed), video.frames())
    assert match.speed == pytest.approx(speed, rel=0.03)
    assert_spans(match, (0, 30 / -speed), (50, 80), within=1.0)


def test_two_parts_in_another_order_amid_something_else() -> None:
    video, other = SyntheticVideo(6, 300), SyntheticVideo(7, 100)
    query = joined(
        clip(other, 0, 10), clip(video, 200, 220), clip(other, 20, 30), clip(video, 40, 55)
    )
    matches = sorted(align(query, video.frames()), key=lambda one: one.query.start_seconds)
    assert len(matches) == 2
    assert_spans(matches[0], (10, 30), (200, 220))
    assert_spans(matches[1], (40, 55), (40, 55))


def test_what_the_library_shows_twice_is_found_twice() -> None:
    video, other = SyntheticVideo(8, 40), SyntheticVideo(9, 60)
    library = joined(
        video.frames(5, 25), other.frames(0, 30), video.frames(5, 25), other.frames(30, 50)
    )
    matches = sorted(
        align(clip(video, 5, 25), library), key=lambda one: one.reference.start_seconds
    )
    assert len(matches) == 2
    assert_spans(matches[0], (0, 20), (0, 20))
    assert_spans(matches[1], (0, 20), (50, 70))


def test_a_gap_of_four_seconds_is_bridged_and_one_of_twelve_is_not() -> None:
    video, other = SyntheticVideo(10, 100), SyntheticVideo(11, 100)

    def with_gap(seconds: float) -> FrameSequence:
        return joined(
            clip(video, 10, 30), clip(other, 0, seconds), clip(video, 30 + seconds, 50 + seconds)
        )

    (match,) = align(with_gap(4), video.frames())
    assert_spans(match, (0, 44), (10, 54))
    assert match.similarity < align(clip(video, 10, 54), video.frames())[0].similarity
    assert len(align(with_gap(12), video.frames())) == 2


def test_a_library_of_few_frames() -> None:
    video = SyntheticVideo(12, 300)
    times = np.arange(0, 300, 7.0)
    library = shown(video.at(times), times)
    (match, *_) = align(clip(video, 100, 160), library)
    assert match.speed == pytest.approx(1.0, abs=0.03)
    assert_spans(match, (0, 60), (100, 160), within=7)
    assert match.distinct_frames > 5


def still(seed: int, seconds: float, *, noise: float = 0.1) -> FrameSequence:
    """A static scene with a little noise."""
    times = np.arange(0, seconds, 0.5)
    picture = np.random.default_rng(seed).standard_normal((1, DIMENSION))
    return shown(np.repeat(picture, len(times), axis=0), times, noise=noise, seed=seed + 1)


def test_a_scene_that_stands_still_is_little_evidence_however_long() -> None:
    moving = SyntheticVideo(13, 60)
    (sure,) = align(clip(moving, 10, 20), moving.frames())
    for seconds in (10, 60, 600, 1200):
        matches = align(still(1, seconds), still(1, 300))
        assert len(matches) == 1
        assert matches[0].distinct_frames < 2
        assert matches[0].score < 0.5 < sure.score
        # Any speed fits. That one is all of the other is said where it can be.
        is_near = seconds == 600
        assert matches[0].speed == pytest.approx(0.5 if is_near else 1.0, abs=0.01)


@pytest.mark.parametrize("speed", [0.67, 1.5])
def test_a_whole_video_of_little_motion_at_another_speed_is_all_of_it(speed: float) -> None:
    # One picture that changes slowly: neighbours are nearly as alike as the same moments are.
    start, end = np.random.default_rng(30).standard_normal((2, DIMENSION))

    def pan(seconds: float) -> FrameSequence:
        times = np.arange(0, seconds, 1.0)
        share = (times / seconds)[:, None]
        return shown(start + 0.35 * share * end, times, noise=0.02, seed=31)

    (match,) = align(pan(12 / speed), pan(12))
    assert_spans(match, (0, 12 / speed), (0, 12), within=1.1)


def test_an_excerpt_of_a_slow_pan_is_placed_where_it_is_most_alike() -> None:
    start, end = np.random.default_rng(40).standard_normal((2, DIMENSION))

    def pan(times: np.ndarray, seed: int) -> FrameSequence:
        return shown(start + 0.12 * times[:, None] * end, times, noise=0.02, seed=seed)

    shot = pan(np.arange(8, 13, 0.5), 41)
    excerpt = FrameSequence(shot.vectors, shot.seconds - 8)
    (match,) = align(excerpt, pan(np.arange(0, 20, 1.0), 42))
    assert match.speed == 1.0
    assert match.reference.start_seconds == pytest.approx(8, abs=0.6)


def test_two_pieces_of_a_slow_film_are_two_matches() -> None:
    # A picture that wanders slowly: one line at twice the speed leads through both pieces.
    random = np.random.default_rng(50)
    picture, knots = random.standard_normal(DIMENSION), random.standard_normal((9, DIMENSION))

    def film(times: NDArray[np.float64], seed: int) -> FrameSequence:
        before, share = (times / 6).astype(int), (times / 6 % 1)[:, None]
        change = (1 - share) * knots[before] + share * knots[before + 1]
        return shown(picture + 0.5 * change, times, noise=0.05, seed=seed)

    pieces = [film(np.arange(start, start + 8, 0.5), 51 + start) for start in (4, 26)]
    matches = align(joined(*pieces), film(np.arange(0, 40, 1.0), 52))
    first, second = sorted(matches, key=lambda match: match.query)
    assert (first.speed, second.speed) == (1.0, 1.0)
    assert_spans(first, (0, 8), (4, 12), within=1.0)
    assert_spans(second, (8, 16), (26, 34), within=1.0)


def test_slides_are_evidence_each() -> None:
    slides = joined(*[still(seed, 6) for seed in range(20, 30)])
    (match,) = align(slides, slides)
    assert match.distinct_frames == pytest.approx(10, rel=0.3)
    assert match.score > 0.75
    assert_spans(match, (0, 60), (0, 60), within=0.5)


def test_a_moving_part_is_found_beside_a_still_one() -> None:
    video, other = SyntheticVideo(14, 40), SyntheticVideo(15, 40)
    library = joined(other.frames(0, 20), still(2, 60), video.frames(0, 30))
    query = joined(clip(video, 5, 20), still(2, 60))
    match = align(query, library)[0]
    assert_spans(match, (0, 15), (85, 100), within=1.0)
    assert match.distinct_frames > 4


def test_unrelated_videos_do_not_match() -> None:
    for seed in range(5):
        query, library = SyntheticVideo(100 + seed, 60), SyntheticVideo(200 + seed, 600)
        matches = align(query.frames(noise=0.3), library.frames())
        assert all(match.score < 0.25 for match in matches)
        assert len(matches) <= 2


def test_one_frame() -> None:
    video = SyntheticVideo(16, 60)
    frame = FrameSequence(video.frames().vectors[40:41], np.array([0.0]))
    (match,) = align(frame, video.frames())
    assert match.query == TimeSpan(0.0, 0.0)
    assert match.reference.start_seconds == pytest.approx(20, abs=0.5)
    assert match.distinct_frames == pytest.approx(1.0)
    assert match.score < 0.4
    (back,) = align(video.frames(), frame)
    assert back.reference == TimeSpan(0.0, 0.0)
    assert back.score < 0.4
    (both,) = align(frame, frame)
    assert both.score < 0.4


def test_nothing_matches_nothing() -> None:
    empty = FrameSequence(np.zeros((0, DIMENSION), np.float32), np.zeros(0))
    video = SyntheticVideo(17, 10).frames()
    assert align(empty, video) == align(video, empty) == align(empty, empty) == []


def test_mistakes_are_named() -> None:
    video = SyntheticVideo(18, 10).frames()
    shorter = FrameSequence(video.vectors[:, :64], video.seconds)
    with pytest.raises(ValueError, match="128 and 64 dimensions"):
        align(video, shorter)
    with pytest.raises(ValueError, match="in order of time"):
        FrameSequence(video.vectors, video.seconds[::-1])
    with pytest.raises(ValueError, match="needs"):
        FrameSequence(video.vectors, video.seconds[:3])


def test_blocks_change_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    video = SyntheticVideo(19, 120)
    query, library = clip(video, 30, 70, speed=1.25), video.frames()
    (whole,) = align(query, library)
    monkeypatch.setattr(hough, "BLOCK_ENTRIES", 3 * len(library))
    (blocks,) = align(query, library)
    assert blocks.score == pytest.approx(whole.score, abs=1e-4)
    assert blocks.query == whole.query
    assert blocks.reference.start_seconds == pytest.approx(whole.reference.start_seconds, abs=1e-3)


def test_three_hours_stay_within_a_hundred_megabytes() -> None:
    import tracemalloc

    video = SyntheticVideo(20, 3 * 3600)
    query, library = video.frames(rate=2.0, noise=0.5), video.frames(0, 1800, rate=1.0)
    tracemalloc.start()
    (match,) = align(query, library)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert_spans(match, (0, 1800), (0, 1800), within=1.5)
    # All similarities at once would be 156 MB.
    assert peak < 100e6
