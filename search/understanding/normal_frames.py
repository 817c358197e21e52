"""Normal frames, and how far other frames are from the nearest of them."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from vidseek.core.job import Job, Progress
from vidseek.core.types import VectorBatch
from vidseek.search.understanding.interests import unit

NEAREST_SHARE, MAX_NEAREST = 0.05, 10
"""Normal frames that a distance is the mean over: this share of all, at most this many."""
APART_SECONDS = 10.0
"""Frames of the same video that are nearer in time are not compared: an unusual stretch is like
itself. A short video leaves a quarter of its length out instead."""
MAX_COMPARED = 1_024
"""Normal frames of other videos that a frame is compared with; of more, a sample. Distances to a
sample find outliers as well as those to all (Sugiyama and Borgwardt, NeurIPS 2013)."""
MAX_OF_OWN_VIDEO = 8_192
"""The same for the frames of its own video, evenly spaced."""
ROWS_PER_BLOCK = 512


class NormalFrames:
    """Normal frames, or clips, to compare others with."""

    def __init__(self, normal: VectorBatch, centre: NDArray[np.float32]) -> None:
        """Prepare the comparison.

        Args:
            normal: at least one row.
            centre: (D,) what all have in common, taken off before vectors are compared.
        """
        self._centre = centre
        self._count = int(np.clip(round(NEAREST_SHARE * len(normal)), 1, MAX_NEAREST))
        self._rows = np.lexsort((middle_seconds(normal), normal.video_ids))
        """By video and time."""
        self._vectors = unit(normal.vectors[self._rows] - centre)
        self._video_ids = normal.video_ids[self._rows]
        self._clip_ids = normal.clip_ids[self._rows]
        self._times = middle_seconds(normal)[self._rows]
        ids, firsts = np.unique(self._video_ids, return_index=True)
        ends = np.maximum.reduceat(normal.end_seconds[self._rows], firsts)
        self._ids, self._ends = ids, ends
        self._sample = np.arange(len(normal))
        if len(normal) > MAX_COMPARED:
            random = np.random.default_rng(0)
            self._sample = np.sort(random.choice(len(normal), MAX_COMPARED, replace=False))
        self._sample_vectors = self._vectors[self._sample]

    def distances(
        self, frames: VectorBatch, job: Job
    ) -> tuple[NDArray[np.float64], NDArray[np.intp]]:
        """Compare frames with the normal ones.

        Args:
            frames: (N,) rows.
            job: reports progress and cancels.

        Returns:
            (N,) mean distances to the nearest normal frames of other times, infinite without any;
            (N,) rows of the nearest normal frames.
        """
        order = np.lexsort((middle_seconds(frames), frames.video_ids))
        distances = np.empty(len(frames))
        nearest = np.empty(len(frames), np.intp)
        for block in _blocks(len(frames), job):
            rows = order[block]
            likeness, columns = self._likeness(frames, rows)
            count = min(self._count, likeness.shape[1])
            places = np.argpartition(likeness, -count, axis=1)[:, -count:]
            best = np.take_along_axis(likeness, places, axis=1)
            exists = np.isfinite(best)
            total = np.where(exists, best, 0).sum(axis=1)
            found = exists.sum(axis=1)
            distances[rows] = np.where(found > 0, 1 - total / np.maximum(found, 1), np.inf)
            first = np.take_along_axis(places, best.argmax(axis=1)[:, None], axis=1)[:, 0]
            nearest[rows] = self._rows[columns[first]]
        return distances, nearest

    def _likeness(
        self, frames: VectorBatch, rows: NDArray[np.intp]
    ) -> tuple[NDArray[np.float32], NDArray[np.intp]]:
        """Cosines of some frames with the sample and with the frames of their own videos.

        Returns:
            (R, C) float32, -inf where the two are not to be compared; (C,) normal frames, in order
            of video and time.
        """
        video_ids = frames.video_ids[rows]
        vectors = unit(frames.vectors[rows] - self._centre)
        own = self._own_columns(int(video_ids[0]), int(video_ids[-1]))
        others = vectors @ self._sample_vectors.T
        others[video_ids[:, None] == self._video_ids[self._sample]] = -np.inf
        mine = vectors @ self._vectors[own].T
        place = np.minimum(np.searchsorted(self._ids, video_ids), len(self._ids) - 1)
        apart = np.minimum(APART_SECONDS, self._ends[place] / 4)[:, None]
        times = middle_seconds(frames)[rows][:, None]
        hidden = video_ids[:, None] != self._video_ids[own]
        hidden |= np.abs(times - self._times[own]) <= apart
        hidden |= frames.clip_ids[rows][:, None] == self._clip_ids[own]
        mine[hidden] = -np.inf
        return np.concatenate([others, mine], axis=1), np.concatenate([self._sample, own])

    def _own_columns(self, first_id: int, last_id: int) -> NDArray[np.intp]:
        """The normal frames of the videos with these and the ids between."""
        start = int(np.searchsorted(self._video_ids, first_id, side="left"))
        stop = int(np.searchsorted(self._video_ids, last_id, side="right"))
        step = max(1, -(-(stop - start) // MAX_OF_OWN_VIDEO))
        return np.arange(start, stop, step)


def middle_seconds(batch: VectorBatch) -> NDArray[np.float64]:
    """(N,) the time of each frame, or the middle of each clip."""
    if batch.frame_seconds is not None:
        return batch.frame_seconds
    return np.asarray((batch.start_seconds + batch.end_seconds) / 2)


def _blocks(count: int, job: Job) -> Iterator[slice]:
    for start in range(0, count, ROWS_PER_BLOCK):
        job.report(Progress(stage="comparing frames", done=start, total=count, unit="frames"))
        job.check()
        yield slice(start, start + ROWS_PER_BLOCK)
