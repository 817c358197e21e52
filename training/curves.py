"""Plot the curves of a training run."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from vidseek.training.drawing import load_pyplot


def draw_curves(
    losses: Sequence[dict[str, float]], history: Sequence[dict[str, float]], path: Path
) -> None:
    """Plot every loss (running mean) and every dev figure against the step, as a PNG."""
    pyplot = load_pyplot()
    figure, (left, right) = pyplot.subplots(1, 2, figsize=(11, 4))
    for name in sorted({key for row in losses for key in row} - {"step"}):
        points = [(row["step"], row[name]) for row in losses if name in row]
        window = min(20, len(points))
        smooth = np.convolve([value for _, value in points], np.ones(window) / window, "valid")
        left.plot([step for step, _ in points][window - 1 :], smooth, label=name)
    left.set(xlabel="step", title="losses", yscale="log")
    for name in sorted({key for row in history for key in row} - {"step"}):
        points = [(row["step"], row[name]) for row in history if name in row]
        right.plot([step for step, _ in points], [value for _, value in points], "o-", label=name)
    right.set(xlabel="step", title="dev and valid rows, per cent")
    for axis in (left, right):
        if axis.lines:
            axis.legend(fontsize="small")
    figure.tight_layout()
    figure.savefig(path, dpi=100)
    pyplot.close(figure)
