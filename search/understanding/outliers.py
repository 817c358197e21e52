"""Unusual moments: clips unlike the rest, or unlike footage declared normal.

    outliers(store, encoder.spec.fingerprint, OutlierOptions(normal=VideoFilter(path_glob="/cam1")))

A frame's distance is the mean of those to its nearest normal frames, of other times. Each camera
has a spread of its own: a street moves more than a store room. So the distance is compared with
those of the normal frames of the same video, or of the video of the nearest normal frame, as a
robust z-score; few frames borrow the spread of all. A clip's score is that of its most unusual
frames. Where there are too many frames, clips are compared instead.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from vidseek.core import arguments
from vidseek.core.errors import Hint, QueryError
from vidseek.core.job import Job, Progress
from vidseek.core.types import TimeSpan, VectorBatch, Video, VideoFilter
from vidseek.search.moments.query import check_filter, check_limits
from vidseek.search.understanding.clips import chosen_rows, read_clips
from vidseek.search.understanding.interests import common_part, unit
from vidseek.storage.store import LibraryStore

MAX_FRAMES = 20_000
NEAREST_SHARE, MAX_NEAREST = 0.05, 10
"""Normal frames that a distance is the mean over: this share of all, at most so many."""
APART_SECONDS = 10.0
"""Frames of the same video that are nearer in time are not compared: an unusual stretch is like
itself. A short video leaves a quarter of its length out instead."""
TOP_FRAMES = 2
"""A clip's most unusual frames, whose mean is its score."""
BORROWED_FRAMES = 10
"""How many frames of a video the spread of all videos counts as."""
MIN_SPREAD = 0.02
"""Of cosine distances: a still picture has none."""
MIN_UNUSUAL = 3.0
"""Score from which neighbouring clips are one moment."""
ROWS_PER_BLOCK = 512
_MAD_TO_DEVIATION = 1.4826


@dataclass(frozen=True)
class NearestNormal:
    """The normal clip that an unusual moment is nearest to."""

    video: Video
    span: TimeSpan


@dataclass(frozen=True)
class Outlier:
    """A moment and how unusual it is."""

    video: Video
    span: TimeSpan
    score: float
    """Standard deviations above the usual distance of its camera; 3 or more is unusual."""
    nearest: NearestNormal


@dataclass(frozen=True, kw_only=True)
class OutlierOptions:
    """What is examined, and what is normal."""

    k: int = 10
    where: VideoFilter = field(default_factory=VideoFilter)
    """The videos to examine."""
    span: TimeSpan | None = None
    """Only this part of them; the rest is still compared with."""
    normal: VideoFilter | None = None
    """Normal footage; None for the rest of the examined videos."""

    def __post_init__(self) -> None:
        check_limits(k=arguments.whole_number(self.k, "k"), per_video=None)
        for each in (self.where, self.normal):
            if each is not None:
                check_filter(arguments.instance(each, VideoFilter, "where"))


@dataclass(frozen=True)
class _Spread:
    """The usual distance of the normal frames of a camera, and how much it varies."""

    middle: float
    deviation: float


def outliers(
    store: LibraryStore, fingerprint: str, options: OutlierOptions, job: Job | None = None
) -> list[Outlier]:
    """Find the most unusual moments, most unusual first.

    Args:
        store: the library.
        fingerprint: of the encoder.
        options: what is examined, and what is normal.
        job: reports progress and cancels.

    Raises:
        QueryError: no clip is normal footage.
        JobCancelledError: the job was cancelled.
    """
    job = job or Job()
    with store.snapshot():
        examined, normal = _read(store, fingerprint, options)
        if len(examined) == 0:
            return []
        if len(normal) == 0:
            raise QueryError(
                "There is no normal footage to compare with: no clip passes its filter.",
                hint=Hint("list_videos"),
            )
        centre = common_part(normal.vectors)
        comparison = _Comparison(normal, centre)
        usual, nearest = comparison.distances(normal, job)
        distances = usual
        if examined is not normal:
            distances, nearest = comparison.distances(examined, job)
        spreads = _spreads(normal.video_ids, usual)
        cameras = np.where(
            np.isin(examined.video_ids, normal.video_ids),
            examined.video_ids,
            normal.video_ids[nearest],
        )
        middle = np.array([spreads[camera].middle for camera in cameras.tolist()])
        deviation = np.array([spreads[camera].deviation for camera in cameras.tolist()])
        scores = (distances - middle) / deviation
        ids = set(examined.video_ids.tolist()) | set(normal.video_ids.tolist())
        videos = store.videos.by_id(ids)
    rows = np.flatnonzero(np.isfinite(scores) & _inside(examined, options.span))
    clips = _clip_scores(chosen_rows(examined, rows), scores[rows], nearest[rows])
    return _moments(clips, normal, videos)[: options.k]


