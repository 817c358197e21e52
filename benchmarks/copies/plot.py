"""A chart of each system's recall for each single edit.

draw(systems, Path("copies.png"))
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from benchmarks.copies.edits import ALL_EDITS
from benchmarks.copies.measured import Measured
from benchmarks.copies.report import Gate, edited_by

COLOURS = ("#1b6ca8", "#d1495b", "#b0b0b0")


def draw(systems: Sequence[Measured], path: Path) -> None:
    """Draw a bar per edit and system, with its interval; vidseek's best edits first.

    Args:
        systems: each at its threshold for 1 % false positives.
        path: of the PNG.
    """
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot

    gates = [
        Gate(system.name, system.test, system.thresholds["normal"].score) for system in systems
    ]
    caught = {name: [gate.caught(edited_by(name)) for gate in gates] for name in ALL_EDITS}
    names = [name for name in ALL_EDITS if caught[name][0].trials]
    names.sort(key=lambda name: -caught[name][0].value)
    figure, axes = pyplot.subplots(figsize=(8, 0.6 + 0.3 * len(names)), layout="constrained")
    height = 0.8 / len(gates)
    for number, (gate, colour) in enumerate(zip(gates, COLOURS, strict=False)):
        shares = [caught[name][number] for name in names]
        values = [100 * share.value for share in shares]
        ends = np.array([share.interval() for share in shares]).T * 100
        reach = np.maximum(np.abs(ends - values), 0)
        places = [place - 0.4 + height * (number + 0.5) for place in range(len(names))]
        # From the top, ours first in each group.
        places = [len(names) - 1 - place for place in places]
        axes.barh(places, values, height, color=colour, label=gate.title)
        axes.errorbar(values, places, xerr=reach, fmt="none", ecolor="#444444", elinewidth=0.6)
    axes.set_yticks(range(len(names)), names[::-1], fontsize=8)
    axes.set_ylim(-0.6, len(names) - 0.4)
    axes.set_xlim(0, 100)
    axes.set_xlabel("copies caught, %, at 1 % false positives")
    figure.legend(loc="outside upper center", ncols=len(gates), fontsize=8)
    figure.savefig(path, dpi=120)
    pyplot.close(figure)
