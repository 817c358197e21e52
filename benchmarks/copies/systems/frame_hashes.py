"""vPDQ's rule: the similarity of two videos is the share of frames that they have in common.

Written after the README of vPDQ (Meta, ThreatExchange): frames of enough quality, each hash once,
one that is within a Hamming distance of any of the other video's is matched; of each video the
matched percentage. Order and time play no part.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from benchmarks.copies.systems.system import Found, found
from vidseek.core.types import TimeSpan

MIN_QUALITY, MAX_DISTANCE = 50, 31
SECONDS_PER_HASH = 1.0


@dataclass(frozen=True)
class FrameHashes:
    """PDQ hashes of a video's frames, those of enough quality."""

    hashes: NDArray[np.uint64]
    """(N, 4) uint64: 256 bits."""
    seconds: NDArray[np.float64]
    """(N,) ascending."""

    @property
    def unique(self) -> NDArray[np.uint64]:
        """(U, 4): each hash once."""
        return np.unique(self.hashes, axis=0) if len(self.hashes) else self.hashes


def hashes_of(frames: Sequence[tuple[str, int, float]]) -> FrameHashes:
    """What is compared of a video's frames.

    Args:
        frames: hash as 64 hexadecimal digits, quality, seconds; frames of less quality go.
    """
    kept = [(digits, at) for digits, quality, at in frames if quality >= MIN_QUALITY]
    blob = b"".join(bytes.fromhex(digits) for digits, _ in kept)
    return FrameHashes(
        np.frombuffer(blob, np.uint64).reshape(-1, 4), np.array([at for _, at in kept], np.float64)
    )


def near(some: NDArray[np.uint64], others: NDArray[np.uint64]) -> NDArray[np.bool_]:
    """(N, M) True where two hashes differ in ``MAX_DISTANCE`` bits at most.

    Args:
        some: (N, 4).
        others: (M, 4).
    """
    distances = np.zeros((len(some), len(others)), np.uint16)
    for word in range(some.shape[1]):
        distances += np.bitwise_count(some[:, None, word] ^ others[None, :, word])
    return distances <= MAX_DISTANCE


def compare(query: FrameHashes, library: dict[str, FrameHashes]) -> list[Found]:
    """Every library video that has a frame in common with the query.

    The score is the larger of the two matched shares: the one is large where all of the query is in
    the library's video, the other where all of that is in the query. vPDQ says nothing of when; the
    stretch is from the first matched frame to the last.
    """
    frames = query.unique
    uniques = {source: held.unique for source, held in library.items()}
    counts = [len(unique) for unique in uniques.values()]
    if len(frames) == 0 or sum(counts) == 0:
        return []
    hits = near(frames, np.concatenate(list(uniques.values())))
    ends = np.cumsum(counts)
    matches = []
    for source, start, end in zip(uniques, ends - counts, ends, strict=True):
        own = hits[:, start:end]
        if own.any():
            score = max(own.any(axis=1).mean(), own.any(axis=0).mean())
            spans = _span(query, library[source]), _span(library[source], query)
            matches.append(found(source, score, *spans))
    return matches


def _span(some: FrameHashes, others: FrameHashes) -> TimeSpan:
    matched = some.seconds[near(some.hashes, others.hashes).any(axis=1)]
    return TimeSpan(float(matched[0]), float(matched[-1]) + SECONDS_PER_HASH)