def _read(
    store: LibraryStore, fingerprint: str, options: OutlierOptions
) -> tuple[VectorBatch, VectorBatch]:
    """What is examined and what is normal: frames if there are few enough, else clips."""
    filters = [options.where] if options.normal is None else [options.where, options.normal]
    clips = [read_clips(store, fingerprint, where) for where in filters]
    ids = np.unique(np.concatenate([each.clip_ids for each in clips]))
    counts = store.videos.clips_by_id(ids.tolist()) if len(ids) <= MAX_FRAMES else {}
    frames = sum(len(clip.frame_seconds) for clip in counts.values())
    if counts and frames <= MAX_FRAMES:
        clips = [read_clips(store, fingerprint, where, level="frames") for where in filters]
    return clips[0], clips[-1]


class _Comparison:
    """Distances to normal frames of other times."""

    def __init__(self, normal: VectorBatch, centre: NDArray[np.float32]) -> None:
        self._normal = normal
        self._centre = centre
        self._vectors = unit(normal.vectors - centre)
        self._times = _times(normal)
        self._count = int(np.clip(round(NEAREST_SHARE * len(normal)), 1, MAX_NEAREST))
        ids, group = np.unique(normal.video_ids, return_inverse=True)
        order = np.argsort(group, kind="stable")
        pieces = np.split(order, np.cumsum(np.bincount(group))[:-1])
        self._rows_of = dict(zip(ids.tolist(), pieces, strict=True))
        self._ends = {
            video_id: float(normal.end_seconds[rows].max())
            for video_id, rows in self._rows_of.items()
        }

    def distances(
        self, frames: VectorBatch, job: Job
    ) -> tuple[NDArray[np.float64], NDArray[np.intp]]:
        """Compare frames with the normal ones.

        Returns:
            (N,) mean distances, infinite without any normal frame of another time; (N,) rows of the
            nearest normal frames.
        """
        vectors = unit(frames.vectors - self._centre)
        times = _times(frames)
        distances = np.empty(len(frames))
        nearest = np.empty(len(frames), np.intp)
        for block in _blocks(len(frames), job):
            likeness = vectors[block] @ self._vectors.T
            self._hide_same_time(likeness, frames, times, block)
            rows = np.argpartition(likeness, -self._count, axis=1)[:, -self._count :]
            best = np.take_along_axis(likeness, rows, axis=1)
            exists = np.isfinite(best)
            total = np.where(exists, best, 0).sum(axis=1)
            count = exists.sum(axis=1)
            distances[block] = np.where(count > 0, 1 - total / np.maximum(count, 1), np.inf)
            first = best.argmax(axis=1)[:, None]
            nearest[block] = np.take_along_axis(rows, first, axis=1)[:, 0]
        return distances, nearest

    def _hide_same_time(
        self,
        likeness: NDArray[np.float32],
        frames: VectorBatch,
        times: NDArray[np.float64],
        block: slice,
    ) -> None:
        """Give the normal frames of the same time and video the lowest likeness."""
        video_ids = frames.video_ids[block]
        for video_id in np.unique(video_ids).tolist():
            columns = self._rows_of.get(video_id)
            if columns is None:
                continue
            rows = np.flatnonzero(video_ids == video_id)
            apart = min(APART_SECONDS, self._ends[video_id] / 4)
            close = np.abs(times[block][rows, None] - self._times[columns]) <= apart
            clip_ids = frames.clip_ids[block][rows, None]
            hidden = close | (clip_ids == self._normal.clip_ids[columns])
            places = np.ix_(rows, columns)
            likeness[places] = np.where(hidden, -np.inf, likeness[places])


