"""Sequences: moments of one video that answer several texts, each after the one before.

finder = SequenceFinder(context, SequenceQuery(directions, within_seconds=30))
for moment in finder.moments(256): ...

A chain has a clip for every step, in order of time. The best chain of a video is found by dynamic
programming: the best chain that ends in a clip at some step is that clip and the best chain of the
steps before among the clips that end in time. The maximum over these is kept in a monotone queue,
so that a video of C clips costs C operations a step.

Only videos that may hold the next best chain are read. No chain of a video is better than the best
clips of its steps together, and no clip outside the nearest clips of a step is better than the last
of them: chains, videos and the videos not seen yet wait in one queue, ordered by these bounds (the
threshold algorithm of Fagin, Lotem and Naor, 2001). So chains come best first, and none is missed.
"""

from __future__ import annotations

import heapq
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial

import numpy as np
from numpy.typing import NDArray

from vidseek.core.types import Clip, EncoderSpec, TimeSpan, Video
from vidseek.search.moments.context import SearchContext
from vidseek.search.moments.merging import Moment

FETCH_FACTOR = 4
MAX_READ_AHEAD = 256
"""Videos that are read together at most: those with the best bounds, which are next. Each time as
many as were read before, so that at most twice as many are read as needed."""
ROUNDING = 1e-4
"""The index rounds scores by less than this; bounds are raised by it."""
SAME_TIME_SECONDS = 0.01
MAX_LOGIT = 60.0
"""Beyond this a confidence is 1 in floating point."""


@dataclass(frozen=True)
class SequenceQuery:
    """What a sequence shows."""

    directions: NDArray[np.float32]
    """(S, D) float32: the score of a clip for a step is its vector's inner product with a row."""
    within_seconds: float | None = None
    """Each step begins at most this long after the step before ends; None for any time after."""
    calibrated: EncoderSpec | None = None
    """The spec whose calibration weighs the steps against each other; None for their mean."""


@dataclass(frozen=True)
class _Timeline:
    """The clips of a video that may answer, in order of time."""

    video: Video
    clips: list[Clip]
    evidence: NDArray[np.float64]
    """(S, C) how much each clip speaks for each step."""


class SequenceFinder:
    """Finds the chains of one query, best first."""

    def __init__(self, context: SearchContext, query: SequenceQuery) -> None:
        self._context = context
        self._query = query
        self._waiting: list[tuple[float, bool, str, float, int, Callable[[], Moment | None]]] = []
        self._pushed = 0
        self._unread: dict[int, float] = {}
        """Bounds of the videos that were not read, by id."""
        self._read_ahead: dict[int, tuple[list[Clip], NDArray[np.float32]]] = {}
        self.videos: dict[int, Video] = {}
        """The videos seen so far, by id."""

    def moments(self, first_fetch: int) -> Iterator[Moment]:
        """The chains, best first; chains of one video do not overlap.

        Args:
            first_fetch: number of nearest clips of each step that are looked at first.
        """
        self._fetch(min(first_fetch, self._context.size))
        while self._waiting:
            *_, proceed = heapq.heappop(self._waiting)
            moment = proceed()
            if moment is not None:
                yield moment

    def _push(
        self,
        bound: float,
        proceed: Callable[[], Moment | None],
        *,
        place: tuple[str, float] = ("", 0.0),
        is_chain: bool = False,
    ) -> None:
        """Wait until nothing can be better than ``bound``; equal chains come by path and time."""
        self._pushed += 1
        heapq.heappush(self._waiting, (-bound, is_chain, *place, self._pushed, proceed))

    def _fetch(self, n: int) -> None:
        """Look at the ``n`` nearest clips of each step, and let their videos wait."""
        if n == 0:
            return
        scores, ids = self._context.nearest(self._query.directions, n)
        clips = self._context.clips(np.unique(ids[ids >= 0]).tolist())
        new = {clip.video_id for clip in clips.values()} - set(self.videos)
        videos = self._context.videos(new)
        self.videos |= videos
        # No clip that was not fetched scores more for a step than the last that was.
        floors = scores.min(axis=1) if n < self._context.size else np.full(len(scores), -np.inf)
        best = {video_id: floors.copy() for video_id in videos}
        for step, (row, row_ids) in enumerate(zip(scores, ids.tolist(), strict=True)):
            for score, clip_id in zip(row, row_ids, strict=True):
                clip = clips.get(clip_id)
                if clip is not None and clip.video_id in best:
                    known = best[clip.video_id]
                    known[step] = max(known[step], score)
        for video_id, bounds in best.items():
            video = videos[video_id]
            bound = self._bound(bounds)
            self._unread[video_id] = bound
            self._push(bound, partial(self._read, video), place=(str(video.path), 0.0))
        if n < self._context.size:
            more = min(FETCH_FACTOR * n, self._context.size)
            self._push(self._bound(floors), partial(self._fetch, more))

    def _bound(self, scores: NDArray[np.float32]) -> float:
        evidence = step_evidence(scores.astype(np.float64) + ROUNDING, self._query.calibrated)
        return float(evidence.mean())

    def _read(self, video: Video) -> None:
        if video.id not in self._read_ahead:
            count = min(len(self.videos) - len(self._unread), MAX_READ_AHEAD)
            likely = heapq.nlargest(count, self._unread, key=self._unread.__getitem__)
            chosen = {video.id, *likely}
            self._read_ahead |= self._context.timelines(chosen)
            for video_id in chosen:
                del self._unread[video_id]
        clips, vectors = self._read_ahead.pop(video.id)
        if not clips:
            return
        # Stored as float16, vectors may be longer than 1 by a little.
        largest = np.linalg.norm(self._query.directions, axis=1)[:, None]
        scores = np.minimum(self._query.directions @ vectors.T, largest)
        evidence = step_evidence(scores.astype(np.float64), self._query.calibrated)
        self._wait(_Timeline(video, clips, evidence), 0, len(clips))

    def _wait(self, timeline: _Timeline, first: int, stop: int) -> None:
        """Let the clips from ``first`` to ``stop`` wait for their best chain."""
        if stop - first >= len(timeline.evidence):
            bound = float(timeline.evidence[:, first:stop].max(axis=1).mean())
            place = (str(timeline.video.path), timeline.clips[first].span.start_seconds)
            self._push(bound, partial(self._solve, timeline, first, stop), place=place)

    def _solve(self, timeline: _Timeline, first: int, stop: int) -> None:
        evidence = timeline.evidence[:, first:stop]
        spans = [clip.span for clip in timeline.clips[first:stop]]
        found = best_chain(evidence, spans, self._query.within_seconds)
        if found is None:
            return
        chain = [first + position for position in found]
        mean = float(timeline.evidence[range(len(chain)), chain].mean())
        place = (str(timeline.video.path), timeline.clips[chain[0]].span.start_seconds)
        take = partial(self._take, timeline, (first, stop), chain, mean)
        self._push(mean, take, place=place, is_chain=True)

    def _take(
        self, timeline: _Timeline, piece: tuple[int, int], chain: Sequence[int], mean: float
    ) -> Moment:
        self._wait(timeline, piece[0], chain[0])
        self._wait(timeline, chain[-1] + 1, piece[1])
        clips = tuple(timeline.clips[position] for position in chain)
        strongest = int(timeline.evidence[range(len(chain)), chain].argmax())
        score = score_of_evidence(mean, self._query.calibrated)
        return Moment(clips, score, clips[strongest], is_sequence=True)


