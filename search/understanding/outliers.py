"""Unusual moments: clips unlike the rest, or unlike footage declared normal.

    outliers(store, encoder.spec.fingerprint, OutlierOptions(normal=VideoFilter(path_glob="/cam1")))

A frame has two distances: the mean of those to its nearest normal frames, of other times, and that
to the mean of the normal frames of its camera. The first finds what never was there, the second is
better in a short take, which has few frames of other times. Each camera has a spread of its own: a
street moves more than a store room. So both are compared with those of the normal frames of the
same video, or of the video of the nearest normal frame, as robust z-scores, of which the mean
counts; few frames borrow the spread of all. A clip's score is that of its most unusual
frames. Where there are too many frames, clips are compared instead.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from weakref import WeakKeyDictionary

import numpy as np
from numpy.typing import NDArray

from vidseek.core import arguments
from vidseek.core.errors import Hint, QueryError
from vidseek.core.job import Job
from vidseek.core.types import TimeSpan, VectorBatch, VectorLevel, Video, VideoFilter
from vidseek.search.moments.query import check_filter, check_limits
from vidseek.search.understanding.clips import read_clips
from vidseek.search.understanding.interests import common_part, unit
from vidseek.search.understanding.normal_frames import NormalFrames, middle_seconds
from vidseek.storage.store import LibraryStore

MAX_CLIPS_BY_FRAMES = 5_000
"""With more clips, clips are compared and not their frames."""
TOP_FRAMES = 2
"""A clip's most unusual frames, whose mean is its score."""
BORROWED_FRAMES = 10
"""How many frames of a video the spread and the mean of all videos count as."""
MIN_SPREAD = 0.02
"""Of cosine distances: a still picture has none."""
MIN_UNUSUAL = 3.0
"""Score from which neighbouring clips are one moment."""
NEIGHBOUR_SECONDS = 0.1
"""How far neighbouring clips may be apart."""
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
class _Part:
    video_id: int
    span: TimeSpan


@dataclass(frozen=True)
class _Moment:
    part: _Part
    score: float
    nearest: _Part


_KEPT: WeakKeyDictionary[LibraryStore, tuple[object, list[_Moment]]] = WeakKeyDictionary()
"""The last answer from each library, with what was asked: the next may only want more of it."""


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
        asked = store.sequence(), fingerprint, options.where, options.normal, options.span
        kept = _KEPT.get(store)
        if kept is None or kept[0] != asked:
            kept = asked, _all_moments(store, fingerprint, options, job)
            _KEPT[store] = kept
        moments = kept[1][: options.k]
        videos = store.videos.by_id(
            {each.video_id for moment in moments for each in (moment.part, moment.nearest)}
        )
    return [_outlier(moment, videos) for moment in moments]


def _all_moments(
    store: LibraryStore, fingerprint: str, options: OutlierOptions, job: Job
) -> list[_Moment]:
    """Every moment, most unusual first."""
    examined, normal = _read(store, fingerprint, options)
    if len(examined) == 0:
        return []
    if len(normal) == 0:
        raise QueryError(
            "There is no normal footage to compare with: no clip passes its filter.",
            hint=Hint("list_videos"),
        )
    scores, nearest = _frame_scores(examined, normal, job)
    rows = np.flatnonzero(np.isfinite(scores) & _inside(examined, options.span))
    return [
        _Moment(part, score, _part(normal, row))
        for part, score, row in _joined(examined, rows, scores, nearest)
    ]


def _read(
    store: LibraryStore, fingerprint: str, options: OutlierOptions
) -> tuple[VectorBatch, VectorBatch]:
    """What is examined and what is normal: frames if there are few enough, else clips."""
    filters = [options.where] if options.normal is None else [options.where, options.normal]
    clips = sum(len(store.clip_vectors.ids(where, fingerprint)) for where in filters)
    level: VectorLevel = "frames" if clips <= MAX_CLIPS_BY_FRAMES else "clips"
    batches = [read_clips(store, fingerprint, where, level=level) for where in filters]
    return batches[0], batches[-1]


def _frame_scores(
    examined: VectorBatch, normal: VectorBatch, job: Job
) -> tuple[NDArray[np.float64], NDArray[np.intp]]:
    """(N,) how unusual each row is, infinite or NaN for unknown; (N,) its nearest normal row."""
    frames = NormalFrames(normal, common_part(normal.vectors))
    usual, nearest = frames.distances(normal, job)
    distances = usual
    if examined is not normal:
        distances, nearest = frames.distances(examined, job)
    own = np.isin(examined.video_ids, normal.video_ids)
    cameras = np.where(own, examined.video_ids, normal.video_ids[nearest])
    ids, group = np.unique(normal.video_ids, return_inverse=True)
    camera = np.searchsorted(ids, cameras)
    centres = _centres(normal.vectors, group)
    from_nearest = _deviations(distances, camera, usual, group)
    from_centre = _deviations(
        _from_centres(examined.vectors, centres, camera),
        camera,
        _from_centres(normal.vectors, centres, group),
        group,
    )
    return (from_nearest + from_centre) / 2, nearest


def _centres(vectors: NDArray[np.float32], group: NDArray[np.intp]) -> NDArray[np.float32]:
    """(G, D) unit mean of the rows of each group, drawn to that of all where they are few."""
    order = np.argsort(group, kind="stable")
    counts = np.bincount(group)
    sums = np.add.reduceat(vectors[order], np.cumsum(counts) - counts, axis=0)
    drawn = sums + BORROWED_FRAMES * vectors.mean(axis=0)
    return unit(np.asarray(drawn, np.float32))


