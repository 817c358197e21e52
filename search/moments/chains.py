"""Chains: clips of one video that answer several texts in order of time.

    chains = ChainQueue(within_seconds=30, calibrated=spec)
    chains.wait(timeline)
    for moment in chains.moments(): ...

A chain has a clip for every step, in order of time. The best chain of a video is found by dynamic
programming: the best chain that ends in a clip at some step is that clip and the best chain of the
steps before among the clips that end in time. The maximum over these is kept in a monotone queue,
so that a video of C clips costs C operations a step.

Chains, pieces of videos and whatever may add more of them wait in one queue, ordered by bounds of
their evidence, so that chains come best first.
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
from vidseek.search.moments.merging import Moment

SAME_TIME_SECONDS = 0.01
MAX_LOGIT = 60.0
"""Beyond this a confidence is 1 in floating point."""


@dataclass(frozen=True)
class Timeline:
    """The clips of a video that may answer, in order of time."""

    video: Video
    clips: list[Clip]
    scores: NDArray[np.float32]
    """(S, C) of each clip for each step."""


@dataclass(frozen=True)
class _Steps:
    """A timeline with what its scores say."""

    timeline: Timeline
    evidence: NDArray[np.float64]
    """(S, C) how much each clip speaks for each step."""

    def place(self, clip: int) -> tuple[str, float]:
        """Path, and start of a clip: the order of equal chains."""
        timeline = self.timeline
        return str(timeline.video.path), timeline.clips[clip].span.start_seconds


class ChainQueue:
    """What may hold the next best chain, best first."""

    def __init__(self, *, within_seconds: float | None, calibrated: EncoderSpec | None) -> None:
        """Begin with nothing.

        Args:
            within_seconds: see ``best_chain``.
            calibrated: see ``step_evidence``.
        """
        self._within_seconds = within_seconds
        self._calibrated = calibrated
        self._waiting: list[tuple[float, bool, str, float, int, Callable[[], Moment | None]]] = []
        self._pushed = 0

    def moments(self) -> Iterator[Moment]:
        """The chains, best first; chains of one video do not overlap."""
        while self._waiting:
            *_, proceed = heapq.heappop(self._waiting)
            moment = proceed()
            if moment is not None:
                yield moment

    def push(
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

    def bound(self, scores: NDArray[np.floating]) -> float:
        """The mean evidence of a chain whose steps have these (S,) scores."""
        return float(step_evidence(scores.astype(np.float64), self._calibrated).mean())

    def wait(self, timeline: Timeline) -> None:
        """Let the chains of a video wait."""
        evidence = step_evidence(timeline.scores.astype(np.float64), self._calibrated)
        self._wait(_Steps(timeline, evidence), 0, len(timeline.clips))

    def _wait(self, steps: _Steps, first: int, stop: int) -> None:
        """Let the clips from ``first`` to ``stop`` wait for their best chain."""
        if stop - first >= len(steps.evidence):
            bound = float(steps.evidence[:, first:stop].max(axis=1).mean())
            self.push(bound, partial(self._solve, steps, first, stop), place=steps.place(first))

    def _solve(self, steps: _Steps, first: int, stop: int) -> None:
        evidence = steps.evidence[:, first:stop]
        spans = [clip.span for clip in steps.timeline.clips[first:stop]]
        found = best_chain(evidence, spans, self._within_seconds)
        if found is None:
            return
        chain = [first + position for position in found]
        mean = float(steps.evidence[range(len(chain)), chain].mean())
        take = partial(self._take, steps, (first, stop), chain, mean)
        self.push(mean, take, place=steps.place(chain[0]), is_chain=True)

    def _take(
        self, steps: _Steps, piece: tuple[int, int], chain: Sequence[int], mean: float
    ) -> Moment:
        self._wait(steps, piece[0], chain[0])
        self._wait(steps, chain[-1] + 1, piece[1])
        clips = tuple(steps.timeline.clips[position] for position in chain)
        strongest = int(steps.evidence[range(len(chain)), chain].argmax())
        score = score_of_evidence(mean, self._calibrated)
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
