"""Labels of videos, of parts of videos or of every clip, from the confidences of their clips."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from vidseek.core import arguments
from vidseek.core.errors import QueryError
from vidseek.core.job import Job, Progress
from vidseek.core.types import Clip, LabelledMoment, LabelScore, TimeSpan, Video
from vidseek.core.types.labels import NONE_OF_THESE
from vidseek.search.moments.catalog_rows import CatalogRows, KeptRows
from vidseek.storage.store import LibraryStore

BEST_SHARE = 0.1
"""A video's confidence in a label is the mean over this share of its clips, the best ones, and at
least one clip: a thing may be shown in a part of the video only, but one clip of a long video says
little."""

PARTS_AT_ONCE = 512
"""Videos whose clips are read together."""

Part = tuple[Video, TimeSpan | None]
"""A video and the part of it that is meant; None for the whole video."""
Confidences = Callable[[NDArray[np.float32], NDArray[np.int64]], NDArray[np.float64]]
"""From (K, D) float32 clip vectors, and the (K,) ids of the clips, to (K, L) confidences."""


@dataclass(frozen=True, kw_only=True)
class ClassifyOptions:
    """How labels are reported."""

    k: int = 5
    """Labels a moment at most."""
    min_confidence: float = 0.1
    """Labels below this are left out."""
    by_clip: bool = False
    """Label every clip by itself, not the video."""

    def __post_init__(self) -> None:
        if arguments.whole_number(self.k, "k") < 1:
            raise QueryError(f"The number of labels must be at least 1, got {self.k}.")
        if not 0 <= arguments.number(self.min_confidence, "min_confidence") <= 1:
            raise QueryError(f"The confidence must be 0 to 1, got {self.min_confidence:g}.")
        arguments.flag(self.by_clip, "by_clip")


@dataclass(frozen=True)
class Labelling:
    """Labels, and the function that tells how sure each is."""

    labels: Sequence[str]
    """L names."""
    confidences: Confidences
    has_none: bool
    """Whether the rest of the confidence means "none of these"."""
    are_exclusive: bool
    """Whether a clip's confidences share its probability; otherwise each stands by itself."""
    kept: KeptRows | None = None
    """Rows of the catalog that are shared with other queries; None to read them for this call."""


def classify_videos(
    store: LibraryStore,
    fingerprint: str,
    labelling: Labelling,
    parts: Iterable[Part],
    options: ClassifyOptions,
    *,
    job: Job,
) -> list[LabelledMoment]:
    """Label videos from their stored vectors. Nothing is decoded.

    Args:
        store: the library; call this within one of its snapshots.
        fingerprint: of the encoder whose vectors are read.
        labelling: the labels.
        parts: videos, and the part of each to label; None for the whole video.
        options: how labels are reported.
        job: reports progress and cancels.

    Returns:
        A moment for each video or clip, most confident first; videos without vectors are left out.

    Raises:
        JobCancelledError: the job was cancelled.
    """
    moments: list[LabelledMoment] = []
    rows = CatalogRows(store) if labelling.kept is None else labelling.kept.now()
    wanted = list(parts)
    for done in range(0, len(wanted), PARTS_AT_ONCE):
        job.check()
        job.report(Progress(stage="classifying", done=done, total=len(wanted), unit="videos"))
        chosen = wanted[done : done + PARTS_AT_ONCE]
        for (video, span), clips, confidences in _scored(
            store, fingerprint, labelling, rows, chosen
        ):
            if options.by_clip:
                found = [(clip.span, row) for clip, row in zip(clips, confidences, strict=True)]
            else:
                found = [(_whole(video, span), pooled(confidences))]
            moments += [
                LabelledMoment(video, where, _named(row, labelling, options))
                for where, row in found
            ]
    return sorted(moments, key=_most_confident_first)


def _scored(
    store: LibraryStore,
    fingerprint: str,
    labelling: Labelling,
    rows: CatalogRows,
    parts: Sequence[Part],
) -> Iterator[tuple[Part, list[Clip], NDArray[np.float64]]]:
    """Each part with its encoded clips and their (K, L) confidences; blank clips have none."""
    every = rows.timelines({video.id for video, _ in parts})
    together = [clip.id for clips in every.values() for clip in clips]
    ids, vectors = store.clip_vectors.read_existing(np.array(together, np.int64), fingerprint)
    scores = labelling.confidences(vectors, ids)
    scores[[rows.is_blank(clip_id) for clip_id in ids.tolist()]] = 0.0
    row_of = {clip_id: row for row, clip_id in enumerate(ids.tolist())}
    for video, span in parts:
        clips = [
            clip
            for clip in every.get(video.id, [])
            if clip.id in row_of and (span is None or _is_within(clip, span))
        ]
        if clips:
            yield (video, span), clips, scores[[row_of[clip.id] for clip in clips]]


def _is_within(clip: Clip, span: TimeSpan) -> bool:
    return clip.span.start_seconds < span.end_seconds and clip.span.end_seconds > span.start_seconds


def pooled(confidences: NDArray[np.float64]) -> NDArray[np.float64]:
    """(K, L) confidences of a video's clips to (L,) of the video."""
    count = max(1, round(BEST_SHARE * len(confidences)))
    best = np.partition(confidences, -count, axis=0)[-count:]
    mean: NDArray[np.float64] = best.mean(axis=0)
    return mean


def _whole(video: Video, span: TimeSpan | None) -> TimeSpan:
    return TimeSpan(0.0, max(video.duration_seconds, 0.0)) if span is None else span


def _named(
    row: NDArray[np.float64], labelling: Labelling, options: ClassifyOptions
) -> tuple[LabelScore, ...]:
    order = np.argsort(-row, kind="stable")[: options.k]
    chosen = [
        LabelScore(labelling.labels[place], float(row[place]))
        for place in order.tolist()
        if row[place] >= options.min_confidence and row[place] > 0
    ]
    if chosen or not labelling.has_none:
        return tuple(chosen)
    shown = row.sum() if labelling.are_exclusive else row.max()
    return (LabelScore(NONE_OF_THESE, float(max(0.0, 1.0 - shown))),)


def _most_confident_first(moment: LabelledMoment) -> tuple[bool, float, str, TimeSpan]:
    best = moment.labels[0] if moment.labels else LabelScore(NONE_OF_THESE, 1.0)
    is_none = best.label == NONE_OF_THESE
    confidence = 0.0 if is_none else best.confidence
    return is_none, -confidence, str(moment.video.path), moment.span