def _from_centres(
    vectors: NDArray[np.float32], centres: NDArray[np.float32], group: NDArray[np.intp]
) -> NDArray[np.float64]:
    """(N,) cosine distance of each row from the centre of its group."""
    return np.asarray(1 - np.einsum("nd,nd->n", vectors, centres[group]), np.float64)


def _inside(batch: VectorBatch, span: TimeSpan | None) -> NDArray[np.bool_]:
    if span is None:
        return np.ones(len(batch), np.bool_)
    times = middle_seconds(batch)
    return np.asarray((times >= span.start_seconds) & (times <= span.end_seconds))


def _deviations(
    distances: NDArray[np.float64],
    camera: NDArray[np.intp],
    usual: NDArray[np.float64],
    group: NDArray[np.intp],
) -> NDArray[np.float64]:
    """How far distances are above the usual ones of their camera, in its standard deviations.

    The spread of a camera is drawn to that of all where it has few normal frames.

    Args:
        distances: (N,) to judge.
        camera: (N,) number of their camera.
        usual: (M,) of normal frames.
        group: (M,) number of their camera; every number occurs.
    """
    finite = np.isfinite(usual)
    if not finite.any():
        return np.asarray(distances / MIN_SPREAD)
    known, counts = usual[finite], np.bincount(group[finite], minlength=group.max() + 1)
    middle = _medians(known, group[finite], counts)
    away = np.abs(known - middle[group[finite]])
    deviation = np.maximum(_medians(away, group[finite], counts) * _MAD_TO_DEVIATION, MIN_SPREAD)
    middle_of_all = np.median(known)
    of_all = np.median(np.abs(known - middle_of_all)) * _MAD_TO_DEVIATION
    share = counts / (counts + BORROWED_FRAMES)
    middle = share * middle + (1 - share) * middle_of_all
    deviation = share * deviation + (1 - share) * max(of_all, MIN_SPREAD)
    return np.asarray((distances - middle[camera]) / deviation[camera])


def _medians(
    values: NDArray[np.float64], group: NDArray[np.intp], counts: NDArray[np.intp]
) -> NDArray[np.float64]:
    """(G,) the median of each group; 0 for an empty one."""
    ordered = np.append(values[np.lexsort((values, group))], 0.0)
    starts = np.cumsum(counts) - counts
    low = ordered[starts + np.maximum(counts - 1, 0) // 2]
    high = ordered[starts + counts // 2]
    return np.where(counts > 0, (low + high) / 2, 0.0)


def _part(batch: VectorBatch, row: int) -> _Part:
    span = TimeSpan(float(batch.start_seconds[row]), float(batch.end_seconds[row]))
    return _Part(int(batch.video_ids[row]), span)


def _joined(
    examined: VectorBatch,
    rows: NDArray[np.intp],
    scores: NDArray[np.float64],
    nearest: NDArray[np.intp],
) -> list[tuple[_Part, float, int]]:
    """Clips as moments, neighbouring unusual clips joined; most unusual first.

    Args:
        examined: what was examined.
        rows: those that count.
        scores: (N,) of all.
        nearest: (N,) of all.

    Returns:
        Each moment, its score, and the normal row that its most unusual frame is nearest to.
    """
    if len(rows) == 0:
        return []
    rows = rows[np.lexsort((-scores[rows], examined.start_seconds[rows], examined.video_ids[rows]))]
    clip_ids = examined.clip_ids[rows]
    firsts = np.flatnonzero(np.append(True, clip_ids[1:] != clip_ids[:-1]))
    counts = np.minimum(np.diff(np.append(firsts, len(rows))), TOP_FRAMES)
    totals = np.append(0.0, np.cumsum(scores[rows]))
    clip_scores = (totals[firsts + counts] - totals[firsts]) / counts
    rows = rows[firsts]  # of each clip the most unusual
    videos, starts = examined.video_ids[rows], examined.start_seconds[rows]
    ends = examined.end_seconds[rows]
    is_unusual = clip_scores >= MIN_UNUSUAL
    joins = (
        (videos[1:] == videos[:-1])
        & is_unusual[1:]
        & is_unusual[:-1]
        & (starts[1:] <= ends[:-1] + NEIGHBOUR_SECONDS)
    )
    number = np.append(0, np.cumsum(~joins))
    best = np.lexsort((-clip_scores, number))
    best = best[np.append(True, np.diff(number[best]) > 0)]  # the first of each moment
    begins = np.flatnonzero(np.append(True, np.diff(number) > 0))
    moment_ends = np.maximum.reduceat(ends, begins)
    order = np.lexsort((starts[begins], videos[begins], -clip_scores[best]))
    return [
        (
            _Part(
                int(videos[begins[place]]),
                TimeSpan(float(starts[begins[place]]), float(moment_ends[place])),
            ),
            float(clip_scores[best[place]]),
            int(nearest[rows[best[place]]]),
        )
        for place in order.tolist()
    ]


def _outlier(moment: _Moment, videos: dict[int, Video]) -> Outlier:
    part, nearest = moment.part, moment.nearest
    return Outlier(
        videos[part.video_id],
        part.span,
        moment.score,
        NearestNormal(videos[nearest.video_id], nearest.span),
    )
