"""Unusual moments of a stream, told while it runs, in bounded memory.

    watcher = StreamWatcher()
    for seconds, vector in frames:
        for event in watcher.add(seconds, vector):
            ...
    watcher.finish()

A frame is compared with remembered frames of the stream, as ``outliers`` compares stored ones. The
memory holds a fixed number of frames. A new frame replaces a random one, so that the older frames
are, the fewer are left: day turns into night without an event. What stays changed is normal after
a while.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

MEMORY_FRAMES = 1_000
RECENT_SECONDS = 10.0
"""Frames enter the memory this late: an unusual stretch is like itself."""
WARM_UP_FRAMES = 20
"""Remembered frames before the first event."""
NEAREST = 5
SPREAD_FRAMES = 500
"""Latest usual distances, whose spread is the camera's own."""
MIN_SPREAD = 0.02
"""Of cosine distances: a still picture has none."""
MIN_UNUSUAL = 3.0
QUIET_FRAMES = 2
"""Usual frames that end an event."""
MAX_EVENT_SECONDS = 60.0
"""What lasts longer is the new normal."""
MAX_GAP_SECONDS = 30.0
"""A jump of the time, forwards by more than this or backwards, ends an event."""
_MAD_TO_DEVIATION = 1.4826


@dataclass(frozen=True)
class StreamEvent:
    """An unusual stretch of a stream."""

    start_seconds: float
    end_seconds: float
    score: float
    """Standard deviations above the usual distance, of its most unusual frame."""
    nearest_seconds: float
    """When the remembered frame was that this frame is nearest to."""


class StreamWatcher:
    """Finds unusual stretches among frames that come one by one."""

    def __init__(self) -> None:
        self._random = np.random.default_rng(0)
        self._vectors: list[NDArray[np.float32]] = []
        self._seconds: list[float] = []
        self._waiting: deque[tuple[float, NDArray[np.float32]]] = deque()
        self._usual: deque[float] = deque(maxlen=SPREAD_FRAMES)
        self._event: StreamEvent | None = None
        self._quiet = 0
        self._last = -np.inf

    @property
    def remembered_frames(self) -> int:
        """Frames in the memory; at most ``MEMORY_FRAMES``."""
        return len(self._vectors)

    def add(self, seconds: float, vector: NDArray[np.float32]) -> list[StreamEvent]:
        """Compare the next frame.

        Args:
            seconds: its time.
            vector: (D,) float32, L2-normalised.

        Returns:
            The event that ended, if one did.
        """
        ended = []
        if not self._last <= seconds <= self._last + MAX_GAP_SECONDS:
            ended += self.finish()
            self._remember_until(np.inf)
        self._last = seconds
        self._remember_until(seconds - RECENT_SECONDS)
        score, nearest = self._score(vector)
        if score >= MIN_UNUSUAL:
            self._extend(seconds, score, nearest)
        elif self._event is not None:
            self._quiet += 1
            if self._quiet >= QUIET_FRAMES:
                ended += self.finish()
        event = self._event
        if event is not None and event.end_seconds - event.start_seconds > MAX_EVENT_SECONDS:
            ended += self.finish()
            self._learn_changed_state(vector)
        if self._event is None:
            self._waiting.append((seconds, vector))
        return ended

    def finish(self) -> list[StreamEvent]:
        """End the event that runs, if one does."""
        event, self._event, self._quiet = self._event, None, 0
        return [] if event is None else [event]

    def _score(self, vector: NDArray[np.float32]) -> tuple[float, float]:
        """How unusual a frame is, and the time of the nearest remembered frame."""
        if len(self._vectors) < WARM_UP_FRAMES:
            return 0.0, 0.0
        likeness = np.stack(self._vectors) @ vector
        best = np.argpartition(likeness, -NEAREST)[-NEAREST:]
        distance = float(1 - likeness[best].mean())
        score = 0.0
        if len(self._usual) >= WARM_UP_FRAMES:
            usual = np.array(self._usual)
            middle = float(np.median(usual))
            deviation = float(np.median(np.abs(usual - middle))) * _MAD_TO_DEVIATION
            score = (distance - middle) / max(deviation, MIN_SPREAD)
        if score < MIN_UNUSUAL:
            self._usual.append(distance)
        return score, self._seconds[int(likeness.argmax())]

    def _extend(self, seconds: float, score: float, nearest: float) -> None:
        self._quiet = 0
        old = self._event
        if old is None:
            self._event = StreamEvent(seconds, seconds, score, nearest)
            return
        better = score > old.score
        self._event = StreamEvent(
            old.start_seconds,
            seconds,
            max(score, old.score),
            nearest if better else old.nearest_seconds,
        )

    def _remember_until(self, seconds: float) -> None:
        while self._waiting and self._waiting[0][0] <= seconds:
            when, vector = self._waiting.popleft()
            self._remember(when, vector)

    def _remember(self, seconds: float, vector: NDArray[np.float32]) -> None:
        if len(self._vectors) < MEMORY_FRAMES:
            self._vectors.append(vector)
            self._seconds.append(seconds)
            return
        place = int(self._random.integers(MEMORY_FRAMES))
        self._vectors[place], self._seconds[place] = vector, seconds

    def _learn_changed_state(self, vector: NDArray[np.float32]) -> None:
        """Remember a state that lasts, as often as a frame needs neighbours."""
        for _ in range(NEAREST):
            self._remember(self._last, vector)
