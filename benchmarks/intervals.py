"""Means and ratios in per cent with bootstrap intervals (95 %), as cells of a table.

For queries about the same picture, whole pictures are resampled.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

SAMPLES = 1000


def interval(values: NDArray[np.float64], groups: NDArray[np.intp] | None = None) -> str:
    """Mean of per-query values in per cent, with its bootstrap interval (95 %).

    Args:
        values: (Q,) a value per query; for a paired interval the difference of two systems.
        groups: (Q,) queries of one group are resampled together; None to resample each by itself.
            The five captions of a picture are not five independent observations.
    """
    return ratio_interval(values, np.ones(len(values)), groups)


def ratio_interval(
    above: NDArray[np.float64],
    below: NDArray[np.float64],
    groups: NDArray[np.intp] | None = None,
) -> str:
    """Ratio of the sums of paired values in per cent, with its bootstrap interval.

    Args:
        above: (Q,).
        below: (Q,).
        groups: (Q,) or None; see ``interval``.
    """
    _, places = np.unique(np.arange(len(above)) if groups is None else groups, return_inverse=True)
    tops, bottoms = np.bincount(places, above), np.bincount(places, below)
    drawn = np.random.default_rng(0).integers(0, len(tops), (SAMPLES, len(tops)))
    ratios = tops[drawn].sum(1) / np.maximum(bottoms[drawn].sum(1), 1e-9) * 100
    low, high = np.percentile(ratios, [2.5, 97.5])
    return f"{above.sum() / max(below.sum(), 1e-9) * 100:.1f} ({low:.1f} to {high:.1f})"
