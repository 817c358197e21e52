"""Hits from ranked moments: scores of frames, thumbnails and confidences."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from vidseek.core.types import EncoderSpec, FrameMatch, MomentCopy, SearchHit, Video
from vidseek.search.moments.confidence import confidence_of
from vidseek.search.moments.context import SearchContext
from vidseek.search.moments.merging import Moment
from vidseek.search.moments.paging import Page

MOMENTS_AT_ONCE = 256
"""Moments whose frame vectors are in memory at once, in case a caller asks for a million."""


@dataclass(frozen=True)
class RankedMoment:
    """A moment that answers a query."""

    moment: Moment
    video: Video
    copies: tuple[MomentCopy, ...] = ()
    """Where else the library shows it, best copy first."""


@dataclass(frozen=True)
class RankedMoments:
    """A page of the moments that answer a query, best first."""

    moments: Sequence[RankedMoment]
    page: Page
    has_more: bool
    """Whether there may be another page."""


def make_hits(
    context: SearchContext,
    moments: Sequence[RankedMoment],
    queries: NDArray[np.float32],
    calibrated: EncoderSpec | None,
) -> list[SearchHit]:
    """Make hits: score the frames of moments and look up their thumbnails.

    Args:
        context: the context of the query.
        moments: the moments.
        queries: (Q, D) float32; a frame's score is its best inner product with one of them.
        calibrated: the spec whose calibration gives confidences; None for no confidence.
    """
    hits = []
    # Stored as float16, vectors may be longer than 1 by a little.
    largest = np.linalg.norm(queries, axis=1)
    for start in range(0, len(moments), MOMENTS_AT_ONCE):
        batch = moments[start : start + MOMENTS_AT_ONCE]
        ids = [clip.id for ranked in batch for clip in ranked.moment.clips]
        vectors = dict(zip(ids, context.frame_vectors(ids), strict=True))
        labels = context.rows.labels(ids)
        for ranked in batch:
            moment = ranked.moment
            scores = {
                clip.id: np.minimum(vectors[clip.id] @ queries.T, largest).max(axis=1)
                for clip in moment.clips
            }
            confidence = confidence_of(moment.score, calibrated) if calibrated else None
            found = {label for clip in moment.clips for label in labels[clip.id]}
            hit = _make_hit(context, ranked, scores, confidence)
            hits.append(replace(hit, labels=tuple(sorted(found))) if found else hit)
    return hits


def _make_hit(
    context: SearchContext,
    ranked: RankedMoment,
    frame_scores: dict[int, NDArray[np.float32]],
    confidence: float | None,
) -> SearchHit:
    moment, video = ranked.moment, ranked.video
    frames: list[FrameMatch] = []
    for clip in moment.clips:
        frames += map(FrameMatch, clip.frame_seconds, frame_scores[clip.id].tolist())
    # There is a thumbnail of each clip's middle frame.
    shown = max(moment.clips, key=lambda clip: float(frame_scores[clip.id].max(initial=-2)))
    thumbnail = context.store.thumbnail_path(video.content_hash, shown.middle_frame_seconds)
    return SearchHit(
        video=video,
        span=moment.span,
        score=moment.score,
        confidence=confidence,
        frames=tuple(frames),
        thumbnail=thumbnail if thumbnail.is_file() else None,
        copies=ranked.copies,
        steps=tuple(clip.span for clip in moment.clips) if moment.is_sequence else (),
    )
