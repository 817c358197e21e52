"""First stage: the clips that may answer a query, and their scores.

Both kinds of query work the same way: ``fetch(n)`` scores at least the ``n`` nearest clips of the
index. The engine fetches again with a larger ``n`` until it has enough hits, so a clip's score must
not depend on ``n``.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from vidseek.core.types import Clip
from vidseek.encoders.outputs import text_vectors
from vidseek.search.moments.context import SearchContext
from vidseek.search.moments.merging import ScoredClip
from vidseek.search.moments.rerank import RERANK_DEPTH, rerank, rerank_depth

NOT_WEIGHT = 0.5
"""How much of the similarity to the unwanted text is taken off a clip's score. With the captions of
98 clips against each other, a clip whose caption resembles the wanted one falls from the ten best
in a quarter of the cases (36 % to 27 %) and the wanted one stays (60 % to 58 %); at 0.75 it would
not (54 %)."""
COVERAGE_WEIGHT = 0.3
"""Weight of how much of a long query the clip's whole video answers."""
TEXTS_PER_BATCH = 256
"""Texts that are encoded and looked up together."""


@dataclass(frozen=True)
class ScoredClips:
    """Clips in order of their score, best first."""

    clips: list[ScoredClip]
    floor: float
    """No clip outside ``clips`` scores higher; -inf if all clips are in ``clips``."""


class Candidates(Protocol):
    """The clips that may answer one query."""

    def fetch(self, n: int) -> ScoredClips:
        """Score at least the ``n`` nearest clips."""


@dataclass(frozen=True)
class EncodedText:
    """The vectors of a text query."""

    vector: NDArray[np.float32]
    """(D,) of the wanted text."""
    unwanted: NDArray[np.float32] | None = None
    """(D,) of the unwanted text, weighted, less what pictures add; None for none."""
    nearest: tuple[NDArray[np.float32], NDArray[np.int64]] | None = None
    """(n,) scores and ids of the nearest clips, if they were fetched together with those of other
    queries."""

    @property
    def direction(self) -> NDArray[np.float32]:
        """(D,): the first stage's score is a vector's inner product with it."""
        return self.vector if self.unwanted is None else self.vector - self.unwanted


def encode_texts(
    context: SearchContext,
    texts: Sequence[str],
    *,
    not_text: str | None = None,
    appearance: NDArray[np.float32] | None = None,
    n: int = 0,
) -> list[EncodedText]:
    """Encode several text queries at once.

    Args:
        context: the context of the queries.
        texts: at least one.
        not_text: what none of the queries should find.
        appearance: (D,) weighted vector of pictures that clips should resemble, added to every
            query; None for none.
        n: also fetch the ``n`` nearest clips of each, with one call of the index.
    """
    given = [*texts] if not_text is None else [*texts, not_text]
    vectors = text_vectors(context.encoder, given)
    unwanted = None if not_text is None else vectors[-1] * np.float32(NOT_WEIGHT)
    if appearance is not None:
        unwanted = -appearance if unwanted is None else unwanted - appearance
    encoded = [EncodedText(vector, unwanted) for vector in vectors[: len(texts)]]
    if n == 0:
        return encoded
    scores, ids = context.nearest(np.stack([each.direction for each in encoded]), n)
    return [
        replace(each, nearest=nearest)
        for each, nearest in zip(encoded, zip(scores, ids, strict=True), strict=True)
    ]


class TextCandidates:
    """Clips for a sentence: scored by cosine, the best of them again by the second stage.

    With an unwanted text the score is ``s(text) - NOT_WEIGHT * cosine(unwanted, clip)``: what shows
    the unwanted thing loses score in proportion, and a clip unlike it gains a little. The
    difference is linear in the clip's vector, so the index ranks by it directly.
    """

    def __init__(
        self,
        context: SearchContext,
        text: str,
        *,
        second_stage: bool = True,
        encoded: EncodedText | None = None,
    ) -> None:
        """Begin a query.

        Args:
            context: the context of the query.
            text: the wanted text.
            second_stage: False leaves out the second stage.
            encoded: what ``encode_texts`` gave for the text, and for what hits should not show;
                None to encode the text now.
        """
        self._context = context
        self._text = text
        self._depth = rerank_depth(context, wanted=second_stage)
        self._encoded = encoded or encode_texts(context, [text])[0]
        self.direction = self._encoded.direction
        """(D,) float32: the first stage's score is a vector's inner product with it."""
        self._reranked: dict[int, float] = {}

    def fetch(self, n: int) -> ScoredClips:
        """See ``Candidates``."""
        scores, ids = _without_padding(*self._nearest(n))
        clips = self._context.clips(ids)
        present = [position for position, clip_id in enumerate(ids) if clip_id in clips]
        ids, final = [ids[position] for position in present], scores[present].copy()
        depth = min(self._depth, len(ids))
        final[:depth] = self._rerank(ids[:depth], final[:depth])
        return _ranked([clips[i] for i in ids], final, depth, exhausted=n >= self._context.size)

    def _nearest(self, n: int) -> tuple[NDArray[np.float32], NDArray[np.int64]]:
        """(1, n) scores and ids."""
        fetched = self._encoded.nearest
        if fetched is not None and n <= len(fetched[0]):
            return fetched[0][None, :n], fetched[1][None, :n]
        return self._context.nearest(self.direction[None], n)

    def _rerank(self, ids: list[int], scores: NDArray[np.float32]) -> NDArray[np.float32]:
        if any(clip_id not in self._reranked for clip_id in ids):
            reranked = rerank(self._context, self._text, ids, scores, self._encoded.unwanted)
            self._reranked = dict(zip(ids, reranked.tolist(), strict=True))
        return np.array([self._reranked[clip_id] for clip_id in ids], np.float32)