def best_chain(
    evidence: NDArray[np.float64], spans: Sequence[TimeSpan], within_seconds: float | None = None
) -> list[int] | None:
    """The chain with the largest sum of evidence.

    Args:
        evidence: (S, C) how much each of C clips speaks for each of S steps.
        spans: of the clips, in order of time.
        within_seconds: how long after the end of a step the next may begin; None for any time.

    Returns:
        The position of each step's clip, strictly increasing; of equal chains the one whose steps
        are closest together. None if there is no chain.
    """
    earliest = _earliest(spans, within_seconds)
    total = evidence[0]
    before: list[NDArray[np.int64]] = []
    for step in evidence[1:]:
        best = _best_before(total, earliest)
        before.append(best)
        total = np.where(best >= 0, step + total[best], -np.inf)
    last = int(total.argmax()) if len(total) else -1
    if last < 0 or total[last] == -np.inf:
        return None
    chain = [last]
    for best in reversed(before):
        chain.append(int(best[chain[-1]]))
    return chain[::-1]


def _earliest(spans: Sequence[TimeSpan], within_seconds: float | None) -> NDArray[np.int64]:
    """(C,) for each clip the first clip that may be the step before."""
    if within_seconds is None:
        return np.zeros(len(spans), np.int64)
    ends = np.maximum.accumulate([span.end_seconds for span in spans])
    starts = np.array([span.start_seconds for span in spans])
    return np.searchsorted(ends, starts - within_seconds - SAME_TIME_SECONDS)


def _best_before(total: NDArray[np.float64], earliest: NDArray[np.int64]) -> NDArray[np.int64]:
    """(C,) position of the best clip from ``earliest[i]`` to ``i - 1``, the last of equal ones.

    -1 where there is none.
    """
    values, first = total.tolist(), earliest.tolist()
    best = np.full(len(values), -1)
    queue: deque[int] = deque()  # falling values; the best of the window is at the left
    for position in range(1, len(values)):
        while queue and values[queue[-1]] <= values[position - 1]:
            queue.pop()
        queue.append(position - 1)
        while queue and queue[0] < first[position]:
            queue.popleft()
        if queue and values[queue[0]] > -np.inf:
            best[position] = queue[0]
    return best


def step_evidence(
    scores: NDArray[np.float64], calibrated: EncoderSpec | None
) -> NDArray[np.float64]:
    """How much scores speak for their step, to be added over the steps of a chain.

    With a calibration, the logarithm of the confidence: all steps have to match, and a step that
    surely does not match is not made up for by another that surely does. Without, the score.
    """
    line = _calibration_line(calibrated)
    if line is None:
        return scores
    scale, bias = line
    return -np.logaddexp(0.0, -np.minimum(scale * scores + bias, MAX_LOGIT))


def score_of_evidence(mean: float, calibrated: EncoderSpec | None) -> float:
    """The score of a chain from its mean evidence: that of a clip with the same evidence.

    Its confidence is the geometric mean of the steps' confidences.
    """
    line = _calibration_line(calibrated)
    if line is None:
        return mean
    scale, bias = line
    logit = mean - float(np.log(-np.expm1(mean)))
    return (logit - bias) / scale


def _calibration_line(calibrated: EncoderSpec | None) -> tuple[float, float] | None:
    """Scale and bias of a logit; None without a usable calibration."""
    if calibrated is None or calibrated.confidence_bias is None:
        return None
    if calibrated.confidence_scale is None or calibrated.confidence_scale <= 0:
        return None
    return calibrated.confidence_scale, calibrated.confidence_bias
