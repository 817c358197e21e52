"""Vectors of a query by picture or video.

A library file that has not changed since it was indexed is not decoded again: its stored clip
vectors are the query. Where a part of the video cuts through clips, stored frame features are
encoded.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from vidseek.core.errors import PathNotFoundError, QueryError
from vidseek.core.job import Job, Progress
from vidseek.core.paths import absolute_path
from vidseek.core.spacing import evenly_spaced
from vidseek.core.types import Clip, FrameBatch, TimeSpan, Video, VideoState
from vidseek.encoders.base import Encoder
from vidseek.encoders.outputs import clip_vectors, frame_features
from vidseek.storage.store import LibraryStore

if TYPE_CHECKING:
    from vidseek.video import DecodeLimits, VideoInfo

MAX_QUERY_CLIPS = 64
"""A longer query is represented by this many evenly spaced clips: an hour has hundreds, and each is
a search of its own."""


@dataclass(frozen=True)
class VisualQuery:
    """The vectors of a query by picture or video."""

    vectors: NDArray[np.float32]
    """(Q, D) float32, L2-normalised: one row per query clip, at least one."""
    weights: NDArray[np.float32]
    """(Q,) float32, positive: seconds that each row represents."""
    spans: tuple[TimeSpan, ...]
    """Q parts of the file; an empty one at 0 for a picture."""
    is_picture: bool
    own_clips: frozenset[int]
    """Library clips that the query itself covers."""


def read_visual_query(
    store: LibraryStore,
    encoder: Encoder,
    path: Path,
    span: TimeSpan | None,
    job: Job,
    limits: DecodeLimits | None = None,
) -> VisualQuery:
    """Turn a file into query vectors.

    Args:
        store: the library.
        encoder: encodes the query.
        path: a picture or a video.
        span: the part of a video; None for all of it.
        job: reports progress and cancels.
        limits: what a video may be and take if it is decoded; None for the usual limits.

    Raises:
        PathNotFoundError: the file does not exist.
        QueryError: the video has no such part, or the file is a picture.
        VideoError: the file cannot be read.
        JobCancelledError: the job was cancelled.
    """
    # Links are not resolved: the library knows a file by the path under which it was found.
    path = absolute_path(path)
    if not path.is_file():
        what = "is a folder" if path.is_dir() else "does not exist"
        raise PathNotFoundError(
            f"{path} {what}: give a video or a picture to compare with.", path=path
        )
    if span is not None and span.duration_seconds <= 0:
        raise QueryError(f"The part {_span_text(span)} is empty: it must end after it starts.")

    video = _unchanged(store, path)
    covered: list[Clip] = []
    if video is not None:
        _check_part(span, video.duration_seconds, path)
        clips = store.videos.clips(video.id)
        covered = [clip for clip in clips if span is None or clip.span.overlap(span) > 0]
    own_clips = frozenset(clip.id for clip in covered)
    stored = _stored(store, encoder, covered, span) if covered else None
    vectors, spans, is_one_picture = stored or _decoded(encoder, path, span, job, limits)
    chosen = evenly_spaced(len(vectors), MAX_QUERY_CLIPS)
    shown = tuple(spans[row] for row in chosen)
    weights = np.ones(1, np.float32) if is_one_picture else _positive(shown)
    return VisualQuery(vectors[chosen], weights, shown, is_one_picture, own_clips)


def read_appearance(
    store: LibraryStore, encoder: Encoder, path: Path, job: Job, span: TimeSpan | None = None
) -> NDArray[np.float32]:
    """(D,) float32, L2-normalised: what a picture, a video or a part of a video looks like.

    Raises:
        PathNotFoundError: the file does not exist.
        QueryError: the video has no such part, or the file is a picture.
        VideoError: the file cannot be read.
        JobCancelledError: the job was cancelled.
    """
    query = read_visual_query(store, encoder, path, span, job)
    mean = query.weights @ query.vectors
    normalised: NDArray[np.float32] = mean / np.maximum(np.linalg.norm(mean), np.float32(1e-9))
    return normalised


_Rows = tuple[NDArray[np.float32], list[TimeSpan], bool]
"""Vectors (Q, D), parts of the file, and whether the query is a single picture."""


def _unchanged(store: LibraryStore, path: Path) -> Video | None:
    """The library video of a file, if the file has not changed since it was indexed."""
    for candidate in dict.fromkeys((path, path.resolve())):
        video = store.videos.at(candidate)
        if video is not None and video.state is VideoState.INDEXED:
            status = path.stat()
            if (status.st_size, status.st_mtime_ns) == (video.size_bytes, video.modified_ns):
                return video
    return None


def _stored(
    store: LibraryStore, encoder: Encoder, clips: Sequence[Clip], span: TimeSpan | None
) -> _Rows | None:
    """Rows from stored vectors.

    None if no sampled frame lies inside the part, or if this encoder has not encoded the video.
    """
    fingerprint = encoder.spec.fingerprint
    ids = [clip.id for clip in clips]
    known, existing = store.clip_vectors.read_existing(np.array(sorted(ids)), fingerprint)
    if len(known) < len(ids):
        return None
    vectors = existing[np.searchsorted(known, ids)]
    if span is None:
        return vectors, [clip.span for clip in clips], False
    rows, spans = [], []
    features = store.clip_vectors.frame_features(ids, fingerprint)
    for clip, vector, frames in zip(clips, vectors, features, strict=True):
        overlap = clip.span.overlap(span)
        if overlap < clip.span.duration_seconds:
            times = np.array(clip.frame_seconds)
            inside = np.flatnonzero((times >= span.start_seconds) & (times <= span.end_seconds))
            if len(inside) == 0:
                continue
            part = [slice(0, len(inside))]
            vector = clip_vectors(encoder, frames[inside], times[inside], part)[0]
        rows.append(vector)
        spans.append(_common(clip.span, span))
    if not rows:
        return None
    return np.stack(rows), spans, False


def _decoded(
    encoder: Encoder, path: Path, span: TimeSpan | None, job: Job, limits: DecodeLimits | None
) -> _Rows:
    """Rows from decoding the file."""
    # Imported here because the readers are slow to import and text queries never need them.
    from vidseek.video import (
        DecodeJob,
        DecodePool,
        SamplingPlan,
        is_picture,
        read_picture,
        without_bars,
    )
    from vidseek.video.limits import DEFAULT_LIMITS

    if is_picture(path):
        if span is not None:
            raise QueryError(f"{path} is a picture: it has no part {_span_text(span)}.")
        batch = read_picture(path)
        features = frame_features(encoder, without_bars(batch.data))
        return features.vectors, [TimeSpan(0.0, 0.0)], True

    from vidseek.encoders.pipeline import encode_video

    frames = 0

    def on_batch(_: VideoInfo, batch: FrameBatch) -> None:
        nonlocal frames
        frames += len(batch)
        job.report(Progress(stage="reading the query", done=frames, unit="frames"))
        job.check()

    short_side = encoder.spec.image_size
    with DecodePool(workers=1, short_side=short_side, limits=limits or DEFAULT_LIMITS) as pool:
        for decoded in pool.read([DecodeJob(path, SamplingPlan(), span)]):
            _check_part(span, decoded.info.duration_seconds, path)
            clips = encode_video(decoded, encoder, on_batch=on_batch).clips
    spans = [clip.span if span is None else _common(clip.span, span) for clip in clips]
    return np.stack([clip.vector for clip in clips]), spans, False


def _common(clip: TimeSpan, span: TimeSpan) -> TimeSpan:
    """The part of a clip within a span; empty if they do not meet."""
    start = max(clip.start_seconds, span.start_seconds)
    return TimeSpan(start, max(start, min(clip.end_seconds, span.end_seconds)))


def _check_part(span: TimeSpan | None, duration_seconds: float, path: Path) -> None:
    if span is not None and 0 < duration_seconds <= span.start_seconds:
        raise QueryError(
            f"{path} lasts {duration_seconds:.1f} s: the part {_span_text(span)} is outside it."
        )


def _positive(spans: Sequence[TimeSpan]) -> NDArray[np.float32]:
    """Seconds of each part; clips of a single frame, which may last 0 s, get a small weight."""
    seconds = np.array([span.duration_seconds for span in spans], np.float32)
    return np.maximum(seconds, np.float32(1e-3))


def _span_text(span: TimeSpan) -> str:
    return f"{span.start_seconds:g}-{span.end_seconds:g} s"
