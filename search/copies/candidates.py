"""First stage of a copy query: frames vote for the library videos that a query may show.

blocks = store.reference_index(fingerprint).blocks()
candidates = find_candidates([frames], blocks, min_similarity=0.25)

The search is exact, over blocks of the library's descriptors: 500 hours are 230 MB of int8 vectors,
and no index has to be built, stored or trusted. Only cosines above a threshold count, which differs
from frame to frame, and few are: a matrix product and a comparison find them, without the sorting
that FAISS would do. A video is ranked by the votes for its best line in time, not by its most
similar frame, which in a dark library could be any frame.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass, fields
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from vidseek.core.spacing import evenly_spaced
from vidseek.core.types import CopyBlock
from vidseek.encoders.copies.descriptor import STEPS
from vidseek.search.copies.alignment.hough import strongest_votes
from vidseek.search.copies.alignment.sequence import FrameSequence

BLOCK_FRAMES = 4_096
"""Library frames per product: few enough for the products to stay in the processor's cache."""
BLOCK_VOTERS = 1_024
"""Query frames per product: 16 MB of products with a block of library frames."""
CROWD, BEST_OF_VIDEO = 24, 4
"""A frame similar to more than ``CROWD`` frames of a block votes only for the best
``BEST_OF_VIDEO`` of each video: static scenes must not hide each other or fill the memory."""
MIN_VOTERS, VOTER_SECONDS = 64, 2.0
"""A query frame votes every ``VOTER_SECONDS``; of a short query, at least ``MIN_VOTERS`` vote."""
STRETCH_SECONDS = 300.0
"""Long queries are looked up in stretches: a small part of the query can fill a stretch."""
WIDTH_SECONDS = 2.0
MAX_COUNTED = 200
"""Videos per query whose votes are aligned in time: those with the largest sums."""


@dataclass(frozen=True)
class Candidate:
    """A library video that a query may show something of."""

    query: int
    """Position of the query among those asked."""
    video_id: int
    votes: float


def find_candidates(
    queries: Sequence[FrameSequence],
    references: Iterable[CopyBlock],
    *,
    min_similarity: float,
) -> list[Candidate]:
    """Rank the library videos that each query may show.

    Args:
        queries: frames with their bias: stretches or crops of an upload, or several videos.
        references: the library's descriptors; each video lies within one block.
        min_similarity: minimum cosine, less bias, for a frame to vote.

    Returns:
        Most votes first; at most ``MAX_COUNTED`` per query.
    """
    queries = [_thinned(query) for query in queries]
    if not any(len(query) for query in queries):
        return []
    hits = _votes(queries, references, min_similarity)
    if len(hits.videos) == 0:
        return []
    # Pairs of query and video in one flat array.
    order = np.lexsort((hits.queries, hits.videos))
    hits = hits.at(order)
    new = [np.diff(each, prepend=-1) != 0 for each in (hits.videos, hits.queries)]
    starts = np.flatnonzero(new[0] | new[1])
    sums = np.add.reduceat(hits.strengths, starts)
    ends = np.append(starts[1:], len(order))
    counted: Counter[int] = Counter()
    candidates = []
    for place in np.argsort(-sums, kind="stable"):
        query = int(hits.queries[starts[place]])
        counted[query] += 1
        if counted[query] > MAX_COUNTED:
            continue
        pair = slice(starts[place], ends[place])
        votes = strongest_votes(
            hits.query_seconds[pair],
            hits.seconds[pair],
            hits.strengths[pair],
            width_seconds=WIDTH_SECONDS,
        )
        candidates.append(Candidate(query, int(hits.videos[starts[place]]), votes))
    return sorted(
        candidates, key=lambda candidate: (-candidate.votes, candidate.video_id, candidate.query)
    )


class BlocksWithout:
    """A library's descriptors without those of some videos."""

    def __init__(self, blocks: Iterable[CopyBlock], video_ids: Collection[int]) -> None:
        self._blocks = blocks
        self._video_ids = np.fromiter(video_ids, np.int64)

    def __iter__(self) -> Iterator[CopyBlock]:
        for block in self._blocks:
            kept = ~np.isin(block.video_ids, self._video_ids)
            yield CopyBlock(block.video_ids[kept], block.seconds[kept], block.vectors[kept])


def in_stretches(sequence: FrameSequence) -> list[FrameSequence]:
    """Cut a sequence into parts of ``STRETCH_SECONDS``."""
    if len(sequence) == 0:
        return [sequence]
    number = (sequence.seconds - sequence.seconds[0]) // STRETCH_SECONDS
    starts = [0, *(np.flatnonzero(np.diff(number)) + 1).tolist(), len(sequence)]
    return [_part(sequence, slice(start, end)) for start, end in pairwise(starts)]


