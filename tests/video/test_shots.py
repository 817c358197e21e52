from __future__ import annotations

import itertools
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from videos import make_video, picture

from vidseek.video import (
    ClipCut,
    SamplingPlan,
    choose_frames,
    cut_clips,
    frame_signatures,
    open_video,
)
from vidseek.video.shots import shot_boundaries


def no_vectors(count: int) -> np.ndarray:
    return np.zeros((count, 0), dtype=np.float32)


def check_cover(clips: list[ClipCut], count: int, duration: float) -> None:
    """The promises of ``cut_clips``."""
    assert clips[0].span.start_seconds == 0.0
    assert clips[-1].span.end_seconds == pytest.approx(duration)
    for before, after in itertools.pairwise(clips):
        assert before.span.end_seconds == after.span.start_seconds
    for clip in clips:
        assert clip.span.duration_seconds <= 10.0 + 1e-6
        assert clip.span.duration_seconds >= min(2.0, duration) - 1e-6
        assert 0 <= clip.frames.start < clip.frames.stop <= count
    taken = {number for clip in clips for number in range(clip.frames.start, clip.frames.stop)}
    assert taken == set(range(count))


def sample(path: Path, plan: SamplingPlan) -> tuple[np.ndarray, np.ndarray, float]:
    with open_video(path, short_side=96) as video:
        batches = list(video.frames(choose_frames(video.packets(), plan)))
        pts = np.concatenate([batch.pts_seconds for batch in batches])
        frames = np.concatenate([batch.data for batch in batches])
        return pts, frame_signatures(frames), video.info.duration_seconds


def test_signatures_tell_scenes_apart_and_motion_not() -> None:
    one, other = picture(1), picture(2)
    signatures = frame_signatures(np.stack([one, np.roll(one, 4, axis=1), other]))
    assert signatures.dtype == np.float32
    assert signatures.ndim == 2
    moved, cut = np.abs(np.diff(signatures, axis=0)).sum(axis=1)
    assert cut > 4 * moved
    assert frame_signatures(np.zeros((0, 8, 8, 3), dtype=np.uint8)).shape == (0, len(signatures[0]))


@pytest.mark.parametrize("shape", [(1, 1, 1, 3), (2, 3, 5, 3), (1, 1000, 7, 3)])
def test_signatures_of_odd_shapes_are_finite(shape: tuple[int, ...]) -> None:
    frames = np.random.default_rng(0).integers(0, 255, shape, dtype=np.uint8)
    assert np.isfinite(frame_signatures(frames)).all()


@pytest.mark.parametrize("seconds_each", [3.0, 5.0])
def test_cuts_are_found_within_a_second(seconds_each: float, tmp_path: Path) -> None:
    path = make_video(
        tmp_path / "a.mp4", [picture(seed) for seed in range(8)], seconds_each=seconds_each
    )
    pts, signatures, duration = sample(path, SamplingPlan("dense"))
    found = shot_boundaries(pts, signatures, no_vectors(len(pts)))
    expected = [seconds_each * number for number in range(1, 8)]
    assert found == pytest.approx(expected, abs=1.0)
    clips = cut_clips(pts, signatures, no_vectors(len(pts)), duration_seconds=duration)
    check_cover(clips, len(pts), duration)
    assert [clip.span.start_seconds for clip in clips[1:]] == pytest.approx(expected, abs=1.0)


def test_cuts_at_keyframes_are_found_where_they_are(tmp_path: Path) -> None:
    options = {"preset": "veryfast", "x264-params": "scenecut=40"}
    pictures = [picture(seed) for seed in range(14)]
    path = make_video(tmp_path / "a.mp4", pictures, seconds_each=5.2, moving=False, options=options)
    pts, signatures, _ = sample(path, SamplingPlan("fast"))
    found = shot_boundaries(pts, signatures, no_vectors(len(pts)))
    assert found == pytest.approx([5.2 * number for number in range(1, 14)], abs=0.05)


def test_a_video_of_one_shot_has_no_cut(tmp_path: Path) -> None:
    path = make_video(tmp_path / "a.mp4", [picture(3)], seconds_each=25.0)
    pts, signatures, duration = sample(path, SamplingPlan("dense"))
    assert shot_boundaries(pts, signatures, no_vectors(len(pts))) == []
    clips = cut_clips(pts, signatures, no_vectors(len(pts)), duration_seconds=duration)
    assert len(clips) == 3
    check_cover(clips, len(pts), duration)


def test_a_black_video_has_no_cut() -> None:
    pts = np.arange(30.0)
    signatures = frame_signatures(np.zeros((30, 32, 32, 3), dtype=np.uint8))
    assert shot_boundaries(pts, signatures, np.ones((30, 4), dtype=np.float32)) == []


@pytest.mark.parametrize("scale", [1e-3, 1.0, 50.0])
def test_vectors_of_any_encoder_do(scale: float) -> None:
    """Two scenes that differ only in the vectors, of any dimension."""
    random = np.random.default_rng(1)
    scenes = np.repeat(random.normal(size=(6, 16)), 5, axis=0)
    vectors = (scenes + random.normal(size=scenes.shape) * 0.05) * scale
    nothing = np.zeros((30, 0), dtype=np.float32)
    found = shot_boundaries(np.arange(30.0), nothing, vectors.astype(np.float32))
    assert found == [4.5, 9.5, 14.5, 19.5, 24.5]


def test_a_still_shown_for_a_minute_is_one_frame_of_several_clips() -> None:
    clips = cut_clips(
        np.array([0.0]), frame_signatures(picture(1)[None]), no_vectors(1), duration_seconds=60.0
    )
    check_cover(clips, 1, 60.0)
    assert len(clips) == 6


def test_a_part_of_a_video_is_cut_from_its_beginning() -> None:
    pts = np.array([99.9, 101.0, 102.0, 103.0])
    signatures = np.zeros((4, 3), dtype=np.float32)
    clips = cut_clips(pts, signatures, no_vectors(4), start_seconds=100.0, duration_seconds=103.5)
    assert [(clip.span.start_seconds, clip.span.end_seconds) for clip in clips] == [(100.0, 103.5)]
    assert clips[0].frames == slice(0, 4)


def test_nothing_gives_nothing() -> None:
    empty = np.zeros((0, 5), dtype=np.float32)
    assert cut_clips(np.zeros(0), empty, empty, duration_seconds=3.0) == []


@settings(max_examples=150, deadline=None)
@given(
    st.lists(st.floats(0.01, 20.0), min_size=1, max_size=60),
    st.integers(0, 2**32 - 1),
    st.floats(0.02, 15.0),
)
def test_clips_cover_any_video(gaps: list[float], seed: int, tail: float) -> None:
    pts = np.cumsum([0.0, *gaps[1:]])
    random = np.random.default_rng(seed)
    scenes = random.normal(size=(6, 20))[random.integers(0, 6, len(pts))]
    signatures = (scenes + random.normal(size=scenes.shape) * 0.1).astype(np.float32)
    duration = float(pts[-1]) + tail
    clips = cut_clips(pts, signatures, no_vectors(len(pts)), duration_seconds=duration)
    check_cover(clips, len(pts), duration)
