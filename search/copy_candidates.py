"""Which of the library's videos may hold what an upload shows: frames vote, in time.

candidates = find_candidates([frames], database.copy_frames(fingerprint), least_similarity=0.25)

The library's frames are gone through block by block, exactly (FAISS, on blocks: 500 hours are
230 MB of int8 vectors, and no index has to be built, kept or trusted). A video is ranked by the
votes for its best line in time and not by its most similar frame, which for a dark library is any.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, fields
from itertools import chain

import numpy as np
from numpy.typing import NDArray

from vidseek.encoders.copy_descriptor import STEPS
from vidseek.search.alignment import FrameSequence, strongest_votes
from vidseek.search.visual_query import spread
from vidseek.storage.faiss_module import load_faiss
from vidseek.storage.types import CopyFrames

BLOCK_FRAMES = 32_768
NEIGHBOURS = 24
"""Library frames that a frame of the query votes for at most, of every block."""
MOST_VOTERS = 160
"""Frames of a longer upload that vote, evenly spread."""
WIDTH_SECONDS = 2.0
MOST_COUNTED = 200
"""Videos whose votes are lined up in time: those with the largest sums."""


@dataclass(frozen=True)
class Candidate:
    """A video that a look at a query may show something of."""

    look: int
    """Place of the look."""
    video_id: int
    votes: float


def find_candidates(
    looks: Sequence[FrameSequence],
    library: Iterable[CopyFrames],
    *,
    least_similarity: float,
    most_voters: int = MOST_VOTERS,
) -> list[Candidate]:
    """The videos that a query most likely shows something of.

    Args:
        looks: frames of the query with their noise; several where parts of its picture are looked
            at alone, or where several videos are asked about at once.
        library: the library's videos.
        least_similarity: cosine less noise above which a frame votes.
        most_voters: frames of a look that vote, evenly spread, if it has more.

    Returns:
        Most votes first; of every look at most ``MOST_COUNTED``.
    """
    looks = [_thinned(look, most_voters) for look in looks]
    if not any(len(look) for look in looks):
        return []
    hits = _votes(looks, library, least_similarity)
    if len(hits.videos) == 0:
        return []
    # Pairs of look and video, one after the other.
    order = np.lexsort((hits.looks, hits.videos))
    hits = hits.at(order)
    new = [np.diff(each, prepend=-1) != 0 for each in (hits.videos, hits.looks)]
    starts = np.flatnonzero(new[0] | new[1])
    sums = np.add.reduceat(hits.strengths, starts)
    ends = np.append(starts[1:], len(order))
    counted: Counter[int] = Counter()
    candidates = []
    for place in np.argsort(-sums, kind="stable"):
        look = int(hits.looks[starts[place]])
        counted[look] += 1
        if counted[look] > MOST_COUNTED:
            continue
        own = slice(starts[place], ends[place])
        votes = strongest_votes(
            hits.query_seconds[own],
            hits.seconds[own],
            hits.strengths[own],
            width_seconds=WIDTH_SECONDS,
        )
        candidates.append(Candidate(look, int(hits.videos[starts[place]]), votes))
    return sorted(candidates, key=lambda one: (-one.votes, one.video_id, one.look))


def _thinned(look: FrameSequence, most: int) -> FrameSequence:
    voters = spread(len(look), most)
    noise = None if look.noise is None else look.noise[voters]
    return FrameSequence(look.vectors[voters], look.seconds[voters], noise)


@dataclass(frozen=True)
class _Votes:
    """Pairs of similar frames."""

    looks: NDArray[np.intp]
    query_seconds: NDArray[np.float64]
    videos: NDArray[np.int64]
    seconds: NDArray[np.float64]
    strengths: NDArray[np.float64]

    def at(self, places: NDArray[np.intp]) -> _Votes:
        return _Votes(*(getattr(self, one.name)[places] for one in fields(self)))


def _votes(looks: Sequence[FrameSequence], library: Iterable[CopyFrames], least: float) -> _Votes:
    faiss = load_faiss()
    queries = np.ascontiguousarray(np.concatenate([look.vectors for look in looks]), np.float32)
    limits = least + np.concatenate(
        [np.broadcast_to(np.float32(look.noise_of(slice(None))), len(look)) for look in looks]
    )
    look_of = np.repeat(np.arange(len(looks)), [len(look) for look in looks])
    query_seconds = np.concatenate([look.seconds for look in looks])
    found = []
    for videos, seconds, vectors in _blocks(library):
        count = min(NEIGHBOURS, len(vectors))
        cosines, places = faiss.knn(queries, vectors, count, faiss.METRIC_INNER_PRODUCT)
        rows, columns = np.nonzero(cosines > limits[:, None])
        at = places[rows, columns]
        strengths = (cosines[rows, columns] - limits[rows]).astype(np.float64)
        found.append((rows, videos[at], seconds[at], strengths))
    if not found:
        none = np.zeros(0, np.intp)
        return _Votes(none, none.astype(float), none, none.astype(float), none.astype(float))
    rows, ids, times, strengths = (np.concatenate(each) for each in zip(*found, strict=True))
    # A frame that is like many says little of which it is.
    crowd = np.bincount(rows, minlength=len(queries))[rows]
    return _Votes(look_of[rows], query_seconds[rows], ids, times, strengths / np.sqrt(crowd))


def _blocks(
    library: Iterable[CopyFrames],
) -> Iterator[tuple[NDArray[np.int64], NDArray[np.float64], NDArray[np.float32]]]:
    """(M,) video ids, (M,) seconds and (M, D) float32 vectors of some videos at a time."""
    some: list[CopyFrames] = []
    count = 0
    for held in chain(library, [None]):
        if held is not None:
            some.append(held)
            count += len(held)
        if count >= BLOCK_FRAMES or (held is None and count):
            yield (
                np.repeat([each.video_id for each in some], [len(each) for each in some]),
                np.concatenate([each.seconds for each in some]),
                # Not normalised anew, which is dearer than the search: off by one in a hundred.
                np.concatenate([each.vectors for each in some]).astype(np.float32)
                * np.float32(1 / STEPS),
            )
            some, count = [], 0