def _thinned(query: FrameSequence) -> FrameSequence:
    length = float(query.seconds[-1] - query.seconds[0]) if len(query) else 0.0
    return _part(query, evenly_spaced(len(query), max(MIN_VOTERS, int(length / VOTER_SECONDS))))


def _part(sequence: FrameSequence, rows: slice | NDArray[np.intp]) -> FrameSequence:
    bias = None if sequence.bias is None else sequence.bias[rows]
    return FrameSequence(sequence.vectors[rows], sequence.seconds[rows], bias)


@dataclass(frozen=True)
class _Votes:
    """Pairs of similar frames."""

    queries: NDArray[np.intp]
    """Position of the query."""
    query_seconds: NDArray[np.float64]
    videos: NDArray[np.int64]
    seconds: NDArray[np.float64]
    strengths: NDArray[np.float64]

    def at(self, places: NDArray[np.intp]) -> _Votes:
        return _Votes(*(getattr(self, column.name)[places] for column in fields(self)))


def _votes(
    queries: Sequence[FrameSequence], references: Iterable[CopyBlock], min_similarity: float
) -> _Votes:
    vectors = np.concatenate([query.vectors for query in queries])
    vectors /= np.float32(STEPS)
    limits = np.concatenate(
        [
            np.full(len(query), min_similarity + query.bias_of(slice(None)), np.float32)
            for query in queries
        ]
    )
    query_of = np.repeat(np.arange(len(queries)), [len(query) for query in queries])
    query_seconds = np.concatenate([query.seconds for query in queries])
    votes = []
    for videos, seconds, block in _blocks(references):
        for start in range(0, len(vectors), BLOCK_VOTERS):
            voters = slice(start, start + BLOCK_VOTERS)
            rows, at, cosines = _above(vectors[voters] @ block.T, limits[voters], videos)
            rows += start
            strengths = (cosines - limits[rows]).astype(np.float64)
            votes.append((rows, videos[at], seconds[at].astype(np.float64), strengths))
    if not votes:
        none = np.zeros(0, np.intp)
        return _Votes(none, none.astype(float), none, none.astype(float), none.astype(float))
    rows, ids, times, strengths = (np.concatenate(each) for each in zip(*votes, strict=True))
    # A frame similar to many others identifies none of them.
    crowd = np.bincount(rows, minlength=len(vectors))[rows]
    return _Votes(query_of[rows], query_seconds[rows], ids, times, strengths / np.sqrt(crowd))


def _above(
    cosines: NDArray[np.float32], limits: NDArray[np.float32], videos: NDArray[np.int64]
) -> tuple[NDArray[np.intp], NDArray[np.intp], NDArray[np.float32]]:
    """Rows, columns and values of (N, M) cosines above (N,) limits; only the best of a crowd.

    ``videos`` (M,) are the videos of the columns.
    """
    rows, columns = np.divmod(np.flatnonzero(cosines > limits[:, None]), cosines.shape[1])
    values = cosines[rows, columns]
    counts = np.bincount(rows, minlength=len(limits))
    if counts.max() <= CROWD:
        return rows, columns, values
    order = np.lexsort((-values, videos[columns], rows))
    rows, columns, values = rows[order], columns[order], values[order]
    # Rank of each value within its row and video, best first.
    new = (np.diff(rows, prepend=-1) != 0) | (np.diff(videos[columns], prepend=-1) != 0)
    starts = np.flatnonzero(new)
    place = np.arange(len(rows)) - np.repeat(starts, np.diff(starts, append=len(rows)))
    kept = (counts[rows] <= CROWD) | (place < BEST_OF_VIDEO)
    return rows[kept], columns[kept], values[kept]


def _blocks(
    references: Iterable[CopyBlock],
) -> Iterator[tuple[NDArray[np.int64], NDArray[np.float32], NDArray[np.float32]]]:
    """(M,) video ids, (M,) seconds and (M, D) float32 vectors of a few videos at a time.

    The vectors have a length of about ``STEPS``: normalising them would cost more than the search.
    """
    for stored in references:
        ends = np.append(np.flatnonzero(np.diff(stored.video_ids)) + 1, len(stored))
        start = 0
        while start < len(stored):
            # Blocks end where a video ends: crowds are limited per video.
            enough = np.searchsorted(ends, min(start + BLOCK_FRAMES, len(stored)))
            rows = slice(start, int(ends[enough]))
            yield (
                stored.video_ids[rows],
                stored.seconds[rows],
                stored.vectors[rows].astype(np.float32),
            )
            start = rows.stop
