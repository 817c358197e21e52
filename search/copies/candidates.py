"""Which of the library's videos may hold what an upload shows: frames vote, in time.

blocks = store.reference_index(fingerprint).blocks()
candidates = find_candidates([frames], blocks, min_similarity=0.25)

The library's frames are gone through block by block, exactly: 500 hours are 230 MB of int8 vectors,
and no index has to be built, kept or trusted. What counts is above a threshold, which differs from
frame to frame, and very little is: a matrix product and a comparison find it, and nothing has to be
put in order, as FAISS would do. A
video is ranked by the votes for its best line in time and not by its most similar frame, which for
a dark library is any.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, fields
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from vidseek.core.sampling import evenly_spaced
from vidseek.core.types import CopyBlock
from vidseek.encoders.copies.descriptor import STEPS
from vidseek.search.copies.alignment.hough import strongest_votes
from vidseek.search.copies.alignment.sequence import FrameSequence

BLOCK_FRAMES = 4_096
"""Library frames at once: few enough that the products stay in the processor's cache."""
BLOCK_VOTERS = 1_024
"""Frames of the query at once: with a block of the library's, 16 MB of products."""
CROWD, BEST_OF_VIDEO = 24, 4
"""A frame that is like more of a block than this votes for the best of each video only: scenes that
stand still must not hide each other, nor fill the memory."""
MIN_VOTERS, VOTER_SECONDS = 64, 2.0
"""One frame of the query in so many seconds votes, or so many of a short one."""
STRETCH_SECONDS = 300.0
"""A long query is looked up in stretches: what is a small part of it is all of one of them."""
WIDTH_SECONDS = 2.0
MAX_COUNTED = 200
"""Videos whose votes are lined up in time: those with the largest sums."""


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
    """The videos that a query most likely shows something of.

    Args:
        queries: frames of the query with their bias; several where crops of its picture are looked
            at alone, or where several videos are asked about at once.
        references: the library's frames, those of a video in one piece.
        min_similarity: cosine less bias above which a frame votes.

    Returns:
        Most votes first; of every query at most ``MAX_COUNTED``.
    """
    queries = [_thinned(query) for query in queries]
    if not any(len(query) for query in queries):
        return []
    hits = _votes(queries, references, min_similarity)
    if len(hits.videos) == 0:
        return []
    # Pairs of query and video, one after the other.
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


def in_stretches(sequence: FrameSequence) -> list[FrameSequence]:
    """The sequence cut into parts of ``STRETCH_SECONDS``; itself if it is no longer."""
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
    # A frame that is like many says little of which it is.
    crowd = np.bincount(rows, minlength=len(vectors))[rows]
    return _Votes(query_of[rows], query_seconds[rows], ids, times, strengths / np.sqrt(crowd))


def _above(
    cosines: NDArray[np.float32], limits: NDArray[np.float32], videos: NDArray[np.int64]
) -> tuple[NDArray[np.intp], NDArray[np.intp], NDArray[np.float32]]:
    """Rows, columns and values of (N, M) cosines above (N,) limits; of a crowd the best ones only.

    ``videos`` (M,) says which columns belong together.
    """
    rows, columns = np.divmod(np.flatnonzero(cosines > limits[:, None]), cosines.shape[1])
    values = cosines[rows, columns]
    counts = np.bincount(rows, minlength=len(limits))
    if counts.max() <= CROWD:
        return rows, columns, values
    order = np.lexsort((-values, videos[columns], rows))
    rows, columns, values = rows[order], columns[order], values[order]
    # Place of each among those of its row and video, best first.
    new = (np.diff(rows, prepend=-1) != 0) | (np.diff(videos[columns], prepend=-1) != 0)
    starts = np.flatnonzero(new)
    place = np.arange(len(rows)) - np.repeat(starts, np.diff(starts, append=len(rows)))
    kept = (counts[rows] <= CROWD) | (place < BEST_OF_VIDEO)
    return rows[kept], columns[kept], values[kept]


def _blocks(
    references: Iterable[CopyBlock],
) -> Iterator[tuple[NDArray[np.int64], NDArray[np.float32], NDArray[np.float32]]]:
    """(M,) video ids, (M,) seconds and (M, D) float32 vectors of some videos at a time.

    The vectors are ``STEPS`` long, about: to normalise them anew would be dearer than the search.
    """
    for stored in references:
        ends = np.append(np.flatnonzero(np.diff(stored.video_ids)) + 1, len(stored))
        start = 0
        while start < len(stored):
            # To the end of a video: what is a crowd is counted by video.
            enough = np.searchsorted(ends, min(start + BLOCK_FRAMES, len(stored)))
            rows = slice(start, int(ends[enough]))
            yield (
                stored.video_ids[rows],
                stored.seconds[rows],
                stored.vectors[rows].astype(np.float32),
            )
            start = rows.stop
