"""Answering a query with moments of the library's videos, best first.

engine = SearchEngine(store, encoder)
for hit in engine.search("a dog catching a frisbee", k=5):
    print(hit.video.path, hit.span, hit.confidence)

An engine keeps nothing of a query and may be used from several threads at once.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Collection, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from vidseek.core.errors import EncoderError
from vidseek.core.types import (
    Calibration,
    EncoderSpec,
    FrameMatch,
    SearchHit,
    TimeSpan,
    Video,
    VideoFilter,
    VideoState,
)
from vidseek.encoders.base import Encoder
from vidseek.encoders.hubness import HubnessCorrection
from vidseek.search.moments.confidence import calibrated_spec, confidence_of, usable_calibration
from vidseek.search.moments.hubness import stored_hubness
from vidseek.search.moments.localization import localize_moments
from vidseek.search.moments.merging import (
    DEFAULT_MARGIN,
    Moment,
    ScoredClip,
    find_moments,
    limit_per_video,
    merge_margin,
)
from vidseek.search.moments.query import check_filter, check_limits, clean_text
from vidseek.search.moments.retrieval import (
    RERANK_DEPTH,
    Candidates,
    SearchContext,
    TextCandidates,
    VisualCandidates,
)
from vidseek.search.moments.visual_query import read_visual_query
from vidseek.storage.store import LibraryStore
from vidseek.storage.vectors.protocol import VectorIndex

logger = logging.getLogger(__name__)

EVERYTHING = VideoFilter()
FIRST_FETCH = 256
"""Clips looked at before it is known whether they suffice: more than ``RERANK_DEPTH``, and so few
that a query stays a matter of milliseconds."""
MAX_NEIGHBOURS = 1_024
"""Beyond so many clips no more are fetched only to let a moment grow by another neighbour."""
MOMENTS_AT_ONCE = 256
"""Moments whose frames' vectors are in memory at a time, should somebody ask for a million."""


