"""Markdown tables of shares with their intervals.

print(table(["edit", "caught"], [["crop", share(Proportion(3, 4))]]))
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from benchmarks.copies.metrics import Proportion


def table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """A table; the first column is text, the other columns are numbers."""
    lines = [list(head), ["---"] + ["---:"] * (len(head) - 1), *map(list, rows)]
    return "".join(f"| {' | '.join(line)} |\n" for line in lines)


def percent(value: float) -> str:
    """A share as percent, three digits; a dash if it is not a number."""
    if value != value:
        return "–"
    return f"{100 * value:.1f}" if value < 0.9995 else "100"


def share(proportion: Proportion) -> str:
    """A share with Wilson's interval, in percent."""
    return "–" if proportion.trials == 0 else spread(proportion.value, proportion.interval())


def spread(value: float, interval: tuple[float, float]) -> str:
    """A figure with its interval, in percent."""
    return f"{percent(value)} ({percent(interval[0])} to {percent(interval[1])})"