def _blocks(count: int, job: Job) -> Iterator[slice]:
    for start in range(0, count, ROWS_PER_BLOCK):
        job.report(Progress(stage="comparing frames", done=start, total=count, unit="frames"))
        job.check()
        yield slice(start, start + ROWS_PER_BLOCK)


def _times(batch: VectorBatch) -> NDArray[np.float64]:
    if batch.frame_seconds is not None:
        return batch.frame_seconds
    return np.asarray((batch.start_seconds + batch.end_seconds) / 2)


def _inside(batch: VectorBatch, span: TimeSpan | None) -> NDArray[np.bool_]:
    if span is None:
        return np.ones(len(batch), np.bool_)
    times = _times(batch)
    return np.asarray((times >= span.start_seconds) & (times <= span.end_seconds))


def _spreads(video_ids: NDArray[np.int64], usual: NDArray[np.float64]) -> dict[int, _Spread]:
    """The spread of each video, drawn to that of all where it has few frames."""
    finite = np.isfinite(usual)
    if not finite.any():
        return dict.fromkeys(np.unique(video_ids).tolist(), _Spread(0.0, MIN_SPREAD))
    everywhere = _spread(usual[finite])
    found = {}
    for video_id in np.unique(video_ids).tolist():
        mine = usual[finite & (video_ids == video_id)]
        if len(mine) == 0:
            found[video_id] = everywhere
            continue
        share = len(mine) / (len(mine) + BORROWED_FRAMES)
        spread = _spread(mine)
        found[video_id] = _Spread(
            share * spread.middle + (1 - share) * everywhere.middle,
            share * spread.deviation + (1 - share) * everywhere.deviation,
        )
    return found


def _spread(distances: NDArray[np.float64]) -> _Spread:
    middle = float(np.median(distances))
    deviation = float(np.median(np.abs(distances - middle))) * _MAD_TO_DEVIATION
    return _Spread(middle, max(deviation, MIN_SPREAD))


@dataclass(frozen=True)
class _ScoredClip:
    video_id: int
    span: TimeSpan
    score: float
    nearest: int
    """Row of the normal frame that its most unusual frame is nearest to."""


def _clip_scores(
    frames: VectorBatch, scores: NDArray[np.float64], nearest: NDArray[np.intp]
) -> list[_ScoredClip]:
    """Clips in order of video and time."""
    order = np.lexsort((-scores, frames.start_seconds, frames.video_ids))
    _, firsts = np.unique(frames.clip_ids[order], return_index=True)
    clips = []
    for rows in np.split(order, np.sort(firsts)[1:]) if len(order) else []:
        first = rows[0]
        clips.append(
            _ScoredClip(
                int(frames.video_ids[first]),
                TimeSpan(float(frames.start_seconds[first]), float(frames.end_seconds[first])),
                float(scores[rows[:TOP_FRAMES]].mean()),
                int(nearest[first]),
            )
        )
    return clips


def _moments(
    clips: list[_ScoredClip], normal: VectorBatch, videos: dict[int, Video]
) -> list[Outlier]:
    """Clips as moments, neighbouring unusual clips joined; most unusual first."""
    joined: list[_ScoredClip] = []
    for clip in clips:
        last = joined[-1] if joined else None
        if (
            last is not None
            and last.video_id == clip.video_id
            and min(last.score, clip.score) >= MIN_UNUSUAL
            and clip.span.start_seconds <= last.span.end_seconds + 0.1
        ):
            better = max(last, clip, key=lambda each: each.score)
            span = last.span.union(clip.span)
            joined[-1] = _ScoredClip(clip.video_id, span, better.score, better.nearest)
        else:
            joined.append(clip)
    joined.sort(key=lambda clip: (-clip.score, clip.video_id, clip.span))
    return [
        Outlier(
            videos[clip.video_id],
            clip.span,
            clip.score,
            NearestNormal(
                videos[int(normal.video_ids[clip.nearest])],
                TimeSpan(
                    float(normal.start_seconds[clip.nearest]),
                    float(normal.end_seconds[clip.nearest]),
                ),
            ),
        )
        for clip in joined
        if clip.video_id in videos
    ]
