"""Distances to the nearest normal frames, against trying all pairs."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from vidseek.core.job import Job
from vidseek.core.types import VectorBatch
from vidseek.search.understanding import normal_frames
from vidseek.search.understanding.normal_frames import NormalFrames

CLIP_SECONDS = 4.0


def batch_of(video_ids: list[int], seed: int) -> VectorBatch:
    """A frame every two seconds of each video, two a clip, in a shuffled order."""
    random = np.random.default_rng(seed)
    ids, seconds = [], []
    for video_id in video_ids:
        count = int(random.integers(1, 30))
        ids += [video_id] * count
        seconds += [2.0 * number for number in range(count)]
    order = random.permutation(len(ids))
    videos, times = np.array(ids)[order], np.array(seconds)[order]
    vectors = random.normal(size=(len(videos), 6)).astype(np.float32) + 0.5
    starts = CLIP_SECONDS * np.floor(times / CLIP_SECONDS)
    return VectorBatch(
        vectors=vectors / np.linalg.norm(vectors, axis=1, keepdims=True),
        clip_ids=videos * 1000 + (starts / CLIP_SECONDS).astype(np.int64),
        video_ids=videos,
        paths=tuple(Path(f"{video_id}.mp4") for video_id in videos.tolist()),
        start_seconds=starts,
        end_seconds=starts + CLIP_SECONDS,
        frame_seconds=times,
    )


def expected_distance(frames: VectorBatch, row: int, normal: VectorBatch, count: int) -> float:
    mine = normal.video_ids == frames.video_ids[row]
    assert frames.frame_seconds is not None
    assert normal.frame_seconds is not None
    end = normal.end_seconds[mine].max() if mine.any() else 0.0
    close = np.abs(normal.frame_seconds - frames.frame_seconds[row]) <= min(10.0, end / 4)
    hidden = mine & (close | (normal.clip_ids == frames.clip_ids[row]))
    cosines = np.sort((normal.vectors @ frames.vectors[row])[~hidden])[-count:]
    return float(1 - cosines.mean()) if len(cosines) else np.inf


@pytest.mark.parametrize("block", [1, 7, 512])
@pytest.mark.parametrize("examined", [[1, 2, 3, 4, 5, 6], [2, 9, 4], [7, 8]])
def test_distances_are_those_of_all_pairs(
    examined: list[int], block: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(normal_frames, "ROWS_PER_BLOCK", block)
    normal = batch_of([1, 2, 3, 4, 5, 6], seed=1)
    frames = normal if len(examined) == 6 else batch_of(examined, seed=2)
    compared = NormalFrames(normal, np.zeros(6, np.float32))
    distances, nearest = compared.distances(frames, Job())
    count = int(np.clip(round(0.05 * len(normal)), 1, 10))
    for row in range(len(frames)):
        assert distances[row] == pytest.approx(
            expected_distance(frames, row, normal, count), abs=1e-5
        )
        best = 1 - float(normal.vectors[nearest[row]] @ frames.vectors[row])
        assert best <= distances[row] + 1e-5


def test_a_video_alone_has_nothing_of_another_time() -> None:
    frames = batch_of([1], seed=0)
    short = VectorBatch(
        vectors=frames.vectors[:1],
        clip_ids=frames.clip_ids[:1],
        video_ids=frames.video_ids[:1],
        paths=frames.paths[:1],
        start_seconds=frames.start_seconds[:1],
        end_seconds=frames.end_seconds[:1],
        frame_seconds=None,
    )
    distances, _ = NormalFrames(short, np.zeros(6, np.float32)).distances(short, Job())
    assert distances.tolist() == [np.inf]


def test_of_many_frames_a_sample_and_the_own_video_are_compared(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    normal = batch_of(list(range(1, 30)), seed=3)
    exact, _ = NormalFrames(normal, np.zeros(6, np.float32)).distances(normal, Job())
    monkeypatch.setattr(normal_frames, "MAX_COMPARED", len(normal) // 2)
    sampled, nearest = NormalFrames(normal, np.zeros(6, np.float32)).distances(normal, Job())
    assert (sampled >= exact - 1e-5).all()
    assert np.corrcoef(sampled, exact)[0, 1] > 0.8
    again, _ = NormalFrames(normal, np.zeros(6, np.float32)).distances(normal, Job())
    np.testing.assert_array_equal(sampled, again)
    assert len(set(nearest.tolist())) > 10
