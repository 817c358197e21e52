"""Recall, reciprocal rank and accuracy, for training and for benchmarks."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray


def ranks(scores: NDArray[np.float32], truth: NDArray[np.intp]) -> NDArray[np.intp]:
    """Rank of the right answer of every query; 0 is best.

    Args:
        scores: (Q, N), higher is better.
        truth: (Q,) the right column of each query; ties count against it.
    """
    right = np.take_along_axis(scores, truth[:, None], 1)
    rank: NDArray[np.intp] = (scores >= right).sum(1) - 1
    return rank


def recall(rank: NDArray[np.intp], k: int) -> float:
    """Percentage of queries whose right answer is among the first k."""
    return float((rank < k).mean() * 100)


def mean_reciprocal_rank(rank: NDArray[np.intp]) -> float:
    """Mean of 1 / (1 + rank), 0 to 1."""
    return float((1.0 / (1 + rank)).mean())


def group_means(
    vectors: NDArray[np.float32], groups: Sequence[str]
) -> tuple[NDArray[np.float32], list[str]]:
    """L2-normalised mean vector of every group, and the groups' names, sorted."""
    names = sorted(set(groups))
    places = {name: index for index, name in enumerate(names)}
    sums = np.zeros((len(names), vectors.shape[1]), np.float32)
    np.add.at(sums, [places[group] for group in groups], vectors)
    return sums / np.linalg.norm(sums, axis=1, keepdims=True), names


def mean_class_accuracy(predicted: Sequence[str], labels: Sequence[str]) -> float:
    """Percentage right, averaged over classes."""
    right = np.array([a == b for a, b in zip(predicted, labels, strict=True)])
    names = np.array(labels)
    return float(np.mean([right[names == name].mean() for name in sorted(set(labels))]) * 100)
