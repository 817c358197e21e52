"""Cutting a sequence of vectors into stretches."""

from __future__ import annotations

import itertools

import numpy as np
import pytest

from vidseek.search.understanding.segmentation import LENGTH_WEIGHT, segments


def scenes(lengths: list[int], seed: int = 0) -> np.ndarray:
    """Rows near to a direction of its own for each scene."""
    random = np.random.default_rng(seed)
    rows = [
        np.eye(len(lengths))[number] + 0.05 * random.normal(size=(length, len(lengths)))
        for number, length in enumerate(lengths)
    ]
    return np.concatenate(rows)


@pytest.mark.parametrize("lengths", [[4, 4, 4], [3, 5, 4, 6], [2, 3, 2, 3, 2]])
def test_cuts_are_where_the_picture_changes(lengths: list[int]) -> None:
    found = segments(scenes(lengths), len(lengths))
    assert [stretch.stop - stretch.start for stretch in found] == lengths


def test_what_does_not_change_is_cut_evenly() -> None:
    assert [(each.start, each.stop) for each in segments(np.ones((12, 3)), 3)] == [
        (0, 4),
        (4, 8),
        (8, 12),
    ]


@pytest.mark.parametrize("count", [1, 2, 5, 9, 10, 50])
def test_stretches_cover_everything_once(count: int) -> None:
    vectors = np.random.default_rng(1).normal(size=(10, 4))
    found = segments(vectors, count)
    assert len(found) == min(count, 10)
    assert found[0].start == 0
    assert found[-1].stop == 10
    assert all(a.stop == b.start for a, b in itertools.pairwise(found))
    assert all(each.stop > each.start for each in found)
    assert segments(np.empty((0, 4)), count) == []


def total_cost(vectors: np.ndarray, cuts: tuple[int, ...], count: int) -> float:
    usual = len(vectors) / count
    mean_scatter = ((vectors - vectors.mean(axis=0)) ** 2).sum() / len(vectors)
    cost = 0.0
    for start, stop in itertools.pairwise((0, *cuts, len(vectors))):
        part = vectors[start:stop]
        cost += ((part - part.mean(axis=0)) ** 2).sum()
        cost += LENGTH_WEIGHT * mean_scatter * usual * (len(part) / usual - 1) ** 2
    return float(cost)


def test_no_other_cuts_cost_less() -> None:
    random = np.random.default_rng(2)
    for _ in range(20):
        length, count = int(random.integers(4, 10)), int(random.integers(2, 5))
        vectors = random.normal(size=(length, 3))
        cuts = tuple(each.start for each in segments(vectors, count)[1:])
        least = min(
            total_cost(vectors, other, count)
            for other in itertools.combinations(range(1, length), min(count, length) - 1)
        )
        assert total_cost(vectors, cuts, count) == pytest.approx(least)
