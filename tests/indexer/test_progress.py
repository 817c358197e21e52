"""Progress of a run: counts, speed and the estimated end."""

from __future__ import annotations

from pathlib import Path

import pytest

from vidseek.core.job import Job
from vidseek.indexer import progress
from vidseek.indexer.progress import ProgressMeter


class Clock:
    def __init__(self) -> None:
        self.now = 100.0

    def monotonic(self) -> float:
        return self.now


@pytest.fixture
def clock(monkeypatch) -> Clock:
    clock = Clock()
    monkeypatch.setattr(progress, "time", clock)
    return clock


def test_nothing_is_estimated_before_anything_was_encoded(clock):
    meter = ProgressMeter(Job(), stage="indexing", files_total=3, files_settled=1, bytes_total=2000)
    clock.now += 10
    snapshot = meter.snapshot()
    assert (snapshot.done, snapshot.total) == (1, 3)
    assert snapshot.eta_seconds is None


def test_the_estimate_counts_the_part_of_the_file_under_way(clock):
    meter = ProgressMeter(Job(), stage="indexing", files_total=2, files_settled=0, bytes_total=4000)
    meter.begin(Path("a.mp4"), 2000)
    clock.now += 10
    meter.advance(30.0, 60.0)
    snapshot = meter.snapshot()
    assert snapshot.current == Path("a.mp4")
    assert snapshot.bytes_done == 1000
    assert snapshot.eta_seconds == pytest.approx(30.0)
    assert snapshot.video_seconds == 30.0
    assert snapshot.realtime_factor == pytest.approx(3.0)


def test_files_that_needed_no_encoding_do_not_flatter_the_estimate(clock):
    meter = ProgressMeter(Job(), stage="indexing", files_total=3, files_settled=0, bytes_total=3000)
    meter.settle(1000)  # moved
    meter.begin(Path("b.mp4"), 1000)
    clock.now += 10
    meter.settle(1000, encoded=True, video_seconds=60.0)
    assert meter.snapshot().eta_seconds == pytest.approx(10.0)


def test_at_the_end_nothing_is_left(clock):
    meter = ProgressMeter(Job(), stage="indexing", files_total=1, files_settled=0, bytes_total=10)
    meter.begin(Path("a.mp4"), 10)
    clock.now += 1
    meter.settle(10, encoded=True, failed=True)
    snapshot = meter.snapshot()
    assert (snapshot.done, snapshot.failed, snapshot.eta_seconds) == (1, 1, 0.0)
    assert snapshot.current is None


def test_the_callback_is_called_at_most_ten_times_a_second_and_at_the_end(clock):
    reports = []
    meter = ProgressMeter(
        Job(on_progress=reports.append),
        stage="indexing",
        files_total=200,
        files_settled=0,
        bytes_total=200,
    )
    for _ in range(200):
        clock.now += 0.01
        meter.settle(1, encoded=True)
    meter.finish()
    assert 18 <= len(reports) <= 22
    assert reports[-1].done == 200


def test_no_time_is_estimated_while_the_last_file_is_still_encoded(clock):
    meter = ProgressMeter(Job(), stage="indexing", files_total=1, files_settled=0, bytes_total=10)
    meter.begin(Path("a.mp4"), 10)
    clock.now += 60
    meter.advance(60.0, 60.0)
    assert meter.snapshot().eta_seconds is None
