"""Order results so that they are good and differ: maximal marginal relevance.

Carbonell and Goldstein 1998: the next result is the one with the largest ``(1 - d) * relevance - d
* similarity to the results before it``.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray


def diversified(
    relevance: NDArray[np.float32],
    vectors: NDArray[np.float32],
    k: int,
    *,
    diversity: float,
    may_follow: Callable[[int, list[int]], bool] = lambda _, __: True,
) -> list[int]:
    """Pick up to ``k`` rows.

    Args:
        relevance: (N,) float32 cosines.
        vectors: (N, D) float32 unit rows.
        k: how many.
        diversity: 0 for the order of relevance, up to 1 for the greatest differences.
        may_follow: whether a row may be picked after these rows; asked about every row that is
            about to be picked.

    Returns:
        Rows in the order in which they were picked.
    """
    picked: list[int] = []
    open_rows = np.ones(len(relevance), np.bool_)
    likeness = np.zeros(len(relevance), np.float32)
    while len(picked) < k and open_rows.any():
        worth = (1 - diversity) * relevance - diversity * likeness
        row = int(np.where(open_rows, worth, -np.inf).argmax())
        open_rows[row] = False
        if not may_follow(row, picked):
            continue
        picked.append(row)
        likeness = np.maximum(likeness, vectors @ vectors[row])
    return picked
