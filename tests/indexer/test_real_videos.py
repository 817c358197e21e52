"""Real footage with all its oddities, through the whole pipeline."""

from __future__ import annotations

from itertools import pairwise

import pytest

from vidseek.core.types import VideoState
from vidseek.indexer import Indexer, IndexOptions

UNREADABLE = {
    "empty.mp4": "empty",
    "random_bytes.mp4": "not a supported video format",
    "text_named.mp4": "text file",
    "truncated_no_index.mp4": "cut short",
}
DAMAGED = {"damaged_packets.mp4", "truncated_with_index.mp4"}


@pytest.mark.shared_data
def test_odd_files_are_indexed_or_explained(shared_data, store, encoder):
    odd = shared_data / "videos" / "odd"
    report = Indexer(store, encoder, options=IndexOptions(workers=1)).run([odd])
    reasons = {failed.path.name: failed.reason for failed in report.failed}
    assert set(reasons) == set(UNREADABLE)
    for name, words in UNREADABLE.items():
        assert words in reasons[name]
        assert "\n" not in reasons[name]
    videos = {video.path.name: video for video in store.videos.select()}
    assert len(videos) == len(list(odd.iterdir()))
    assert videos["audio_only.m4a"].state is VideoState.SKIPPED
    assert {name for name, video in videos.items() if video.damaged} == DAMAGED
    assert (videos["rotated_90.mp4"].width, videos["rotated_90.mp4"].height) == (360, 640)
    assert videos["mpeg2.ts"].duration_seconds == pytest.approx(4.0, abs=0.1)
    assert store.find_problems() == []
    again = Indexer(store, encoder, options=IndexOptions(workers=1)).run([odd])
    assert again.unchanged == report.indexed
    # Hints are not stored.
    assert {failed.path.name: failed.reason for failed in again.failed} == reasons


@pytest.mark.shared_data
def test_long_videos_are_covered_by_clips_without_gaps(shared_data, store, encoder):
    report = Indexer(store, encoder, options=IndexOptions(workers=1)).run(
        [shared_data / "videos" / "long"]
    )
    assert (report.indexed, report.failed) == (2, ())
    for video in store.videos.select():
        clips = store.videos.clips(video.id)
        assert clips[0].span.start_seconds == 0.0
        assert clips[-1].span.end_seconds == pytest.approx(video.duration_seconds)
        for left, right in pairwise(clips):
            assert left.span.end_seconds == right.span.start_seconds
            assert 2.0 - 1e-6 <= left.span.duration_seconds <= 10.0 + 1e-6
