"""Several interests in a set of liked clips, and the queries that they make.

Somebody who likes films of dogs and films of trains wants more of both, and nothing between. The
liked clips are grouped by spherical k-means (Dhillon and Modha 2001), whose number of groups
follows from how far apart the clips are. Each group is a query of its own, moved away from the
nearest group of disliked clips as in Rocchio (1971).
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

MAX_INTERESTS = 8
MIN_ALIKE = 0.5
"""A clip with a smaller cosine to every interest begins a new one."""
ROUNDS = 10
DISLIKE_WEIGHT = 0.5
"""What a disliked group counts against a liked one; Rocchio's own weights are 0.75 and 0.15."""
MEAN_STRENGTH_CLIPS = 100
"""A library with this many clips has half of its mean taken off: the mean of a few is noise."""

Vectors = NDArray[np.float32]


def common_part(vectors: Vectors) -> Vectors:
    """What the clips of a library have in common, to be taken off before they are compared.

    Args:
        vectors: (N, D) float32 clip vectors.

    Returns:
        (D,) float32: their mean, smaller in a small library.
    """
    if len(vectors) == 0:
        return np.zeros(vectors.shape[1], np.float32)
    share = len(vectors) / (len(vectors) + MEAN_STRENGTH_CLIPS)
    return np.asarray(vectors.mean(axis=0) * share, np.float32)


def unit(vectors: Vectors) -> Vectors:
    """Rows of length 1; rows of zeros stay zeros."""
    lengths = np.linalg.norm(vectors, axis=-1, keepdims=True)
    return np.asarray(vectors / np.where(lengths > 0, lengths, 1), np.float32)


def find_interests(vectors: Vectors, weights: Vectors) -> Vectors:
    """Group clips into interests.

    Args:
        vectors: (N, D) float32 unit rows, at least one.
        weights: (N,) float32, positive.

    Returns:
        (I, D) float32 unit rows, 1 to ``MAX_INTERESTS``, heaviest group first.
    """
    centres = unit(weights @ vectors)[None]
    nearest = vectors @ centres[0]
    if nearest.min() < MIN_ALIKE:
        centres = vectors[[int(weights.argmax())]]
        nearest = vectors @ centres[0]
    while len(centres) < MAX_INTERESTS and nearest.min() < MIN_ALIKE:
        farthest = vectors[int(nearest.argmin())]
        centres = np.vstack([centres, farthest])
        nearest = np.maximum(nearest, vectors @ farthest)
    for _ in range(ROUNDS):
        group = (vectors @ centres.T).argmax(axis=1)
        member = (group == np.arange(len(centres))[:, None]) * weights
        kept = member.sum(axis=1) > 0
        member = member[kept]
        moved = unit(np.asarray(member @ vectors, np.float32))
        done = moved.shape == centres.shape and np.allclose(moved, centres, atol=1e-5)
        centres = moved[np.argsort(-member.sum(axis=1), kind="stable")]
        if done:
            break
    return centres


def queries_of(liked: Vectors, disliked: Vectors | None) -> Vectors:
    """Move each interest away from the disliked group that is nearest to it.

    Args:
        liked: (I, D) unit rows.
        disliked: (J, D) unit rows, or None.

    Returns:
        (I, D) unit rows.
    """
    if disliked is None or len(disliked) == 0:
        return liked
    nearest = disliked[(liked @ disliked.T).argmax(axis=1)]
    return unit(np.asarray(liked - DISLIKE_WEIGHT * nearest, np.float32))
