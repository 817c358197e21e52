"""Sequences: moments of one video that answer several texts, each after the one before.

    finder = SequenceFinder(context, SequenceQuery(directions, within_seconds=30))
    for moment in finder.moments(256): ...

First stage: only videos that may hold the next best chain are read. No chain of a video is better
than the best clips of its steps together, and no clip outside the nearest clips of a step is better
than the last of them: chains, videos and the videos not seen yet wait in one queue, ordered by
these bounds (the threshold algorithm of Fagin, Lotem and Naor, 2001). So chains come best first,
and none is missed.

Second stage: the best videos of the first are solved again with the hubness correction.
"""

from __future__ import annotations

import heapq
import itertools
from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import partial

import numpy as np
from numpy.typing import NDArray

from vidseek.core.types import Clip, EncoderSpec, Video
from vidseek.search.moments.chains import ChainQueue, Timeline
from vidseek.search.moments.context import SearchContext
from vidseek.search.moments.merging import Moment
from vidseek.search.moments.rerank import RERANK_DEPTH

FETCH_FACTOR = 4
MAX_READ_AHEAD = 256
"""Videos that are read together at most: those with the best bounds, which are next. Each time as
many as were read before, so that at most twice as many are read as needed."""
ROUNDING = 1e-4
"""The index rounds scores by less than this; bounds are raised by it."""
MAX_CORRECTED_CLIPS = 2_500
"""No more videos are scored again once they have this many clips together: a tenth of a second
where none of them was corrected before."""


@dataclass(frozen=True)
class SequenceQuery:
    """What a sequence shows."""

    directions: NDArray[np.float32]
    """(S, D) float32: the score of a clip for a step is its vector's inner product with a row."""
    within_seconds: float | None = None
    """Each step begins at most this long after the step before ends; None for any time after."""
    calibrated: EncoderSpec | None = None
    """The spec whose calibration weighs the steps against each other; None for their mean."""
    is_corrected: bool = True
    """Whether the second stage applies the hubness correction, if there is any."""


class SequenceFinder:
    """Finds the chains of one query, best first."""

    def __init__(self, context: SearchContext, query: SequenceQuery) -> None:
        self._context = context
        self._query = query
        self._chains = self._queue()
        self._unread: dict[int, float] = {}
        """Bounds of the videos that were not read, by id."""
        self._read_ahead: dict[int, tuple[list[Clip], NDArray[np.float32]]] = {}
        self._timelines: dict[int, Timeline] = {}
        """What was read and waits to be scored again, by video."""
        self.videos: dict[int, Video] = {}
        """The videos seen so far, by id."""

    def moments(self, first_fetch: int) -> Iterator[Moment]:
        """The chains, best first; chains of one video do not overlap.

        With a hubness correction, the videos of the best chains, at most ``RERANK_DEPTH``, are
        scored again. Chains of other videos come after the best chain of each of these: their
        scores are lowered together if they would overtake, as in a search for a single text.

        Args:
            first_fetch: number of nearest clips of each step that are looked at first.
        """
        self._fetch(min(first_fetch, self._context.size))
        found = self._chains.moments()
        if not self._query.is_corrected or self._context.hubness is None:
            return found
        best: set[int] = set()
        clips = 0
        for moment in found:
            if moment.video_id in best:
                continue
            clips += len(self._timelines[moment.video_id].clips)
            if len(best) == RERANK_DEPTH or (best and clips > MAX_CORRECTED_CLIPS):
                rest = itertools.chain((moment,), found)
                return self._followed(self._corrected(best), rest, best)
            best.add(moment.video_id)
        return self._corrected(best)

    def _queue(self) -> ChainQueue:
        query = self._query
        return ChainQueue(within_seconds=query.within_seconds, calibrated=query.calibrated)

    def _corrected(self, video_ids: set[int]) -> Iterator[Moment]:
        """The chains of videos, best first, by corrected scores."""
        chains = self._queue()
        timelines = [self._timelines[video_id] for video_id in sorted(video_ids)]
        corrections = self._context.hubness_corrections(
            [clip.id for timeline in timelines for clip in timeline.clips]
        )
        start = 0
        for timeline in timelines:
            stop = start + len(timeline.clips)
            added = 0 if corrections is None else corrections[start:stop]
            chains.wait(replace(timeline, scores=timeline.scores + added))
            start = stop
        return chains.moments()

    @staticmethod
    def _followed(
        corrected: Iterator[Moment], rest: Iterator[Moment], video_ids: set[int]
    ) -> Iterator[Moment]:
        """The corrected chains of videos, and what the first stage found in the others."""
        unseen = set(video_ids)
        lowest = 0.0
        while unseen:
            moment = next(corrected)
            unseen.discard(moment.video_id)
            lowest = moment.score
            yield moment
        others = (moment for moment in rest if moment.video_id not in video_ids)
        first = next(others)
        excess = max(0.0, first.score - lowest)
        lowered = (
            replace(moment, score=moment.score - excess)
            for moment in itertools.chain((first,), others)
        )
        yield from heapq.merge(corrected, lowered, key=lambda moment: -moment.score)

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
            bound = self._chains.bound(bounds + ROUNDING)
            self._unread[video_id] = bound
            self._chains.push(bound, partial(self._read, video), place=(str(video.path), 0.0))
        if n < self._context.size:
            more = min(FETCH_FACTOR * n, self._context.size)
            self._chains.push(self._chains.bound(floors + ROUNDING), partial(self._fetch, more))

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
        self._timelines[video.id] = Timeline(video, clips, scores)
        self._chains.wait(self._timelines[video.id])