class VisualCandidates:
    """Clips for a picture, or for the clips of a video.

    A clip's score is its cosine with the most similar query clip. For a query of several
    clips, ``COVERAGE_WEIGHT`` of it is replaced by how well the clip's *video* answers all of them
    (mean over query clips, by duration, of the best answer in the video): so the video itself and
    its copies come before another video that merely shares one scene. For a picture, the score of
    the nearest clips is the cosine of their best frame: a clip's vector is about all of its frames,
    a picture shows one.
    """

    def __init__(
        self,
        context: SearchContext,
        vectors: NDArray[np.float32],
        weights: NDArray[np.float32],
        *,
        is_picture: bool,
    ) -> None:
        self._context = context
        self._vectors = vectors
        self._weights = weights / weights.sum()
        self._is_picture = is_picture

    def fetch(self, n: int) -> ScoredClips:
        """See ``Candidates``."""
        exhausted = n >= self._context.size
        scores, nearest = self._context.nearest(self._vectors, n)
        unique = np.unique(nearest[nearest >= 0])
        clips = self._context.clips(unique.tolist())
        ids = [clip_id for clip_id in unique.tolist() if clip_id in clips]
        if not ids:
            return ScoredClips([], float("-inf"))
        # Stored as float16, vectors may be longer than 1 by a little.
        similarities = np.clip(self._context.vectors(ids) @ self._vectors.T, -1.0, 1.0)
        final = similarities.max(axis=1)
        if len(self._vectors) > 1:
            videos = np.array([clips[i].video_id for i in ids])
            covered = self._coverage(similarities, videos)
            final = (1 - COVERAGE_WEIGHT) * final + COVERAGE_WEIGHT * covered
        order = np.lexsort((ids, -final))
        ids, final = [ids[i] for i in order], final[order]
        depth = min(RERANK_DEPTH, len(ids)) if self._is_picture else 0
        if depth:
            best = [
                min(1.0, float((frames.vectors @ self._vectors[0]).max()))
                for frames in self._context.features(ids[:depth])
            ]
            final[:depth] = best
        outside = float("-inf") if exhausted else float(scores[:, -1].max())
        ranked = _ranked([clips[i] for i in ids], final, depth, exhausted=exhausted)
        return ScoredClips(ranked.clips, max(outside, ranked.floor))

    def _coverage(
        self, similarities: NDArray[np.float32], videos: NDArray[np.int64]
    ) -> NDArray[np.float32]:
        """(K,) how well each of K clips' videos answers the whole query, -1 to 1."""
        _, groups = np.unique(videos, return_inverse=True)
        best = np.full((groups.max() + 1, similarities.shape[1]), -np.inf, np.float32)
        np.maximum.at(best, groups, similarities)
        covered: NDArray[np.float32] = (best @ self._weights)[groups]
        return covered


def _without_padding(
    scores: NDArray[np.float32], ids: NDArray[np.int64]
) -> tuple[NDArray[np.float32], list[int]]:
    """The row of the first query without padding."""
    present = ids[0] >= 0
    return scores[0][present], ids[0][present].tolist()


def _ranked(
    clips: Sequence[Clip], scores: NDArray[np.float32], depth: int, *, exhausted: bool
) -> ScoredClips:
    """Order clips by score; the first ``depth`` were scored again and stay before the rest.

    The scores of the rest are lowered together if they would overtake: a clip that the second stage
    has confirmed is never worse evidence than a clip that it has not seen, and the two kinds of
    score need not be on the same scale to the last hundredth.
    """
    scores = scores.astype(np.float64)
    if 0 < depth < len(scores):
        scores[depth:] -= max(0.0, scores[depth:].max() - scores[:depth].min())
    scored = [ScoredClip(clip, float(score)) for clip, score in zip(clips, scores, strict=True)]
    floor = float("-inf") if exhausted or not scored else float(scores.min())
    return ScoredClips(scored, floor)
