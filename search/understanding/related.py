"""What to watch next: videos like those that somebody liked, each with the reason.

examples = [Example(path, None, liked=True)]
related(store, encoder, examples, RelatedOptions(k=10))
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from vidseek.core import arguments
from vidseek.core.errors import QueryError
from vidseek.core.job import Job, Progress
from vidseek.core.types import TimeSpan, VectorBatch, Video, VideoFilter
from vidseek.encoders.base import Encoder
from vidseek.search.moments.blank import BlankClips
from vidseek.search.moments.query import check_filter, check_limits
from vidseek.search.moments.visual_query import VisualQuery, read_visual_query
from vidseek.search.understanding.clips import chosen_rows, read_clips
from vidseek.search.understanding.diversity import diversified
from vidseek.search.understanding.interests import common_part, find_interests, queries_of, unit
from vidseek.search.understanding.same_content import copies_of
from vidseek.storage.store import LibraryStore

DEFAULT_DIVERSITY = 0.3
BEST_SHARE = 0.5
"""What a video's best clip counts, beside the mean of its clips."""
MIN_POOL = 200
"""Videos, best first, among which results are picked; more for a large ``k``."""


@dataclass(frozen=True)
class Example:
    """A video, a part of a video or a picture that somebody liked or disliked."""

    path: Path
    span: TimeSpan | None = None
    """The part; None for all of it."""
    liked: bool = True


@dataclass(frozen=True)
class Reason:
    """The liked part that a recommendation is nearest to."""

    path: Path
    span: TimeSpan
    """An empty span at 0 for a picture."""


@dataclass(frozen=True)
class RelatedVideo:
    """A recommendation."""

    video: Video
    score: float
    """Likeness to the nearest interests, a cosine from -1 to 1; comparable within one answer."""
    because: Reason
    span: TimeSpan
    """The part of the recommended video that is nearest to ``because``."""


@dataclass(frozen=True, kw_only=True)
class RelatedOptions:
    """How many recommendations, and of which kind."""

    k: int = 10
    where: VideoFilter = field(default_factory=VideoFilter)
    """Which videos may be recommended."""
    diversity: float = DEFAULT_DIVERSITY
    """0 to 1; see ``vidseek.search.understanding.diversity``."""
    seen: frozenset[int] = frozenset()
    """Ids of videos that are known already, beside the examples."""

    def __post_init__(self) -> None:
        check_limits(k=arguments.whole_number(self.k, "k"), per_video=None)
        check_filter(arguments.instance(self.where, VideoFilter, "where"))
        if not 0 <= arguments.number(self.diversity, "diversity") <= 1:
            raise QueryError(f"The diversity must be 0 to 1, got {self.diversity:g}.")


@dataclass(frozen=True)
class _Liked:
    """The clips of the liked examples, centred."""

    vectors: NDArray[np.float32]
    reasons: list[Reason]
    queries: NDArray[np.float32]


def check_examples(examples: Sequence[Example]) -> None:
    """Refuse examples from which nothing can be recommended.

    Raises:
        QueryError: none is liked, or an example is both liked and disliked.
    """
    liked = {(each.path, each.span) for each in examples if each.liked}
    if not liked:
        raise QueryError("Give at least one video that is liked.")
    for example in examples:
        if not example.liked and (example.path, example.span) in liked:
            raise QueryError(f"{example.path} is both liked and disliked.")


def related(
    store: LibraryStore,
    encoder: Encoder,
    examples: Sequence[Example],
    options: RelatedOptions,
    job: Job | None = None,
) -> list[RelatedVideo]:
    """Recommend videos of a library, best first.

    The examples themselves and their copies are not recommended, and of several copies only one.

    Args:
        store: the library.
        encoder: its vectors are compared.
        examples: what was liked and disliked.
        options: how many, and of which kind.
        job: reports progress and cancels.

    Raises:
        QueryError: no example is liked, one is both liked and disliked, a liked one is blank, or a
            part is outside its video.
        PathNotFoundError: an example does not exist.
        VideoError: an example cannot be read.
        JobCancelledError: the job was cancelled.
    """
    check_examples(examples)
    job = job or Job()
    queries: list[VisualQuery] = []
    for number, example in enumerate(examples):
        job.report(
            Progress(stage="reading examples", done=number, total=len(examples), unit="videos")
        )
        job.check()
        queries.append(read_visual_query(store, encoder, example.path, example.span, job))
    with store.snapshot():
        _refuse_blank(store, examples, queries)
        clips = read_clips(store, encoder.spec.fingerprint, options.where)
        if len(clips) == 0:
            return []
        own = sorted(set().union(*(query.own_clips for query in queries)))
        seen = {clip.video_id for clip in store.videos.clips_by_id(own).values()} | options.seen
        copies = copies_of(store, seen)
        hidden = sorted(seen.union(*copies.values()))
        centre = common_part(clips.vectors)
        liked = _liked(examples, queries, centre)
        rows = np.flatnonzero(~np.isin(clips.video_ids, hidden))
        candidates = _Candidates(chosen_rows(clips, rows), centre, liked)
        best = candidates.best(max(MIN_POOL, 4 * options.k))
        known = copies_of(store, candidates.video_ids[best].tolist())
        picked = candidates.pick(best, known, options)
        videos = store.videos.by_id(candidates.video_ids[picked].tolist())
    return [candidates.result(row, videos) for row in picked]


