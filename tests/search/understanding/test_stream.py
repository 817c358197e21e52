"""Unusual stretches of a stream: events, a new normal, jumps in time, bounded memory."""

from __future__ import annotations

import numpy as np

from vidseek.search.understanding import stream
from vidseek.search.understanding.stream import StreamEvent, StreamWatcher

DIMENSION = 32


class Camera:
    """Frames of scenes, each a direction with a little noise."""

    def __init__(self) -> None:
        self._random = np.random.default_rng(0)
        self._scenes = np.linalg.qr(self._random.normal(size=(DIMENSION, DIMENSION)))[0]

    def frame(self, scene: int) -> np.ndarray:
        vector = self._scenes[scene] + self._random.normal(0, 0.02, DIMENSION)
        return (vector / np.linalg.norm(vector)).astype(np.float32)


def watch(watcher: StreamWatcher, scenes: list[int], start: float = 0.0) -> list[StreamEvent]:
    camera = Camera()
    return [
        event
        for number, scene in enumerate(scenes)
        for event in watcher.add(start + number, camera.frame(scene))
    ]


def test_something_that_comes_and_goes_is_one_event() -> None:
    (event,) = watch(StreamWatcher(), [0] * 80 + [1] * 5 + [0] * 20)
    assert (event.start_seconds, event.end_seconds) == (80, 84)
    assert event.score > 3
    assert event.nearest_seconds < 80


def test_the_first_frames_are_no_event_and_a_usual_stream_has_none() -> None:
    assert watch(StreamWatcher(), [0, 1] * 60) == []


def test_what_stays_changed_is_the_new_normal() -> None:
    watcher = StreamWatcher()
    events = watch(watcher, [0] * 80 + [1] * 300)
    assert len(events) == 1
    assert events[0].start_seconds == 80
    assert watcher.finish() == []


def test_an_event_that_runs_ends_with_the_stream() -> None:
    watcher = StreamWatcher()
    assert watch(watcher, [0] * 80 + [1] * 5) == []
    assert [event.end_seconds for event in watcher.finish()] == [84]


def test_a_jump_in_time_ends_an_event_and_keeps_the_memory() -> None:
    watcher = StreamWatcher()
    watch(watcher, [0] * 80 + [1] * 3)
    # The camera restarts at 0.
    (event,) = watch(watcher, [0] * 30)
    assert (event.start_seconds, event.end_seconds) == (80, 82)
    assert watcher.finish() == []


def test_memory_is_bounded(monkeypatch) -> None:
    monkeypatch.setattr(stream, "MEMORY_FRAMES", 50)
    watcher = StreamWatcher()
    assert watch(watcher, [0] * 300) == []
    assert watcher.remembered_frames == 50
