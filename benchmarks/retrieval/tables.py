"""Tables of recall with bootstrap intervals."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from benchmarks.intervals import interval


def recall_row(title: str, rank: NDArray[np.intp], groups: NDArray[np.intp] | None = None) -> None:
    """Print one row of a table of recall at 1, 5 and 10; ``groups`` as in ``interval``."""
    cells = " | ".join(interval((rank < k).astype(np.float64), groups) for k in (1, 5, 10))
    print(f"| {title} | {cells} |", flush=True)


def recall_head(what: str = "recall, per cent (95 % interval)") -> None:
    """Print the head of a table of recall."""
    print(f"\n| {what} | R@1 | R@5 | R@10 |\n| --- | --- | --- | --- |", flush=True)