def _refuse_blank(
    store: LibraryStore, examples: Sequence[Example], queries: Sequence[VisualQuery]
) -> None:
    """Refuse liked videos of the library that are black, or of another single colour."""
    blanks = BlankClips(store)
    for example, query in zip(examples, queries, strict=True):
        clips = store.videos.clips_by_id(query.own_clips)
        if example.liked and clips and blanks.of(clips.values()) == set(clips):
            raise QueryError(f"{example.path} cannot be used: every frame is blank.")


def _liked(
    examples: Sequence[Example], queries: Sequence[VisualQuery], centre: NDArray[np.float32]
) -> _Liked:
    vectors, weights, reasons = [], [], []
    bad_vectors, bad_weights = [], []
    for example, query in zip(examples, queries, strict=True):
        rows = unit(query.vectors - centre)
        # Each example counts the same, whether it is a film or a trailer.
        shares = query.weights / query.weights.sum()
        if example.liked:
            vectors.append(rows)
            weights.append(shares)
            reasons += [Reason(example.path, span) for span in query.spans]
        else:
            bad_vectors.append(rows)
            bad_weights.append(shares)
    stacked = np.concatenate(vectors)
    wanted = find_interests(stacked, np.concatenate(weights))
    unwanted = None
    if bad_vectors:
        unwanted = find_interests(np.concatenate(bad_vectors), np.concatenate(bad_weights))
    return _Liked(stacked, reasons, queries_of(wanted, unwanted))


class _Candidates:
    """The videos that may be recommended, with their likeness to the interests."""

    def __init__(self, clips: VectorBatch, centre: NDArray[np.float32], liked: _Liked) -> None:
        self._clips = clips
        self._liked = liked
        self._vectors = unit(clips.vectors - centre)
        self.video_ids, self._group = np.unique(clips.video_ids, return_inverse=True)
        scores = (self._vectors @ liked.queries.T).max(axis=1)
        seconds = np.maximum(clips.end_seconds - clips.start_seconds, 1e-3)
        count = len(self.video_ids)
        total = np.bincount(self._group, seconds, minlength=count)
        mean = np.bincount(self._group, seconds * scores, minlength=count) / np.maximum(total, 1e-9)
        highest = np.full(count, -1.0)
        np.maximum.at(highest, self._group, scores)
        self._relevance = (BEST_SHARE * highest + (1 - BEST_SHARE) * mean).astype(np.float32)

    def best(self, n: int) -> NDArray[np.intp]:
        """Rows of ``video_ids``, best first."""
        return np.argsort(-self._relevance, kind="stable")[:n]

    def pick(
        self, best: NDArray[np.intp], copies: dict[int, set[int]], options: RelatedOptions
    ) -> list[int]:
        """Rows of ``video_ids`` to recommend, in order, at most one of several copies."""
        ids = self.video_ids[best].tolist()

        def is_new(row: int, picked: list[int]) -> bool:
            mine = copies.get(ids[row], set())
            return not any(
                ids[other] in mine or ids[row] in copies.get(ids[other], ()) for other in picked
            )

        vectors = np.stack(
            [self._vectors[self._group == row].mean(axis=0) for row in best]
            or [np.zeros(self._vectors.shape[1], np.float32)]
        )
        chosen = diversified(
            self._relevance[best],
            unit(vectors),
            options.k,
            diversity=options.diversity,
            may_follow=is_new,
        )
        return [int(best[row]) for row in chosen]

    def result(self, row: int, videos: dict[int, Video]) -> RelatedVideo:
        """The recommendation of a row of ``video_ids``."""
        mine = np.flatnonzero(self._group == row)
        likeness = self._vectors[mine] @ self._liked.vectors.T
        clip, example = np.unravel_index(int(likeness.argmax()), likeness.shape)
        place = mine[int(clip)]
        return RelatedVideo(
            video=videos[int(self.video_ids[row])],
            score=float(self._relevance[row]),
            because=self._liked.reasons[int(example)],
            span=TimeSpan(
                float(self._clips.start_seconds[place]), float(self._clips.end_seconds[place])
            ),
        )
