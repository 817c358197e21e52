"""Ranks, recall and accuracy on arrays small enough to check by hand."""

from __future__ import annotations

import numpy as np
import pytest

from vidseek.training.metrics import (
    group_means,
    mean_class_accuracy,
    mean_reciprocal_rank,
    ranks,
    recall,
)


def test_ranks_count_ties_against_the_right_answer():
    scores = np.array([[0.9, 0.1, 0.5], [0.3, 0.3, 0.1]], np.float32)
    rank = ranks(scores, np.array([2, 0]))
    assert rank.tolist() == [1, 1]
    assert recall(rank, 1) == 0.0
    assert recall(rank, 2) == 100.0


def test_group_means_are_normalised_and_in_order():
    vectors = np.array([[1, 0], [0, 1], [0, 2]], np.float32)
    means, names = group_means(vectors, ["b", "b", "a"])
    assert names == ["a", "b"]
    np.testing.assert_allclose(means, [[0, 1], [0.7071, 0.7071]], atol=1e-3)


def test_class_accuracy_weights_classes_equally():
    assert mean_class_accuracy(["a", "a", "a", "a"], ["a", "a", "a", "b"]) == 50.0


def test_reciprocal_ranks_are_averaged():
    assert mean_reciprocal_rank(np.array([0, 1, 3])) == pytest.approx(1.75 / 3)
