"""Choose evenly spaced rows."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray


def evenly_spaced(count: int, limit: int) -> NDArray[np.intp]:
    """Choose at most ``limit`` of the positions 0 to ``count - 1``, evenly spaced, ascending."""
    if count <= limit:
        return np.arange(count)
    return np.linspace(0, count - 1, limit).round().astype(np.intp)
