"""Choose the few items that cover many: facility location by lazy greedy search.

The value of a choice is the sum, over everything to cover, of its likeness to the nearest chosen
item. Adding the item with the greatest gain again and again reaches 63 % of the best value at least
(Nemhauser, Wolsey and Fisher 1978). A gain can only fall, so most need not be computed again
(Minoux 1978). With costs, the gain per cost decides (Lin and Bilmes 2010).
"""

from __future__ import annotations

import heapq
from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray


def choose(
    likeness: NDArray[np.float32],
    weights: NDArray[np.float32],
    *,
    count: int | None = None,
    costs: NDArray[np.float64] | None = None,
    budget: float = np.inf,
    may_join: Callable[[int, list[int]], bool] = lambda _, __: True,
) -> list[int]:
    """Choose items.

    Args:
        likeness: (N, M) float32 of each item to everything to cover, 0 or more.
        weights: (M,) float32: what each column counts.
        count: the largest number of items; None for any.
        costs: (N,) positive; None if every item costs the same.
        budget: the largest sum of the costs.
        may_join: whether an item may be chosen beside these; a refused item is not asked again.

    Returns:
        Rows in the order in which they were chosen.
    """
    covered = np.zeros(likeness.shape[1], np.float32)
    price = np.ones(len(likeness)) if costs is None else np.maximum(costs, 1e-3)
    spent = 0.0
    gains = (likeness @ weights) / price
    queue = [(-float(gain), row) for row, gain in enumerate(gains)]
    heapq.heapify(queue)
    chosen: list[int] = []
    while queue and (count is None or len(chosen) < count):
        _, row = heapq.heappop(queue)
        if costs is not None and spent + costs[row] > budget:
            continue
        gain = float(np.maximum(likeness[row] - covered, 0) @ weights / price[row])
        if queue and -gain > queue[0][0]:
            heapq.heappush(queue, (-gain, row))
            continue
        if not may_join(row, chosen):
            continue
        chosen.append(row)
        spent += 0.0 if costs is None else float(costs[row])
        covered = np.maximum(covered, likeness[row])
    return chosen