class SearchEngine:
    """Text, picture and video queries against one library, by the vectors of one encoder."""

    def __init__(self, store: LibraryStore, encoder: Encoder) -> None:
        self._store = store
        self._encoder = encoder

    @property
    def encoder(self) -> Encoder:
        """What the queries are encoded with."""
        return self._encoder

    def search(
        self,
        text: str,
        *,
        k: int = 10,
        not_text: str | None = None,
        where: VideoFilter = EVERYTHING,
        per_video: int | None = None,
        rerank: bool = True,
        refine_spans: bool = False,
    ) -> list[SearchHit]:
        """Find the moments that a sentence describes.

        Args:
            text: what to look for; beyond ``MAX_QUERY_CHARACTERS`` it is cut with a warning.
            k: number of hits; fewer come only where the library has fewer moments.
            not_text: what should not be seen; see ``TextCandidates``.
            where: which videos may answer.
            per_video: at most so many hits of one video.
            rerank: False leaves out the second stage: hubs' correction and cross-modal head.
            refine_spans: begin and end hits by the similarity curve around their best clip, see
                ``vidseek.search.moments.localization``, not by merging neighbours that score alike.

        Raises:
            QueryError: an empty text, ``k`` under 1, a filter that contradicts itself.
            EncoderError: the library holds no vectors of this encoder.
        """
        text = clean_text(text)
        if not_text is not None:
            not_text = clean_text(not_text, what="text to leave out")
        check_limits(k=k, per_video=per_video)
        check_filter(where)
        index = self._index()
        if index is None:
            return []
        # One state of the database from here on: no clip goes between two looks at it.
        with self._store.snapshot():
            stored = self._stored_calibration()
            hubness = self._hubness(stored)
            scope = SearchContext(self._store, self._encoder, index, where=where, hubness=hubness)
            if scope.size == 0:
                return []
            candidates = TextCandidates(
                scope, text, not_text=not_text, rerank_depth=self._depth(scope, rerank)
            )

            if refine_spans:

                def localized(ranked: Sequence[ScoredClip]) -> list[Moment]:
                    return localize_moments(
                        ranked, candidates.direction, scope.around, k=k, per_video=per_video
                    )

                best = self._best(scope, candidates, localized, k=k)
            else:
                margin = merge_margin(self._encoder.spec.confidence_scale)
                best = self._best_merged(scope, candidates, k=k, per_video=per_video, margin=margin)
            if not rerank and stored is not None and stored.hubness is not None:
                stored = None  # fitted to corrected scores, which these are not
            calibrated = calibrated_spec(self._encoder.spec, stored)
            return self._hits(scope, best, candidates.vector[None], calibrated=calibrated)

    def similar(
        self,
        path: Path,
        *,
        span: TimeSpan | None = None,
        k: int = 10,
        where: VideoFilter = EVERYTHING,
        per_video: int | None = None,
        exclude_itself: bool = False,
    ) -> list[SearchHit]:
        """Find moments that look like a picture, a video or a part of one.

        The query itself answers first if it is in the library: that is how one sees that it is.
        Its stored vectors are used where the file has not changed since, and nothing is decoded.

        Args:
            path: a picture or video, in the library or not.
            span: the part of the video to compare; None for all of it.
            k: number of hits; fewer come only where the library has fewer moments.
            where: which videos may answer.
            per_video: at most so many hits of one video.
            exclude_itself: leave out the moments of this very file that ``span`` covers, to see
                only others like it.

        Returns:
            Hits without a confidence: encoders are calibrated for sentences.

        Raises:
            QueryError: no such file, a part outside the video, ``k`` under 1, ...
            VideoError: the file cannot be read.
            EncoderError: the library holds no vectors of this encoder.
        """
        check_limits(k=k, per_video=per_video)
        check_filter(where)
        index = self._index()
        if index is None:
            return []
        query = read_visual_query(self._store, self._encoder, Path(path), span)
        with self._store.snapshot():
            scope = SearchContext(self._store, self._encoder, index, where=where)
            if exclude_itself and query.own_clips:
                scope = scope.without(query.own_clips)
            if scope.size == 0:
                return []
            candidates = VisualCandidates(
                scope,
                query.vectors,
                query.weights,
                is_picture=query.is_picture,
                rerank_depth=RERANK_DEPTH,
            )
            best = self._best_merged(
                scope, candidates, k=k, per_video=per_video, margin=DEFAULT_MARGIN
            )
            return self._hits(scope, best, query.vectors, calibrated=None)

    def everything(self) -> SearchContext | None:
        """All that can be searched, as of now, as if the library had no calibration.

        Returns:
            None if there is nothing to search.

        Raises:
            EncoderError: the library holds no vectors of this encoder.
        """
        index = self._index()
        if index is None:
            return None
        return SearchContext(self._store, self._encoder, index, hubness=self._encoder.hubness)

    def best_clips(self, scope: SearchContext, text: str, n: int) -> list[ScoredClip]:
        """The ``n`` clips nearest to a text, or more, best first, scored as ``search`` scores."""
        candidates = TextCandidates(
            scope, text, not_text=None, rerank_depth=self._depth(scope, rerank=True)
        )
        return sorted(candidates.fetch(n).clips, key=lambda scored: (-scored.score, scored.clip.id))

    def _index(self) -> VectorIndex | None:
        """The vectors to search, as of now; None if there are none."""
        spec = self._encoder.spec
        held = self._store.encoders.specs()
        if held and all(one.fingerprint != spec.fingerprint for one in held):
            those = " and ".join(
                f"{one.source} ({one.revision}, {one.fingerprint}, vectors of {one.dimension})"
                for one in held
            )
            same = any(one.source == spec.source for one in held)
            what = f"other weights of {spec.source}" if same else f"encoder {spec.source}"
            raise EncoderError(
                f"{self._store.folder} was indexed with the encoder {those}; this is {what} "
                f"({spec.revision}, {spec.fingerprint}, vectors of {spec.dimension}), and their "
                "vectors cannot be compared: search with what is there (`vidseek model list`), or "
                f"encode the library with this one too (`vidseek model add {spec.source}`)."
            )
        if held:
            index = self._store.vector_index(spec)
            index.refresh()
            if len(index) > 0:
                return index
        logger.warning(
            "%s has no searchable video yet: `vidseek index FOLDER` adds some.",
            self._store.folder,
        )
        return None

    def _depth(self, scope: SearchContext, rerank: bool) -> int:
        """How many candidates are scored again."""
        used = self._encoder.reranks or scope.hubness is not None
        return RERANK_DEPTH if rerank and used else 0

    def _stored_calibration(self) -> Calibration | None:
        """The library's own for this encoder, if it is of the same scores."""
        spec = self._encoder.spec
        return usable_calibration(spec, self._store.encoders.calibration(spec.fingerprint))

    def _hubness(self, stored: Calibration | None) -> HubnessCorrection | None:
        """What is taken off the scores of hubs: the library's, or else the encoder's own."""
        if stored is not None and stored.hubness is not None:
            return stored_hubness(stored.hubness, self._store.folder)
        return self._encoder.hubness

    def _best_merged(
        self,
        scope: SearchContext,
        candidates: Candidates,
        *,
        k: int,
        per_video: int | None,
        margin: float,
    ) -> list[tuple[Moment, Video]]:
        """The ``k`` best moments where neighbours that score alike are one."""

        def merged(ranked: Sequence[ScoredClip]) -> list[Moment]:
            return limit_per_video(find_moments(ranked, margin=margin), per_video)

        return self._best(scope, candidates, merged, k=k, growth=margin)

    def _best(
        self,
        scope: SearchContext,
        candidates: Candidates,
        find: Callable[[Sequence[ScoredClip]], list[Moment]],
        *,
        k: int,
        growth: float = 0.0,
    ) -> list[tuple[Moment, Video]]:
        """The ``k`` best moments: fetch more clips until they cannot change any more.

        Args:
            scope: where to look.
            candidates: the clips that may answer.
            find: makes moments, best first, of clips, best first.
            k: number of moments.
            growth: a clip that scores so much less than a moment may still become part of it.
        """
        n = min(max(FIRST_FETCH, 2 * k), scope.size)
        while True:
            fetched = candidates.fetch(n)
            videos = self._videos({scored.clip.video_id for scored in fetched.clips})
            present = [scored for scored in fetched.clips if scored.clip.video_id in videos]
            # Equal scores (copies of one file) come in an order that does not depend on the order
            # in which the library was filled.
            present.sort(
                key=lambda scored: (
                    -scored.score,
                    videos[scored.clip.video_id].path,
                    scored.clip.span,
                )
            )
            moments = find(present)
            enough = len(moments) >= k
            grown = enough and (
                n >= MAX_NEIGHBOURS or fetched.floor < moments[k - 1].score - growth
            )
            if grown or n >= scope.size:
                return [(moment, videos[moment.video_id]) for moment in moments[:k]]
            n = min(4 * n, scope.size)

    def _videos(self, ids: Collection[int]) -> dict[int, Video]:
        """The videos that are still there and searchable, by id."""
        videos = self._store.videos.by_id(ids)
        return {i: video for i, video in videos.items() if video.state is VideoState.INDEXED}

    def _hits(
        self,
        scope: SearchContext,
        moments: Sequence[tuple[Moment, Video]],
        queries: NDArray[np.float32],
        *,
        calibrated: EncoderSpec | None,
    ) -> list[SearchHit]:
        hits = []
        for start in range(0, len(moments), MOMENTS_AT_ONCE):
            some = moments[start : start + MOMENTS_AT_ONCE]
            ids = [clip.id for moment, _ in some for clip in moment.clips]
            vectors = dict(zip(ids, scope.frame_vectors(ids), strict=True))
            for moment, video in some:
                scores = {
                    clip.id: (vectors[clip.id] @ queries.T).max(axis=1) for clip in moment.clips
                }
                confidence = confidence_of(moment.score, calibrated) if calibrated else None
                hits.append(self._hit(moment, video, scores, confidence))
        return hits

    def _hit(
        self,
        moment: Moment,
        video: Video,
        frame_scores: dict[int, NDArray[np.float32]],
        confidence: float | None,
    ) -> SearchHit:
        frames: list[FrameMatch] = []
        for clip in moment.clips:
            frames += map(FrameMatch, clip.frame_seconds, frame_scores[clip.id].tolist())
        # A thumbnail is kept of each clip's middle frame.
        shown = max(moment.clips, key=lambda clip: float(frame_scores[clip.id].max(initial=-2)))
        thumbnail = self._store.thumbnail_path(video.content_hash, shown.middle_frame_seconds)
        return SearchHit(
            video=video,
            span=moment.span,
            score=moment.score,
            confidence=confidence,
            frames=tuple(frames),
            thumbnail=thumbnail if thumbnail.is_file() else None,
        )
